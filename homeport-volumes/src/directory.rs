//! Owns small questions to an open directory: what is in it, whose it is, where it is mounted.
//! Never goes by a path.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use homeport_core::unit::{Gid, Mode as Permissions, Uid};

use crate::owner::Owner;

/// What `statx` says about an open directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    /// Owner and mode.
    pub(crate) owner: Owner,
    /// `st_dev`, in the one number that `stat` gives.
    pub(crate) device: u64,
    /// `st_ino`.
    pub(crate) inode: u64,
    /// The mount that the directory was found on.
    pub(crate) mount_id: u64,
    /// Whether the directory is what is mounted there.
    pub(crate) is_mount_root: bool,
}

/// What stands where a directory of the layout should be.
pub(crate) enum Entry {
    /// Nothing.
    Absent,
    /// A directory, open only to refer to it.
    Directory(OwnedFd),
    /// Anything else: a file, a link, another mount.
    Other,
}

/// What the kernel says about the open file `fd`.
pub(crate) fn status(fd: impl AsFd) -> Result<Status, Errno> {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let stat = rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, mask)?;
    Ok(Status {
        owner: Owner {
            uid: Uid::new(stat.stx_uid),
            gid: Gid::new(stat.stx_gid),
            mode: Permissions::new(stat.stx_mode.into()),
        },
        device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
        inode: stat.stx_ino,
        mount_id: stat.stx_mnt_id,
        is_mount_root: stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
    })
}

/// The same directory, open for reading, for the calls that refuse `O_PATH`.
pub(crate) fn readable(fd: impl AsFd) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(fd, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The directory `name` in `parent`, if it is one and lies on the same mount.
pub(crate) fn child(parent: BorrowedFd<'_>, name: &str) -> Result<Entry, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    match rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve) {
        Ok(fd) => {
            let stat = rustix::fs::statx(&fd, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?;
            let directory = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory;
            Ok(if directory { Entry::Directory(fd) } else { Entry::Other })
        }
        Err(Errno::NOENT) => Ok(Entry::Absent),
        Err(Errno::XDEV | Errno::LOOP) => Ok(Entry::Other),
        Err(error) => Err(error),
    }
}

/// At most `limit` names in the directory, without `.` and `..`, in the directory's own order.
pub(crate) fn names(fd: impl AsFd, limit: usize) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name.to_vec()));
            if names.len() == limit {
                break;
            }
        }
    }
    Ok(names)
}

/// Gives the directory its owner and mode, where they differ. The mode comes last: `chown` takes bits away.
pub(crate) fn give(fd: impl AsFd, owner: Owner) -> Result<(), Errno> {
    let found = status(fd.as_fd())?.owner;
    if (found.uid, found.gid) != (owner.uid, owner.gid) {
        let (uid, gid) = (rustix::fs::Uid::from_raw(owner.uid.get()), rustix::fs::Gid::from_raw(owner.gid.get()));
        rustix::fs::fchown(fd.as_fd(), Some(uid), Some(gid))?;
    }
    if status(fd.as_fd())?.owner.mode != owner.mode {
        rustix::fs::fchmod(fd.as_fd(), Mode::from_raw_mode(owner.mode.get()))?;
    }
    Ok(())
}

/// Makes the directory `name`, or takes the one that is there.
pub(crate) fn ensure(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    match child(parent, name)? {
        Entry::Directory(fd) => readable(fd),
        Entry::Absent => Err(Errno::NOENT),
        Entry::Other => Err(Errno::NOTDIR),
    }
}
