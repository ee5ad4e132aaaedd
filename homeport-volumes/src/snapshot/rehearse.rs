//! Owns trying a restore out: every volume is built in a scratch place, compared, and deleted again. Never touches a volume.

use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::error::SnapshotError;
use super::now;
use super::verified::{Level, Looked, Verified};
use crate::progress::Progress;
use crate::restore::erase::erase;
use crate::restore::{Devices, Stored, take_out};
use crate::store::{SnapshotHead, Store};
use crate::tree::TreePath;

/// What a file system keeps for each entry beside its bytes, at most, out of long names and large attributes.
const ENTRY: u64 = 4096;

/// Restores every volume of the snapshot into the directory `scratch`, an absolute path, compares every byte and attribute, and deletes it
/// again, one volume after the other. Device nodes are made: `scratch` must be closed to everybody but root.
///
/// # Errors
/// There is no room, the snapshot is damaged, or what was built is not what it says. What was built is deleted in each
/// case, as far as the operating system allows.
pub fn rehearse(
    store: &Store,
    head: &SnapshotHead,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<Verified, SnapshotError> {
    let largest =
        head.body.volumes.iter().map(|part| part.bytes.saturating_add(part.count.saturating_mul(ENTRY))).max();
    let needed = largest.unwrap_or(0);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let io = |errno: rustix::io::Errno| SnapshotError::Scratch(errno.into());
    let place = rustix::fs::open(scratch, flags, Mode::empty()).map_err(io)?;
    let space = rustix::fs::fstatvfs(&place).map_err(io)?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if free < needed {
        return Err(SnapshotError::NoRoom { free, needed });
    }
    let objects = store.objects()?;
    let mut extent = Looked::default();
    for part in &head.body.volumes {
        let source = Stored::new(store, &objects, part.entries);
        let name = format!("{}.{}", head.body.uuid, part.name);
        let to = scratch.join(&name);
        let built = take_out(&source, &TreePath::root(), &to, Devices::Make, progress)?;
        erase(&place, name.as_bytes()).map_err(|fault| SnapshotError::Restore(fault.at(&to)))?;
        extent.entries += built.entries;
        extent.bytes += built.bytes;
    }
    Ok(Verified { snapshot: head.body.uuid, level: Level::Rehearsed, at: now(), extent })
}
