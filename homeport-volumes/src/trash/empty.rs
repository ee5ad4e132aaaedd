//! Owns deleting a tree of the trash for good. Only an approval, or a time that has passed, may lead here; this code
//! cannot know of either. Never deletes a live volume: only what lies in the directory of a transaction.
//!
//! ```text
//! no mount in it -> the tree is renamed to `emptying`, the marker goes, fsync -> deleted -> the note -> the directory
//! ```
//!
//! From the rename on the tree does not count as whole any more, so that half a tree is never put back.

use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::delete::{Deleted, delete_tree, fault};
use super::error::TrashError;
use super::list::inner;
use super::note::{TrashKind, TrashNote};
use super::place::{Slot, TrashPlace, TrashState};
use super::purge::{Home, parent_of};
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::examine::Machine;
use crate::facts::MarkerFact;
use crate::file::unlink;
use crate::identity::TxId;
use crate::layout::{DATA, EMPTYING, HOME, HOME_BEFORE_MARKER, MARKER, STAGING, TRASH};
use crate::marker;

/// A tree that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emptied {
    /// What it was.
    pub note: TrashNote,
    /// What was deleted now.
    pub deleted: Deleted,
}

/// Deletes the tree of one transaction. When this returns, it is gone from the disk.
///
/// After a crash or a failure the same call goes on with what is left. `progress` is told what is gone so far.
///
/// # Errors
/// [`TrashError::Mounted`] and [`TrashError::Inside`] before anything is touched; [`TrashError::Undeletable`] with what is left;
/// [`TrashError::Unfinished`] for a purge that was interrupted: it has to be finished or taken back first.
pub fn empty(
    machine: &Machine,
    place: &TrashPlace,
    tx: TxId,
    progress: &mut dyn FnMut(&Deleted),
) -> Result<Emptied, TrashError> {
    let slot = match (Slot::find_filled(place, tx), place) {
        (Err(absent @ TrashError::Absent { .. }), TrashPlace::Volume(volume)) => {
            // All of it is gone; what came after may have been cut off.
            if let Ok(home) = Home::open(volume) {
                give_back(&home)?;
            }
            return Err(absent);
        }
        (slot, _) => slot?,
    };
    let note = slot.note()?;
    let path = place.path().below(&tx.to_string());
    let home = match place {
        TrashPlace::Volume(volume) => Some(Home::open(volume)?),
        TrashPlace::DataRoot(_) => None,
    };
    if slot.state(&note)? == TrashState::Unfinished && is_elsewhere(place, &note, home.as_ref())? {
        return Err(TrashError::Unfinished { tx });
    }
    let mounts = machine.mounts()?;
    if let Some(mount) = mounts.below(path.as_path()).next() {
        return Err(TrashError::Mounted { point: mount.point.to_string_lossy().into_owned() });
    }
    let (_, unnamed) = inner(&slot)?;
    if !unnamed.is_empty() {
        return Err(TrashError::Inside { tx, faults: unnamed });
    }
    let tree = place.tree();
    if slot.has(tree)? {
        match rustix::fs::renameat_with(&slot.fd, tree, &slot.fd, EMPTYING, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            // Its topmost directory can only grow, or cannot be changed.
            Err(error @ Errno::PERM) => {
                let faults = vec![fault(tree, error)];
                return Err(TrashError::Undeletable { tx, deleted: Deleted::default(), faults });
            }
            Err(error) => return Err(VolumeError::io("begin to delete", &path)(error).into()),
        }
    }
    // Before anything is deleted: a marker without its data must never be put back.
    unlink(&slot.fd, MARKER).map_err(VolumeError::io("remove the marker in", &path))?;
    slot.sync()?;
    let deleted = match delete_tree(&slot.fd, EMPTYING, progress) {
        Ok(deleted) => deleted,
        Err(kept) => {
            slot.sync()?;
            return Err(TrashError::Undeletable { tx, deleted: kept.deleted, faults: kept.faults });
        }
    };
    slot.remove()?;
    if let Some(home) = home.filter(|_| note.kind == TrashKind::Purged) {
        give_back(&home)?;
    }
    Ok(Emptied { note, deleted })
}

/// Whether the tree, which is not in the trash as a whole, is in its old place or on its way. Another volume may be in its
/// place by now: it has another marker.
fn is_elsewhere(place: &TrashPlace, note: &TrashNote, home: Option<&Home>) -> Result<bool, TrashError> {
    match (place, home) {
        (TrashPlace::Volume(_), Some(home)) if note.kind == TrashKind::Purged => may_be(home.fd.as_fd(), note),
        (TrashPlace::DataRoot(_), _) => {
            let Ok((parent, name)) = parent_of(&note.path) else { return Ok(false) };
            let open = |parent, name| directory::child(parent, name).map_err(VolumeError::io("open", &note.path));
            let volume = match open(parent.as_fd(), name)? {
                Entry::Directory(fd) => fd,
                Entry::Absent => return Ok(false),
                Entry::Other => return Ok(true),
            };
            match open(volume.as_fd(), HOME)? {
                Entry::Directory(home) => may_be(home.as_fd(), note),
                Entry::Absent => Ok(false),
                Entry::Other => Ok(true),
            }
        }
        // A restore's tree is moved in one step: what is not here was deleted.
        _ => Ok(false),
    }
}

/// Whether this `.homeport` may be that of the note's volume: of another one, or of none, it is not.
fn may_be(home: BorrowedFd<'_>, note: &TrashNote) -> Result<bool, TrashError> {
    Ok(match marker::file::read(home).map_err(VolumeError::io("read the marker of", &note.path))? {
        MarkerFact::Valid(marker) => marker.uuid == note.uuid,
        MarkerFact::Invalid(_) => true,
        MarkerFact::Absent => false,
    })
}

/// Makes an operator's directory blank again, where nothing but HomePort's own empty directory is left in it.
fn give_back(home: &Home) -> Result<(), VolumeError> {
    let io = |action| VolumeError::io(action, &home.path);
    for area in [TRASH, STAGING] {
        match rustix::fs::unlinkat(&home.fd, area, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(io("remove an empty directory in `.homeport` of")(error)),
        }
    }
    let names = directory::names(&home.fd, 16).map_err(io("list `.homeport` of"))?;
    let own = |name: &std::ffi::OsString| HOME_BEFORE_MARKER.iter().any(|own| name == own);
    let data = directory::child(home.volume.as_fd(), DATA).map_err(io("open the data of"))?;
    if !names.iter().all(own) || !matches!(data, Entry::Absent) {
        return Ok(());
    }
    for name in HOME_BEFORE_MARKER {
        unlink(&home.fd, name).map_err(io("clear `.homeport` of"))?;
    }
    match rustix::fs::unlinkat(&home.volume, HOME, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        Err(error) => return Err(io("remove `.homeport` of")(error)),
    }
    rustix::fs::fsync(&home.volume).map_err(io("sync"))
}
