//! Owns room that is set aside in a directory of HomePort's own while an operation goes on: where the disk gets full
//! meanwhile, the way back finds it once it is given up. Never touches data, and never keeps an operation from its end.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;

use homeport_core::unit::Bytes;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::file::{open_in, unlink};
use crate::layout::{HOME, ROOM};
use crate::open::open_directory;
use crate::path::VolumePath;

/// Sets room aside in the volume at `path`, as much as `size`. Room that is set aside already counts.
///
/// # Errors
/// Where there is not so much, or the volume's own directory cannot be written to. Nothing is set aside then.
pub fn set_aside(path: &VolumePath, size: Bytes) -> Result<(), VolumeError> {
    let home = home(path)?.ok_or(Errno::NOENT).map_err(VolumeError::io("set room aside in", path))?;
    keep(home.as_fd(), size).map_err(VolumeError::io("set room aside in", path))
}

/// Gives up what was set aside in the volume at `path`. Where nothing was, or the volume is not there, nothing is done.
///
/// # Errors
/// Where the file that holds the room cannot be removed.
pub fn give_up(path: &VolumePath) -> Result<(), VolumeError> {
    let Some(home) = home(path)? else { return Ok(()) };
    unlink(&home, ROOM).map_err(VolumeError::io("give room up in", path))
}

/// The same in a directory that is no volume: its file is called `room`.
///
/// # Errors
/// Where there is not so much, or the directory cannot be written to. Nothing is set aside then.
pub fn set_aside_in(directory: &Path, size: Bytes) -> std::io::Result<()> {
    let directory = open_plain(directory)?;
    Ok(keep(directory.as_fd(), size)?)
}

/// Gives up what was set aside in a directory that is no volume.
///
/// # Errors
/// Where the directory cannot be opened, or the file that holds the room cannot be removed.
pub fn give_up_in(directory: &Path) -> std::io::Result<()> {
    Ok(unlink(open_plain(directory)?, ROOM)?)
}

fn open_plain(directory: &Path) -> Result<std::os::fd::OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(directory, flags, Mode::empty())
}

/// The volume's own directory; `None` where it has none.
fn home(path: &VolumePath) -> Result<Option<std::os::fd::OwnedFd>, VolumeError> {
    let Ok(volume) = open_directory(path) else { return Ok(None) };
    match directory::child(volume.as_fd(), HOME).map_err(VolumeError::io("open the own directory of", path))? {
        Entry::Directory(home) => Ok(Some(home)),
        Entry::Absent | Entry::Other => Ok(None),
    }
}

fn keep(directory: BorrowedFd<'_>, size: Bytes) -> Result<(), Errno> {
    let kept = || {
        let mut file = open_in(directory, ROOM, OFlags::WRONLY | OFlags::CREATE, 0o600)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size.get()) {
            Err(Errno::OPNOTSUPP) => write(&mut file, size),
            other => other,
        }
    };
    let kept = kept();
    if kept.is_err() {
        unlink(directory, ROOM).ok();
    }
    kept
}

/// Where a file system cannot set aside, it is written to.
fn write(file: &mut File, size: Bytes) -> Result<(), Errno> {
    let piece = [0; 4096];
    let written =
        (0..size.get().div_ceil(4096)).try_for_each(|_| file.write_all(&piece)).and_then(|()| file.sync_all());
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_set_aside_once_and_given_up_more_than_once() {
        let dir = tempfile::tempdir().unwrap();
        let room = dir.path().join(ROOM);
        for _ in 0..2 {
            set_aside_in(dir.path(), Bytes::new(10_000)).unwrap();
            assert_eq!(room.metadata().unwrap().len(), 10_000);
        }
        for _ in 0..2 {
            give_up_in(dir.path()).unwrap();
            assert!(!room.exists());
        }
        let mut file = File::create(&room).unwrap();
        write(&mut file, Bytes::new(10_000)).unwrap();
        assert!(room.metadata().unwrap().len() >= 10_000);
    }
}
