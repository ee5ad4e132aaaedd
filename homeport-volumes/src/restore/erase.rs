//! Owns deleting a whole tree, by calls that take one name and an open directory. Never follows a link, never crosses
//! into another mount, and never decides what may be deleted.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, IFlags, Mode, OFlags, RawDir, ResolveFlags, SeekFrom};
use rustix::io::Errno;

use super::error::RestoreError;
use crate::path::VolumePath;

/// How many directories of one chain are open at a time; those above are found again by `..`, and compared.
const MOST_OPEN: usize = 64;

/// What stood in the way of a deletion.
#[derive(Debug)]
pub(crate) struct EraseFault {
    name: Vec<u8>,
    errno: Errno,
}

impl EraseFault {
    /// The error, below the volume at `path`.
    pub(crate) fn on(self, path: &VolumePath) -> RestoreError {
        self.at(path.as_path())
    }

    /// The error, somewhere below `path`.
    pub(crate) fn at(self, path: &Path) -> RestoreError {
        let path = path.join(format!("[..]/{}", String::from_utf8_lossy(&self.name).escape_debug()));
        RestoreError::Io { action: "delete", path, source: self.errno.into() }
    }
}

/// A directory on the way down.
struct Level {
    name: Vec<u8>,
    /// `None` where there are too many below it.
    fd: Option<OwnedFd>,
    id: (u64, u64),
    /// Directories in it that were listed and are still there.
    waiting: Vec<Vec<u8>>,
}

/// Deletes `name` in the open directory `parent` with all that is in it; nothing there is no error.
///
/// Open files and memory are bounded by a constant and by the length of the longest path.
pub(crate) fn erase(parent: &OwnedFd, name: &[u8]) -> Result<(), EraseFault> {
    let fault = |name: &[u8]| {
        let name = name.to_vec();
        move |errno| EraseFault { name, errno }
    };
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); 32 * 1024];
    let mut levels: Vec<Level> = Vec::new();
    match remove(parent.as_fd(), name) {
        Ok(Removed::Gone) => return Ok(()),
        Ok(Removed::Directory) => levels.push(enter(parent.as_fd(), name).map_err(fault(name))?),
        Err(errno) => return Err(fault(name)(errno)),
    }
    while let Some(level) = levels.last_mut() {
        let Some(fd) = &level.fd else { return Err(fault(&level.name)(Errno::BADF)) };
        let next = if let Some(next) = level.waiting.pop() {
            Some(next)
        } else {
            level.waiting = sweep(fd, &mut buffer).map_err(fault(&level.name))?;
            level.waiting.pop()
        };
        if let Some(next) = next {
            match enter(fd.as_fd(), &next) {
                Ok(below) => levels.push(below),
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(fault(&next)(errno)),
            }
            if let Some(far) = levels.len().checked_sub(MOST_OPEN + 1) {
                levels[far].fd = None;
                levels[far].waiting = Vec::new();
            }
            continue;
        }
        let Some(done) = levels.pop() else { break };
        let above = match levels.last_mut() {
            None => parent.as_fd(),
            Some(above) => {
                if above.fd.is_none() {
                    let Some(fd) = &done.fd else { return Err(fault(&done.name)(Errno::BADF)) };
                    above.fd = Some(ascend(fd.as_fd(), above.id).map_err(fault(&above.name))?);
                }
                match &above.fd {
                    Some(fd) => fd.as_fd(),
                    None => return Err(fault(&above.name)(Errno::BADF)),
                }
            }
        };
        match rustix::fs::unlinkat(above, &done.name[..], AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(fault(&done.name)(errno)),
        }
    }
    Ok(())
}

/// Whether a name is gone, or is a directory that has to be emptied first.
enum Removed {
    Gone,
    Directory,
}

/// Removes one name that is no directory.
fn remove(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Removed, Errno> {
    let unlink = || match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(Removed::Gone),
        Err(Errno::ISDIR) => Ok(Removed::Directory),
        Err(error) => Err(error),
    };
    match unlink() {
        // The immutable and the append-only flag forbid it, and the latter also on the directory; the directory's own
        // were taken off when it was entered.
        Err(Errno::PERM) => {
            loosen(parent, name)?;
            unlink()
        }
        other => other,
    }
}

/// Takes the flags off a file that forbid removing it.
fn loosen(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat2(parent, name, flags, Mode::empty(), RESOLVE)?;
    loosen_open(&file)
}

fn loosen_open(file: &OwnedFd) -> Result<(), Errno> {
    let fixed = IFlags::APPEND | IFlags::IMMUTABLE;
    match rustix::fs::ioctl_getflags(file) {
        Ok(flags) if flags.intersects(fixed) => rustix::fs::ioctl_setflags(file, flags - fixed),
        Ok(_) | Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL) => Ok(()),
        Err(error) => Err(error),
    }
}

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV)
    .union(ResolveFlags::NO_MAGICLINKS);
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NOATIME);

fn enter(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Level, Errno> {
    let fd = rustix::fs::openat2(parent, name, DIRECTORY, Mode::empty(), RESOLVE)?;
    loosen_open(&fd)?;
    let stat = rustix::fs::fstat(&fd)?;
    Ok(Level { name: name.to_vec(), id: (stat.st_dev, stat.st_ino), fd: Some(fd), waiting: Vec::new() })
}

/// Opens the directory above `fd` again, which has to be the one that was there on the way down.
fn ascend(fd: BorrowedFd<'_>, id: (u64, u64)) -> Result<OwnedFd, Errno> {
    let above = rustix::fs::openat(fd, "..", DIRECTORY, Mode::empty())?;
    let stat = rustix::fs::fstat(&above)?;
    if (stat.st_dev, stat.st_ino) == id { Ok(above) } else { Err(Errno::XDEV) }
}

/// Removes what one reading of the directory shows, from its start; the directories among it are returned. Nothing is
/// returned only if nothing is left.
fn sweep(fd: &OwnedFd, buffer: &mut [MaybeUninit<u8>]) -> Result<Vec<Vec<u8>>, Errno> {
    loop {
        rustix::fs::seek(fd, SeekFrom::Start(0))?;
        let mut directories = Vec::new();
        let mut files = Vec::new();
        let mut list = RawDir::new(fd, &mut buffer[..]);
        while let Some(entry) = list.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                let kept = if entry.file_type() == FileType::Directory { &mut directories } else { &mut files };
                kept.push(name.to_vec());
            }
            if list.is_buffer_empty() && (!files.is_empty() || !directories.is_empty()) {
                break;
            }
        }
        let any = !files.is_empty();
        for name in files {
            if matches!(remove(fd.as_fd(), &name)?, Removed::Directory) {
                directories.push(name);
            }
        }
        if !directories.is_empty() || !any {
            return Ok(directories);
        }
    }
}
