//! Owns taking a purged volume out of the trash, back to its place. Never replaces anything that is there.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::error::TrashError;
use super::note::{TrashKind, TrashNote};
use super::place::{Slot, TrashPlace, TrashState, exists};
use super::purge::{Home, expect_marker, parent_of};
use super::shift::{is_same_file, move_name};
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::facts::MarkerFact;
use crate::identity::TxId;
use crate::layout::{DATA, MARKER, WHOLE};
use crate::marker::{self, Marker};
use crate::open::open_directory;
use crate::path::VolumePath;

/// A volume that is in its place again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBack {
    /// Its place.
    pub path: VolumePath,
    /// What it says about itself: what the ledger is to remember.
    pub marker: Marker,
}

/// Puts a purged volume back to its place. When this returns, it is there on the disk and not in the trash any more.
///
/// May be repeated after a crash at any point, and takes back a purge that was interrupted.
///
/// # Errors
/// [`TrashError::Occupied`] if something is in its place; everything stays as it is then. [`TrashError::Partial`] if a
/// part of it is deleted. [`TrashError::Replaced`] for what a restore, or taking one back, put there.
pub fn put_back(place: &TrashPlace, tx: TxId) -> Result<PutBack, TrashError> {
    let slot = Slot::find_filled(place, tx)?;
    let note = slot.note()?;
    if note.kind != TrashKind::Purged {
        return Err(TrashError::Replaced { tx });
    }
    if slot.state(&note)? == TrashState::Partial {
        return Err(TrashError::Partial { tx });
    }
    let marker = match place {
        TrashPlace::DataRoot(root) => whole_back(&slot, &note, root)?,
        TrashPlace::Volume(path) => data_back(&slot, &note, path)?,
    };
    slot.remove()?;
    Ok(PutBack { path: note.path, marker: *marker })
}

/// Whether [`put_back`] can do what it is for, as far as that is known before anything is moved. Changes nothing.
///
/// # Errors
/// Those of [`put_back`].
pub fn can_put_back(place: &TrashPlace, tx: TxId) -> Result<(), TrashError> {
    let slot = Slot::find(place, tx)?;
    let note = slot.note()?;
    if note.kind == TrashKind::Replaced {
        return Err(TrashError::Replaced { tx });
    }
    if slot.state(&note)? == TrashState::Partial {
        return Err(TrashError::Partial { tx });
    }
    match place {
        TrashPlace::DataRoot(_) => can_put_whole_back(&slot, &note),
        TrashPlace::Volume(path) => can_put_data_back(&slot, &Home::open(path)?, &note),
    }
}

fn can_put_whole_back(slot: &Slot, note: &TrashNote) -> Result<(), TrashError> {
    let (path, tx) = (&note.path, note.tx);
    if !slot.has(WHOLE)? {
        let volume = open_directory(path).map_err(|_| TrashError::Unfinished { tx })?;
        let volume = directory::readable(volume).map_err(VolumeError::io("open", path))?;
        return expect_marker(&volume, note).map(|_| ());
    }
    let Ok((parent, name)) = parent_of(path) else { return Ok(()) };
    match directory::child(parent.as_fd(), name).map_err(VolumeError::io("look at", path))? {
        Entry::Absent => Ok(()),
        Entry::Directory(_) | Entry::Other => Err(TrashError::Occupied { tx, path: path.clone() }),
    }
}

fn whole_back(slot: &Slot, note: &TrashNote, root: &VolumePath) -> Result<Box<Marker>, TrashError> {
    let (path, tx) = (&note.path, note.tx);
    if slot.has(WHOLE)? {
        let Entry::Directory(volume) =
            directory::child(slot.fd.as_fd(), WHOLE).map_err(VolumeError::io("open in the trash", path))?
        else {
            let found = "it is not a directory".to_owned();
            return Err(TrashError::Foreign { tx, wanted: note.uuid, found });
        };
        let volume = directory::readable(volume).map_err(VolumeError::io("open in the trash", path))?;
        expect_marker(&volume, note)?;
        drop(volume);
        if parent_of(path).is_err() {
            make_way(path, root)?;
        }
        let (parent, name) = parent_of(path)?;
        match rustix::fs::renameat_with(&slot.fd, WHOLE, &parent, name, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST | Errno::NOTEMPTY) => return Err(TrashError::Occupied { tx, path: path.clone() }),
            Err(error) => return Err(VolumeError::io("move back from the trash", path)(error).into()),
        }
        rustix::fs::fsync(&parent).map_err(VolumeError::io("sync the directory of", path))?;
        slot.sync()?;
    }
    let volume = open_directory(path).map_err(|_| TrashError::Unfinished { tx })?;
    let volume = directory::readable(volume).map_err(VolumeError::io("open", path))?;
    expect_marker(&volume, note)
}

/// Makes the directories between the data root and the volume, as they were.
fn make_way(path: &VolumePath, root: &VolumePath) -> Result<(), VolumeError> {
    let io = |action| VolumeError::io(action, path);
    let missing = |_| VolumeError::Changed { path: root.clone(), what: "it is gone".to_owned() };
    let mut here = directory::readable(open_directory(root).map_err(missing)?).map_err(io("open the way to"))?;
    let (depth, length) = (root.components().count(), path.components().count());
    for name in path.components().take(length - 1).skip(depth) {
        let next = directory::ensure(here.as_fd(), name).map_err(io("make the way to"))?;
        rustix::fs::fsync(&here).map_err(io("sync the way to"))?;
        here = next;
    }
    Ok(())
}

fn data_back(slot: &Slot, note: &TrashNote, path: &VolumePath) -> Result<Box<Marker>, TrashError> {
    let home = Home::open(path)?;
    let io = |action| VolumeError::io(action, path);
    let back = |from: &OwnedFd, to: &OwnedFd, name: &str| -> Result<(), TrashError> {
        match move_name(from.as_fd(), to.as_fd(), name) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST | Errno::NOTEMPTY) => Err(TrashError::Occupied { tx: note.tx, path: path.clone() }),
            Err(error) => Err(io("move back from the trash what is in")(error).into()),
        }
    };
    // Nothing is moved before it is known that everything can be.
    can_put_data_back(slot, &home, note)?;
    // The marker goes back last, as it was made: without it nothing is a volume.
    if slot.has(DATA)? {
        back(&slot.fd, &home.volume, DATA)?;
    }
    if slot.has(MARKER)? {
        back(&slot.fd, &home.fd, MARKER)?;
    }
    expect_marker(&home.volume, note)
}

fn can_put_data_back(slot: &Slot, home: &Home, note: &TrashNote) -> Result<(), TrashError> {
    let (path, tx) = (&home.path, note.tx);
    let io = |action| VolumeError::io(action, path);
    match (slot.has(DATA)?, exists(home.volume.as_fd(), DATA).map_err(io("look into"))?) {
        (false, false) => return Err(TrashError::Partial { tx }),
        (true, true) => return Err(TrashError::Occupied { tx, path: path.clone() }),
        (true, false) | (false, true) => {}
    }
    if slot.has(MARKER)? {
        let same = is_same_file(slot.fd.as_fd(), home.fd.as_fd(), MARKER).map_err(io("look into"))?;
        if home.has(MARKER)? && !same {
            return Err(TrashError::Occupied { tx, path: path.clone() });
        }
        expect_own(slot, note)?;
    }
    Ok(())
}

/// Whether the marker in `slot` is that of the volume of `note`.
fn expect_own(slot: &Slot, note: &TrashNote) -> Result<(), TrashError> {
    let found = marker::file::read(slot.fd.as_fd()).map_err(VolumeError::io("read a marker in", &slot.place.path()))?;
    match found {
        MarkerFact::Valid(marker) if marker.uuid == note.uuid => Ok(()),
        _ => {
            let found = "the marker beside it is another one, or damaged".to_owned();
            Err(TrashError::Foreign { tx: note.tx, wanted: note.uuid, found })
        }
    }
}
