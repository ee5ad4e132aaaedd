//! Owns the places beside the live tree: `.homeport/staging/<tx>` and `.homeport/trash/<tx>`, and which of two trees is
//! live. Never makes or changes what is in a tree.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{IFlags, RenameFlags};
use rustix::io::Errno;

use super::error::RestoreError;
use super::journal::{Journal, Tree};
use crate::begin::Held;
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::failpoint::point;
use crate::identity::TxId;
use crate::layout::DATA;
use crate::owner::Owner;

/// The flags that forbid renaming a directory.
const FIXED: IFlags = IFlags::APPEND.union(IFlags::IMMUTABLE);

/// Which tree is at `data/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Live {
    /// The one from before.
    Old,
    /// The one that is to take its place.
    New,
}

/// The directory `name` in `.homeport/`, made where it is missing; made durable by the caller.
pub(super) fn ensure(held: &Held, name: &str) -> Result<OwnedFd, RestoreError> {
    let fd = directory::ensure(held.home(), name).map_err(RestoreError::io("make a directory in", held.path()))?;
    directory::give(&fd, Owner::PRIVATE).map_err(RestoreError::io("close a directory in", held.path()))?;
    Ok(fd)
}

/// The directory of `tx` in `.homeport/<name>/`, if there is one; open for reading.
pub(super) fn find(held: &Held, name: &str, tx: TxId) -> Result<Option<OwnedFd>, RestoreError> {
    let Some(area) = open(held, held.home(), name)? else { return Ok(None) };
    open(held, area.as_fd(), &tx.to_string())
}

/// The area `name` itself, if it is there; open for reading.
pub(super) fn find_area(held: &Held, name: &str) -> Result<Option<OwnedFd>, RestoreError> {
    open(held, held.home(), name)
}

fn open(held: &Held, parent: BorrowedFd<'_>, name: &str) -> Result<Option<OwnedFd>, RestoreError> {
    let io = |action| RestoreError::io::<Errno>(action, held.path());
    match directory::child(parent, name).map_err(io("open a directory below `.homeport` of"))? {
        Entry::Absent => Ok(None),
        Entry::Directory(fd) => directory::readable(fd).map(Some).map_err(io("open a directory below `.homeport` of")),
        Entry::Other => {
            let what = format!("`{name}` below its `.homeport` is not a directory on the same disk");
            Err(VolumeError::Changed { path: held.path().clone(), what }.into())
        }
    }
}

/// The tree in the open directory of a transaction, open for reading, and what it is.
pub(super) fn tree_in(held: &Held, dir: &OwnedFd) -> Result<Option<(OwnedFd, u64)>, RestoreError> {
    let Some(fd) = open(held, dir.as_fd(), DATA)? else { return Ok(None) };
    let status = directory::status(&fd).map_err(RestoreError::io("examine a tree of", held.path()))?;
    Ok(Some((fd, status.inode)))
}

/// The live tree, open for reading, and what it is.
pub(super) fn live(held: &Held) -> Result<(OwnedFd, u64), RestoreError> {
    let Some(fd) = open(held, held.volume(), DATA)? else {
        return Err(VolumeError::Changed { path: held.path().clone(), what: "its data is gone".to_owned() }.into());
    };
    let status = directory::status(&fd).map_err(RestoreError::io("examine the data of", held.path()))?;
    Ok((fd, status.inode))
}

/// Which of the journal's trees is live, where the other one has to be in the directory `dir`. [spec: VOL-46]
pub(super) fn which(held: &Held, journal: &Journal, dir: &OwnedFd) -> Result<Live, RestoreError> {
    let (_, live) = live(held)?;
    let other = tree_in(held, dir)?.map(|(_, inode)| inode);
    match (live, other) {
        (live, Some(other)) if (live, other) == (journal.old.inode, journal.new.inode) => Ok(Live::Old),
        (live, Some(other)) if (live, other) == (journal.new.inode, journal.old.inode) => Ok(Live::New),
        _ => {
            let what = "its data, or the tree beside it, is not one of the two that its journal names".to_owned();
            Err(VolumeError::Changed { path: held.path().clone(), what }.into())
        }
    }
}

/// Exchanges the live tree and the one in `dir`, and makes that durable in both directories.
pub(super) fn swap(held: &mut Held, dir: &OwnedFd) -> Result<(), RestoreError> {
    let path = held.path().clone();
    held.point("restore.swap")?;
    let done = rustix::fs::renameat_with(held.volume(), DATA, dir, DATA, RenameFlags::EXCHANGE);
    done.map_err(|error| match error {
        Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::XDEV => {
            RestoreError::NoExchange { path: path.clone(), source: error.into() }
        }
        error => RestoreError::io("exchange the data of", &path)(error),
    })?;
    sync_swap(held, dir)
}

/// Makes an exchange durable that was made before.
pub(super) fn sync_swap(held: &mut Held, dir: &OwnedFd) -> Result<(), RestoreError> {
    let synced = point("restore.swap.volume")
        .and_then(|()| Ok(rustix::fs::fsync(held.volume())?))
        .and_then(|()| point("restore.swap.staging"))
        .and_then(|()| Ok(rustix::fs::fsync(dir)?));
    held.sure(synced, "sync the directories of")
}

/// The flags of a tree's top that forbid renaming it; none where the file system has no flags.
pub(super) fn fixed(tree: &OwnedFd) -> Result<u32, Errno> {
    match rustix::fs::ioctl_getflags(tree) {
        Ok(flags) => Ok((flags & FIXED).bits()),
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Takes away the flags that forbid renaming a tree's top.
pub(super) fn loosen(tree: &OwnedFd) -> Result<(), Errno> {
    if fixed(tree)? == 0 {
        return Ok(());
    }
    let flags = rustix::fs::ioctl_getflags(tree)?;
    rustix::fs::ioctl_setflags(tree, flags - FIXED)
}

/// Gives a tree's top the flags back that it had.
pub(super) fn fasten(tree: &OwnedFd, flags: u32) -> Result<(), Errno> {
    let wanted = IFlags::from_bits_retain(flags) & FIXED;
    if fixed(tree)? == wanted.bits() {
        return Ok(());
    }
    let others = rustix::fs::ioctl_getflags(tree)? - FIXED;
    rustix::fs::ioctl_setflags(tree, others | wanted)
}

/// Takes the flags off both trees, whichever is where.
pub(super) fn loosen_both(held: &Held, dir: &OwnedFd) -> Result<(), RestoreError> {
    let io = RestoreError::io("change the flags of the data of", held.path());
    let (live, _) = live(held)?;
    let other = tree_in(held, dir)?;
    loosen(&live).and_then(|()| other.map_or(Ok(()), |(fd, _)| loosen(&fd))).map_err(io)
}

/// Gives both trees their flags, whichever is where.
pub(super) fn fasten_both(held: &Held, journal: &Journal, dir: &OwnedFd) -> Result<(), RestoreError> {
    let io = RestoreError::io("change the flags of the data of", held.path());
    let flags = |inode: u64| if inode == journal.old.inode { journal.old.flags } else { journal.new.flags };
    let (live, inode) = live(held)?;
    let other = tree_in(held, dir)?;
    let other = |()| other.map_or(Ok(()), |(fd, inode)| fasten(&fd, flags(inode)));
    fasten(&live, flags(inode)).and_then(other).map_err(io)
}

/// What the journal says of a tree that is open.
pub(super) fn described(
    held: &Held,
    tree: &(OwnedFd, u64),
    format: homeport_core::unit::Format,
) -> Result<Tree, RestoreError> {
    let flags = fixed(&tree.0).map_err(RestoreError::io("read the flags of the data of", held.path()))?;
    Ok(Tree { inode: tree.1, format, flags })
}
