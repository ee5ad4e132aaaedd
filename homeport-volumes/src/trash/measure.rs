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

/// The same of a tree that is written to meanwhile, which is therefore only about so large: what is gone or something else
/// by the time that it is looked at is not counted.
///
/// # Errors
/// The first entry that cannot be looked at for another reason.
pub fn measure_live(directory: impl AsFd, progress: &mut dyn FnMut(&Measured)) -> Result<Measured, TreeFault> {
    measure_all(living(Walk::new(directory.as_fd())), progress, &mut |_| {})
}

/// What is there of a tree that is written to.
fn living(walk: impl Iterator<Item = Result<Scanned, TreeFault>>) -> impl Iterator<Item = Result<Scanned, TreeFault>> {
    walk.filter(|scanned| !matches!(scanned, Err(TreeFault::Vanished(_) | TreeFault::Changed(_))))
}

/// As [`measure`], and shows each entry to `each`.
pub(crate) fn measure_each(
    directory: impl AsFd,
    progress: &mut dyn FnMut(&Measured),
    each: &mut dyn FnMut(&Scanned),
) -> Result<Measured, TreeFault> {
    measure_all(Walk::new(directory.as_fd()), progress, each)
}

fn measure_all(
    walk: impl Iterator<Item = Result<Scanned, TreeFault>>,
    progress: &mut dyn FnMut(&Measured),
    each: &mut dyn FnMut(&Scanned),
) -> Result<Measured, TreeFault> {
    let mut bytes = 0_u64;
    let mut seen = HashSet::new();
    let mut measured: Option<Measured> = None;
    for scanned in walk {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vanishes_under_the_walk_is_not_counted_of_a_live_tree_and_fails_a_still_one() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("a"), dir.path().join("b"));
        let fill = || [&first, &second].map(|file| std::fs::write(file, "1234").unwrap());
        let open = || std::fs::File::open(dir.path()).unwrap();
        // The directory is shown first, and then, once all names were read, the first file.
        let shown = std::cell::Cell::new(0);
        let mut remove = |_: &Scanned| {
            shown.set(shown.get() + 1);
            if shown.get() % 2 == 0 {
                drop(std::fs::remove_file(&second));
            }
        };
        fill();
        let still = open();
        let fault = measure_each(&still, &mut |_| {}, &mut remove).unwrap_err();
        assert!(matches!(fault, TreeFault::Vanished(_)), "{fault}");
        fill();
        let live = open();
        let measured = measure_all(living(Walk::new(live.as_fd())), &mut |_| {}, &mut remove).unwrap();
        assert_eq!((measured.entries, measured.bytes.get()), (2, 4), "the directory and the file that stayed");
        assert_eq!(measure_live(&live, &mut |_| {}).unwrap().entries, 2);
    }
}
