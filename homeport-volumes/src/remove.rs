//! Owns the way back from making a volume: taking away one that never held anything. Never removes data: a directory is
//! only ever removed by `rmdir`, which the kernel refuses while there is a name in it. [spec: VOL-25]
//!
//! Removing an instance does not come here: its volumes stay. [spec: VOL-24]

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::create::Before;
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::facts::MarkerFact;
use crate::file::unlink;
use crate::identity::VolumeUuid;
use crate::layout::{DATA, HOME, HOME_BEFORE_MARKER, MARKER};
use crate::open::{PathFact, open_directory};
use crate::path::VolumePath;
use crate::request::Origin;
use crate::{lock, marker};

/// What became of a volume that was to be taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// It held nothing and is gone.
    Removed,
    /// It was gone already.
    Absent,
    /// Something is in `data/`: everything stays as it is.
    KeptWithData {
        /// How many names there are in `data/`, at most 4096.
        entries: usize,
    },
}

/// Takes the volume `uuid` at `path` away if there is nothing in its `data/`.
///
/// An operator's directory stays, with the owner and mode that `before` says. May be repeated after a crash at any
/// point. The volume's mount has to be gone.
///
/// # Errors
/// [`VolumeError::Changed`] if another volume, or something else, is at the path: then nothing was touched.
pub fn remove_if_blank(
    path: &VolumePath,
    uuid: VolumeUuid,
    origin: &Origin,
    before: Before,
) -> Result<Removal, VolumeError> {
    let io = |action| VolumeError::io(action, path);
    let changed = |what: &str| Err(VolumeError::Changed { path: path.clone(), what: what.to_owned() });
    let volume = match open_directory(path) {
        Ok(fd) => directory::readable(fd).map_err(io("open"))?,
        Err(PathFact::Missing { .. }) => {
            clear_way(path, origin)?;
            return Ok(Removal::Absent);
        }
        Err(_) => return changed("its path does not lead to a directory"),
    };
    match directory::child(volume.as_fd(), HOME).map_err(io("open `.homeport` of"))? {
        Entry::Other => return changed("its `.homeport` is not a directory"),
        Entry::Absent if directory::names(&volume, 1).map_err(io("list"))?.is_empty() => {}
        Entry::Absent => return Ok(Removal::Absent),
        Entry::Directory(home) => {
            let home = directory::readable(home).map_err(io("open `.homeport` of"))?;
            let _lock = lock::take(home.as_fd(), path)?;
            let found = match marker::file::read(home.as_fd()).map_err(VolumeError::io("read the marker of", path))? {
                MarkerFact::Valid(marker) if marker.uuid == uuid => Some(marker),
                MarkerFact::Valid(_) => return changed("another volume is there"),
                MarkerFact::Invalid(_) => return changed("its marker is damaged"),
                MarkerFact::Absent => None,
            };
            let entries = count(&volume).map_err(io("list the data of"))?;
            if entries > 0 {
                return Ok(Removal::KeptWithData { entries });
            }
            unlink(&home, MARKER).map_err(io("remove the marker of"))?;
            rustix::fs::fsync(&home).map_err(io("sync"))?;
            match rustix::fs::unlinkat(&volume, DATA, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                // Somebody wrote into it just now: it is a volume with data, so it gets its marker back.
                Err(Errno::NOTEMPTY | Errno::EXIST) => {
                    if let Some(marker) = found {
                        marker::file::write(home.as_fd(), &marker)
                            .map_err(VolumeError::io("write the marker of", path))?;
                    }
                    let entries = count(&volume).map_err(io("list the data of"))?;
                    return Ok(Removal::KeptWithData { entries });
                }
                Err(error) => return Err(io("remove the data of")(error)),
            }
            for name in HOME_BEFORE_MARKER {
                unlink(&home, name).map_err(io("clear `.homeport` of"))?;
            }
            rustix::fs::unlinkat(&volume, HOME, AtFlags::REMOVEDIR).map_err(io("remove `.homeport` of"))?;
        }
    }
    if let (Before::Directory(owner), Origin::Operator) = (before, origin) {
        directory::give(&volume, owner).map_err(io("give back"))?;
    }
    rustix::fs::fsync(&volume).map_err(io("sync"))?;
    drop(volume);
    clear_way(path, origin)?;
    Ok(Removal::Removed)
}

/// Removes the emptied directories of a default path; an operator's directory stays.
pub(crate) fn clear_way(path: &VolumePath, origin: &Origin) -> Result<(), VolumeError> {
    let Origin::Default { data_root } = origin else { return Ok(()) };
    let inner: Vec<&str> = path.prefixes().filter(|prefix| prefix.len() > data_root.as_str().len()).collect();
    for directory in inner.into_iter().rev() {
        match rustix::fs::rmdir(directory) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => break,
            Err(error) => return Err(VolumeError::io("remove", path)(error)),
        }
    }
    Ok(())
}

fn count(volume: &OwnedFd) -> Result<usize, Errno> {
    match directory::child(volume.as_fd(), DATA)? {
        Entry::Directory(data) => Ok(directory::names(directory::readable(data)?, 4096)?.len()),
        Entry::Absent => Ok(0),
        Entry::Other => Ok(1),
    }
}
