//! Owns taking hold of a volume, and taking it into use: the lock, and the generation that tells the newest disk from an
//! old copy. Never mounts it and never starts anything.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use homeport_core::entrypoint::ExpectedVolume;

use crate::check::{CheckedData, Ready};
use crate::decide::Novelty;
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::facts::{JournalFact, MarkerFact, StampFact};
use crate::identity::Generation;
use crate::layout::{DATA, HOME};
use crate::lock::{self, VolumeLock};
use crate::marker::{self, Marker};
use crate::path::VolumePath;
use crate::restore::journal;
use crate::stamp;

/// A volume whose lock this process holds: nobody else operates on it. Dropping it lets the lock go. [spec: VOL-14]
///
/// Holding changes nothing on the disk, and says nothing about a container that has the volume mounted.
#[derive(Debug)]
pub struct Held {
    pub(crate) ready: Ready,
    /// `VOL/`, open for reading.
    pub(crate) volume: OwnedFd,
    /// `VOL/.homeport/`, open for reading.
    pub(crate) home: OwnedFd,
    /// Whether a sync failed: nothing that was done since the last good one may be built on.
    pub(crate) unsure: bool,
    _lock: VolumeLock,
}

/// A volume that this process has taken into use. Dropping it lets the lock go; the generation stays.
#[derive(Debug)]
pub struct InUse {
    held: Held,
}

impl Ready {
    /// Takes the lock, and looks again whether it is the volume that was checked.
    ///
    /// # Errors
    /// [`VolumeError::Locked`] if another process operates on the volume; [`VolumeError::Changed`] if it is not what
    /// was checked any more.
    pub fn hold(self) -> Result<Held, VolumeError> {
        let changed = |what: &str| VolumeError::Changed { path: self.path.clone(), what: what.to_owned() };
        let (volume, home, lock) = lock_home(&self.volume, &self.path)?;
        let found = marker::file::read(home.as_fd()).map_err(VolumeError::io("read the marker of", &self.path))?;
        if found != MarkerFact::Valid(Box::new(self.marker.clone())) {
            return Err(changed("its marker is another one"));
        }
        let entry = directory::child(volume.as_fd(), DATA).map_err(VolumeError::io("open", &self.path))?;
        let Entry::Directory(data) = entry else { return Err(changed("its data is gone")) };
        let status = directory::status(&data).map_err(VolumeError::io("examine the data of", &self.path))?;
        if (status.device, status.inode) != self.data.identity() {
            return Err(changed("its data is another directory"));
        }
        let journal = journal::look(home.as_fd(), Some(status.inode));
        match journal.map_err(VolumeError::io("read the journal of", &self.path))? {
            JournalFact::Absent | JournalFact::Finished { .. } => {}
            JournalFact::Unfinished { .. } | JournalFact::Damaged { .. } => {
                return Err(changed("an exchange of its data was begun"));
            }
        }
        Ok(Held { ready: self, volume, home, unsure: false, _lock: lock })
    }

    /// Takes the lock and writes the next generation into the marker, which is on the disk when this returns.
    ///
    /// The ledger is written after it, with [`InUse::generation`]: a crash between the two leaves the disk ahead of the
    /// ledger, which is no fault. The other order would make the right disk look like an old copy. [spec: VOL-13]
    ///
    /// # Errors
    /// Those of [`Ready::hold`], and what the operating system refused.
    pub fn begin_use(self) -> Result<InUse, VolumeError> {
        let mut held = self.hold()?;
        let path = held.ready.path.clone();
        let data = directory::readable(&held.ready.data.fd).map_err(VolumeError::io("open the data of", &path))?;
        let marker = &mut held.ready.marker;
        if stamp::read(&data).map_err(VolumeError::io("read the stamp of", &path))? == StampFact::Absent {
            stamp::write(&data, marker.uuid, marker.format).map_err(VolumeError::io("stamp", &path))?;
        }
        marker.generation = marker.generation.next();
        marker::file::write(held.home.as_fd(), marker).map_err(VolumeError::io("write the marker of", &path))?;
        Ok(InUse { held })
    }
}

/// Opens `VOL/` and its `.homeport/` for reading, and takes the lock.
pub(crate) fn lock_home(volume: &OwnedFd, path: &VolumePath) -> Result<(OwnedFd, OwnedFd, VolumeLock), VolumeError> {
    let volume = directory::readable(volume).map_err(VolumeError::io("open", path))?;
    let home = match directory::child(volume.as_fd(), HOME).map_err(VolumeError::io("open", path))? {
        Entry::Directory(fd) => directory::readable(fd).map_err(VolumeError::io("open", path))?,
        Entry::Absent | Entry::Other => {
            return Err(VolumeError::Changed { path: path.clone(), what: "its `.homeport` is gone".to_owned() });
        }
    };
    let lock = lock::take(home.as_fd(), path)?;
    Ok((volume, home, lock))
}

impl Held {
    /// A volume that was examined and locked in another way than by [`Ready::hold`].
    pub(crate) fn new(ready: Ready, volume: OwnedFd, home: OwnedFd, lock: VolumeLock) -> Self {
        Self { ready, volume, home, unsure: false, _lock: lock }
    }

    /// Where the volume is.
    pub fn path(&self) -> &VolumePath {
        &self.ready.path
    }

    /// What the volume says about itself now.
    pub fn marker(&self) -> &Marker {
        &self.ready.marker
    }

    /// The data that is live now.
    pub fn data(&self) -> &CheckedData {
        &self.ready.data
    }

    /// `VOL/`.
    pub(crate) fn volume(&self) -> BorrowedFd<'_> {
        self.volume.as_fd()
    }

    /// `VOL/.homeport/`.
    pub(crate) fn home(&self) -> BorrowedFd<'_> {
        self.home.as_fd()
    }

    /// Looks again which directory is live, after another one took its place.
    pub(crate) fn look_again(&mut self) -> Result<(), VolumeError> {
        let path = self.ready.path.clone();
        let entry = directory::child(self.volume.as_fd(), DATA).map_err(VolumeError::io("open the data of", &path))?;
        let Entry::Directory(fd) = entry else {
            return Err(VolumeError::Changed { path, what: "its data is gone".to_owned() });
        };
        let status = directory::status(&fd).map_err(VolumeError::io("examine the data of", &path))?;
        let (device, inode) = (status.device, status.inode);
        self.ready.data = CheckedData { fd, path, uuid: self.ready.marker.uuid, device, inode };
        self.ready.novelty = Novelty::Used;
        Ok(())
    }
}

impl InUse {
    /// The generation that the ledger is to remember.
    pub fn generation(&self) -> Generation {
        self.held.ready.marker.generation
    }

    /// What the volume says about itself now.
    pub fn marker(&self) -> &Marker {
        self.held.marker()
    }

    /// The data, to be mounted.
    pub fn data(&self) -> &CheckedData {
        self.held.data()
    }

    /// The hold on the volume that using it needs.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// What init is told to find at `path` in the container. [spec: VOL-20]
    pub fn expected(&self, path: String) -> ExpectedVolume {
        self.held.ready.expected(path)
    }
}
