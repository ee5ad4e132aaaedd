//! Owns counting what a tree holds, for the people who decide about it. Never reads a file's content.

use std::collections::HashSet;
use std::os::fd::AsFd;

use homeport_core::unit::Bytes;

use super::error::TrashError;
use super::place::{Slot, TrashPlace, TrashState};
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::identity::TxId;
use crate::layout::EMPTYING;
use crate::tree::{Scanned, StatKind, Timestamp, TreeFault, Walk};

/// What was counted in a tree. An approval to delete it is bound to all of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// How many entries there are, the topmost directory among them, as a snapshot counts them. [spec: STO-12]
    pub entries: u64,
    /// The sum of the sizes of regular files, each once however many names it has.
    pub bytes: Bytes,
    /// The newest time of modification of any entry.
    pub newest: Timestamp,
}

/// Counts what is in the directory, which may be open only to refer to it. `progress` is told from time to time.
///
/// # Errors
/// The first entry that cannot be looked at, or that something is mounted on: a count without it would be wrong.
pub fn measure(directory: impl AsFd, progress: &mut dyn FnMut(&Measured)) -> Result<Measured, TreeFault> {
    measure_each(directory, progress, &mut |_| {})
}

/// The same, and shows each entry to `each`.
pub(crate) fn measure_each(
    directory: impl AsFd,
    progress: &mut dyn FnMut(&Measured),
    each: &mut dyn FnMut(&Scanned),
) -> Result<Measured, TreeFault> {
    let mut bytes = 0_u64;
    let mut seen = HashSet::new();
    let mut measured: Option<Measured> = None;
    for scanned in Walk::new(directory.as_fd()) {
        let scanned = scanned?;
        let stat = &scanned.stat;
        if stat.kind == StatKind::File && (stat.links < 2 || seen.insert((stat.device, stat.inode))) {
            bytes = bytes.saturating_add(stat.size);
        }
        let before = measured.unwrap_or(Measured { entries: 0, bytes: Bytes::new(0), newest: stat.modified });
        let newest = before.newest.max(stat.modified);
        let now = Measured { entries: before.entries + 1, bytes: Bytes::new(bytes), newest };
        measured = Some(now);
        each(&scanned);
        if now.entries.is_multiple_of(4096) {
            progress(&now);
        }
    }
    Ok(measured.unwrap_or(Measured { entries: 0, bytes: Bytes::new(0), newest: Timestamp::EPOCH }))
}

/// Counts what is in the tree of one transaction in the trash, or in what is left of it: of a whole volume also its own
/// directory with its own trash.
///
/// # Errors
/// [`TrashError::Absent`], [`TrashError::Unknown`], [`TrashError::Unfinished`], and entries that cannot be looked at.
pub fn measure_trashed(
    place: &TrashPlace,
    tx: TxId,
    progress: &mut dyn FnMut(&Measured),
) -> Result<Measured, TrashError> {
    let slot = Slot::find(place, tx)?;
    let name = match slot.state(&slot.note()?)? {
        TrashState::Whole => place.tree(),
        TrashState::Partial => EMPTYING,
        TrashState::Unfinished => return Err(TrashError::Unfinished { tx }),
    };
    let path = place.path();
    match directory::child(slot.fd.as_fd(), name).map_err(VolumeError::io("open a tree in", &path))? {
        Entry::Directory(fd) => measure(fd, progress).map_err(TrashError::Tree),
        Entry::Absent | Entry::Other => Err(TrashError::Unfinished { tx }),
    }
}
