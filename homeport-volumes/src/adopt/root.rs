//! Owns what the topmost directory of an adopted tree is and has, so that `data/` gets all of it and a way back can give
//! it to the directory again. Never touches what is in it.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};

use homeport_core::unit::{Gid, Mode, Uid};
use rustix::fs::{IFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::directory;
use crate::owner::Owner;

/// The attributes that are the file system's or the host's own business, and stay where they are.
const LEFT: [&[u8]; 2] = [b"trusted.homeport.", b"security.selinux"];
/// The flags that `data/` gets; what a file system hands down to new directories by itself is not among them.
const FLAGS: IFlags = IFlags::SYNC.union(IFlags::NODUMP).union(IFlags::NOATIME);

/// A moment in the two numbers of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moment {
    seconds: i64,
    nanos: i64,
}

/// What is kept of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Root {
    uid: u32,
    gid: u32,
    mode: u32,
    accessed: Moment,
    modified: Moment,
    flags: u32,
    /// Names and values in hexadecimal digits, in the order of names.
    xattrs: Vec<(String, String)>,
}

impl Root {
    /// Reads it; `directory` is open for reading.
    pub(super) fn read(directory: BorrowedFd<'_>) -> Result<Self, Errno> {
        let stat = rustix::fs::fstat(directory)?;
        let moment = |seconds, nanos| Moment { seconds, nanos };
        Ok(Self {
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode & 0o7777,
            accessed: moment(stat.st_atime, i64::try_from(stat.st_atime_nsec).unwrap_or(0)),
            modified: moment(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            flags: (flags(directory)? & FLAGS).bits(),
            xattrs: xattrs(directory)?,
        })
    }

    /// Owner and mode.
    pub(super) fn owner(&self) -> Owner {
        Owner { uid: Uid::new(self.uid), gid: Gid::new(self.gid), mode: Mode::new(self.mode) }
    }

    /// Gives everything but the times to the directory. The mode comes last: `chown` takes bits away, and a list of
    /// access rights changes them.
    pub(super) fn give(&self, directory: BorrowedFd<'_>) -> Result<(), Errno> {
        directory::give(directory, self.owner())?;
        for (name, value) in &self.xattrs {
            let (Some(name), Some(value)) = (unhex(name).and_then(|n| CString::new(n).ok()), unhex(value)) else {
                return Err(Errno::INVAL);
            };
            rustix::fs::fsetxattr(directory, &name, &value, XattrFlags::empty())?;
        }
        directory::give(directory, self.owner())?;
        let wanted = IFlags::from_bits_retain(self.flags);
        let found = flags(directory)?;
        if !found.contains(wanted) {
            rustix::fs::ioctl_setflags(directory, found | wanted)?;
        }
        Ok(())
    }

    /// Gives the times to the directory: after everything else is done in it.
    pub(super) fn give_times(&self, directory: BorrowedFd<'_>) -> Result<(), Errno> {
        let spec = |moment: Moment| Timespec { tv_sec: moment.seconds, tv_nsec: moment.nanos };
        let times = Timestamps { last_access: spec(self.accessed), last_modification: spec(self.modified) };
        rustix::fs::futimens(directory, &times)
    }

    /// Takes the attributes that `data/` gets off the directory.
    pub(super) fn strip(&self, directory: BorrowedFd<'_>) -> Result<(), Errno> {
        for (name, _) in &self.xattrs {
            let Some(name) = unhex(name).and_then(|n| CString::new(n).ok()) else { return Err(Errno::INVAL) };
            match rustix::fs::fremovexattr(directory, &name) {
                Ok(()) | Err(Errno::NODATA) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Takes the lists of access rights off a directory: those that say who else may enter, and those that are handed down.
pub(super) fn strip_access(directory: impl AsFd) -> Result<(), Errno> {
    for name in ["system.posix_acl_access", "system.posix_acl_default"] {
        match rustix::fs::fremovexattr(&directory, name) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The flags of `chattr`; none where the file system has no such thing.
pub(super) fn flags(directory: BorrowedFd<'_>) -> Result<IFlags, Errno> {
    match rustix::fs::ioctl_getflags(directory) {
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL) => Ok(IFlags::empty()),
        result => result,
    }
}

fn xattrs(directory: BorrowedFd<'_>) -> Result<Vec<(String, String)>, Errno> {
    let mut list = vec![0_u8; 65_536];
    let length = match rustix::fs::flistxattr(directory, &mut list[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for name in list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if LEFT.iter().any(|left| name.starts_with(left)) {
            continue;
        }
        let Ok(text) = CString::new(name) else { continue };
        let mut value = vec![0_u8; 65_536];
        let read = rustix::fs::fgetxattr(directory, &text, &mut value[..])?;
        found.push((hex(name), hex(&value[..read])));
    }
    found.sort();
    Ok(found)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_back_from_their_digits() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        assert_eq!(unhex(""), Some(Vec::new()));
        for bad in ["0", "0g", "é0", "abc"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }
}
