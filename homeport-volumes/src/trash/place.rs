//! Owns where trees of the trash lie, and the directory of one of them. Never moves or deletes a tree.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, StatxFlags};
use rustix::io::Errno;

use super::error::TrashError;
use super::note::{self, NoteFault, TrashKind, TrashNote};
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::file::unlink;
use crate::identity::TxId;
use crate::layout::{DATA, EMPTYING, HOME, MARKER, NOTE, NOTE_NEW, ROOT_TRASH, TRASH, WHOLE};
use crate::open::{PathFact, open_directory};
use crate::owner::Owner;
use crate::path::VolumePath;

/// A directory that keeps trees. [spec: VOL-43]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrashPlace {
    /// `.trash` below HomePort's data root, for whole volumes that were at HomePort's own path.
    DataRoot(VolumePath),
    /// `.homeport/trash` of the volume in this directory, for its data.
    Volume(VolumePath),
}

/// How much of a tree is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrashState {
    /// All of it.
    Whole,
    /// Putting it there or taking it back was interrupted: all of it is there, a part here and a part in its old place.
    Unfinished,
    /// Its deletion was begun.
    Partial,
}

impl TrashPlace {
    /// The directory that has one directory for each transaction.
    pub fn path(&self) -> VolumePath {
        match self {
            Self::DataRoot(root) => root.below(ROOT_TRASH),
            Self::Volume(volume) => volume.below(HOME).below(TRASH),
        }
    }

    /// What the tree in a transaction's directory is called.
    pub(crate) fn tree(&self) -> &'static str {
        match self {
            Self::DataRoot(_) => WHOLE,
            Self::Volume(_) => DATA,
        }
    }

    /// Opens the directory; `None` where there is none.
    pub(crate) fn open(&self) -> Result<Option<OwnedFd>, VolumeError> {
        let (base, names): (_, &[&str]) = match self {
            Self::DataRoot(root) => (root, &[ROOT_TRASH]),
            Self::Volume(volume) => (volume, &[HOME, TRASH]),
        };
        let io = |action| VolumeError::io(action, base);
        let mut here = match open_directory(base) {
            Ok(fd) => directory::readable(fd).map_err(io("open"))?,
            Err(PathFact::Missing { .. }) => return Ok(None),
            Err(_) => return Err(changed(base, "its path does not lead to a directory")),
        };
        for name in names {
            here = match directory::child(here.as_fd(), name).map_err(io("open the trash of"))? {
                Entry::Directory(fd) => directory::readable(fd).map_err(io("open the trash of"))?,
                Entry::Absent => return Ok(None),
                Entry::Other => return Err(changed(base, "its trash is not a directory")),
            };
        }
        Ok(Some(here))
    }

    /// Makes the directory where it is missing: when this returns, it is on the disk.
    pub(crate) fn make(&self) -> Result<OwnedFd, VolumeError> {
        let (base, above, name) = match self {
            Self::DataRoot(root) => (root, None, ROOT_TRASH),
            Self::Volume(volume) => (volume, Some(HOME), TRASH),
        };
        let io = |action| VolumeError::io(action, base);
        let base_fd = open_directory(base).map_err(|_| changed(base, "its path does not lead to a directory"))?;
        let mut parent = directory::readable(base_fd).map_err(io("open"))?;
        if let Some(above) = above {
            let Entry::Directory(fd) = directory::child(parent.as_fd(), above).map_err(io("open"))? else {
                return Err(changed(base, "its `.homeport` is gone"));
            };
            parent = directory::readable(fd).map_err(io("open"))?;
        }
        let trash = directory::ensure(parent.as_fd(), name).map_err(io("make the trash of"))?;
        directory::give(&trash, Owner::PRIVATE).map_err(io("close the trash of"))?;
        rustix::fs::fsync(&parent).map_err(io("sync"))?;
        Ok(trash)
    }
}

pub(super) fn changed(path: &VolumePath, what: &str) -> VolumeError {
    VolumeError::Changed { path: path.clone(), what: what.to_owned() }
}

/// The directory of one transaction in a trash.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) place: TrashPlace,
    pub(crate) tx: TxId,
    pub(crate) fd: OwnedFd,
    trash: OwnedFd,
}

impl Slot {
    /// Opens it; `None` where there is none.
    pub(crate) fn open(place: &TrashPlace, tx: TxId) -> Result<Option<Self>, TrashError> {
        let Some(trash) = place.open()? else { return Ok(None) };
        let path = place.path();
        let found = directory::child(trash.as_fd(), &tx.to_string()).map_err(VolumeError::io("open", &path))?;
        match found {
            Entry::Absent => Ok(None),
            Entry::Other => Err(TrashError::Unknown { tx, place: path, fault: NoteFault::Absent }),
            Entry::Directory(fd) => {
                let fd = directory::readable(fd).map_err(VolumeError::io("open", &path))?;
                Ok(Some(Self { place: place.clone(), tx, fd, trash }))
            }
        }
    }

    /// The same, where it has to be there.
    pub(crate) fn find(place: &TrashPlace, tx: TxId) -> Result<Self, TrashError> {
        Self::open(place, tx)?.ok_or_else(|| TrashError::Absent { tx, place: place.path() })
    }

    /// The same, where there is more in it than what the end of an earlier call, or the begin of one, left: an empty
    /// directory is removed, and counts as none.
    pub(crate) fn find_filled(place: &TrashPlace, tx: TxId) -> Result<Self, TrashError> {
        let slot = Self::find(place, tx)?;
        if slot.is_bare()? {
            slot.remove()?;
            return Err(TrashError::Absent { tx, place: place.path() });
        }
        Ok(slot)
    }

    /// Whether there is nothing in it that anybody could want: the note goes last, and comes first.
    pub(crate) fn is_bare(&self) -> Result<bool, VolumeError> {
        let names = directory::names(&self.fd, 2).map_err(VolumeError::io("list", &self.place.path()))?;
        Ok(names.iter().all(|name| name == NOTE_NEW))
    }

    /// Makes it, or takes the one that is there, with this note: both are on the disk when this returns.
    pub(crate) fn make(place: &TrashPlace, note: &TrashNote) -> Result<Self, TrashError> {
        let path = place.path();
        let io = |action| VolumeError::io(action, &path);
        let trash = place.make()?;
        let fd = directory::ensure(trash.as_fd(), &note.tx.to_string()).map_err(io("make a directory in"))?;
        directory::give(&fd, Owner::PRIVATE).map_err(io("close a directory in"))?;
        let slot = Self { place: place.clone(), tx: note.tx, fd, trash };
        match slot.read_note()? {
            Ok(found) if found == *note => {}
            Ok(found) if found.uuid != note.uuid => {
                let found = format!("it names volume {}", found.uuid);
                return Err(TrashError::Foreign { tx: note.tx, wanted: note.uuid, found });
            }
            Ok(_) | Err(NoteFault::Absent) => {
                note::write(&slot.fd, note).map_err(VolumeError::io("write a note in", &path))?;
            }
            Err(fault) => return Err(TrashError::Unknown { tx: note.tx, place: path, fault }),
        }
        slot.sync_trash()?;
        Ok(slot)
    }

    fn read_note(&self) -> Result<Result<TrashNote, NoteFault>, VolumeError> {
        note::read(&self.fd).map_err(VolumeError::io("read a note in", &self.place.path()))
    }

    /// What the tree is. A tree without a note that can be read, or with one of another transaction, is left alone.
    pub(crate) fn note(&self) -> Result<TrashNote, TrashError> {
        let unknown = |fault| TrashError::Unknown { tx: self.tx, place: self.place.path(), fault };
        match self.read_note()? {
            Ok(note) if note.tx == self.tx => Ok(note),
            Ok(note) => {
                let found = format!("its note is that of `{}`", note.tx);
                Err(TrashError::Foreign { tx: self.tx, wanted: note.uuid, found })
            }
            Err(fault) => Err(unknown(fault)),
        }
    }

    /// Whether there is anything of this name in it.
    pub(crate) fn has(&self, name: &str) -> Result<bool, VolumeError> {
        exists(self.fd.as_fd(), name).map_err(VolumeError::io("look into", &self.place.path()))
    }

    /// How much of the tree is there.
    pub(crate) fn state(&self, note: &TrashNote) -> Result<TrashState, VolumeError> {
        if self.has(EMPTYING)? {
            return Ok(TrashState::Partial);
        }
        let in_place = matches!(self.place, TrashPlace::Volume(_)) && note.kind == TrashKind::Purged;
        let whole = self.has(self.place.tree())? && (!in_place || self.has(MARKER)?);
        Ok(if whole { TrashState::Whole } else { TrashState::Unfinished })
    }

    /// Makes the names in it durable.
    pub(crate) fn sync(&self) -> Result<(), VolumeError> {
        rustix::fs::fsync(&self.fd).map_err(VolumeError::io("sync", &self.place.path()))
    }

    pub(crate) fn sync_trash(&self) -> Result<(), VolumeError> {
        rustix::fs::fsync(&self.trash).map_err(VolumeError::io("sync", &self.place.path()))
    }

    /// Removes the directory with its note; there must be no tree in it. The directory of the trash goes too where this
    /// was the last in it.
    pub(crate) fn remove(self) -> Result<(), VolumeError> {
        let path = self.place.path();
        let io = |action| VolumeError::io(action, &path);
        unlink(&self.fd, NOTE_NEW).map_err(io("remove a note in"))?;
        unlink(&self.fd, NOTE).map_err(io("remove a note in"))?;
        let name = self.tx.to_string();
        rustix::fs::unlinkat(&self.trash, &name, AtFlags::REMOVEDIR).map_err(io("remove a directory in"))?;
        rustix::fs::fsync(&self.trash).map_err(io("sync"))?;
        let (Self { trash, place, .. }, name) = (self, path.components().last().unwrap_or_default());
        let above = rustix::fs::openat(
            &trash,
            "..",
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        drop(trash);
        match above.and_then(|above| rustix::fs::unlinkat(above, name, AtFlags::REMOVEDIR)) {
            Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT) => Ok(()),
            Err(error) => Err(VolumeError::io("remove", &place.path())(error)),
        }
    }
}

/// Whether there is anything of this name in the directory.
pub(super) fn exists(directory: BorrowedFd<'_>, name: &str) -> Result<bool, Errno> {
    match rustix::fs::statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}
