//! Owns taking a volume into use: the lock, and the generation that tells the newest disk from an old copy.
//! Never mounts it and never starts anything.

use std::os::fd::AsFd as _;

use homeport_core::entrypoint::ExpectedVolume;

use crate::check::{CheckedData, Ready};
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::facts::{MarkerFact, StampFact};
use crate::identity::Generation;
use crate::layout::{DATA, HOME};
use crate::lock::{self, VolumeLock};
use crate::marker::{self, Marker};
use crate::stamp;

/// A volume that this process has taken into use. Dropping it lets the lock go; the generation stays.
#[derive(Debug)]
pub struct InUse {
    ready: Ready,
    _lock: VolumeLock,
}

impl Ready {
    /// Takes the lock and writes the next generation into the marker, which is on the disk when this returns.
    ///
    /// The ledger is written after it, with [`InUse::generation`]: a crash between the two leaves the disk ahead of the
    /// ledger, which is no fault. The other order would make the right disk look like an old copy. [spec: VOL-13]
    ///
    /// # Errors
    /// [`VolumeError::Locked`] if another process operates on the volume; [`VolumeError::Changed`] if it is not what
    /// was checked any more.
    pub fn begin_use(mut self) -> Result<InUse, VolumeError> {
        let changed = |what: &str| VolumeError::Changed { path: self.path.clone(), what: what.to_owned() };
        let home = match directory::child(self.volume.as_fd(), HOME).map_err(VolumeError::io("open", &self.path))? {
            Entry::Directory(fd) => directory::readable(fd).map_err(VolumeError::io("open", &self.path))?,
            Entry::Absent | Entry::Other => return Err(changed("its `.homeport` is gone")),
        };
        let lock = lock::take(home.as_fd(), &self.path)?;
        let found = marker::file::read(home.as_fd()).map_err(VolumeError::io("read the marker of", &self.path))?;
        if found != MarkerFact::Valid(Box::new(self.marker.clone())) {
            return Err(changed("its marker is another one"));
        }
        let entry = directory::child(self.volume.as_fd(), DATA).map_err(VolumeError::io("open", &self.path))?;
        let Entry::Directory(data) = entry else { return Err(changed("its data is gone")) };
        let status = directory::status(&data).map_err(VolumeError::io("examine the data of", &self.path))?;
        if (status.device, status.inode) != self.data.identity() {
            return Err(changed("its data is another directory"));
        }
        let data = directory::readable(&data).map_err(VolumeError::io("open the data of", &self.path))?;
        if stamp::read(&data).map_err(VolumeError::io("read the stamp of", &self.path))? == StampFact::Absent {
            stamp::write(&data, self.marker.uuid, self.marker.format).map_err(VolumeError::io("stamp", &self.path))?;
        }
        self.marker.generation = self.marker.generation.next();
        marker::file::write(home.as_fd(), &self.marker).map_err(VolumeError::io("write the marker of", &self.path))?;
        Ok(InUse { ready: self, _lock: lock })
    }
}

impl InUse {
    /// The generation that the ledger is to remember.
    pub fn generation(&self) -> Generation {
        self.ready.marker.generation
    }

    /// What the volume says about itself now.
    pub fn marker(&self) -> &Marker {
        &self.ready.marker
    }

    /// The data, to be mounted.
    pub fn data(&self) -> &CheckedData {
        &self.ready.data
    }

    /// What init is told to find at `path` in the container. [spec: VOL-20]
    pub fn expected(&self, path: String) -> ExpectedVolume {
        self.ready.expected(path)
    }
}
