//! Owns letting a volume say that it is another: the marker is exchanged, and the stamp follows. Never touches the data.

use std::os::fd::AsFd as _;

use rustix::io::Errno;

use crate::begin::lock_home;
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::facts::MarkerFact;
use crate::failpoint::point;
use crate::layout::{DATA, STAMP};
use crate::marker::{self, Marker};
use crate::open::open_directory;
use crate::path::VolumePath;
use crate::stamp;

/// Exchanges the marker `from` of the volume at `path` for `to`, which is on the disk when this returns. The way back is
/// the same call with both exchanged. At any crash the volume says one of the two, and the same call ends it.
///
/// # Errors
/// [`VolumeError::Changed`] if the volume says neither of the two; [`VolumeError::Locked`].
pub fn change_marker(path: &VolumePath, from: &Marker, to: &Marker) -> Result<(), VolumeError> {
    let io = |action| VolumeError::io(action, path);
    let changed = |what: &str| VolumeError::Changed { path: path.clone(), what: what.to_owned() };
    let volume = open_directory(path).map_err(|_| changed("its path does not lead to a directory"))?;
    let (volume, home, _lock) = lock_home(&volume, path)?;
    match marker::file::read(home.as_fd()).map_err(VolumeError::io("read the marker of", path))? {
        MarkerFact::Valid(found) if *found == *from || *found == *to => {}
        _ => return Err(changed("its marker is another one")),
    }
    let data = match directory::child(volume.as_fd(), DATA).map_err(io("open the data of"))? {
        Entry::Directory(fd) => directory::readable(fd).map_err(io("open the data of"))?,
        Entry::Absent | Entry::Other => return Err(changed("its data is gone")),
    };
    let renamed = (from.uuid, from.format) != (to.uuid, to.format);
    if renamed {
        // No stamp is no fault, a wrong one is: so that none of the moments in between looks foreign.
        point("change.unstamp").map_err(VolumeError::io("stamp", path))?;
        match rustix::fs::fremovexattr(&data, STAMP) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(io("take the stamp off the data of")(error)),
        }
        rustix::fs::fsync(&data).map_err(io("sync the data of"))?;
    }
    point("change.marker").map_err(VolumeError::io("write the marker of", path))?;
    marker::file::write(home.as_fd(), to).map_err(VolumeError::io("write the marker of", path))?;
    if renamed {
        point("change.stamp").map_err(VolumeError::io("stamp", path))?;
        stamp::write(&data, to.uuid, to.format).map_err(io("stamp"))?;
        rustix::fs::fsync(&data).map_err(io("sync the data of"))?;
    }
    Ok(())
}
