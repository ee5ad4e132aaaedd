//! A tree, a store beside it, and everything that a test does with both. All of it goes with the house.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use homeport_core::name::VolumeName;
use homeport_core::unit::{Format, Gid, Mode as Permissions, Uid};
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{Devices, Stored, Top, compare, take_out};
use homeport_volumes::snapshot::{About, Base, Ingested, Mode, SnapshotError, Subject, Taken, Taking};
use homeport_volumes::store::{
    Compression, Consistency, EntriesId, Reason, SnapshotHead, Store, StoreError, StoreWriter,
};
use homeport_volumes::tree::{Line, TreePath};
use homeport_volumes::{Generation, Owner, RootId, UnixSeconds, VolumeUuid};

use crate::odd_tree::Scratch;

/// A tree at `tree`, a store at `store`.
pub(crate) struct House {
    pub(crate) scratch: Scratch,
    pub(crate) tree: PathBuf,
    pub(crate) store: Store,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Compression::None)
    }

    pub(crate) fn with(compression: Compression) -> Self {
        let scratch = Scratch::new(&std::env::temp_dir());
        let tree = scratch.0.join("tree");
        fs::create_dir(&tree).unwrap();
        let store = Store::create(&scratch.0.join("store"), compression, UnixSeconds::new(1_800_000_000)).unwrap();
        Self { scratch, tree, store }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.tree.join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), bytes).unwrap();
    }

    pub(crate) fn writer(&self) -> StoreWriter {
        self.store.writer(Duration::ZERO, &mut |_| {}).unwrap()
    }

    /// The newest snapshot as what the next one builds on.
    pub(crate) fn base(&self) -> Base {
        self.store.catalog().unwrap().snapshots.pop().map_or(Base::None, |head| Base::Parent(Box::new(head)))
    }

    /// A snapshot of the tree, which nothing writes to, on top of the one before.
    #[track_caller]
    pub(crate) fn take(&self) -> Taken {
        self.try_take(Mode::Still, self.base()).unwrap()
    }

    pub(crate) fn try_take(&self, mode: Mode, base: Base) -> Result<Taken, SnapshotError> {
        let mut taking = Taking::begin(&self.store, self.writer(), base);
        self.read(&mut taking, mode)?;
        taking.commit(about(if mode == Mode::Still { Consistency::Stopped } else { Consistency::Running }))
    }

    /// Reads the tree as the volume `home`.
    pub(crate) fn read(&self, taking: &mut Taking<'_>, mode: Mode) -> Result<Ingested, SnapshotError> {
        with_subject("home", &self.tree, |subject| taking.read(subject, mode, &Silent).cloned())
    }

    pub(crate) fn warm(&self, taking: &mut Taking<'_>) -> Ingested {
        with_subject("home", &self.tree, |subject| taking.warm(subject, &Silent)).unwrap()
    }

    /// All lines of a snapshot's first volume.
    pub(crate) fn lines(&self, head: &SnapshotHead) -> Vec<Line> {
        let lines: Result<Vec<_>, StoreError> = self.store.entries(&entries(head)).unwrap().collect();
        lines.unwrap()
    }

    /// The line of one path.
    #[track_caller]
    pub(crate) fn line(&self, head: &SnapshotHead, at: &str) -> Line {
        let wanted = TreePath::from_bytes(at.as_bytes()).unwrap();
        let found = self.lines(head).into_iter().find(|line| line.path() == Some(&wanted));
        found.unwrap_or_else(|| panic!("`{at}` is not in the snapshot"))
    }

    /// Compares the snapshot with the tree as it is now, by other code than that which took it.
    #[track_caller]
    pub(crate) fn assert_is_tree(&self, head: &SnapshotHead) {
        let objects = self.store.objects().unwrap();
        let source = Stored::new(&self.store, &objects, entries(head));
        let tree = File::open(&self.tree).unwrap();
        let compared = compare(tree.as_fd(), &source, Top::AsSaid, &Silent).unwrap();
        assert_eq!(compared.entries, head.body.volumes[0].count);
    }

    /// Restores the snapshot beside the tree.
    #[track_caller]
    pub(crate) fn restore(&self, head: &SnapshotHead, name: &str) -> PathBuf {
        let objects = self.store.objects().unwrap();
        let source = Stored::new(&self.store, &objects, entries(head));
        let to = self.scratch.0.join(name);
        take_out(&source, &TreePath::root(), &to, Devices::Make, &Silent).unwrap();
        to
    }

    /// What a file was in the snapshot.
    #[track_caller]
    pub(crate) fn content(&self, head: &SnapshotHead, at: &str) -> Vec<u8> {
        let objects = self.store.objects().unwrap();
        let source = Stored::new(&self.store, &objects, entries(head));
        let to = self.scratch.0.join("content");
        let chosen = TreePath::from_bytes(at.as_bytes()).unwrap();
        take_out(&source, &chosen, &to, Devices::Make, &Silent).unwrap();
        let content = fs::read(&to).unwrap();
        fs::remove_file(&to).unwrap();
        content
    }

    /// The files of the store's packs.
    pub(crate) fn packs(&self) -> Vec<PathBuf> {
        let packs = fs::read_dir(self.store.path().as_path().join("packs")).unwrap();
        let paths = packs.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|end| end == "tar")).collect()
    }
}

/// Waits until what was changed so far is so old that its times are believed. [spec: STO-25]
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_millis(3010));
}

pub(crate) fn entries(head: &SnapshotHead) -> EntriesId {
    head.body.volumes[0].entries
}

/// The directory as a volume that was checked.
pub(crate) fn with_subject<T>(name: &str, directory: &Path, read: impl FnOnce(&Subject<'_>) -> T) -> T {
    let name: VolumeName = name.parse().unwrap();
    let data = File::open(directory).unwrap();
    read(&Subject {
        name: &name,
        uuid: VolumeUuid::from_bytes([7; 16]),
        format: Format::new(1),
        generation: Generation::new(3),
        owner: Owner { uid: Uid::new(1000), gid: Gid::new(1000), mode: Permissions::new(0o750) },
        data: data.as_fd(),
    })
}

pub(crate) fn about(consistency: Consistency) -> About {
    About {
        root: RootId::from_bytes([1, 2, 3, 4]),
        instance: "alice-shell".parse().unwrap(),
        port: "shell".parse().unwrap(),
        version: "1.0.0".to_owned(),
        image: None,
        manifest: Some(b"{\"port\":\"shell\"}".to_vec()),
        configuration: Some(b"{}".to_vec()),
        reason: Reason::Manual,
        consistency,
        note: None,
    }
}

/// Changes bytes in place, without truncating or replacing the file.
pub(crate) fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    File::options().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

/// Gives a file its modification time back, as a program does that wants a change not to be seen.
pub(crate) fn with_old_time(path: &Path, change: impl FnOnce()) {
    let before = fs::metadata(path).unwrap().modified().unwrap();
    change();
    File::options().write(true).open(path).unwrap().set_modified(before).unwrap();
    assert_eq!(fs::metadata(path).unwrap().modified().unwrap(), before);
}

/// A file mapped into the memory of another process, which writes into it without a system call: `xfs_io`, on any file
/// system.
pub(crate) struct Mapped {
    child: Child,
    input: ChildStdin,
    path: PathBuf,
}

impl Mapped {
    pub(crate) fn new(path: &Path) -> Self {
        let mut command = Command::new("xfs_io");
        command.arg(path).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("`xfs_io` of xfsprogs is needed");
        let input = child.stdin.take().unwrap();
        let mut mapped = Self { child, input, path: path.to_owned() };
        mapped.say("mmap -rw 0 4096");
        mapped
    }

    /// Fills the mapping's first 16 bytes with a letter. When this returns, the store has happened.
    pub(crate) fn fill(&mut self, letter: u8) {
        self.say(&format!("mwrite -S {letter} 0 16"));
        let happened = std::iter::repeat_with(|| {
            std::thread::sleep(Duration::from_millis(2));
            fs::read(&self.path).unwrap()[..16] == [letter; 16]
        });
        assert!(happened.take(5000).any(|yes| yes), "`xfs_io` does not write");
    }

    fn say(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
        self.input.flush().unwrap();
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
