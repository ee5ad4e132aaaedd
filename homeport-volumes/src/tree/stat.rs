//! Owns what the kernel says of an entry without reading it.
//! Never asks twice: one call, one moment.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use homeport_core::unit::{Gid, Mode, Uid};
use rustix::fs::{AtFlags, FileType, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::entry::DeviceNumbers;
use super::meta::StatKey;
use super::time::Timestamp;

/// What the kernel says of an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: StatKind,
    /// Permission, set-id and sticky bits.
    pub mode: Mode,
    /// The owner.
    pub uid: Uid,
    /// The group.
    pub gid: Gid,
    /// Its length in bytes, of a regular file its content's.
    pub size: u64,
    /// The time of the last modification.
    pub modified: Timestamp,
    /// The time of the last status change.
    pub changed: Timestamp,
    /// The file system that the inode is on.
    pub device: u64,
    /// The inode's number on it.
    pub inode: u64,
    /// How many names it has.
    pub links: u32,
    /// Units of 512 bytes that the file system keeps for it. Fewer than `size` needs may mean holes, or compression.
    pub blocks: u64,
}

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    Character(DeviceNumbers),
    /// A block device.
    Block(DeviceNumbers),
}

/// Whether something is mounted at an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mounted {
    /// Yes: what was looked at is not the entry but what covers it.
    Here,
    /// No.
    Not,
}

impl Stat {
    /// Of the open `fd`, which may be one that only refers.
    pub fn of(fd: impl AsFd) -> Result<Self, Errno> {
        statx(fd.as_fd(), c"", AtFlags::EMPTY_PATH).map(|(stat, _)| stat)
    }

    /// Of `name` in `directory`, without following it.
    pub(crate) fn at(directory: BorrowedFd<'_>, name: &CStr) -> Result<(Self, Mounted), Errno> {
        statx(directory, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)
    }

    /// The key that says whether it was touched since. [spec: STO-18]
    pub fn key(&self) -> StatKey {
        StatKey { inode: self.inode, changed: self.changed }
    }
}

fn statx(fd: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> Result<(Stat, Mounted), Errno> {
    let stat = rustix::fs::statx(fd, name, flags, StatxFlags::BASIC_STATS)?;
    let covered = stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
    Ok((read(&stat)?, if covered { Mounted::Here } else { Mounted::Not }))
}

fn read(stat: &Statx) -> Result<Stat, Errno> {
    let numbers = DeviceNumbers { major: stat.stx_rdev_major, minor: stat.stx_rdev_minor };
    let kind = match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::Directory => StatKind::Directory,
        FileType::RegularFile => StatKind::File,
        FileType::Symlink => StatKind::Symlink,
        FileType::Fifo => StatKind::Fifo,
        FileType::Socket => StatKind::Socket,
        FileType::CharacterDevice => StatKind::Character(numbers),
        FileType::BlockDevice => StatKind::Block(numbers),
        FileType::Unknown => return Err(Errno::NOTSUP),
    };
    Ok(Stat {
        kind,
        mode: Mode::new(stat.stx_mode.into()),
        uid: Uid::new(stat.stx_uid),
        gid: Gid::new(stat.stx_gid),
        size: stat.stx_size,
        modified: Timestamp::from_kernel(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
        changed: Timestamp::from_kernel(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
        device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
        inode: stat.stx_ino,
        links: stat.stx_nlink,
        blocks: stat.stx_blocks,
    })
}
