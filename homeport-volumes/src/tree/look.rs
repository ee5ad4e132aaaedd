//! Owns what `stat` does not say of an entry: extended attributes, flags, where a link points.
//! Never changes anything, and asks everything of one open inode.

use std::ffi::CStr;
use std::fmt::Write as _;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use super::attribute::{Attributes, FileFlags, Xattr, XattrName};
use super::entry::LinkTarget;
use super::fault::TreeFault;
use super::hop::{self, Purpose};
use super::path::TreePath;
use super::stat::{Stat, StatKind};

/// The longest list of names, and the longest value, that the system gives.
const LONGEST: usize = 64 << 10;

/// One open entry: everything that it says is of the same inode, whatever is renamed meanwhile.
///
/// Files and directories are open for reading. What else there is, is open only to be referred to: no FIFO waits, no
/// device starts.
#[derive(Debug)]
pub struct Look<'a> {
    path: &'a TreePath,
    fd: OwnedFd,
    stat: Stat,
}

impl<'a> Look<'a> {
    /// Opens `path` below `root`, where something of the kind `wanted` was found.
    ///
    /// # Errors
    /// It is gone, or of another kind by now ([`TreeFault::Changed`]), or the system refuses.
    pub fn open(root: BorrowedFd<'_>, path: &'a TreePath, wanted: StatKind) -> Result<Self, TreeFault> {
        let purpose = match wanted {
            StatKind::Directory => Purpose::List,
            StatKind::File => Purpose::Read,
            _ => Purpose::Refer,
        };
        let fd = match hop::open(root, path, purpose) {
            // A link, a file or a socket where something else was.
            Err(Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => return Err(TreeFault::Changed(path.clone())),
            result => result.map_err(TreeFault::io("open", path))?,
        };
        let stat = Stat::of(&fd).map_err(TreeFault::io("look at", path))?;
        if stat.kind != wanted {
            return Err(TreeFault::Changed(path.clone()));
        }
        Ok(Self { path, fd, stat })
    }

    /// What `stat` says of it now that it is open.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// What `stat` says of it at this moment.
    pub fn stat_again(&self) -> Result<Stat, TreeFault> {
        Stat::of(&self.fd).map_err(TreeFault::io("look at", self.path))
    }

    /// All its extended attributes but the host's, and its flags. The two remarks, `links` and `stability`, are the
    /// caller's to make. [spec: STO-17]
    pub fn attributes(&self) -> Result<Attributes, TreeFault> {
        let xattrs = self.xattrs().map_err(TreeFault::io("read the extended attributes of", self.path))?;
        let mut attributes = Attributes::with_xattrs(xattrs).map_err(|_| TreeFault::Changed(self.path.clone()))?;
        if matches!(self.stat.kind, StatKind::File | StatKind::Directory) {
            attributes.flags = flags(self.fd.as_fd()).map_err(TreeFault::io("read the flags of", self.path))?;
        }
        Ok(attributes)
    }

    /// Where the symbolic link points.
    pub fn target(&self) -> Result<LinkTarget, TreeFault> {
        let target = rustix::fs::readlinkat(&self.fd, c"", Vec::new());
        let target = target.map_err(TreeFault::io("read the link", self.path))?;
        LinkTarget::new(target.into_bytes()).map_err(|fault| TreeFault::Io {
            action: "keep the link",
            path: self.path.clone(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, fault),
        })
    }

    fn xattrs(&self) -> Result<Vec<Xattr>, Errno> {
        // A descriptor that only refers has no attributes of its own to ask; the kernel's link to it leads to the inode.
        let mut link = String::new();
        if !matches!(self.stat.kind, StatKind::File | StatKind::Directory) {
            write!(link, "/proc/self/fd/{}", self.fd.as_raw_fd()).map_err(|_| Errno::NOMEM)?;
        }
        let list = |buffer: &mut Vec<u8>| match &link[..] {
            "" => rustix::fs::flistxattr(&self.fd, spare_capacity(buffer)),
            link => rustix::fs::listxattr(link, spare_capacity(buffer)),
        };
        let names = match sized(list) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
            names => names?,
        };
        let mut xattrs = Vec::new();
        for name in names.split_inclusive(|byte| *byte == 0) {
            let name = CStr::from_bytes_with_nul(name).map_err(|_| Errno::IO)?;
            if XattrName::is_hosts(name.to_bytes()) {
                continue;
            }
            let get = |buffer: &mut Vec<u8>| match &link[..] {
                "" => rustix::fs::fgetxattr(&self.fd, name, spare_capacity(buffer)),
                link => rustix::fs::getxattr(link, name, spare_capacity(buffer)),
            };
            let value = match sized(get) {
                // Taken off since: the time of status change says so.
                Err(Errno::NODATA) => continue,
                value => value?,
            };
            let name = XattrName::new(name.to_bytes()).map_err(|_| Errno::NAMETOOLONG)?;
            xattrs.push(Xattr::new(name, value).map_err(|_| Errno::TOOBIG)?);
        }
        Ok(xattrs)
    }
}

impl AsFd for Look<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Fills a small buffer, or, where that is too small, the largest that the system can fill.
fn sized(mut fill: impl FnMut(&mut Vec<u8>) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = Vec::with_capacity(512);
    match fill(&mut buffer) {
        Err(Errno::RANGE) => {}
        result => return result.map(|_| buffer),
    }
    let mut buffer = Vec::with_capacity(LONGEST);
    fill(&mut buffer)?;
    buffer.shrink_to_fit();
    Ok(buffer)
}

/// The flags of the open file or directory; none where its file system has none.
fn flags(fd: BorrowedFd<'_>) -> Result<FileFlags, Errno> {
    match rustix::fs::ioctl_getflags(fd) {
        Ok(flags) => Ok(FileFlags::kept(flags.bits())),
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(FileFlags::NONE),
        Err(error) => Err(error),
    }
}
