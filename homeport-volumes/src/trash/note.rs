//! Owns the note beside a tree in the trash, as a value and as bytes: what the tree is, where it was and since when it
//! is there. Never touches the tree.

use std::os::fd::AsFd;

use homeport_core::digest::Digest;
use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::{Bytes, Format};
use serde::{Deserialize, Serialize};

use crate::file::{self, Small};
use crate::identity::{Generation, RootId, TxId, UnixSeconds, VolumeUuid};
use crate::layout::{NOTE, NOTE_NEW};
use crate::path::VolumePath;
use crate::sealed::{UNSEALED, digest_of};

/// The most bytes that are read; the longest note that can be written is much shorter.
const MAX_BYTES: usize = 32 * 1024;

/// The version of a note's form. [spec: VOL-41]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoteVersion(u32);

impl NoteVersion {
    /// The version that this build writes, and the newest that it reads.
    pub const CURRENT: Self = Self(1);
}

impl std::fmt::Display for NoteVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Why a tree is in the trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrashKind {
    /// The whole volume was purged.
    Purged,
    /// A restore put another tree in its place.
    Replaced,
    /// A restore had put it in the place of another tree, and was taken back.
    TakenBack,
}

/// What is said about a tree in the trash. [spec: VOL-41]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrashNote {
    /// The transaction that put it there, and the name of its directory.
    pub tx: TxId,
    /// Why it is there.
    pub kind: TrashKind,
    /// The HomePort whose volume it was.
    pub root: RootId,
    /// The volume.
    pub uuid: VolumeUuid,
    /// The port whose data it is.
    pub port: PortId,
    /// The instance whose data it is.
    pub instance: InstanceName,
    /// The volume's name in the port's manifest.
    pub volume: VolumeName,
    /// How the data is laid out.
    pub format: Format,
    /// The volume's generation when the tree was taken out.
    pub generation: Generation,
    /// How many entries it has, where they were counted.
    pub entries: Option<u64>,
    /// How many bytes its files have, where they were counted.
    pub bytes: Option<Bytes>,
    /// When it was taken out.
    pub since: UnixSeconds,
    /// When it may go without another approval; `None` for never.
    pub until: Option<UnixSeconds>,
    /// Where the volume was.
    pub path: VolumePath,
}

/// What is wrong with a note. What stands beside a bad one is kept. [spec: VOL-42]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteFault {
    /// There is none.
    #[error("there is no `note.json`")]
    Absent,
    /// It is a directory, a link, a pipe or something else.
    #[error("`note.json` is not a regular file")]
    NotAFile,
    /// There are more bytes than any note has.
    #[error("the note is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// The bytes are not the document.
    #[error("the note cannot be read (line {line}, column {column}): {reason}")]
    NotANote {
        /// Where reading stopped, from 1.
        line: usize,
        /// Where reading stopped, from 1.
        column: usize,
        /// What was wrong there.
        reason: String,
    },
    /// A newer HomePort wrote it.
    #[error("the note has version {found}, this HomePort reads up to {}", NoteVersion::CURRENT)]
    Newer {
        /// Its version.
        found: NoteVersion,
    },
    /// It says its own checksum, and the bytes have another one.
    #[error("the note's checksum is wrong: it says `{found}`, its bytes have `{wanted}`")]
    Checksum {
        /// What it says.
        found: Digest,
        /// What its bytes have.
        wanted: Digest,
    },
    /// Everything can be read, but the bytes are not those that HomePort writes for it.
    #[error("the note is not in the form that HomePort writes")]
    Form,
}

/// The fields in their order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: NoteVersion,
    tx: TxId,
    kind: TrashKind,
    root: RootId,
    uuid: VolumeUuid,
    port: PortId,
    instance: InstanceName,
    volume: VolumeName,
    format: Format,
    generation: Generation,
    entries: Option<u64>,
    bytes: Option<Bytes>,
    since: UnixSeconds,
    until: Option<UnixSeconds>,
    path: VolumePath,
    sha256: Digest,
}

/// Only what has to be read before anything else.
#[derive(Deserialize)]
struct Versioned {
    version: NoteVersion,
}

impl TrashNote {
    /// The note's bytes: an indented JSON object with the fields in a fixed order and a line end behind it, sealed like
    /// a marker. [spec: VOL-9, VOL-41]
    pub fn render(&self) -> Vec<u8> {
        let unsealed = self.render_with(UNSEALED);
        self.render_with(digest_of(&unsealed, &UNSEALED))
    }

    fn render_with(&self, sha256: Digest) -> Vec<u8> {
        let note = self.clone();
        let wire = Wire {
            version: NoteVersion::CURRENT,
            tx: note.tx,
            kind: note.kind,
            root: note.root,
            uuid: note.uuid,
            port: note.port,
            instance: note.instance,
            volume: note.volume,
            format: note.format,
            generation: note.generation,
            entries: note.entries,
            bytes: note.bytes,
            since: note.since,
            until: note.until,
            path: note.path,
            sha256,
        };
        let mut bytes = Vec::with_capacity(1024);
        // Writing plain values into memory cannot fail; if it ever did, what is left does not parse.
        if serde_json::to_writer_pretty(&mut bytes, &wire).is_err() {
            bytes.clear();
        }
        bytes.push(b'\n');
        bytes
    }

    /// Reads a note strictly: the version known, every field known, present and valid, the checksum right, and the
    /// bytes exactly those that [`TrashNote::render`] gives. [spec: VOL-42]
    ///
    /// # Errors
    /// The first fault; a newer version before anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteFault> {
        if bytes.len() > MAX_BYTES {
            return Err(NoteFault::TooLong);
        }
        let unread = |error: serde_json::Error| NoteFault::NotANote {
            line: error.line(),
            column: error.column(),
            reason: error.to_string(),
        };
        let Versioned { version } = serde_json::from_slice(bytes).map_err(unread)?;
        if version > NoteVersion::CURRENT {
            return Err(NoteFault::Newer { found: version });
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(unread)?;
        let wanted = digest_of(bytes, &wire.sha256);
        if wanted != wire.sha256 {
            return Err(NoteFault::Checksum { found: wire.sha256, wanted });
        }
        let note = Self {
            tx: wire.tx,
            kind: wire.kind,
            root: wire.root,
            uuid: wire.uuid,
            port: wire.port,
            instance: wire.instance,
            volume: wire.volume,
            format: wire.format,
            generation: wire.generation,
            entries: wire.entries,
            bytes: wire.bytes,
            since: wire.since,
            until: wire.until,
            path: wire.path,
        };
        if note.render() == bytes { Ok(note) } else { Err(NoteFault::Form) }
    }
}

/// Reads the note in `directory`, the one named by its transaction.
pub(crate) fn read(directory: impl AsFd) -> Result<Result<TrashNote, NoteFault>, std::io::Error> {
    Ok(match file::read_small(directory.as_fd(), NOTE, MAX_BYTES)? {
        Small::Absent => Err(NoteFault::Absent),
        Small::NotAFile => Err(NoteFault::NotAFile),
        Small::Bytes(bytes) => TrashNote::parse(&bytes),
    })
}

/// Writes the note into `directory`: when this returns it is on the disk, the name of `directory` itself is not
/// necessarily.
pub(crate) fn write(directory: impl AsFd, note: &TrashNote) -> Result<(), std::io::Error> {
    file::replace(directory, NOTE_NEW, NOTE, &note.render())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn note() -> TrashNote {
        TrashNote {
            tx: TxId::from_bytes([1; 16]),
            kind: TrashKind::Purged,
            root: "0a1b2c3d".parse().unwrap(),
            uuid: VolumeUuid::from_bytes([2; 16]),
            port: "shell".parse().unwrap(),
            instance: "alice".parse().unwrap(),
            volume: "home".parse().unwrap(),
            format: Format::new(1),
            generation: Generation::new(7),
            entries: Some(3),
            bytes: Some(Bytes::new(4096)),
            since: UnixSeconds::new(1_800_000_000),
            until: None,
            path: "/srv/my home".parse().unwrap(),
        }
    }

    #[test]
    fn a_note_is_read_back_and_every_changed_byte_is_noticed() {
        let note = note();
        let bytes = note.render();
        assert_eq!(TrashNote::parse(&bytes), Ok(note));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(TrashNote::parse(&changed).is_err(), "byte {at}");
            assert!(TrashNote::parse(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_newer_note_and_one_of_another_form_are_told_from_a_damaged_one() {
        let text = String::from_utf8(note().render()).unwrap();
        let newer = text.replace("\"version\": 1", "\"version\": 2");
        assert_eq!(TrashNote::parse(newer.as_bytes()), Err(NoteFault::Newer { found: NoteVersion(2) }));
        let edited = text.replace("alice", "bob");
        assert!(matches!(TrashNote::parse(edited.as_bytes()), Err(NoteFault::Checksum { .. })));
        let more = text.replace("\"kind\"", "\"colour\": 1, \"kind\"");
        assert!(matches!(TrashNote::parse(more.as_bytes()), Err(NoteFault::NotANote { .. })));
        assert!(matches!(TrashNote::parse(b""), Err(NoteFault::NotANote { .. })));
        assert_eq!(TrashNote::parse(&vec![b' '; MAX_BYTES + 1]), Err(NoteFault::TooLong));
    }

    #[test]
    fn a_note_on_the_disk_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let fd = std::fs::File::open(directory.path()).unwrap();
        assert_eq!(read(&fd).unwrap(), Err(NoteFault::Absent));
        write(&fd, &note()).unwrap();
        assert_eq!(read(&fd).unwrap(), Ok(note()));
        std::fs::remove_file(directory.path().join("note.json")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("note.json")).unwrap();
        assert_eq!(read(&fd).unwrap(), Err(NoteFault::NotAFile));
    }

    proptest! {
        #[test]
        fn any_note_is_read_back(
            entries in any::<Option<u64>>(), until in any::<Option<u64>>(), path in "(/[ a-z\\\\\"\t\n#é]{1,9}){1,4}",
            kind in 0_usize..3, generation in any::<u64>(),
        ) {
            let Ok(path) = path.parse() else { return Ok(()) };
            let kind = [TrashKind::Purged, TrashKind::Replaced, TrashKind::TakenBack][kind];
            let until = until.map(UnixSeconds::new);
            let note = TrashNote { kind, entries, until, path, generation: Generation::new(generation), ..note() };
            prop_assert_eq!(TrashNote::parse(&note.render()), Ok(note));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _verdict = TrashNote::parse(&bytes);
        }
    }
}
