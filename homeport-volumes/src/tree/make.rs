//! Owns making one thing in an open directory, and giving it what it carries. Every call takes a single name and never
//! follows a link, replaces nothing, and is left out where the kernel has done the same already.
//! Never decides what is made, and never the order: that is the restore's work.

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, IFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags};
use rustix::io::Errno;

use super::attribute::{Attributes, FileFlags};
use super::entry::DeviceNumbers;
use super::meta::Meta;
use super::time::Timestamp;

/// A step that failed: what was tried, and what the kernel said.
pub(crate) type Failed = (&'static str, Errno);

/// What a new file gets here without asking: owner, the permission bits that are taken away, and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Defaults {
    uid: u32,
    gid: u32,
    mask: u32,
    flags: FileFlags,
}

/// Flags that forbid further changes, and so come last of all.
pub(crate) const FIXED: FileFlags = FileFlags::APPEND.union(FileFlags::IMMUTABLE);

/// Where a thing without a descriptor of its own is: its name in an open directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) parent: BorrowedFd<'a>,
    pub(crate) name: &'a [u8],
}

impl Defaults {
    /// Finds out by a file `name` that is made in `directory` and removed again.
    pub(crate) fn of(directory: BorrowedFd<'_>, name: &str) -> Result<Self, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o777))?;
        let found = rustix::fs::fstat(&file).and_then(|stat| Ok((stat, read_flags(file.as_fd())?)));
        rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
        let (stat, flags) = found?;
        Ok(Self { uid: stat.st_uid, gid: stat.st_gid, mask: !stat.st_mode & 0o777, flags })
    }
}

/// Takes away the access control lists that a directory got from the one above: all that is made in it would get them.
pub(crate) fn drop_inherited_lists(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    for list in ["system.posix_acl_default", "system.posix_acl_access"] {
        match rustix::fs::fremovexattr(directory, list) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Makes a directory that is closed to everybody else until it is dressed, and opens it.
pub(crate) fn directory(place: Place<'_>) -> Result<OwnedFd, Failed> {
    rustix::fs::mkdirat(place.parent, place.name, Mode::from_raw_mode(0o700)).map_err(|e| ("make", e))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(place.parent, place.name, flags, Mode::empty()).map_err(|e| ("open", e))
}

/// Makes an empty file with as many permissions as `mode` has, and opens it for writing.
pub(crate) fn file(place: Place<'_>, mode: u32) -> Result<OwnedFd, Failed> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::openat(place.parent, place.name, flags, Mode::from_raw_mode(mode & 0o777)).map_err(|e| ("make", e))
}

/// Makes a symbolic link to any bytes.
pub(crate) fn symlink(place: Place<'_>, target: &[u8]) -> Result<(), Failed> {
    rustix::fs::symlinkat(target, place.parent, place.name).map_err(|e| ("make", e))
}

/// Makes a FIFO, a socket's place or a device node.
pub(crate) fn node(place: Place<'_>, kind: FileType, mode: u32, device: DeviceNumbers) -> Result<(), Failed> {
    let device = rustix::fs::makedev(device.major, device.minor);
    rustix::fs::mknodat(place.parent, place.name, kind, Mode::from_raw_mode(mode & 0o777), device)
        .map_err(|e| ("make", e))
}

/// Makes another name of what `first` is a name of; a link is not followed, it gets the other name itself.
pub(crate) fn hard_link(first: Place<'_>, place: Place<'_>) -> Result<(), Failed> {
    rustix::fs::linkat(first.parent, first.name, place.parent, place.name, AtFlags::empty()).map_err(|e| ("link", e))
}

/// Gives an open file or directory everything but the flags that forbid changes. `made_with` is the mode it was made
/// with.
pub(crate) fn dress(fd: BorrowedFd<'_>, meta: &Meta, made_with: u32, defaults: &Defaults) -> Result<(), Failed> {
    let (uid, gid) = (meta.uid.get(), meta.gid.get());
    if (uid, gid) != (defaults.uid, defaults.gid) {
        let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        rustix::fs::fchown(fd, Some(uid), Some(gid)).map_err(|e| ("give away", e))?;
    }
    // Only now: a change of the owner takes set-id bits away. None of them was there before.
    if meta.mode.get() != made_with & 0o777 & !defaults.mask {
        rustix::fs::fchmod(fd, Mode::from_raw_mode(meta.mode.get())).map_err(|e| ("set the mode of", e))?;
    }
    for xattr in meta.attributes.xattrs() {
        rustix::fs::fsetxattr(fd, xattr.name().as_bytes(), xattr.value(), XattrFlags::empty())
            .map_err(|e| ("set an extended attribute of", e))?;
    }
    rustix::fs::futimens(fd, &times(meta.modified)).map_err(|e| ("set the time of", e))?;
    set_flags(fd, meta.attributes.flags.without(FIXED), defaults.flags).map_err(|e| ("set the flags of", e))
}

/// The same for a symbolic link, FIFO, socket or device, which cannot be opened for this.
pub(crate) fn dress_named(
    place: Place<'_>,
    meta: &Meta,
    made_with: Option<u32>,
    defaults: &Defaults,
) -> Result<(), Failed> {
    let Place { parent, name } = place;
    let (uid, gid) = (meta.uid.get(), meta.gid.get());
    if (uid, gid) != (defaults.uid, defaults.gid) {
        let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| ("give away", e))?;
    }
    if made_with.is_some_and(|made_with| meta.mode.get() != made_with & 0o777 & !defaults.mask) {
        chmod_named(place, meta.mode.get()).map_err(|e| ("set the mode of", e))?;
    }
    set_named_xattrs(place, &meta.attributes).map_err(|e| ("set an extended attribute of", e))?;
    rustix::fs::utimensat(parent, name, &times(meta.modified), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| ("set the time of", e))
}

/// Sets the flags that forbid changes, on a file or directory that is complete.
pub(crate) fn fix(fd: BorrowedFd<'_>, flags: FileFlags) -> Result<(), Failed> {
    let wanted = IFlags::from_bits_retain(flags.bits() & FIXED.bits());
    let set = |()| rustix::fs::ioctl_getflags(fd).and_then(|now| rustix::fs::ioctl_setflags(fd, now | wanted));
    set(()).map_err(|e| ("set the flags of", e))
}

/// `chmod` without following: by a descriptor that only refers to the thing itself.
fn chmod_named(place: Place<'_>, mode: u32) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(place.parent, place.name, flags, Mode::empty())?;
    rustix::fs::chmod(format!("/proc/self/fd/{}", fd.as_raw_fd()), Mode::from_raw_mode(mode))
}

/// Neither `O_PATH` descriptors nor names in a directory have calls for attributes, so the directory's own entry in
/// `/proc` leads there; the last name is not followed.
fn set_named_xattrs(place: Place<'_>, attributes: &Attributes) -> Result<(), Errno> {
    for xattr in attributes.xattrs() {
        let mut path = format!("/proc/self/fd/{}/", place.parent.as_raw_fd()).into_bytes();
        path.extend_from_slice(place.name);
        rustix::fs::lsetxattr(&path[..], xattr.name().as_bytes(), xattr.value(), XattrFlags::empty())?;
    }
    Ok(())
}

fn times(modified: Timestamp) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: modified.seconds(), tv_nsec: modified.nanos().into() },
    }
}

fn set_flags(fd: BorrowedFd<'_>, wanted: FileFlags, found: FileFlags) -> Result<(), Errno> {
    if wanted == found {
        return Ok(());
    }
    let now = rustix::fs::ioctl_getflags(fd)?;
    let others = now - IFlags::from_bits_retain(FileFlags::ALL.bits());
    rustix::fs::ioctl_setflags(fd, others | IFlags::from_bits_retain(wanted.bits()))
}

/// The flags of an open file or directory that are kept; none where the file system has no flags.
pub(crate) fn read_flags(fd: BorrowedFd<'_>) -> Result<FileFlags, Errno> {
    match rustix::fs::ioctl_getflags(fd) {
        Ok(flags) => Ok(FileFlags::kept(flags.bits())),
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => Ok(FileFlags::NONE),
        Err(error) => Err(error),
    }
}
