//! Owns trying a restore out: every volume is built in a scratch place, compared, and deleted again. Never touches a volume.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use homeport_core::name::VolumeName;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::error::SnapshotError;
use super::now;
use super::verified::{Level, Looked, Verified};
use crate::directory;
use crate::progress::Progress;
use crate::restore::erase::erase;
use crate::restore::{Devices, Stored, take_out};
use crate::store::{SnapshotHead, SnapshotUuid, Store};
use crate::tree::TreePath;

/// What a file system keeps for each entry beside its bytes, at most, out of long names and large attributes.
const ENTRY: u64 = 4096;

/// What has to stay free of a file system of this size: others may live on it.
fn reserve(size: u64) -> u64 {
    (size / 20).clamp(64 << 20, 1 << 30)
}

/// Restores every volume of the snapshot into the directory `scratch`, an absolute path, compares every byte and attribute, and deletes it
/// again, one volume after the other. Device nodes are made: `scratch` must be closed to everybody but root. One rehearsal
/// goes on there at a time, and takes away first what one that was cut off has left.
///
/// # Errors
/// There is no room, a twentieth of the file system (64 MiB to 1 GiB) kept free; another rehearsal goes on; the snapshot is
/// damaged, or what was built is not what it says. What was built is deleted in each case, as far as the operating system
/// allows.
pub fn rehearse(
    store: &Store,
    head: &SnapshotHead,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<Verified, SnapshotError> {
    let largest =
        head.body.volumes.iter().map(|part| part.bytes.saturating_add(part.count.saturating_mul(ENTRY))).max();
    let place = Place::take(scratch)?;
    let space = rustix::fs::fstatvfs(&place.0).map_err(|errno| SnapshotError::Scratch(errno.into()))?;
    let (free, size) = (space.f_bavail.saturating_mul(space.f_frsize), space.f_blocks.saturating_mul(space.f_frsize));
    let needed = largest.unwrap_or(0).saturating_add(reserve(size));
    if free < needed {
        return Err(SnapshotError::NoRoom { free, needed });
    }
    let objects = store.objects()?;
    let mut extent = Looked::default();
    for part in &head.body.volumes {
        let source = Stored::new(store, &objects, part.entries);
        let name = format!("{}.{}", head.body.uuid, part.name);
        let built = take_out(&source, &TreePath::root(), &scratch.join(&name), Devices::Make, progress)?;
        place.clear(scratch, name.as_bytes())?;
        extent.entries += built.entries;
        extent.bytes += built.bytes;
    }
    Ok(Verified { snapshot: head.body.uuid, level: Level::Rehearsed, at: now(), extent })
}

/// The scratch place, for one rehearsal alone.
struct Place(OwnedFd);

impl Place {
    /// Takes it, and clears it of what a rehearsal left that was cut off.
    fn take(scratch: &Path) -> Result<Self, SnapshotError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::open(scratch, flags, Mode::empty());
        let place = opened.map_err(|errno| SnapshotError::Scratch(errno.into()))?;
        match rustix::fs::flock(&place, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(SnapshotError::Rehearsing),
            Err(errno) => return Err(SnapshotError::Scratch(errno.into())),
        }
        let place = Self(place);
        let names = directory::names(&place.0, usize::MAX).map_err(|errno| SnapshotError::Scratch(errno.into()))?;
        for name in names.iter().map(|name| name.as_bytes()).filter(|name| is_ours(name)) {
            place.clear(scratch, name)?;
        }
        Ok(place)
    }

    /// Deletes what was built under this name.
    fn clear(&self, scratch: &Path, name: &[u8]) -> Result<(), SnapshotError> {
        erase(&self.0, name).map_err(|fault| SnapshotError::Restore(fault.at(&scratch.join(OsStr::from_bytes(name)))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A child that another thread is just starting has a copy of the descriptor until its `exec`.
        rustix::fs::flock(&self.0, FlockOperation::Unlock).ok();
    }
}

/// Whether a rehearsal gives such a name: a snapshot's uuid and a volume's name.
fn is_ours(name: &[u8]) -> bool {
    let parts = std::str::from_utf8(name).ok().and_then(|name| name.split_once('.'));
    parts.is_some_and(|(uuid, volume)| uuid.parse::<SnapshotUuid>().is_ok() && volume.parse::<VolumeName>().is_ok())
}
