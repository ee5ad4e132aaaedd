//! Owns reading one entry that is not as it was: its attributes, and a file's content until it kept still. Never decides
//! which entries those are.

use std::os::fd::AsFd as _;

use super::compare::{meta, same};
use super::content::{Found, ReadError};
use super::destination::Destination;
use super::pass::{Pass, size};
use crate::snapshot::error::SnapshotError;
use crate::snapshot::subject::Mode;
use crate::tree::{
    Attributes, Content, Entry, Kind, Line, Look, Scanned, Stability, Stat, StatKey, StatKind, TreeFault, TreePath,
};

/// How often a file that changes is read.
const ATTEMPTS: u32 = 3;

/// How many unstable files are named.
const NAMED: usize = 1000;

/// What reading a file gave.
struct Read {
    found: Found,
    attributes: Attributes,
    /// Its stat after all of it was read.
    after: Stat,
}

/// What reading an entry came to.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, on the stack")]
enum Looked {
    /// This, and its stat.
    Entry(Entry, Stat),
    /// It is gone.
    Vanished,
    /// It could not be read; that is written down.
    Trouble,
}

impl<D, I> Pass<'_, D, I>
where
    D: Destination,
    I: Iterator<Item = Result<Line, SnapshotError>>,
{
    /// Reads an entry and writes it, unless it is gone or cannot be read.
    pub(super) fn look(&mut self, scanned: &Scanned) -> Result<(), SnapshotError> {
        let looked = match scanned.stat.kind {
            StatKind::File => self.look_at_file(scanned)?,
            _ => self.look_at_other(scanned),
        };
        match looked {
            Looked::Entry(entry, stat) => {
                self.progress.advance(size(&entry).saturating_sub(std::mem::take(&mut self.told)), 1);
                let has_pieces = matches!(entry.kind, Kind::File { content: Content::Pieces, .. });
                self.write_entry(entry, &stat)?;
                if has_pieces { self.reader.pieces.write(self.destination) } else { Ok(()) }
            }
            Looked::Vanished if self.mode == Mode::Running => {
                self.scan.vanished += 1;
                Ok(())
            }
            Looked::Vanished => {
                self.troubles.changed(&scanned.path);
                Ok(())
            }
            Looked::Trouble => Ok(()),
        }
    }

    /// Reads a directory's, link's, FIFO's, socket's or device's attributes.
    fn look_at_other(&mut self, scanned: &Scanned) -> Looked {
        let path = &scanned.path;
        let read = || -> Result<_, TreeFault> {
            let look = Look::open(self.subject.data, path, scanned.stat.kind)?;
            let attributes = look.attributes()?;
            let kind = match scanned.stat.kind {
                StatKind::Symlink => Kind::Symlink { target: look.target()? },
                StatKind::Fifo => Kind::Fifo,
                StatKind::Socket => Kind::Socket,
                StatKind::Character(numbers) => Kind::Character(numbers),
                StatKind::Block(numbers) => Kind::Block(numbers),
                StatKind::Directory | StatKind::File => Kind::Directory,
            };
            Ok((attributes, kind, look.stat_again()?))
        };
        let (attributes, kind, now) = match read() {
            Ok(found) => found,
            Err(fault) => return self.refused(&fault),
        };
        let is_same = same(&now, &scanned.stat);
        if !is_same && self.mode == Mode::Still {
            self.troubles.changed(path);
            return Looked::Trouble;
        }
        let key = self.trust.keys.keep(now.key(), self.start).filter(|_| is_same);
        Looked::Entry(Entry { path: path.clone(), meta: meta(&now, attributes, key), kind }, now)
    }

    /// Reads a file until it kept still, or changed too often. The look before was followed by a sync; every further
    /// one is followed by a sync of the file. [spec: STO-23, STO-24]
    fn look_at_file(&mut self, scanned: &Scanned) -> Result<Looked, SnapshotError> {
        let path = &scanned.path;
        let mut stat = scanned.stat;
        for attempt in 1.. {
            let look = match Look::open(self.subject.data, path, StatKind::File) {
                Ok(look) => look,
                Err(fault) => return Ok(self.refused(&fault)),
            };
            if attempt > 1 {
                stat = *look.stat();
                if let Err(errno) = rustix::fs::fsync(&look) {
                    self.troubles.unreadable(path, "sync", errno);
                    return Ok(Looked::Trouble);
                }
            }
            let read = match self.read(&look, path, &stat)? {
                Ok(read) => read,
                Err(looked) => return Ok(looked),
            };
            let still = same(&read.after, &stat) && read.found.size == stat.size;
            if !still && self.mode == Mode::Still {
                self.troubles.changed(path);
                return Ok(Looked::Trouble);
            }
            if !still && attempt < ATTEMPTS {
                continue;
            }
            let key = self.trust.keys.keep(stat.key(), self.start).filter(|_| still);
            let stability = if still { Stability::Stable } else { Stability::Unstable };
            return Ok(self.file(path, read, key, stability));
        }
        Ok(Looked::Vanished)
    }

    /// Content and attributes of an open file, and its stat after both were read.
    fn read(&mut self, look: &Look<'_>, path: &TreePath, stat: &Stat) -> Result<Result<Read, Looked>, SnapshotError> {
        let found = match self.reader.read(look.as_fd(), stat, self.trust.holes, self.destination) {
            Ok(found) => {
                self.told += if matches!(found.content, Content::Whole(_)) { 0 } else { found.read };
                found
            }
            Err(ReadError::Keep(error)) => return Err(error),
            Err(ReadError::File(errno)) => {
                self.troubles.unreadable(path, "read", errno);
                return Ok(Err(Looked::Trouble));
            }
        };
        let rest = || Ok((look.attributes()?, look.stat_again()?));
        match rest() {
            Ok((attributes, after)) => Ok(Ok(Read { found, attributes, after })),
            Err(fault) => Ok(Err(self.refused(&fault))),
        }
    }

    fn file(&mut self, path: &TreePath, read: Read, key: Option<StatKey>, stability: Stability) -> Looked {
        let Read { found, mut attributes, after } = read;
        self.scan.files += 1;
        self.scan.bytes += found.read;
        attributes.stability = stability;
        if stability == Stability::Unstable {
            self.scan.unstable_count += 1;
            if self.scan.unstable.len() < NAMED {
                self.scan.unstable.push(path.clone());
            }
        }
        let kind = Kind::File { size: found.size, content: found.content };
        Looked::Entry(Entry { path: path.clone(), meta: meta(&after, attributes, key), kind }, after)
    }

    /// What a fault in an entry means: gone, or unreadable.
    fn refused(&mut self, fault: &TreeFault) -> Looked {
        match fault {
            TreeFault::Vanished(_) | TreeFault::Changed(_) => Looked::Vanished,
            TreeFault::Mount(_) | TreeFault::Name { .. } | TreeFault::Io { .. } => {
                self.troubles.fault(fault);
                Looked::Trouble
            }
        }
    }
}
