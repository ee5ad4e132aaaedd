//! Owns deleting a tree: the only code of HomePort's that deletes what a port wrote. Never follows a link, never crosses
//! into another mount, and never goes by a path: each name is removed in an open directory, bottom up.
//!
//! At most [`OPEN`] directories are open at once however deep the tree is; a directory above these is found again by
//! `..`, and only taken if it is the one that was left. Memory grows with the depth and the number of failures only.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;

use homeport_core::fault::Fault;
use homeport_core::unit::Bytes;

/// How many directories are open at once.
const OPEN: usize = 32;
/// How many names of a directory are read at once.
const BATCH: usize = 1024;
/// How many failures are told.
const TOLD: usize = 100;
/// How many failures end the deletion.
const MOST_FAILURES: usize = 10_000;
/// How much of a path is shown.
const SHOWN: usize = 512;

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deleted {
    /// How many entries, the topmost directory among them.
    pub entries: u64,
    /// How many bytes the files had whose last name this was.
    pub bytes: u64,
}

/// What could not be deleted, and what was all the same.
#[derive(Debug)]
pub(crate) struct Kept {
    /// What is gone.
    pub(crate) deleted: Deleted,
    /// What is not, at most [`TOLD`].
    pub(crate) faults: Vec<Fault>,
}

impl Deleted {
    /// The bytes as a quantity.
    pub fn size(&self) -> Bytes {
        Bytes::new(self.bytes)
    }
}

/// Deletes the directory `name` in `parent` with everything in it, and tells `progress` from time to time.
///
/// One that is gone already counts as nothing. Nothing is synced: the caller syncs `parent`.
///
/// # Errors
/// What is left, with the reason for each entry; everything that could be deleted is.
pub(crate) fn delete_tree(parent: impl AsFd, name: &str, progress: &mut dyn FnMut(&Deleted)) -> Result<Deleted, Kept> {
    let mut deletion = Deletion { deleted: Deleted::default(), faults: Vec::new(), failures: 0, stack: Vec::new() };
    let Ok(name) = CString::new(name) else { return Ok(Deleted::default()) };
    match open(parent.as_fd(), &name) {
        Ok(fd) => match identity(&fd) {
            Ok(id) => deletion.stack.push(Level::new(name, fd, id)),
            Err(error) => deletion.fail(&name, error),
        },
        Err(Errno::NOENT) => return Ok(Deleted::default()),
        Err(error) => deletion.fail(&name, error),
    }
    while !deletion.stack.is_empty() && deletion.failures < MOST_FAILURES {
        deletion.step(parent.as_fd(), progress);
    }
    let Deletion { deleted, faults, .. } = deletion;
    if faults.is_empty() { Ok(deleted) } else { Err(Kept { deleted, faults }) }
}

/// One directory on the way down.
struct Level {
    name: CString,
    /// Device, inode and mount: by these it is known again.
    id: (u64, u64, u64),
    /// `None` while it is too far above.
    fd: Option<OwnedFd>,
    /// Directories in it that were seen and not entered yet.
    below: Vec<CString>,
    /// Names in it that cannot be removed.
    stuck: BTreeSet<CString>,
}

impl Level {
    fn new(name: CString, fd: OwnedFd, id: (u64, u64, u64)) -> Self {
        Self { name, id, fd: Some(fd), below: Vec::new(), stuck: BTreeSet::new() }
    }
}

struct Deletion {
    deleted: Deleted,
    faults: Vec<Fault>,
    failures: usize,
    stack: Vec<Level>,
}

impl Deletion {
    /// Enters a directory, or removes what is in the present one, or leaves it.
    fn step(&mut self, parent: BorrowedFd<'_>, progress: &mut dyn FnMut(&Deleted)) {
        let Some(level) = self.stack.last_mut() else { return };
        // The topmost level is open: it was just entered, or opened again when the one below it was left.
        let Some(fd) = level.fd.as_ref() else { return self.give_up(Errno::BADF) };
        if let Some(name) = level.below.pop() {
            match open(fd.as_fd(), &name).and_then(|child| identity(&child).map(|id| (child, id))) {
                Ok((child, id)) => self.enter(name, child, id),
                Err(Errno::NOENT) => {}
                Err(error) => self.fail(&name, error),
            }
            return;
        }
        let names = match batch(fd.as_fd(), &level.stuck) {
            Ok(names) => names,
            Err(error) => return self.leave(parent, Some(error)),
        };
        if names.is_empty() {
            self.leave(parent, None);
        }
        for (name, directory) in names {
            if directory {
                if let Some(level) = self.stack.last_mut() {
                    level.below.push(name);
                }
            } else {
                self.remove(&name);
            }
        }
        progress(&self.deleted);
    }

    fn enter(&mut self, name: CString, fd: OwnedFd, id: (u64, u64, u64)) {
        self.stack.push(Level::new(name, fd, id));
        if let Some(far) = self.stack.len().checked_sub(OPEN + 1) {
            self.stack[far].fd = None;
        }
    }

    /// Removes a name that is no directory.
    fn remove(&mut self, name: &CStr) {
        let Some(fd) = self.stack.last().and_then(|level| level.fd.as_ref()) else { return };
        let mask = StatxFlags::TYPE | StatxFlags::SIZE | StatxFlags::NLINK;
        let size = match rustix::fs::statx(fd, name, AtFlags::SYMLINK_NOFOLLOW, mask) {
            Ok(stat) if is(&stat, FileType::RegularFile) && stat.stx_nlink == 1 => stat.stx_size,
            Ok(_) => 0,
            Err(Errno::NOENT) => return,
            Err(error) => return self.fail(name, error),
        };
        match rustix::fs::unlinkat(fd, name, AtFlags::empty()) {
            Ok(()) => {
                self.deleted.entries += 1;
                self.deleted.bytes = self.deleted.bytes.saturating_add(size);
            }
            Err(Errno::NOENT) => {}
            Err(error) => self.fail(name, error),
        }
    }

    /// Goes back up, and removes the directory that was left if nothing is in it any more.
    fn leave(&mut self, parent: BorrowedFd<'_>, error: Option<Errno>) {
        let Some(left) = self.stack.pop() else { return };
        if let Some(above) = self.stack.last_mut()
            && above.fd.is_none()
        {
            match left.fd.as_ref().map_or(Err(Errno::BADF), |fd| up(fd.as_fd(), above.id)) {
                Ok(fd) => above.fd = Some(fd),
                Err(error) => return self.give_up(error),
            }
        }
        if let Some(error) = error {
            return self.fail(&left.name, error);
        }
        if !left.stuck.is_empty() {
            // Told already, entry by entry; only this level must not be tried for ever.
            if let Some(above) = self.stack.last_mut() {
                above.stuck.insert(left.name);
            }
            return;
        }
        let above = self.stack.last().and_then(|level| level.fd.as_ref()).map_or(parent, OwnedFd::as_fd);
        match rustix::fs::unlinkat(above, &left.name, AtFlags::REMOVEDIR) {
            Ok(()) => self.deleted.entries += 1,
            Err(Errno::NOENT) => {}
            Err(error) => self.fail(&left.name, error),
        }
    }

    /// What is left of the deletion when the way up is lost.
    fn give_up(&mut self, error: Errno) {
        if let Some(level) = self.stack.pop() {
            self.fail(&level.name, error);
        }
        self.stack.clear();
    }

    /// Writes down that `name` in the present directory stays.
    fn fail(&mut self, name: &CStr, error: Errno) {
        self.failures += 1;
        if self.faults.len() < TOLD {
            self.faults.push(self.fault(name, error));
        }
        if let Some(level) = self.stack.last_mut() {
            level.stuck.insert(name.to_owned());
        }
    }

    fn fault(&self, name: &CStr, error: Errno) -> Fault {
        let names = self.stack.iter().map(|level| level.name.to_bytes()).chain([name.to_bytes()]);
        let mut path = names.collect::<Vec<_>>().join(&b'/');
        path.truncate(SHOWN);
        fault(&path.escape_ascii().to_string(), error)
    }
}

/// Why the entry at `path` stays.
pub(super) fn fault(path: &str, error: Errno) -> Fault {
    let (actual, remedy) = match error {
        Errno::PERM => (
            "it, or the directory that it is in, can only grow or cannot be changed".to_owned(),
            "take the flags off with `chattr -i -a` (`lsattr` shows them), and repeat the command",
        ),
        Errno::XDEV | Errno::BUSY => ("something is mounted there".to_owned(), "unmount it, and repeat the command"),
        Errno::NOTEMPTY | Errno::EXIST => {
            ("somebody puts things into it".to_owned(), "stop what does that, and repeat the command")
        }
        error => (std::io::Error::from(error).to_string(), "see the kernel's log (`dmesg`) for a failing disk"),
    };
    Fault::new("HP-TRS-007", path.to_owned(), format!("`{path}` cannot be deleted")).actual(actual).remedy(remedy)
}

/// Opens the directory `name` for reading, if it is one on the same mount.
fn open(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOATIME;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve)
}

/// Opens the directory above `below`, if it is the one with this identity.
fn up(below: BorrowedFd<'_>, id: (u64, u64, u64)) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(below, "..", flags, Mode::empty())?;
    if identity(&fd)? == id { Ok(fd) } else { Err(Errno::STALE) }
}

fn identity(fd: &OwnedFd) -> Result<(u64, u64, u64), Errno> {
    let stat = rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::INO | StatxFlags::MNT_ID)?;
    Ok((rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino, stat.stx_mnt_id))
}

/// The next names in the directory that can still be removed, and whether each is a directory.
fn batch(fd: BorrowedFd<'_>, stuck: &BTreeSet<CString>) -> Result<Vec<(CString, bool)>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(fd)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") || stuck.contains(name) {
            continue;
        }
        let directory = match entry.file_type() {
            FileType::Directory => true,
            FileType::Unknown => {
                let stat = rustix::fs::statx(fd, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE)?;
                is(&stat, FileType::Directory)
            }
            _ => false,
        };
        names.push((name.to_owned(), directory));
        if names.len() == BATCH {
            break;
        }
    }
    Ok(names)
}

fn is(stat: &Statx, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.stx_mode.into()) == kind
}
