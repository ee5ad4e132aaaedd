//! Owns opening a volume only to read its data, while its own container may write to it: what a snapshot reads from.
//! Never takes the lock, never writes, and never opens data that is not the known volume's.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use crate::check::{Checked, Ready, check};
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::examine::Machine;
use crate::facts::MarkerFact;
use crate::layout::HOME;
use crate::marker::{self, Marker};
use crate::open::open_directory;
use crate::owner::Owner;
use crate::path::VolumePath;
use crate::request::{Access, Known, Request};

/// A volume whose data may be read. What is opened is the directory that was checked, also if another one is put in its
/// place later. [spec: VOL-35]
#[derive(Debug)]
pub struct Readable {
    path: VolumePath,
    volume: OwnedFd,
    data: OwnedFd,
    identity: (u64, u64),
    owner: Owner,
    marker: Marker,
}

/// Opens the data of a known volume for reading.
///
/// Every fault that says that this is not the known volume, or not all of it, refuses it: path, disk, marker, generation,
/// an empty `data/`, a migration that was interrupted, something mounted in it. That somebody uses it, that it is full or
/// read-only, that owners or modes are wrong and that the image works with other formats does not: a snapshot is most
/// wanted then. `request.access` and `request.in_use_by` are not looked at. [spec: VOL-35]
///
/// # Errors
/// [`VolumeError::Refused`] with all faults, or what the operating system refused. Nothing is changed in any case.
pub fn check_readable(machine: &Machine, request: &Request, known: &Known) -> Result<Readable, VolumeError> {
    let request = Request { access: Access::Shared, in_use_by: None, ..request.clone() };
    match check(machine, &request, Some(known))? {
        Checked::Attach(ready) => Readable::of(*ready),
        // No known volume is ever made: `decide` has said so already.
        Checked::Create(_) => Err(changed(&request.path, "it is blank")),
    }
}

fn changed(path: &VolumePath, what: &str) -> VolumeError {
    VolumeError::Changed { path: path.clone(), what: what.to_owned() }
}

impl Readable {
    fn of(ready: Ready) -> Result<Self, VolumeError> {
        let Ready { path, volume, data, marker, .. } = ready;
        let identity = data.identity();
        let data = directory::readable(&data.fd).map_err(VolumeError::io("open the data of", &path))?;
        let owner = directory::status(&data).map_err(VolumeError::io("examine the data of", &path))?.owner;
        Ok(Self { path, volume, data, identity, owner, marker })
    }

    /// What the volume said about itself when it was checked.
    pub fn marker(&self) -> &Marker {
        &self.marker
    }

    /// `data/`, open for reading.
    pub fn data(&self) -> BorrowedFd<'_> {
        self.data.as_fd()
    }

    /// Owner and mode that `data/` has.
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// What the volume says about itself now, if the opened directory still is its data: asked after reading, so that
    /// nothing is kept that was read while the volume was exchanged, moved or removed. Its generation may be higher
    /// than before, where the container was started meanwhile.
    ///
    /// # Errors
    /// [`VolumeError::Changed`] if the path leads elsewhere, the marker is gone or names another volume, format or
    /// owner, or `data/` is another directory now.
    pub fn still(&self) -> Result<Marker, VolumeError> {
        let path = &self.path;
        let io = |action| VolumeError::io(action, path);
        let there = open_directory(path).map_err(|_| changed(path, "its path leads nowhere now"))?;
        let at = |fd: &OwnedFd| directory::status(fd).map(|status| (status.device, status.inode));
        if at(&there).map_err(io("examine"))? != at(&self.volume).map_err(io("examine"))? {
            return Err(changed(path, "another directory is there now"));
        }
        let home = match directory::child(self.volume.as_fd(), HOME).map_err(io("open"))? {
            Entry::Directory(fd) => directory::readable(fd).map_err(io("open"))?,
            Entry::Absent | Entry::Other => return Err(changed(path, "its `.homeport` is gone")),
        };
        let found = marker::file::read(home.as_fd()).map_err(VolumeError::io("read the marker of", path))?;
        let MarkerFact::Valid(now) = found else { return Err(changed(path, "its marker is gone")) };
        let kept = Marker { generation: now.generation, ..self.marker.clone() };
        if kept != *now || now.generation < self.marker.generation {
            return Err(changed(path, "its marker names something else now"));
        }
        let data = match directory::child(self.volume.as_fd(), crate::layout::DATA).map_err(io("open"))? {
            Entry::Directory(fd) => directory::status(&fd).map_err(io("examine the data of"))?,
            Entry::Absent | Entry::Other => return Err(changed(path, "its data is gone")),
        };
        if (data.device, data.inode) != self.identity {
            return Err(changed(path, "its data is another directory now"));
        }
        Ok(*now)
    }
}
