//! Owns HomePort's own small files in a directory that is open: opening one without following anything, reading it with
//! a bound, and replacing it so that a crash leaves the old or the new one. Never judges what they say.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// What is found where a small file should be.
#[derive(Debug)]
pub(crate) enum Small {
    /// Nothing.
    Absent,
    /// A directory, a link, a pipe or something else, maybe on another mount.
    NotAFile,
    /// The bytes; one more than the limit where the file is longer.
    Bytes(Vec<u8>),
}

/// Opens one plain name in the directory `parent`, never through a link, and never waiting for a FIFO's other end.
pub(crate) fn open_in(parent: BorrowedFd<'_>, name: &str, flags: OFlags, mode: u32) -> Result<File, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(parent, name, flags, Mode::from_raw_mode(mode), resolve).map(File::from)
}

/// Reads the file `name`, at most one byte more than `limit`.
pub(crate) fn read_small(parent: BorrowedFd<'_>, name: &str, limit: usize) -> Result<Small, std::io::Error> {
    let file = match open_in(parent, name, OFlags::RDONLY, 0) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(Small::Absent),
        Err(Errno::LOOP | Errno::XDEV | Errno::NXIO) => return Ok(Small::NotAFile),
        Err(error) => return Err(error.into()),
    };
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
        return Ok(Small::NotAFile);
    }
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Small::Bytes(bytes))
}

/// Writes `bytes` to `fresh`, syncs it, renames it over `name` and syncs the directory: when this returns, the new file
/// is on the disk; at any crash before, it is there as it was or as it is to be.
///
/// A failed fsync is final: the caller must not go on as if a second one could mend it.
pub(crate) fn replace(parent: impl AsFd, fresh: &str, name: &str, bytes: &[u8]) -> Result<(), std::io::Error> {
    let parent = parent.as_fd();
    // What an earlier crash left may be anything, a link too; a new file is made in any case.
    unlink(parent, fresh)?;
    let mut file = open_in(parent, fresh, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, 0o600)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    rustix::fs::renameat(parent, fresh, parent, name)?;
    Ok(rustix::fs::fsync(parent)?)
}

/// Removes the name of a file; one that is gone already is no error.
pub(crate) fn unlink(parent: impl AsFd, name: &str) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}
