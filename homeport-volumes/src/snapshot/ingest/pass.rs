//! Owns one scan of a volume: the walk and the entries of the snapshot before go side by side, in batches that are looked
//! at first, synced then, and read last. Never decides whether a scan has to be repeated.

use std::collections::HashMap;
use std::os::fd::AsFd as _;

use super::compare::{meta, same, unchanged};
use super::content::{ContentReader, Found, ReadError};
use super::destination::Destination;
use super::links::Links;
use super::trouble::Troubles;
use super::trust::Trust;
use crate::progress::Progress;
use crate::snapshot::ahead::Ahead;
use crate::snapshot::error::SnapshotError;
use crate::snapshot::subject::{Mode, Subject};
use crate::tree::{
    Attributes, Content, Entry, HardLink, Kind, Line, Look, Piece, Scanned, Stability, Stat, StatKey, StatKind,
    Timestamp, TreeFault, TreePath, Walk,
};

/// How many entries are looked at before the sync that comes before reading.
const BATCH: usize = 16_384;

/// How many pieces of unchanged files wait in a batch; a file with more ends it.
const WAITING: usize = 16_384;

/// How often a file that changes is read.
const ATTEMPTS: u32 = 3;

/// How many unstable files are named.
const NAMED: usize = 1000;

/// What one scan found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Entries whose content or attributes were read.
    pub looked: u64,
    /// Regular files that were read.
    pub files: u64,
    /// Bytes of regular files that were read.
    pub bytes: u64,
    /// Entries taken as they were in the snapshot before.
    pub unchanged: u64,
    /// Files that changed each time that they were read; the first thousand.
    pub unstable: Vec<TreePath>,
    /// How many there were.
    pub unstable_count: u64,
    /// Entries that went away between being listed and being read.
    pub vanished: u64,
    /// The entries said something else of names outside of the volume than what was found: what it was.
    pub wrong_links: Option<HashMap<u64, u32>>,
}

/// An entry that was looked at and waits for the sync.
enum Item {
    /// It is as it was; so many of the waiting pieces are its own.
    Keep(Entry, Stat, usize),
    /// It is to be read.
    Look(Scanned),
}

/// One scan on its way.
pub(super) struct Pass<'a, D, I> {
    subject: &'a Subject<'a>,
    mode: Mode,
    trust: Trust,
    start: Timestamp,
    destination: &'a mut D,
    before: Ahead<I>,
    links: Links,
    batch: Vec<Item>,
    waiting: Vec<Piece>,
    reader: ContentReader,
    troubles: Troubles,
    scan: Scan,
    progress: &'a dyn Progress,
}

/// What reading a file gave.
struct Read {
    found: Found,
    attributes: Attributes,
    /// Its stat after all of it was read.
    after: Stat,
}

/// What reading an entry came to.
enum Looked {
    /// This, and its stat.
    Entry(Entry, Stat),
    /// It is gone.
    Vanished,
    /// It could not be read; that is written down.
    Trouble,
}

impl<'a, D, I> Pass<'a, D, I>
where
    D: Destination,
    I: Iterator<Item = Result<Line, SnapshotError>>,
{
    pub(super) fn new(
        subject: &'a Subject<'a>,
        mode: Mode,
        before: I,
        links: Links,
        destination: &'a mut D,
        progress: &'a dyn Progress,
    ) -> Result<Self, SnapshotError> {
        let trust = Trust::in_directory(subject.data).map_err(SnapshotError::volume("examine", subject.name))?;
        let start = crate::snapshot::now();
        Ok(Self {
            subject,
            mode,
            trust,
            start,
            destination,
            before: Ahead::new(before),
            links,
            batch: Vec::new(),
            waiting: Vec::new(),
            reader: ContentReader::new(),
            troubles: Troubles::of(subject.name),
            scan: Scan::default(),
            progress,
        })
    }

    /// Scans the whole volume.
    pub(super) fn run(mut self) -> Result<Scan, SnapshotError> {
        for scanned in Walk::new(self.subject.data) {
            match scanned {
                Ok(scanned) => self.meet(scanned)?,
                Err(TreeFault::Vanished(_) | TreeFault::Changed(_)) if self.mode == Mode::Running => {
                    self.scan.vanished += 1
                }
                Err(TreeFault::Vanished(path) | TreeFault::Changed(path)) => self.troubles.changed(&path),
                Err(fault) => self.troubles.fault(&fault),
            }
        }
        self.flush()?;
        self.troubles.finish()?;
        self.scan.wrong_links = self.links.finish().err();
        Ok(self.scan)
    }

    /// Sorts an entry into the batch: to be kept or to be read.
    fn meet(&mut self, scanned: Scanned) -> Result<(), SnapshotError> {
        let before = match self.before.at(&scanned.path)? {
            Some(Line::Entry(entry)) if unchanged(&entry, &scanned.stat) => entry,
            _ => return self.wait(Item::Look(scanned)),
        };
        let here = match before.kind {
            Kind::File { content: Content::Whole(object), .. } => self.destination.has(&object)?,
            Kind::File { content: Content::Pieces, .. } => return self.meet_pieces(before, scanned.stat),
            _ => true,
        };
        self.wait(if here { Item::Keep(before, scanned.stat, 0) } else { Item::Look(scanned) })
    }

    /// The same for an unchanged file in pieces, of which there may be more than can wait.
    fn meet_pieces(&mut self, before: Entry, stat: Stat) -> Result<(), SnapshotError> {
        let begin = self.waiting.len();
        while self.waiting.len() < WAITING.max(begin + 1) {
            let Some(piece) = self.before.piece()? else {
                let pieces = self.waiting.len() - begin;
                return self.wait(Item::Keep(before, stat, pieces));
            };
            if !self.destination.has(&piece.object)? {
                self.waiting.truncate(begin);
                return self.wait(Item::Look(Scanned { path: before.path, stat }));
            }
            self.waiting.push(piece);
        }
        // Too many to wait: what is before it is written first, then its pieces go straight from there to here.
        let own = self.waiting.split_off(begin);
        self.flush()?;
        self.scan.unchanged += 1;
        self.progress.advance(size(&before), 1);
        let path = before.path.clone();
        let is_first = !self.write_if_linked(&path, &stat)?;
        if is_first {
            self.write_entry(before, &stat)?;
            own.into_iter().try_for_each(|piece| self.destination.line(&Line::Piece(piece)))?;
        }
        while let Some(piece) = self.before.piece()? {
            if !self.destination.has(&piece.object)? {
                return Err(SnapshotError::Incomplete {
                    volume: self.subject.name.clone(),
                    path,
                    object: piece.object,
                });
            }
            if is_first {
                self.destination.line(&Line::Piece(piece))?;
            }
        }
        Ok(())
    }

    fn wait(&mut self, item: Item) -> Result<(), SnapshotError> {
        self.batch.push(item);
        if self.batch.len() >= BATCH || self.waiting.len() >= WAITING { self.flush() } else { Ok(()) }
    }

    /// Syncs the file system if anything has to be read, reads it, and writes all lines of the batch. [spec: STO-24]
    fn flush(&mut self) -> Result<(), SnapshotError> {
        let reads = |item: &Item| matches!(item, Item::Look(scanned) if scanned.stat.kind == StatKind::File);
        if self.batch.iter().any(reads) {
            rustix::fs::syncfs(self.subject.data)
                .map_err(SnapshotError::volume("sync the file system of", self.subject.name))?;
        }
        let mut batch = std::mem::take(&mut self.batch);
        let waiting = std::mem::take(&mut self.waiting);
        let mut pieces = waiting.iter();
        for item in batch.drain(..) {
            let own = match &item {
                Item::Keep(_, _, count) => *count,
                Item::Look(_) => 0,
            };
            self.write(item, pieces.as_slice().get(..own).unwrap_or_default())?;
            pieces = pieces.as_slice().get(own..).unwrap_or_default().iter();
        }
        self.batch = batch;
        self.waiting = waiting;
        self.waiting.clear();
        Ok(())
    }

    fn write(&mut self, item: Item, pieces: &[Piece]) -> Result<(), SnapshotError> {
        let (path, stat) = match &item {
            Item::Keep(entry, stat, _) => (&entry.path, stat),
            Item::Look(scanned) => (&scanned.path, &scanned.stat),
        };
        if self.write_if_linked(path, stat)? {
            self.progress.advance(0, 1);
            return Ok(());
        }
        match item {
            Item::Keep(entry, stat, _) => {
                self.scan.unchanged += 1;
                self.progress.advance(size(&entry), 1);
                self.write_entry(entry, &stat)?;
                pieces.iter().try_for_each(|piece| self.destination.line(&Line::Piece(*piece)))
            }
            Item::Look(scanned) => self.look(&scanned),
        }
    }

    /// Writes the entry as another name of one that is written already, if it is one.
    fn write_if_linked(&mut self, path: &TreePath, stat: &Stat) -> Result<bool, SnapshotError> {
        if !has_other_names(stat) {
            return Ok(false);
        }
        let Some(first) = self.links.another_name(stat.inode) else { return Ok(false) };
        self.destination.line(&Line::HardLink(HardLink { path: path.clone(), first }))?;
        Ok(true)
    }

    /// Writes an entry, of which the pieces come next.
    fn write_entry(&mut self, mut entry: Entry, stat: &Stat) -> Result<(), SnapshotError> {
        let links = &mut entry.meta.attributes.links;
        if has_other_names(stat) {
            *links = self.links.expected(stat.inode, stat.links, *links);
            self.links.first(stat.inode, &entry.path, stat.links, *links);
        } else {
            *links = None;
        }
        self.destination.line(&Line::Entry(entry))
    }

    fn look(&mut self, scanned: &Scanned) -> Result<(), SnapshotError> {
        self.scan.looked += 1;
        let looked = match scanned.stat.kind {
            StatKind::File => self.look_at_file(scanned)?,
            _ => self.look_at_other(scanned),
        };
        match looked {
            Looked::Entry(entry, stat) => {
                self.progress.advance(size(&entry), 1);
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
            Ok(found) => found,
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

fn has_other_names(stat: &Stat) -> bool {
    stat.links > 1 && stat.kind != StatKind::Directory
}

fn size(entry: &Entry) -> u64 {
    match entry.kind {
        Kind::File { size, .. } => size,
        _ => 0,
    }
}
