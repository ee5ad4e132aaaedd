//! Owns making a volume. Never makes one where a check did not allow it, and never touches what it did not make.
//!
//! ```text
//! directories -> lock -> owner of VOL/ -> data/ -> stamp -> fsync -> marker, fsync, rename, fsync
//! ```
//!
//! The marker comes last and makes it a volume. A crash before it leaves directories without any data, which the next
//! check recognises as half made, so that creation starts over; a crash after it leaves the volume.

use std::ffi::OsString;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use homeport_core::fault::Fault;
use rustix::fs::{OFlags, RenameFlags};
use rustix::io::Errno;

use crate::check::{CheckedData, Creatable, Ready};
use crate::decide::Novelty;
use crate::directory;
use crate::error::VolumeError;
use crate::facts::MarkerFact;
use crate::file;
use crate::identity::{Generation, UnixSeconds, VolumeUuid};
use crate::layout::{DATA, HOME, LOST_AND_FOUND, MARKER_NEW, PROBE};
use crate::marker::{self, Marker};
use crate::open::{open_deepest, open_directory};
use crate::owner::Owner;
use crate::path::VolumePath;
use crate::request::{Origin, Request};
use crate::{lock, stamp};

/// A volume that was made.
#[derive(Debug)]
pub struct Created {
    /// The volume, checked and ready to be taken into use.
    pub ready: Ready,
    /// What was there before, for the way back.
    pub before: Before,
}

/// What was at the path before the volume was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing that was not HomePort's own.
    Nothing,
    /// The operator's empty directory, with this owner and mode.
    Directory(Owner),
}

impl Creatable {
    /// Makes the volume with the identity `uuid`. When this returns it is on the disk.
    ///
    /// The same request may be checked and created again after a crash at any point of it.
    ///
    /// # Errors
    /// [`VolumeError::Changed`] if the place is not blank any more; then it is left as it is.
    pub fn create(self, uuid: VolumeUuid, created: UnixSeconds) -> Result<Created, VolumeError> {
        let Self { request, place, volume, .. } = self;
        let volume = match volume {
            Some(volume) => volume,
            None => make_way(&request.path)?,
        };
        let io = |action| VolumeError::io(action, &request.path);
        let found = directory::status(&volume).map_err(io("examine"))?.owner;
        let before = match request.origin {
            Origin::Default { .. } => Before::Nothing,
            Origin::Operator => Before::Directory(found),
        };
        let marker = Marker {
            root: request.root.clone(),
            port: request.port.clone(),
            instance: request.instance.clone(),
            volume: request.volume.clone(),
            uuid,
            format: request.format,
            generation: Generation::NEVER_USED,
            must_be_mount: mount_point(&place.mount_point),
            fs: place.fs,
            owner: request.owner,
            created,
        };
        let data = furnish(&request, &volume, &marker)?;
        Ok(Created {
            ready: Ready { path: request.path, volume, data, marker, novelty: Novelty::New, notices: Vec::new() },
            before,
        })
    }
}

/// The mount point to insist on; the root file system is always there.
fn mount_point(point: &Path) -> Option<VolumePath> {
    VolumePath::try_from(point).ok()
}

/// Makes the directories that are missing on the way to `path`, root's and closed to others.
fn make_way(path: &VolumePath) -> Result<OwnedFd, VolumeError> {
    let (above, mut here) = open_deepest(path).map_err(VolumeError::io("open", path))?;
    for name in path.components().skip(above.components().count()) {
        let parent = directory::readable(&here).map_err(VolumeError::io("open", path))?;
        here = directory::ensure(parent.as_fd(), name).map_err(VolumeError::io("make", path))?;
        rustix::fs::fsync(&parent).map_err(VolumeError::io("sync", path))?;
    }
    open_directory(path).map_err(|_| VolumeError::Changed { path: path.clone(), what: "it is gone again".to_owned() })
}

/// Syncs the directories between the data root and the volume: an earlier attempt may have made them and died.
fn sync_way(path: &VolumePath, data_root: &VolumePath) -> Result<(), VolumeError> {
    let above = path.prefixes().filter(|prefix| prefix.len() >= data_root.as_str().len() && *prefix != path.as_str());
    for prefix in above.filter_map(|prefix| prefix.parse::<VolumePath>().ok()) {
        if let Ok(fd) = open_directory(&prefix) {
            let synced = directory::readable(fd).and_then(rustix::fs::fsync);
            synced.map_err(VolumeError::io("sync", &prefix))?;
        }
    }
    Ok(())
}

/// Lays out the volume in the open directory, under its lock; the marker last.
fn furnish(request: &Request, volume: &OwnedFd, marker: &Marker) -> Result<CheckedData, VolumeError> {
    let path = &request.path;
    let io = |action| VolumeError::io(action, path);
    let changed = |what: &str| Err(VolumeError::Changed { path: path.clone(), what: what.to_owned() });
    let volume = directory::readable(volume).map_err(io("open"))?;
    if !strangers(volume.as_fd()).map_err(io("list"))?.is_empty() {
        return changed("it is not empty any more");
    }
    let home = directory::ensure(volume.as_fd(), HOME).map_err(io("make `.homeport` in"))?;
    directory::give(&home, Owner::PRIVATE).map_err(io("close `.homeport` of"))?;
    let _lock = lock::take(home.as_fd(), path)?;
    if marker::file::read(home.as_fd()).map_err(VolumeError::io("read the marker of", path))? != MarkerFact::Absent {
        return changed("it has a marker now");
    }
    expect_exchange(request, &home)?;
    directory::give(&volume, Owner::PRIVATE).map_err(io("close"))?;
    let data = directory::ensure(volume.as_fd(), DATA).map_err(io("make `data` in"))?;
    if !directory::names(&data, 1).map_err(io("list the data of"))?.is_empty() {
        return changed("there is data in it now");
    }
    directory::give(&data, request.owner).map_err(io("give away the data of"))?;
    stamp::write(&data, marker.uuid, marker.format).map_err(io("stamp"))?;
    rustix::fs::fsync(&data).map_err(io("sync"))?;
    rustix::fs::fsync(&volume).map_err(io("sync"))?;
    if let Origin::Default { data_root } = &request.origin {
        sync_way(path, data_root)?;
    }
    marker::file::write(home.as_fd(), marker).map_err(VolumeError::io("write the marker of", path))?;
    let status = directory::status(&data).map_err(io("examine the data of"))?;
    let fd = match directory::child(volume.as_fd(), DATA).map_err(io("open the data of"))? {
        directory::Entry::Directory(fd) => fd,
        directory::Entry::Absent | directory::Entry::Other => return changed("its data is gone"),
    };
    let (device, inode) = (status.device, status.inode);
    Ok(CheckedData { fd, path: path.clone(), uuid: marker.uuid, device, inode })
}

/// Whether two names can be exchanged in one step: only then can a restore put another tree in the place of `data/`
/// without an instant between. Tried with two names that a half-made volume may have. [spec: VOL-37]
fn expect_exchange(request: &Request, home: &OwnedFd) -> Result<(), VolumeError> {
    let io = |action| VolumeError::io::<Errno>(action, &request.path);
    for name in [PROBE, MARKER_NEW] {
        file::unlink(home, name).map_err(io("clear `.homeport` of"))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        drop(file::open_in(home.as_fd(), name, flags, 0o600).map_err(io("write to"))?);
    }
    let exchanged = rustix::fs::renameat_with(home, PROBE, home, MARKER_NEW, RenameFlags::EXCHANGE);
    for name in [PROBE, MARKER_NEW] {
        file::unlink(home, name).map_err(io("clear `.homeport` of"))?;
    }
    match exchanged {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            let message =
                format!("volume `{}` is on a file system that keeps too little of what is needed", request.volume);
            let fault = Fault::new("HP-VOL-016", format!("volumes.{}", request.volume), message).clause("VOL-37");
            Err(VolumeError::Refused(vec![
                fault
                    .expected("a file system that can exchange two directories in one step")
                    .actual(format!("one at `{}` that cannot", request.path))
                    .remedy("name a directory on ext4, XFS or btrfs"),
            ]))
        }
        other => other.map_err(io("exchange two names in")),
    }
}

/// The names in the volume's directory that are no part of it.
fn strangers(volume: BorrowedFd<'_>) -> Result<Vec<OsString>, Errno> {
    let status = directory::status(volume)?;
    let own = |name: &OsString| name == HOME || name == DATA || (name == LOST_AND_FOUND && status.is_mount_root);
    Ok(directory::names(volume, 16)?.into_iter().filter(|name| !own(name)).collect())
}
