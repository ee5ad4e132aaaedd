//! Owns the question where a file has bytes and where it has holes.
//! Never reads them.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// The parts of a file that are no hole, in ascending order, none empty, none beyond `size`. What lies between them
/// reads as zeros. Where the file system keeps no holes that is all of the file.
///
/// To be asked after a sync of the file: what is not on the disk yet may be said to be a hole by some file systems. The
/// descriptor's offset changes: read with `pread`.
#[derive(Debug)]
pub struct Extents<'a> {
    fd: BorrowedFd<'a>,
    at: u64,
    size: u64,
}

impl<'a> Extents<'a> {
    /// Of the first `size` bytes of the regular file `fd`, which is open for reading.
    pub fn new(fd: BorrowedFd<'a>, size: u64) -> Self {
        Self { fd, at: 0, size }
    }

    fn find(&mut self) -> Result<Option<Range<u64>>, Errno> {
        let start = match rustix::fs::seek(self.fd, SeekFrom::Data(self.at)) {
            Ok(start) => start.max(self.at),
            Err(Errno::NXIO) => return Ok(None),
            // The file system does not know the question.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => self.at,
            Err(error) => return Err(error),
        };
        if start >= self.size {
            return Ok(None);
        }
        let end = match rustix::fs::seek(self.fd, SeekFrom::Hole(start)) {
            Ok(end) => end.min(self.size),
            // The file became shorter: whoever reads it will see.
            Err(Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP) => self.size,
            Err(error) => return Err(error),
        };
        if end <= start {
            return Err(Errno::IO);
        }
        Ok(Some(start..end))
    }
}

impl Iterator for Extents<'_> {
    type Item = Result<Range<u64>, Errno>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.size {
            return None;
        }
        let found = self.find();
        self.at = match &found {
            Ok(Some(range)) => range.end,
            Ok(None) | Err(_) => self.size,
        };
        found.transpose()
    }
}
