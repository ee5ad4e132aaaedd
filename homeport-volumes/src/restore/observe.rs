//! Owns looking at one thing in a tree to compare it: attributes, flags, targets, the number of names. Never changes
//! anything, and follows nothing.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags, RawDir, Stat};
use rustix::io::Errno;

use crate::tree::make::read_flags;
use crate::tree::{DeviceNumbers, FileFlags, Kind, LinkTarget, Timestamp, Xattr, XattrName};

/// How a directory is opened to be looked at.
pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NOATIME);

/// What something carries beside what `stat` says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// In the order of their names, without the host's own.
    pub(super) xattrs: Vec<Xattr>,
    pub(super) flags: FileFlags,
}

/// Looks at an open file or directory.
pub(super) fn open(fd: BorrowedFd<'_>) -> Result<Found, Errno> {
    let xattrs =
        xattrs(|buffer| rustix::fs::flistxattr(fd, buffer), |name, buffer| rustix::fs::fgetxattr(fd, name, buffer))?;
    Ok(Found { xattrs, flags: read_flags(fd)? })
}

/// Looks at a symbolic link, FIFO, socket or device.
pub(super) fn named(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Found, Errno> {
    let mut path = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    let path = &path[..];
    let xattrs = xattrs(
        |buffer| rustix::fs::llistxattr(path, buffer),
        |name, buffer| rustix::fs::lgetxattr(path, name, buffer),
    )?;
    Ok(Found { xattrs, flags: FileFlags::NONE })
}

fn xattrs(
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>,
) -> Result<Vec<Xattr>, Errno> {
    let mut names = [0_u8; 1024];
    let length = match list(&mut names) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Ok(length) => length,
        Err(Errno::RANGE) => return long_xattrs(list, get),
        Err(error) => return Err(error),
    };
    collect(&names[..length], get)
}

fn long_xattrs(
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>,
) -> Result<Vec<Xattr>, Errno> {
    // The kernel gives at most this much.
    let mut names = vec![0_u8; 64 * 1024];
    let length = list(&mut names)?;
    collect(&names[..length], get)
}

fn collect(names: &[u8], get: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>) -> Result<Vec<Xattr>, Errno> {
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty() && !XattrName::is_hosts(name)) {
        let mut value = vec![0_u8; 64 * 1024];
        let length = get(name, &mut value)?;
        value.truncate(length);
        let xattr = XattrName::new(name).and_then(|name| Xattr::new(name, value));
        found.push(xattr.map_err(|_| Errno::INVAL)?);
    }
    found.sort_unstable();
    Ok(found)
}

/// What a thing is that is neither a file nor a directory; `None` if it is one of these.
pub(super) fn special(parent: BorrowedFd<'_>, name: &[u8], stat: &Stat) -> Result<Option<Kind>, Errno> {
    let device = || DeviceNumbers { major: rustix::fs::major(stat.st_rdev), minor: rustix::fs::minor(stat.st_rdev) };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(parent, name, Vec::new())?;
            LinkTarget::new(target.into_bytes()).ok().map(|target| Kind::Symlink { target })
        }
        FileType::Fifo => Some(Kind::Fifo),
        FileType::Socket => Some(Kind::Socket),
        FileType::CharacterDevice => Some(Kind::Character(device())),
        FileType::BlockDevice => Some(Kind::Block(device())),
        _ => None,
    })
}

/// The time of the last modification.
pub(super) fn modified(stat: &Stat) -> Timestamp {
    Timestamp::from_kernel(stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(u32::MAX))
}

/// How many names are in a directory that is open and was not read yet.
pub(super) fn count_names(fd: &OwnedFd) -> Result<u64, Errno> {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 8 * 1024];
    let mut list = RawDir::new(fd, &mut buffer);
    let mut count = 0;
    while let Some(entry) = list.next() {
        let name = entry?;
        count += u64::from(!matches!(name.file_name().to_bytes(), b"." | b".."));
    }
    Ok(count)
}
