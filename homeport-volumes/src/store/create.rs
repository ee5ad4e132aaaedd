//! Owns making a store. Never makes one where anything is, and never because another one cannot be found.
//!
//! ```text
//! directory, root's -> lock -> packs/ entries/ snapshots/ removed/ tmp/ -> sync -> store.json, sync, rename, sync
//! ```
//!
//! `store.json` comes last and makes it a store; what a crash leaves before it is empty, and is taken up again.

use std::ffi::OsString;
use std::fs::TryLockError;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::document::Document;
use super::error::StoreError;
use super::place::{DOCUMENT, LOCK, Room, in_the_way};
use crate::directory::{self, Entry};
use crate::failpoint;
use crate::file::{open_in, unlink};
use crate::layout::LOST_AND_FOUND;
use crate::open::{PathFact, open_directory};
use crate::owner::Owner;
use crate::path::VolumePath;

/// Makes the store's directories and its document. When this returns, they are on the disk.
pub(super) fn create(path: &VolumePath, document: &Document) -> Result<(), StoreError> {
    make_directory(path)?;
    let top = open_directory(path).map_err(|fact| in_the_way(path, fact))?;
    let top = directory::readable(&top).map_err(io("open", path))?;
    blank(path, &top)?;
    directory::give(&top, Owner::PRIVATE).map_err(io("close", path))?;
    let lock =
        open_in(top.as_fd(), LOCK, OFlags::RDWR | OFlags::CREATE, 0o600).map_err(io("make the lock of", path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::Busy { path: path.clone(), holder: "another process".to_owned() });
        }
        Err(TryLockError::Error(source)) => return Err(io("lock", path)(source)),
    }
    // Another one may have been faster before the lock was taken.
    blank(path, &top)?;
    for room in Room::ALL {
        step("store.create.directory").map_err(io("make the directories of", path))?;
        let made = directory::ensure(top.as_fd(), room.as_str()).map_err(io("make the directories of", path))?;
        directory::give(&made, Owner::PRIVATE).map_err(io("close the directories of", path))?;
    }
    step("store.create.sync").and_then(|()| Ok(rustix::fs::fsync(&top)?)).map_err(io("sync", path))?;
    let tmp = directory::ensure(top.as_fd(), Room::Tmp.as_str()).map_err(io("open `tmp` of", path))?;
    write_document(top.as_fd(), tmp.as_fd(), document).map_err(io("write `store.json` of", path))?;
    lock.unlock().map_err(io("unlock", path))
}

fn io<E: Into<std::io::Error>>(action: &'static str, path: &VolumePath) -> impl FnOnce(E) -> StoreError {
    StoreError::io(action, path.as_path())
}

fn step(name: &'static str) -> std::io::Result<()> {
    failpoint::point(name)
}

/// Whether [`create`] would find nothing in its way.
pub(super) fn check_vacant(path: &VolumePath) -> Result<(), StoreError> {
    match open_directory(path) {
        Ok(top) => blank(path, &directory::readable(&top).map_err(io("open", path))?),
        Err(PathFact::Missing { .. }) => Ok(()),
        Err(fact) => Err(in_the_way(path, fact)),
    }
}

/// Makes the directory itself, where there is none, in a directory that exists. Its name is on the disk when this returns,
/// also where it was made by a creation that a crash cut off.
fn make_directory(path: &VolumePath) -> Result<(), StoreError> {
    let text = path.as_str();
    let (above, name) = text.rsplit_once('/').unwrap_or(("", text));
    let above = if above.is_empty() {
        rustix::fs::open("/", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(io("open", path))?
    } else {
        let above: VolumePath = above.parse().map_err(StoreError::Path)?;
        let fd = open_directory(&above).map_err(|fact| in_the_way(&above, fact))?;
        directory::readable(&fd).map_err(io("open the directory above", path))?
    };
    match step("store.create.root").and_then(|()| Ok(rustix::fs::mkdirat(&above, name, Mode::RWXU)?)) {
        Err(error) if error.raw_os_error() != Some(Errno::EXIST.raw_os_error()) => return Err(io("make", path)(error)),
        _ => {}
    }
    step("store.create.parent")
        .and_then(|()| Ok(rustix::fs::fsync(&above)?))
        .map_err(io("sync the directory above", path))
}

/// Refuses a directory with anything in it that a creation that was cut off does not leave.
fn blank(path: &VolumePath, top: &OwnedFd) -> Result<(), StoreError> {
    let status = directory::status(top).map_err(io("examine", path))?;
    for name in directory::names(top, usize::MAX).map_err(io("list", path))? {
        let ours = Room::ALL.into_iter().find(|room| name == room.as_str());
        let clean = match ours {
            Some(room) => holds_nothing(top.as_fd(), room).map_err(io("list", path))?,
            None => name == LOCK || (name == LOST_AND_FOUND && status.is_mount_root),
        };
        if !clean {
            return Err(StoreError::NotEmpty { path: path.clone(), found: name.to_string_lossy().into_owned() });
        }
    }
    Ok(())
}

fn holds_nothing(top: BorrowedFd<'_>, room: Room) -> Result<bool, Errno> {
    let Entry::Directory(fd) = directory::child(top, room.as_str())? else { return Ok(false) };
    let names = directory::names(directory::readable(&fd)?, 2)?;
    let left = |name: &OsString| room == Room::Tmp && name == DOCUMENT;
    Ok(names.iter().all(left))
}

fn write_document(top: BorrowedFd<'_>, tmp: BorrowedFd<'_>, document: &Document) -> std::io::Result<()> {
    use std::io::Write as _;
    unlink(tmp, DOCUMENT)?;
    step("store.create.write")?;
    let mut file = open_in(tmp, DOCUMENT, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, 0o400)?;
    file.write_all(&document.render())?;
    step("store.create.document.sync")?;
    file.sync_all()?;
    step("store.create.rename")?;
    rustix::fs::renameat_with(tmp, DOCUMENT, top, DOCUMENT, RenameFlags::NOREPLACE)?;
    step("store.create.finish")?;
    Ok(rustix::fs::fsync(top)?)
}
