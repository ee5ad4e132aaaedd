//! Owns the chain of open directories from the top of a tree to where work goes on: as many are open as a constant
//! allows, the others are found again by `..` and compared. Never goes by a path of more than one name.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::tree::TreePath;

/// How many directories of the chain are open at most, beside the top.
const MOST_OPEN: usize = 64;

pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV)
    .union(ResolveFlags::NO_MAGICLINKS);

/// One directory of the chain, with what its owner wants to remember of it.
#[derive(Debug)]
struct Level<T> {
    fd: Option<OwnedFd>,
    id: (u64, u64),
    /// Where the path of the directory above ends.
    above: usize,
    note: T,
}

/// The chain. The top is always open and is never left.
#[derive(Debug)]
pub(super) struct Way<T> {
    top: OwnedFd,
    levels: Vec<Level<T>>,
    /// The path of the last directory; empty for the top.
    path: Vec<u8>,
}

impl<T> Way<T> {
    pub(super) fn new(top: OwnedFd) -> Self {
        Self { top, levels: Vec::new(), path: Vec::new() }
    }

    /// The directory where work goes on.
    pub(super) fn here(&self) -> Result<BorrowedFd<'_>, Errno> {
        match self.levels.last() {
            None => Ok(self.top.as_fd()),
            Some(level) => level.fd.as_ref().map(OwnedFd::as_fd).ok_or(Errno::BADF),
        }
    }

    /// The top of the tree.
    pub(super) fn top(&self) -> BorrowedFd<'_> {
        self.top.as_fd()
    }

    /// How many directories there are below the top.
    pub(super) fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Whether the directory where work goes on is the one that holds `path`.
    pub(super) fn holds(&self, path: &TreePath) -> bool {
        let parent =
            path.as_bytes().iter().rposition(|byte| *byte == b'/').map_or(&[][..], |at| &path.as_bytes()[..at]);
        parent == self.path
    }

    /// The path of the directory where work goes on.
    pub(super) fn path(&self) -> TreePath {
        if self.path.is_empty() { TreePath::root() } else { TreePath::from_checked(self.path.clone()) }
    }

    /// What is remembered of the directory where work goes on; `None` at the top.
    pub(super) fn note(&mut self) -> Option<&mut T> {
        self.levels.last_mut().map(|level| &mut level.note)
    }

    /// Goes into the directory `name`, which is open as `fd`.
    pub(super) fn enter(&mut self, name: &[u8], fd: OwnedFd, note: T) -> Result<(), Errno> {
        let stat = rustix::fs::fstat(&fd)?;
        let above = self.path.len();
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name);
        self.levels.push(Level { fd: Some(fd), id: (stat.st_dev, stat.st_ino), above, note });
        if let Some(far) = self.levels.len().checked_sub(MOST_OPEN + 1) {
            self.levels[far].fd = None;
        }
        Ok(())
    }

    /// Goes up by one directory; what is returned is the one that was left, and `None` at the top.
    pub(super) fn leave(&mut self) -> Result<Option<(OwnedFd, T)>, Errno> {
        let Some(left) = self.levels.pop() else { return Ok(None) };
        self.path.truncate(left.above);
        let fd = left.fd.ok_or(Errno::BADF)?;
        if let Some(level) = self.levels.last_mut().filter(|level| level.fd.is_none()) {
            let above = rustix::fs::openat(&fd, "..", DIRECTORY, Mode::empty())?;
            let stat = rustix::fs::fstat(&above)?;
            if (stat.st_dev, stat.st_ino) != level.id {
                return Err(Errno::XDEV);
            }
            level.fd = Some(above);
        }
        Ok(Some((fd, left.note)))
    }
}

/// Opens the directory that holds `path`, below `top`, name by name.
pub(super) fn open_parent(top: BorrowedFd<'_>, path: &TreePath) -> Result<OwnedFd, Errno> {
    let mut here = rustix::fs::openat(top, ".", DIRECTORY, Mode::empty())?;
    let names: Vec<&[u8]> = path.components().collect();
    for name in names.iter().take(names.len().saturating_sub(1)) {
        here = open_directory(here.as_fd(), name)?;
    }
    Ok(here)
}

/// Opens one directory by its name, never through a link or into another mount.
pub(super) fn open_directory(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    rustix::fs::openat2(parent, name, DIRECTORY, Mode::empty(), RESOLVE)
}

/// Opens one file for reading by its name, never through a link, never waiting for a FIFO's other end, and without
/// changing when it was last read.
pub(super) fn open_file(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOATIME;
    rustix::fs::openat2(parent, name, flags, Mode::empty(), RESOLVE)
}
