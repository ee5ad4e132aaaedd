//! Owns how often a volume is scanned until its entries are true, and what that came to. Never looks at an entry itself.

use std::collections::HashMap;

use super::destination::Destination;
use super::links::{Inode, Links};
use super::pass::{Pass, Scan};
use super::storing::{Keeper, Storing};
use super::trust::Keys;
use crate::progress::{Progress, Silent};
use crate::snapshot::error::SnapshotError;
use crate::snapshot::subject::{Mode, Subject};
use crate::store::{EntriesId, WrittenEntries};
use crate::tree::{Line, TreePath};

/// How often a volume is scanned at most.
const SCANS: u32 = 3;

/// What reading one volume came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingested {
    /// Its entries, durable after the next seal.
    pub entries: WrittenEntries,
    /// Regular files that were read, all scans together.
    pub files_read: u64,
    /// Bytes of regular files that were read, all scans together.
    pub bytes_read: u64,
    /// Entries that were not read because they are as the entries before say.
    pub unchanged: u64,
    /// Files that changed each time that they were read: what is kept of them may mix two moments. At most a thousand
    /// are named. None where nothing could write. [spec: STO-23]
    pub unstable: Vec<TreePath>,
    /// How many unstable files there were.
    pub unstable_count: u64,
    /// Entries that went away between being listed and being read, and were left out.
    pub vanished: u64,
    /// Whether a name that was moved during the scan could have been missed.
    pub calm: Calm,
}

/// Whether the volume was scanned without any change meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calm {
    /// The last scan found everything as the one before: no name was moved past it.
    Calm,
    /// Something changed during each scan, or the file system cannot tell: a file that was moved from a directory that was still to be read into one that
    /// had been read may be missing.
    Restless,
}

/// How long a scan is repeated while things change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// Once is enough: another scan will follow.
    Once,
    /// Until nothing changes, within reason.
    UntilCalm,
}

/// Reads a volume into the store.
///
/// What is as the entries `before` say is not read again; without them everything is. A running port's volume is scanned
/// again, which reads only what changed meanwhile, until a scan finds nothing changed, at most three times: otherwise a
/// file that is moved from one directory to another during the scan could be missing under both names. Entries of earlier
/// scans stay in the store until the next collection.
///
/// # Errors
/// Every entry that could not be read is named; nothing of the volume counts then. [spec: STO-23]
pub(crate) fn ingest(
    keeper: &mut Keeper<'_>,
    subject: &Subject<'_>,
    before: Option<&EntriesId>,
    mode: Mode,
    care: Care,
    progress: &dyn Progress,
) -> Result<Ingested, SnapshotError> {
    let mut before = before.copied();
    let mut outside: Option<HashMap<Inode, u32>> = None;
    let (mut files_read, mut bytes_read) = (0, 0);
    let mut number = 1;
    loop {
        let progress = if number == 1 { progress } else { &Silent };
        let links = outside.take().map_or_else(Links::default, Links::expecting);
        let (entries, scan) = match scan(keeper, subject, before.as_ref(), mode, links, progress) {
            // The store has lost what it should have: everything is read again, which brings it back.
            Err(SnapshotError::Incomplete { .. }) if before.is_some() => {
                before = None;
                continue;
            }
            other => other?,
        };
        files_read += scan.files;
        bytes_read += scan.bytes;
        let moved = scan.looked > 0 || scan.gone > 0 || scan.vanished > 0 || scan.unstable_count > 0;
        let restless = mode == Mode::Running && moved;
        let again = scan.wrong_links.is_some() || (restless && care == Care::UntilCalm);
        // Where no time can be believed another scan would read all of it again, and prove nothing.
        let helps = scan.wrong_links.is_some() || scan.keys != Keys::Worthless;
        if again && helps && number < SCANS {
            keeper.seal()?;
            before = Some(entries.id);
            outside = scan.wrong_links;
            number += 1;
            continue;
        }
        if again && mode == Mode::Still {
            return Err(SnapshotError::Restless { volume: subject.name.clone() });
        }
        let Scan { unchanged, unstable, unstable_count, vanished, .. } = scan;
        let calm = if again { Calm::Restless } else { Calm::Calm };
        return Ok(Ingested { entries, files_read, bytes_read, unchanged, unstable, unstable_count, vanished, calm });
    }
}

/// Scans a volume once beside the entries `before`, and keeps nothing but what `destination` keeps.
pub(crate) fn look_only<D: Destination>(
    subject: &Subject<'_>,
    before: impl Iterator<Item = Result<Line, SnapshotError>>,
    destination: &mut D,
    progress: &dyn Progress,
) -> Result<(), SnapshotError> {
    Pass::new(subject, Mode::Running, before, Links::default(), destination, progress)?.run().map(drop)
}

fn scan(
    keeper: &mut Keeper<'_>,
    subject: &Subject<'_>,
    before: Option<&EntriesId>,
    mode: Mode,
    links: Links,
    progress: &dyn Progress,
) -> Result<(WrittenEntries, Scan), SnapshotError> {
    let mut read = before.map(|id| keeper.store.entries(id)).transpose()?;
    let entries = read.as_mut().into_iter().flatten().map(|line| line.map_err(SnapshotError::Store));
    let mut storing = Storing::new(keeper)?;
    let scan = Pass::new(subject, mode, entries, links, &mut storing, progress)?.run()?;
    let read = read.and_then(|lines| lines.read_whole());
    Ok((storing.finish(read.as_ref())?, scan))
}
