//! Owns moving one name from a directory to another so that no crash loses it or leaves it in both. Never looks at what
//! the name stands for.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, RenameFlags};
use rustix::io::Errno;
use rustix::path::Arg;

use super::place::exists;

/// Moves `name` from one directory to another, never over anything, and makes that durable in both. May be repeated after
/// a crash at any point.
///
/// The directory that loses the name is synced first: btrfs logs what the other one gained without what this one lost, so
/// that a file could have both names after a crash. Where it has, the old one goes.
pub(super) fn move_name(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    match rustix::fs::renameat_with(from, name, to, name, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::EXIST) if is_same_file(from, to, name)? => rustix::fs::unlinkat(from, name, AtFlags::empty())?,
        Err(Errno::NOENT) if exists(to, name)? => {}
        Err(error) => return Err(error),
    }
    rustix::fs::fsync(from)?;
    rustix::fs::fsync(to)
}

/// Whether `name` is one and the same inode, not a directory, in both.
pub(crate) fn is_same_file(one: BorrowedFd<'_>, other: BorrowedFd<'_>, name: impl Arg + Copy) -> Result<bool, Errno> {
    let look = |directory| rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    match (look(one), look(other)) {
        (Ok(one), Ok(other)) => {
            let file = FileType::from_raw_mode(one.st_mode) != FileType::Directory;
            Ok(file && (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
        }
        (Err(Errno::NOENT), _) | (_, Err(Errno::NOENT)) => Ok(false),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}
