//! Owns reading the bytes of one open file into objects. Never decides whether the file kept still while it was read: it
//! reads what is there, and says how much that was.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use rustix::fs::Advice;
use rustix::io::{Errno, pread};

use super::destination::Destination;
use super::pieces::Pieces;
use super::trust::Holes;
use crate::progress::Progress;
use crate::snapshot::chunk;
use crate::snapshot::error::SnapshotError;
use crate::store::OBJECT_MAX;
use crate::tree::{Content, Extents, Piece, Stat};

/// A file of at most so many bytes is tried as one object.
const WHOLE_MAX: u64 = OBJECT_MAX as u64;

/// The size of the smallest block that the file systems have whose holes are believed; a smaller file has no hole beside
/// data.
const BLOCK: u64 = 1024;

/// Reads files, one after another, through one buffer.
pub(crate) struct ContentReader<'a> {
    buffer: Vec<u8>,
    progress: &'a dyn Progress,
    /// The pieces of the last file, where its content is [`Content::Pieces`].
    pub pieces: Pieces,
}

/// What was in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub content: Content,
    /// Its size; what was read and the holes agree with it.
    pub size: u64,
    /// How many bytes were read.
    pub read: u64,
}

/// Why a file was not read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The file system refused.
    File(Errno),
    /// The bytes could not be kept.
    Keep(SnapshotError),
}

impl From<SnapshotError> for ReadError {
    fn from(error: SnapshotError) -> Self {
        Self::Keep(error)
    }
}

impl From<Errno> for ReadError {
    fn from(error: Errno) -> Self {
        Self::File(error)
    }
}

impl<'a> ContentReader<'a> {
    /// A reader with its buffer of 1 MiB, which tells of each piece that it reads.
    pub(crate) fn new(progress: &'a dyn Progress) -> Self {
        Self { buffer: vec![0; OBJECT_MAX + 1], progress, pieces: Pieces::default() }
    }

    /// Reads the open file, whose size and blocks `stat` says.
    ///
    /// A file that is longer by now is read up to that size, or a byte further so that [`Found::size`] tells; of one that
    /// is shorter, what is there. [spec: STO-16]
    pub(crate) fn read(
        &mut self,
        file: BorrowedFd<'_>,
        stat: &Stat,
        holes: Holes,
        destination: &mut impl Destination,
    ) -> Result<Found, ReadError> {
        self.pieces.clear();
        let size = stat.size;
        if size <= WHOLE_MAX && !(holes == Holes::Known && hints_at_holes(stat) && has_hole(file, size)?) {
            return self.whole(file, size, destination);
        }
        match holes {
            Holes::Known => self.runs(file, size, destination),
            Holes::Read => {
                let _hint = rustix::fs::fadvise(file, 0, None, Advice::Sequential);
                let mut found = Found { content: Content::Empty, size, read: 0 };
                self.run(file, 0..size, Zeros::AreHoles, &mut found, destination)?;
                Ok(self.counted(found))
            }
        }
    }

    fn whole(&mut self, file: BorrowedFd<'_>, size: u64, to: &mut impl Destination) -> Result<Found, ReadError> {
        let wanted = usize::try_from(size).unwrap_or(OBJECT_MAX).min(OBJECT_MAX);
        let room = self.buffer.get_mut(..=wanted).unwrap_or_default();
        let mut length = 0;
        while length < room.len() {
            // Where the size is right one call gets all of it: the byte more shows that there was no more.
            match read_at(file, room.get_mut(length..).unwrap_or_default(), length as u64)? {
                0 => break,
                more => length += more,
            }
            if length == wanted {
                break;
            }
        }
        let read = length as u64;
        let bytes = room.get(..length.min(OBJECT_MAX)).unwrap_or_default();
        let content = if bytes.is_empty() { Content::Empty } else { Content::Whole(to.put(bytes)?) };
        Ok(Found { content, size: bytes.len() as u64, read })
    }

    /// Reads a file run of data by run of data, as the kernel knows them.
    fn runs(&mut self, file: BorrowedFd<'_>, size: u64, to: &mut impl Destination) -> Result<Found, ReadError> {
        if size > WHOLE_MAX {
            let _hint = rustix::fs::fadvise(file, 0, None, Advice::Sequential);
        }
        let mut found = Found { content: Content::Empty, size, read: 0 };
        for run in Extents::new(file, size) {
            let run = run?;
            if self.run(file, run.clone(), Zeros::AreData, &mut found, to)? < run.end {
                break;
            }
        }
        Ok(self.counted(found))
    }

    /// Reads what lies in `run`, and says how far it came: less far only where the file ends.
    fn run(
        &mut self,
        file: BorrowedFd<'_>,
        run: Range<u64>,
        zeros: Zeros,
        found: &mut Found,
        to: &mut impl Destination,
    ) -> Result<u64, ReadError> {
        let Range { start: mut at, end } = run;
        let mut filled = 0;
        loop {
            let ahead = at + filled as u64;
            let room = usize::try_from(end - ahead).unwrap_or(OBJECT_MAX).min(OBJECT_MAX - filled);
            let mut ended = ahead + room as u64 == end;
            let target = filled + room;
            while filled < target {
                match read_at(file, self.buffer.get_mut(filled..target).unwrap_or_default(), at + filled as u64)? {
                    0 => {
                        ended = true;
                        found.size = at + filled as u64;
                        break;
                    }
                    more => {
                        filled += more;
                        found.read += more as u64;
                    }
                }
            }
            let mut taken = 0;
            while filled - taken >= chunk::LONGEST || (ended && filled > taken) {
                let rest = self.buffer.get(taken..filled).unwrap_or_default();
                let length = chunk::cut(rest);
                let piece = rest.get(..length).unwrap_or(rest);
                if zeros == Zeros::AreData || piece.iter().any(|byte| *byte != 0) {
                    let object = to.put(piece)?;
                    let length = u32::try_from(length).unwrap_or(u32::MAX);
                    self.pieces.push(Piece { offset: at + taken as u64, length, object }, to)?;
                }
                taken += length;
            }
            self.progress.advance(taken as u64, 0);
            self.buffer.copy_within(taken..filled, 0);
            at += taken as u64;
            filled -= taken;
            if ended {
                return Ok(at);
            }
        }
    }

    fn counted(&self, found: Found) -> Found {
        let content = if self.pieces.is_empty() { Content::Empty } else { Content::Pieces };
        Found { content, ..found }
    }
}

/// What bytes that are zero stand for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zeros {
    /// Data like any other.
    AreData,
    /// A hole, where a whole piece has nothing else.
    AreHoles,
}

/// Whether the file takes less room than its size wants.
fn hints_at_holes(stat: &Stat) -> bool {
    stat.blocks.saturating_mul(512) < stat.size && (stat.size > BLOCK || stat.blocks == 0)
}

/// Whether all of the file is data.
fn has_hole(file: BorrowedFd<'_>, size: u64) -> Result<bool, Errno> {
    Ok(Extents::new(file, size).next().transpose()? != Some(0..size))
}

fn read_at(file: BorrowedFd<'_>, room: &mut [u8], offset: u64) -> Result<usize, Errno> {
    loop {
        match pread(file, &mut *room, offset) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
