//! Owns putting a whole volume into the trash. Never deletes anything and never copies: names are moved, on one file
//! system.
//!
//! ```text
//! HomePort's own path:    note, fsync -> VOL moves to DATA/.trash/<tx>/volume -> fsync both
//! an operator's path:     note, fsync -> data moves to .homeport/trash/<tx>/ -> fsync both -> the marker after it, same
//! ```
//!
//! An operator's directory stays where it is, maybe as a mount point: what is left there is blank but for the trash, so
//! that no new volume can be made in it before the trash is emptied. At each moment a start is refused, because marker
//! and data are not together.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::error::TrashError;
use super::list::Trashed;
use super::measure::Measured;
use super::note::{TrashKind, TrashNote};
use super::place::{Slot, TrashPlace, changed, exists};
use super::shift::move_name;
use crate::begin::lock_home;
use crate::check::Ready;
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::facts::MarkerFact;
use crate::identity::{TxId, UnixSeconds};
use crate::layout::{DATA, HOME, MARKER, WHOLE};
use crate::lock::VolumeLock;
use crate::marker;
use crate::open::open_directory;
use crate::path::VolumePath;
use crate::remove::clear_way;
use crate::request::Origin;

/// One purge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Names it.
    pub tx: TxId,
    /// When it is.
    pub since: UnixSeconds,
    /// When what is purged may be deleted without another approval; `None` for never.
    pub until: Option<UnixSeconds>,
    /// What was counted, for the list.
    pub measured: Option<Measured>,
}

/// Puts the volume into the trash. When this returns, it is there on the disk, and its place is free of it.
///
/// The volume must not be mounted anywhere. After a crash, [`finish_purge`] brings the rest to its end, and
/// [`put_back`](super::put_back()) takes everything back.
///
/// # Errors
/// What the operating system refused; the volume is then where [`finish_purge`] goes on.
pub fn purge(ready: Ready, origin: &Origin, purge: &Purge) -> Result<Trashed, TrashError> {
    let path = ready.path.clone();
    let held = ready.hold()?;
    let marker = held.marker();
    let note = TrashNote {
        tx: purge.tx,
        kind: TrashKind::Purged,
        root: marker.root.clone(),
        uuid: marker.uuid,
        port: marker.port.clone(),
        instance: marker.instance.clone(),
        volume: marker.volume.clone(),
        format: marker.format,
        generation: marker.generation,
        entries: purge.measured.map(|measured| measured.entries),
        bytes: purge.measured.map(|measured| measured.bytes),
        since: purge.since,
        until: purge.until,
        path: path.clone(),
    };
    if let Origin::Default { data_root } = origin {
        let slot = Slot::make(&TrashPlace::DataRoot(data_root.clone()), &note)?;
        if move_whole(&slot, &note, origin)? == Moved::Done {
            return Trashed::of(&slot);
        }
        // It is a mount point, or on another file system than the data root: it stays there.
        slot.remove()?;
    }
    let slot = Slot::make(&TrashPlace::Volume(path), &note)?;
    move_data(&slot, held.volume(), held.home(), held.path())?;
    Trashed::of(&slot)
}

/// Brings a purge of the volume at `path` that was interrupted to its end. `None` where nothing was begun, or everything
/// was taken back.
///
/// # Errors
/// What the operating system refused, or what else is found in its place.
pub fn finish_purge(path: &VolumePath, origin: &Origin, tx: TxId) -> Result<Option<Trashed>, TrashError> {
    if let Origin::Default { data_root } = origin
        && let Some(slot) = Slot::open(&TrashPlace::DataRoot(data_root.clone()), tx)?
    {
        match slot.note() {
            // The note is the first thing that is made: nothing else was.
            Err(TrashError::Unknown { fault: super::NoteFault::Absent, .. }) => slot.remove()?,
            Err(error) => return Err(error),
            Ok(note) => match move_whole(&slot, &note, origin)? {
                Moved::Done => return Trashed::of(&slot).map(Some),
                Moved::OtherFileSystem => {
                    slot.remove()?;
                    let in_place = Slot::make(&TrashPlace::Volume(path.clone()), &note)?;
                    Home::open(path)?.move_data(&in_place)?;
                    return Trashed::of(&in_place).map(Some);
                }
            },
        }
    }
    let Some(slot) = Slot::open(&TrashPlace::Volume(path.clone()), tx)? else { return Ok(None) };
    match slot.note() {
        Err(TrashError::Unknown { fault: super::NoteFault::Absent, .. }) => {
            slot.remove()?;
            Ok(None)
        }
        Err(error) => Err(error),
        Ok(_) => {
            Home::open(path)?.move_data(&slot)?;
            Trashed::of(&slot).map(Some)
        }
    }
}

/// What became of a move.
#[derive(PartialEq, Eq)]
enum Moved {
    Done,
    OtherFileSystem,
}

/// Moves the whole volume into `slot`, or finds it there.
fn move_whole(slot: &Slot, note: &TrashNote, origin: &Origin) -> Result<Moved, TrashError> {
    let path = &note.path;
    if slot.has(WHOLE)? {
        slot.sync()?;
        if let Ok((parent, _)) = parent_of(path) {
            rustix::fs::fsync(&parent).map_err(VolumeError::io("sync the directory of", path))?;
        }
        clear_way(path, origin)?;
        return Ok(Moved::Done);
    }
    let (parent, name) = parent_of(path)?;
    let volume = match directory::child(parent.as_fd(), name).map_err(VolumeError::io("open", path))? {
        Entry::Directory(fd) => directory::readable(fd).map_err(VolumeError::io("open", path))?,
        Entry::Absent => return Err(TrashError::Unfinished { tx: note.tx }),
        Entry::Other => return Ok(Moved::OtherFileSystem),
    };
    expect_marker(&volume, note)?;
    drop(volume);
    match rustix::fs::renameat_with(&parent, name, &slot.fd, WHOLE, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::XDEV | Errno::BUSY) => return Ok(Moved::OtherFileSystem),
        Err(error) => return Err(VolumeError::io("move to the trash", path)(error).into()),
    }
    slot.sync()?;
    rustix::fs::fsync(&parent).map_err(VolumeError::io("sync the directory of", path))?;
    drop(parent);
    clear_way(path, origin)?;
    Ok(Moved::Done)
}

/// Moves `data/` and then the marker into `slot`, or finds them there.
fn move_data(slot: &Slot, volume: BorrowedFd<'_>, home: BorrowedFd<'_>, path: &VolumePath) -> Result<(), TrashError> {
    let io = |action| VolumeError::io(action, path);
    for (from, name) in [(volume, DATA), (home, MARKER)] {
        match move_name(from, slot.fd.as_fd(), name) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Err(TrashError::Unfinished { tx: slot.tx }),
            Err(error) => return Err(io("move to the trash what is in")(error).into()),
        }
    }
    Ok(())
}

/// The directory that `path` is in, and its name there.
pub(crate) fn parent_of(path: &VolumePath) -> Result<(OwnedFd, &str), VolumeError> {
    let name = path.components().last().unwrap_or_default();
    let above = path.as_str().len() - name.len() - 1;
    let parent = path.as_str()[..above].parse::<VolumePath>().ok();
    let fd = parent.and_then(|parent| open_directory(&parent).ok());
    let fd = fd.ok_or_else(|| changed(path, "the directory that it is in is gone"))?;
    Ok((directory::readable(fd).map_err(VolumeError::io("open the directory of", path))?, name))
}

/// Whether the open directory is the volume of `note`.
pub(super) fn expect_marker(volume: &OwnedFd, note: &TrashNote) -> Result<Box<marker::Marker>, TrashError> {
    let foreign = |found: &str| TrashError::Foreign { tx: note.tx, wanted: note.uuid, found: found.to_owned() };
    let path = &note.path;
    let home = match directory::child(volume.as_fd(), HOME).map_err(VolumeError::io("open", path))? {
        Entry::Directory(fd) => directory::readable(fd).map_err(VolumeError::io("open", path))?,
        Entry::Absent | Entry::Other => return Err(foreign("it has no `.homeport`")),
    };
    match marker::file::read(home.as_fd()).map_err(VolumeError::io("read the marker of", path))? {
        MarkerFact::Valid(marker) if marker.uuid == note.uuid => Ok(marker),
        MarkerFact::Valid(marker) => Err(foreign(&format!("volume {}", marker.uuid))),
        MarkerFact::Invalid(_) => Err(foreign("its marker is damaged")),
        MarkerFact::Absent => Err(foreign("it has no marker")),
    }
}

/// `VOL/` and `VOL/.homeport`, open and locked.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) path: VolumePath,
    pub(super) volume: OwnedFd,
    pub(super) fd: OwnedFd,
    _lock: VolumeLock,
}

impl Home {
    pub(super) fn open(path: &VolumePath) -> Result<Self, VolumeError> {
        let volume = open_directory(path).map_err(|_| changed(path, "its path does not lead to a directory"))?;
        let (volume, fd, lock) = lock_home(&volume, path)?;
        Ok(Self { path: path.clone(), volume, fd, _lock: lock })
    }

    fn move_data(&self, slot: &Slot) -> Result<(), TrashError> {
        move_data(slot, self.volume.as_fd(), self.fd.as_fd(), &self.path)
    }

    /// Whether there is anything of this name in `.homeport`.
    pub(super) fn has(&self, name: &str) -> Result<bool, VolumeError> {
        exists(self.fd.as_fd(), name).map_err(VolumeError::io("look into", &self.path))
    }
}
