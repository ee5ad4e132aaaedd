//! Owns room that is set aside in a directory of HomePort's own while an operation goes on: where the disk gets full
//! meanwhile, the way back finds it once it is given up. Never touches data, and never keeps an operation from its end.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use homeport_core::unit::Bytes;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::file::{open_in, unlink};
use crate::layout::{HOME, ROOM};
use crate::open::{PathFact, open_directory};
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

fn open_plain(directory: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(directory, flags, Mode::empty())
}

/// The volume's own directory; `None` where it has none.
fn home(path: &VolumePath) -> Result<Option<OwnedFd>, VolumeError> {
    let Some(volume) = if_there(open_directory(path), path)? else { return Ok(None) };
    match directory::child(volume.as_fd(), HOME).map_err(VolumeError::io("open the own directory of", path))? {
        Entry::Directory(home) => Ok(Some(home)),
        Entry::Absent | Entry::Other => Ok(None),
    }
}

/// What was opened; `None` where there is no directory. That one could not be opened does not say that there is none.
fn if_there(opened: Result<OwnedFd, PathFact>, path: &VolumePath) -> Result<Option<OwnedFd>, VolumeError> {
    let source = match opened {
        Ok(directory) => return Ok(Some(directory)),
        Err(PathFact::Missing { .. } | PathFact::NotADirectory { .. } | PathFact::Directory) => return Ok(None),
        Err(PathFact::Link { component, .. }) => std::io::Error::other(format!("`{component}` is a symbolic link")),
        Err(PathFact::Unreachable { reason }) => std::io::Error::other(reason),
    };
    Err(VolumeError::io("open", path)(source))
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

/// Where a file system cannot set aside, it is written to, with bytes of which no two blocks are alike and none gets
/// smaller: what such file systems compress or have once only would be no room.
fn write(file: &mut File, size: Bytes) -> Result<(), Errno> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut piece = [0; 4096];
    let written = (0..size.get().div_ceil(4096)).try_for_each(|_| {
        scramble(&mut state, &mut piece);
        file.write_all(&piece)
    });
    written.and_then(|()| file.sync_all()).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Fills `piece` with the next numbers of a xorshift generator.
fn scramble(state: &mut u64, piece: &mut [u8]) {
    for eight in piece.chunks_mut(8) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        eight.copy_from_slice(&state.to_le_bytes()[..eight.len()]);
    }
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
        let written = std::fs::read(&room).unwrap();
        let small = zstd::bulk::compress(&written, 19).unwrap();
        assert!(small.len() >= written.len(), "{} of {}", small.len(), written.len());
    }

    #[test]
    fn only_a_volume_that_is_not_there_has_no_room() {
        let path: VolumePath = "/srv/mail".parse().unwrap();
        let component = path.to_string();
        for fact in
            [PathFact::Missing { first: component.clone() }, PathFact::NotADirectory { component: component.clone() }]
        {
            assert!(matches!(if_there(Err(fact), &path), Ok(None)));
        }
        for fact in [
            PathFact::Unreachable { reason: Errno::MFILE.to_string() },
            PathFact::Unreachable { reason: Errno::IO.to_string() },
            PathFact::Link { component, target: "/elsewhere".into(), real: None },
        ] {
            assert!(matches!(if_there(Err(fact), &path), Err(VolumeError::Io { .. })));
        }
    }
}
