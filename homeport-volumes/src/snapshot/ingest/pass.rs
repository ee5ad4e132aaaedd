//! Owns one scan of a volume: the walk and the entries of the snapshot before go side by side, in batches that are looked
//! at first, synced then, and read last. Never decides whether a scan has to be repeated.

use super::compare::{alike, unchanged};
use super::content::ContentReader;
use super::destination::Destination;
use super::links::{Inode, Links};
use super::trouble::Troubles;
use super::trust::{Keys, Trust};
use super::walking::walk;
use crate::progress::Progress;
use crate::snapshot::ahead::Ahead;
use crate::snapshot::error::SnapshotError;
use crate::snapshot::subject::{Mode, Subject};
use crate::tree::{
    Content, Entry, HardLink, Kind, Line, Piece, Scanned, Stat, StatKind, Timestamp, TreeFault, TreePath,
};
use std::collections::HashMap;

/// How many entries are looked at before the sync that comes before reading.
const BATCH: usize = 16_384;

/// How many pieces of unchanged files wait in a batch; a file with more ends it.
const WAITING: usize = 16_384;

/// What one scan found.
#[derive(Debug)]
pub(super) struct Scan {
    /// How far the times of the file system were believed.
    pub keys: Keys,
    /// Entries that are not as the scan before saw them.
    pub looked: u64,
    /// Regular files that were read.
    pub files: u64,
    /// Bytes of regular files that were read.
    pub bytes: u64,
    /// Names that the scan before saw and this one did not.
    pub gone: u64,
    /// Entries taken as they were in the snapshot before.
    pub unchanged: u64,
    /// Files that changed each time that they were read; the first thousand.
    pub unstable: Vec<TreePath>,
    /// How many there were.
    pub unstable_count: u64,
    /// Entries that went away between being listed and being read.
    pub vanished: u64,
    /// The entries said something else of names outside of the volume than what was found: what it was.
    pub wrong_links: Option<HashMap<Inode, u32>>,
}

impl Scan {
    fn new(keys: Keys) -> Self {
        Self {
            keys,
            looked: 0,
            gone: 0,
            files: 0,
            bytes: 0,
            unchanged: 0,
            unstable: Vec::new(),
            unstable_count: 0,
            vanished: 0,
            wrong_links: None,
        }
    }
}

/// An entry that was looked at and waits for the sync.
enum Item {
    /// It is as it was; so many of the waiting pieces are its own.
    Keep(Entry, Stat, usize),
    /// It is not as it was, and is to be read.
    Look(Scanned),
    /// It seems to be as it was, but its time was too fresh to be believed: it is to be read too.
    Repeat(Scanned),
}

/// One scan on its way.
pub(super) struct Pass<'a, D, I> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) mode: Mode,
    pub(super) trust: Trust,
    pub(super) start: Timestamp,
    pub(super) destination: &'a mut D,
    before: Ahead<I>,
    links: Links,
    batch: Vec<Item>,
    waiting: Vec<Piece>,
    pub(super) reader: ContentReader<'a>,
    pub(super) troubles: Troubles,
    pub(super) scan: Scan,
    /// How many bytes of the file that is being read the progress knows of.
    pub(super) told: u64,
    pub(super) progress: &'a dyn Progress,
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
            reader: ContentReader::new(progress),
            troubles: Troubles::of(subject.name),
            scan: Scan::new(trust.keys),
            told: 0,
            progress,
        })
    }

    /// Scans the whole volume.
    pub(super) fn run(mut self) -> Result<Scan, SnapshotError> {
        let subject = self.subject;
        let no_thread = |source| SnapshotError::Volume { action: "walk through", volume: subject.name.clone(), source };
        walk(subject.data, |scanned| self.come_upon(scanned), no_thread)?;
        self.flush()?;
        self.scan.gone = self.before.finish()?;
        self.troubles.finish()?;
        self.scan.wrong_links = self.links.finish().err();
        Ok(self.scan)
    }

    fn come_upon(&mut self, scanned: Result<Scanned, TreeFault>) -> Result<(), SnapshotError> {
        match scanned {
            Ok(scanned) => self.meet(scanned)?,
            Err(TreeFault::Vanished(_) | TreeFault::Changed(_)) if self.mode == Mode::Running => {
                self.scan.vanished += 1;
            }
            Err(TreeFault::Vanished(path) | TreeFault::Changed(path)) => self.troubles.changed(&path),
            Err(fault) => self.troubles.fault(&fault),
        }
        Ok(())
    }

    /// Sorts an entry into the batch: to be kept or to be read.
    fn meet(&mut self, scanned: Scanned) -> Result<(), SnapshotError> {
        let before = match self.before.at(&scanned.path)? {
            Some(Line::Entry(entry)) if unchanged(&entry, &scanned.stat) => entry,
            Some(Line::Entry(entry)) if self.is_fresh(&entry) && alike(&entry, &scanned.stat) => {
                return self.wait(Item::Repeat(scanned));
            }
            _ => return self.wait(Item::Look(scanned)),
        };
        let here = match before.kind {
            Kind::File { content: Content::Whole(object), .. } => self.destination.has(&object)?,
            Kind::File { content: Content::Pieces, .. } => return self.meet_pieces(before, scanned.stat),
            _ => true,
        };
        self.wait(if here { Item::Keep(before, scanned.stat, 0) } else { Item::Look(scanned) })
    }

    /// Whether an entry has no key because it was changed just before the scan that saw it.
    fn is_fresh(&self, entry: &Entry) -> bool {
        entry.meta.key.is_none() && self.trust.keys == Keys::AfterTwoSeconds
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
        let reads = |item: &Item| match item {
            Item::Look(scanned) | Item::Repeat(scanned) => scanned.stat.kind == StatKind::File,
            Item::Keep(..) => false,
        };
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
                Item::Look(_) | Item::Repeat(_) => 0,
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
            Item::Look(scanned) | Item::Repeat(scanned) => (&scanned.path, &scanned.stat),
        };
        if self.write_if_linked(path, stat)? {
            self.progress.advance(0, 1);
            return Ok(());
        }
        match item {
            Item::Keep(entry, stat, _) => {
                self.scan.unchanged += 1;
                self.progress.advance(size(&entry), 1);
                let entry = self.linked(entry, &stat);
                self.destination.kept(&Line::Entry(entry))?;
                pieces.iter().try_for_each(|piece| self.destination.kept(&Line::Piece(*piece)))
            }
            Item::Look(scanned) => {
                self.scan.looked += 1;
                self.look(&scanned)
            }
            Item::Repeat(scanned) => self.look(&scanned),
        }
    }

    /// Writes the entry as another name of one that is written already, if it is one.
    fn write_if_linked(&mut self, path: &TreePath, stat: &Stat) -> Result<bool, SnapshotError> {
        if !has_other_names(stat) {
            return Ok(false);
        }
        let Some(first) = self.links.another_name(Inode::of(stat)) else { return Ok(false) };
        self.destination.line(&Line::HardLink(HardLink { path: path.clone(), first }))?;
        Ok(true)
    }

    /// Writes an entry, of which the pieces come next.
    pub(super) fn write_entry(&mut self, entry: Entry, stat: &Stat) -> Result<(), SnapshotError> {
        let entry = self.linked(entry, stat);
        self.destination.line(&Line::Entry(entry))
    }

    /// The entry with what is known of its other names.
    fn linked(&mut self, mut entry: Entry, stat: &Stat) -> Entry {
        let links = &mut entry.meta.attributes.links;
        if has_other_names(stat) {
            let inode = Inode::of(stat);
            *links = self.links.expected(inode, stat.links, *links);
            self.links.first(inode, &entry.path, stat.links, *links);
        } else {
            *links = None;
        }
        entry
    }
}

fn has_other_names(stat: &Stat) -> bool {
    stat.links > 1 && stat.kind != StatKind::Directory
}

/// The size of a regular file; 0 of anything else.
pub(super) fn size(entry: &Entry) -> u64 {
    match entry.kind {
        Kind::File { size, .. } => size,
        _ => 0,
    }
}
