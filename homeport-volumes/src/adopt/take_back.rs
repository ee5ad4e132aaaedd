//! Owns the end of an adoption: for good, or back to the plain directory. Never loses a name: what cannot go back stays
//! where it is, with the record that says so.

use std::os::fd::AsFd as _;

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::directory::Site;
use super::plan::Shape;
use super::record::{ADOPTING, ADOPTION, ADOPTION_NEW, Adoption};
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::facts::MarkerFact;
use crate::file::unlink;
use crate::identity::{TxId, VolumeUuid};
use crate::layout::{DATA, HOME, HOME_BEFORE_MARKER, MARKER, STAMP};
use crate::path::VolumePath;

/// What became of an adoption that was to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenBack {
    /// The directory is what it was.
    Done,
    /// Nothing was begun, or everything was taken back already.
    Nothing,
}

/// Ends the adoption `tx` of the directory for good: what is written down about it goes. To be called once the ledger
/// knows the volume; it cannot be taken back afterwards.
///
/// # Errors
/// What the operating system refused. A record of another adoption stays and is none.
pub fn settle(path: &VolumePath, tx: TxId) -> Result<(), VolumeError> {
    let Some(site) = Site::open(path)? else { return Ok(()) };
    if site.adoption()?.is_none_or(|adoption| adoption.tx != tx) {
        return Ok(());
    }
    site.step("adopt.settle", "forget the adoption of", || {
        unlink(&site.home, ADOPTION_NEW)?;
        unlink(&site.home, ADOPTION)?;
        Ok(rustix::fs::fsync(&site.home)?)
    })
}

/// Makes a plain directory of the volume again that the adoption `tx` made, or that it did not finish: each name is where
/// it was, and the directory has its owner, attributes and times back. May be repeated after a crash at any point.
///
/// # Errors
/// [`VolumeError::Changed`] if something else is there than the adoption left.
pub fn take_back(path: &VolumePath, tx: TxId) -> Result<TakenBack, VolumeError> {
    let Some(site) = Site::open(path)? else { return Ok(TakenBack::Nothing) };
    let Some(adoption) = site.adoption()? else {
        return match site.marker()? {
            // The directory for the names may have been made before the record.
            MarkerFact::Absent => clear(&site, None).map(|()| TakenBack::Nothing),
            _ => Ok(TakenBack::Nothing),
        };
    };
    if adoption.tx != tx {
        return Err(site.changed("another adoption of it was begun"));
    }
    let uuid = site.adopted(&adoption)?.uuid;
    match site.marker()? {
        MarkerFact::Valid(marker) if marker.uuid != uuid => {
            return Err(site.changed("it is another volume"));
        }
        MarkerFact::Invalid(_) => return Err(site.changed("its marker is damaged")),
        MarkerFact::Valid(_) | MarkerFact::Absent => {}
    }
    site.step("adopt.back.marker", "remove the marker of", || {
        unlink(&site.home, MARKER)?;
        Ok(rustix::fs::fsync(&site.home)?)
    })?;
    match adoption.shape {
        Shape::Plain => names_back(&site, &adoption, uuid)?,
        Shape::DataOnly => unstamp(&site, uuid)?,
    }
    clear(&site, Some(&adoption))?;
    Ok(TakenBack::Done)
}

/// Puts the names back where they were.
fn names_back(site: &Site, adoption: &Adoption, uuid: VolumeUuid) -> Result<(), VolumeError> {
    let io = |action| VolumeError::io(action, &site.path);
    let gathered = directory::child(site.home.as_fd(), ADOPTING).map_err(io("open `.homeport` of"))?;
    if matches!(gathered, Entry::Absent) {
        let data = match directory::child(site.volume.as_fd(), DATA).map_err(io("open the data of"))? {
            Entry::Directory(fd) => directory::status(&fd).map_err(io("examine the data of"))?.inode,
            Entry::Absent | Entry::Other => 0,
        };
        if data != adoption.inode {
            // Its own name `data` may be back already, and nothing else is left to do.
            return Ok(());
        }
        unstamp(site, uuid)?;
        site.step("adopt.back.data", "take back the data of", || {
            rustix::fs::renameat_with(&site.volume, DATA, &site.home, ADOPTING, RenameFlags::NOREPLACE)?;
            Ok(rustix::fs::syncfs(&site.volume)?)
        })?;
    }
    let Entry::Directory(fd) = directory::child(site.home.as_fd(), ADOPTING).map_err(io("open `.homeport` of"))? else {
        return Err(site.changed("`.homeport/adopting` is not a directory"));
    };
    let gathered = directory::readable(fd).map_err(io("open `.homeport` of"))?;
    site.move_names(gathered.as_fd(), site.volume.as_fd())?;
    site.step("adopt.back.sync", "sync", || Ok(rustix::fs::syncfs(&gathered)?))
}

/// Takes the stamp off `data`, if it is the adoption's.
fn unstamp(site: &Site, uuid: VolumeUuid) -> Result<(), VolumeError> {
    let io = |action| VolumeError::io(action, &site.path);
    let Entry::Directory(fd) = directory::child(site.volume.as_fd(), DATA).map_err(io("open the data of"))? else {
        return Ok(());
    };
    let data = directory::readable(fd).map_err(io("open the data of"))?;
    if site.is_stamped(&data, uuid)? {
        rustix::fs::fremovexattr(&data, STAMP).map_err(io("take the stamp off the data of"))?;
        rustix::fs::fsync(&data).map_err(io("sync the data of"))?;
    }
    Ok(())
}

/// Gives the directory what it had, and removes what HomePort made in it.
fn clear(site: &Site, adoption: Option<&Adoption>) -> Result<(), VolumeError> {
    let io = |action| VolumeError::io(action, &site.path);
    match rustix::fs::unlinkat(&site.home, ADOPTING, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(io("remove a directory of")(error)),
    }
    if let Some(adoption) = adoption {
        site.step("adopt.back.attributes", "give back the attributes of", || {
            adoption.root.give(site.volume.as_fd())?;
            rustix::fs::fsync(&site.home)?;
            Ok(rustix::fs::fsync(&site.volume)?)
        })?;
    }
    for name in [ADOPTION_NEW, ADOPTION].into_iter().chain(HOME_BEFORE_MARKER) {
        unlink(&site.home, name).map_err(io("clear `.homeport` of"))?;
    }
    match rustix::fs::unlinkat(&site.volume, HOME, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        Err(error) => return Err(io("remove `.homeport` of")(error)),
    }
    if let Some(adoption) = adoption {
        adoption.root.give_times(site.volume.as_fd()).map_err(io("give back the times of"))?;
    }
    rustix::fs::fsync(&site.volume).map_err(io("sync"))
}
