//! Owns the ways to compare: two volumes in a store, and one with what is there now. Never stores anything.

use std::fs::File;

use super::diff::{Compared, Differ, Difference};
use super::error::SnapshotError;
use super::ingest::{Destination, look_only, unnamed_file};
use super::subject::Subject;
use crate::progress::Progress;
use crate::store::{EntriesId, ObjectId, Store};
use crate::tree::Line;

/// How the entries `new` differ from `old`; every difference is told in the order of paths. Memory does not depend on
/// their number.
pub fn diff(
    store: &Store,
    old: &EntriesId,
    new: &EntriesId,
    tell: &mut dyn FnMut(Difference),
) -> Result<Compared, SnapshotError> {
    let mut differ = Differ::new(lines(store, old)?, tell);
    for line in lines(store, new)? {
        differ.line(&line?)?;
    }
    differ.finish()
}

/// How a volume is different now from what the entries say. Only what its `stat` says was changed is read; a running
/// port's volume may change meanwhile. Nothing is stored, and the store's lock is not taken.
///
/// # Errors
/// Entries of the volume cannot be read, all of them named; or the store fails.
pub fn diff_with_live(
    store: &Store,
    old: &EntriesId,
    subject: &Subject<'_>,
    tell: &mut dyn FnMut(Difference),
    progress: &dyn Progress,
) -> Result<Compared, SnapshotError> {
    let mut looking = Looking { differ: Differ::new(lines(store, old)?, tell) };
    look_only(subject, lines(store, old)?, &mut looking, progress)?;
    looking.differ.finish()
}

fn lines(
    store: &Store,
    entries: &EntriesId,
) -> Result<impl Iterator<Item = Result<Line, SnapshotError>> + use<>, SnapshotError> {
    Ok(store.entries(entries)?.map(|line| line.map_err(SnapshotError::Store)))
}

/// Hashes what is read, and compares the lines.
struct Looking<I, F> {
    differ: Differ<I, F>,
}

impl<I, F> Destination for Looking<I, F>
where
    I: Iterator<Item = Result<Line, SnapshotError>>,
    F: FnMut(Difference),
{
    fn put(&mut self, bytes: &[u8]) -> Result<ObjectId, SnapshotError> {
        Ok(ObjectId::of(bytes))
    }

    fn has(&mut self, _object: &ObjectId) -> Result<bool, SnapshotError> {
        Ok(true)
    }

    fn line(&mut self, line: &Line) -> Result<(), SnapshotError> {
        self.differ.line(line)
    }

    fn scratch(&mut self) -> Result<File, SnapshotError> {
        unnamed_file(&std::env::temp_dir())
    }
}
