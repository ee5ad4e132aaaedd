//! Owns the question whether a volume's files still have the bytes that the snapshot took for unchanged: the one check that
//! does not believe `stat`. Changes nothing and stores nothing.

use std::fs::File;
use std::num::NonZeroU32;
use std::os::fd::AsFd as _;

use super::ahead::Ahead;
use super::error::SnapshotError;
use super::ingest::{ContentReader, Destination, ReadError, Trust, unchanged, unnamed_file};
use super::subject::Subject;
use crate::progress::{Progress, Silent};
use crate::store::{EntriesId, ObjectId, Store};
use crate::tree::{Content, Kind, Line, Look, Scanned, StatKind, TreeFault, TreePath, Walk};

/// How many files are named.
const NAMED: usize = 1000;

/// Which files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// One file of so many.
    pub one_of: NonZeroU32,
    /// Which ones: another number reads others.
    pub seed: u64,
}

impl Share {
    /// Every file.
    pub const ALL: Self = Self { one_of: NonZeroU32::MIN, seed: 0 };

    fn takes(self, path: &TreePath) -> bool {
        let name = ObjectId::of(&[&self.seed.to_le_bytes(), path.as_bytes()].concat());
        let mut first = [0; 4];
        first.copy_from_slice(&name.as_bytes()[..4]);
        u32::from_le_bytes(first).is_multiple_of(self.one_of.get())
    }
}

/// What a look at the files themselves came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceChecked {
    /// Files whose `stat` is that of the snapshot.
    pub unchanged: u64,
    /// Those of them that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that have other bytes than the snapshot although nothing says that they were changed: a disk or a file system
    /// lies. The first thousand.
    pub different: Vec<TreePath>,
    /// How many there are.
    pub different_count: u64,
    /// Files that could not be read, and directories that could not be looked into; the first thousand.
    pub unreadable: Vec<TreePath>,
    /// How many there are.
    pub unreadable_count: u64,
}

/// Reads a share of the files that a snapshot would take for unchanged, and compares them with the entries. One that is
/// different is a reason to read everything anew, and to distrust the disk.
///
/// # Errors
/// The store failed. What is different, or cannot be read, is no error but named.
pub fn check_source(
    store: &Store,
    entries: &EntriesId,
    subject: &Subject<'_>,
    share: Share,
    progress: &dyn Progress,
) -> Result<SourceChecked, SnapshotError> {
    let trust = Trust::in_directory(subject.data).map_err(SnapshotError::volume("examine", subject.name))?;
    let mut before = Ahead::new(store.entries(entries)?.map(|line| line.map_err(SnapshotError::Store)));
    let mut reader = ContentReader::new(&Silent);
    let mut checked = SourceChecked::default();
    for scanned in Walk::new(subject.data) {
        let scanned = match scanned {
            Ok(scanned) => scanned,
            Err(TreeFault::Vanished(_) | TreeFault::Changed(_)) => continue,
            Err(fault) => {
                checked.unreadable_count += 1;
                note(&mut checked.unreadable, fault.path());
                continue;
            }
        };
        let Some(Line::Entry(entry)) = before.at(&scanned.path)? else { continue };
        let Kind::File { content, .. } = entry.kind else { continue };
        if !unchanged(&entry, &scanned.stat) {
            continue;
        }
        checked.unchanged += 1;
        if !share.takes(&entry.path) {
            continue;
        }
        let mut hashing = Hashing { pieces: (content == Content::Pieces).then_some(&mut before), differs: false };
        match read(subject, &scanned, trust, &mut reader, &mut hashing)? {
            Read::Same(found, bytes) => {
                checked.files += 1;
                checked.bytes += bytes;
                progress.advance(bytes, 1);
                if found != content || hashing.is_different()? {
                    checked.different_count += 1;
                    note(&mut checked.different, &entry.path);
                }
            }
            Read::Changed => {}
            Read::Unreadable => {
                checked.unreadable_count += 1;
                note(&mut checked.unreadable, &entry.path);
            }
        }
    }
    Ok(checked)
}

fn note(paths: &mut Vec<TreePath>, path: &TreePath) {
    if paths.len() < NAMED {
        paths.push(path.clone());
    }
}

enum Read {
    /// It kept still, and has this content and so many bytes.
    Same(Content, u64),
    /// It changed, which its `stat` says now.
    Changed,
    /// It cannot be read.
    Unreadable,
}

fn read<I>(
    subject: &Subject<'_>,
    scanned: &Scanned,
    trust: Trust,
    reader: &mut ContentReader<'_>,
    hashing: &mut Hashing<'_, I>,
) -> Result<Read, SnapshotError>
where
    I: Iterator<Item = Result<Line, SnapshotError>>,
{
    let Ok(look) = Look::open(subject.data, &scanned.path, StatKind::File) else { return Ok(Read::Changed) };
    // What the kernel remembers says nothing of the disk.
    let _dropped = rustix::fs::fadvise(&look, 0, None, rustix::fs::Advice::DontNeed);
    let found = match reader.read(look.as_fd(), &scanned.stat, trust.holes, hashing) {
        Ok(found) => found,
        Err(ReadError::File(_)) => return Ok(Read::Unreadable),
        Err(ReadError::Keep(error)) => return Err(error),
    };
    match look.stat_again() {
        Ok(after) if after.key() == scanned.stat.key() => {}
        _ => return Ok(Read::Changed),
    }
    if found.content == Content::Pieces {
        reader.pieces.write(hashing)?;
    }
    Ok(Read::Same(found.content, found.read))
}

/// Names what is read, and compares pieces with those that were kept.
struct Hashing<'a, I> {
    pieces: Option<&'a mut Ahead<I>>,
    differs: bool,
}

impl<I> Hashing<'_, I>
where
    I: Iterator<Item = Result<Line, SnapshotError>>,
{
    /// Whether a piece was another one, or one is left.
    fn is_different(&mut self) -> Result<bool, SnapshotError> {
        let left = match &mut self.pieces {
            Some(pieces) => pieces.piece()?.is_some(),
            None => false,
        };
        Ok(self.differs || left)
    }
}

impl<I> Destination for Hashing<'_, I>
where
    I: Iterator<Item = Result<Line, SnapshotError>>,
{
    fn put(&mut self, bytes: &[u8]) -> Result<ObjectId, SnapshotError> {
        Ok(ObjectId::of(bytes))
    }

    fn has(&mut self, _object: &ObjectId) -> Result<bool, SnapshotError> {
        Ok(true)
    }

    fn line(&mut self, line: &Line) -> Result<(), SnapshotError> {
        let kept = match &mut self.pieces {
            Some(pieces) => pieces.piece()?.map(Line::Piece),
            None => None,
        };
        self.differs |= kept.as_ref() != Some(line);
        Ok(())
    }

    fn scratch(&mut self) -> Result<File, SnapshotError> {
        unnamed_file(&std::env::temp_dir())
    }
}
