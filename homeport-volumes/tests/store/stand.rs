//! A store in a directory of its own, and small volumes to put into it. Gone when it is dropped, also when a test panics.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use homeport_core::unit::{Format, Gid, Mode, Uid};
use homeport_volumes::store::{
    Compression, Consistency, EntriesId, OBJECT_MAX, Reason, SnapshotBody, SnapshotHead, SnapshotUuid, Store,
    StoreError, StoreWriter, VolumePart,
};
use homeport_volumes::tree::{Attributes, Content, Entry, Kind, Line, Meta, Piece, Timestamp, TreePath};
use homeport_volumes::{Generation, Owner, RootId, UnixSeconds, VolumeUuid};

pub(crate) const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);

/// A directory with a store in it.
pub(crate) struct Stand {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
}

/// Names and contents: a volume as these tests know it.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

impl Stand {
    pub(crate) fn new(compression: Compression) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(&dir.path().join("store"), compression, NOW).unwrap();
        Self { dir, store }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    pub(crate) fn writer(&self) -> StoreWriter {
        writer(&self.store).unwrap()
    }

    /// A snapshot of these files, by a writer of its own.
    pub(crate) fn snapshot(&self, files: &Files) -> SnapshotHead {
        snapshot(&self.store, files).unwrap()
    }
}

/// Becomes the writer, without waiting.
pub(crate) fn writer(store: &Store) -> Result<StoreWriter, StoreError> {
    store.writer(Duration::ZERO, &mut |_| {})
}

pub(crate) fn snapshot(store: &Store, files: &Files) -> Result<SnapshotHead, StoreError> {
    let mut writer = writer(store)?;
    let written = put_files(&mut writer, files)?;
    let count = 1 + files.len() as u64;
    let bytes = files.values().map(|bytes| bytes.len() as u64).sum();
    writer.commit(body(&[("home", written, count, bytes)]))
}

/// Puts the files and their entries; longer ones in pieces.
pub(crate) fn put_files(writer: &mut StoreWriter, files: &Files) -> Result<EntriesId, StoreError> {
    let mut sink = writer.entries()?;
    writer.line(&mut sink, &entry(".", Kind::Directory))?;
    for (name, bytes) in files {
        let size = bytes.len() as u64;
        if bytes.is_empty() {
            writer.line(&mut sink, &entry(name, Kind::File { size, content: Content::Empty }))?;
        } else if bytes.len() <= OBJECT_MAX {
            let content = Content::Whole(writer.put(bytes)?);
            writer.line(&mut sink, &entry(name, Kind::File { size, content }))?;
        } else {
            writer.line(&mut sink, &entry(name, Kind::File { size, content: Content::Pieces }))?;
            let mut offset = 0;
            for piece in bytes.chunks(OBJECT_MAX) {
                let (object, length) = (writer.put(piece)?, u32::try_from(piece.len()).unwrap());
                writer.line(&mut sink, &Line::Piece(Piece { offset, length, object }))?;
                offset += piece.len() as u64;
            }
        }
    }
    Ok(writer.finish(sink)?.id)
}

pub(crate) fn entry(path: &str, kind: Kind) -> Line {
    let path = if path == "." { TreePath::root() } else { TreePath::from_bytes(path).unwrap() };
    let meta = Meta {
        mode: Mode::new(0o644),
        uid: Uid::new(1000),
        gid: Gid::new(1000),
        modified: Timestamp::new(1_790_000_000, 5).unwrap(),
        attributes: Attributes::default(),
        key: None,
    };
    Line::Entry(Entry { path, meta, kind })
}

/// A snapshot of volumes with these names, entries, counts and bytes.
pub(crate) fn body(volumes: &[(&str, EntriesId, u64, u64)]) -> SnapshotBody {
    let owner = Owner { uid: Uid::new(1000), gid: Gid::new(1000), mode: Mode::new(0o750) };
    let part = |(name, entries, count, bytes): &(&str, EntriesId, u64, u64)| VolumePart {
        name: name.parse().unwrap(),
        uuid: VolumeUuid::from_bytes([7; 16]),
        format: Format::new(1),
        generation: Generation::new(3),
        owner,
        entries: *entries,
        count: *count,
        bytes: *bytes,
    };
    SnapshotBody {
        uuid: SnapshotUuid::random(),
        taken: Timestamp::new(1_800_000_000, 0).unwrap(),
        root: RootId::from_bytes([1, 2, 3, 4]),
        instance: "alice-shell".parse().unwrap(),
        port: "shell".parse().unwrap(),
        version: "1.0.0".to_owned(),
        image: None,
        manifest: None,
        configuration: None,
        reason: Reason::Manual,
        consistency: Consistency::Stopped,
        note: None,
        volumes: volumes.iter().map(part).collect(),
        alarms: vec![],
        parent: None,
    }
}

/// Reads a snapshot back as it would be restored; every byte through the store's own checks.
pub(crate) fn read(store: &Store, head: &SnapshotHead) -> Result<Files, StoreError> {
    let objects = store.objects()?;
    let mut files = Files::new();
    let mut bytes = Vec::new();
    for part in &head.body.volumes {
        let mut last = String::new();
        let mut lines = store.entries(&part.entries)?;
        for line in lines.by_ref() {
            match line? {
                Line::Entry(Entry { path, kind: Kind::File { content, .. }, .. }) => {
                    last = String::from_utf8(path.as_bytes().to_vec()).unwrap();
                    bytes.clear();
                    if let Content::Whole(object) = content {
                        objects.read(&object, &mut bytes)?;
                    }
                    files.insert(last.clone(), bytes.clone());
                }
                Line::Piece(piece) => {
                    objects.read(&piece.object, &mut bytes)?;
                    files.get_mut(&last).unwrap().extend_from_slice(&bytes);
                }
                _ => {}
            }
        }
        let totals = lines.totals().unwrap();
        assert_eq!((totals.count, totals.bytes), (part.count, part.bytes));
    }
    Ok(files)
}

/// Bytes that no compression makes smaller, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Text that compresses well, the same for the same seed.
pub(crate) fn prose(seed: u64, length: usize) -> Vec<u8> {
    format!("letter {seed}: ").bytes().chain(b"so it goes, ".iter().copied().cycle()).take(length).collect()
}

/// All regular files below the store, relative, with their bytes.
pub(crate) fn all_files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}
