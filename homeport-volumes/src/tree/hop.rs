//! Owns opening any path of a tree below an open directory, also one that is longer than the system takes at once.
//! Never follows a link, never crosses a mount, never leaves the tree.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::path::{NAME_MAX, TreePath};

/// How many bytes of a path go into one call; the system takes 4095.
const HOP: usize = 4000;

/// How often a call is made that a rename elsewhere, or a signal, got in the way of.
const TRIES: usize = 64;

/// What an entry is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To refer to it (`O_PATH`), whatever it is; a symbolic link is opened itself.
    Refer,
    /// To list it, or to make and remove what is in it; only a directory.
    List,
    /// To read it: a regular file. Nothing waits for a FIFO's other end; the time of access stays, where the system lets
    /// this user have it so.
    Read,
}

/// Opens `path` below `root` for `purpose`.
///
/// # Errors
/// `LOOP` if a symbolic link is in the way, `XDEV` if a mount is; `NOTDIR`, `NOENT` and others as the system says.
pub fn open(root: BorrowedFd<'_>, path: &TreePath, purpose: Purpose) -> Result<OwnedFd, Errno> {
    match purpose {
        Purpose::Refer => open_with(root, path, OFlags::PATH),
        Purpose::List => quietly(|flags| open_with(root, path, OFlags::RDONLY | OFlags::DIRECTORY | flags)),
        Purpose::Read => {
            quietly(|flags| open_with(root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | flags))
        }
    }
}

/// Opens `path` below `root` with these flags; `NOFOLLOW` and `CLOEXEC` are always among them.
pub(crate) fn open_with(root: BorrowedFd<'_>, path: &TreePath, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut rest = path.as_bytes();
    let mut at: Option<OwnedFd> = None;
    while rest.len() > HOP {
        let slash = rest[..=HOP].iter().rposition(|byte| *byte == b'/').ok_or(Errno::NAMETOOLONG)?;
        let from = at.as_ref().map_or(root, |fd| fd.as_fd());
        at = Some(step(from, &rest[..slash], OFlags::PATH | OFlags::DIRECTORY)?);
        rest = &rest[slash + 1..];
    }
    step(at.as_ref().map_or(root, |fd| fd.as_fd()), rest, flags)
}

/// Opens a path of at most [`HOP`] bytes, or one name, below `from`.
pub(crate) fn step(from: BorrowedFd<'_>, path: impl rustix::path::Arg + Copy, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    // With O_PATH a link at the end is opened itself: NO_SYMLINKS is about following them.
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut tries = TRIES;
    loop {
        match rustix::fs::openat2(from, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) if tries > 0 => tries -= 1,
            result => return result,
        }
    }
}

/// Opens without changing the time of access; where only the owner may do that, with.
pub(crate) fn quietly(mut open: impl FnMut(OFlags) -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    match open(OFlags::NOATIME) {
        Err(Errno::PERM) => open(OFlags::empty()),
        result => result,
    }
}

const _: () = assert!(HOP > NAME_MAX && HOP < 4096);
