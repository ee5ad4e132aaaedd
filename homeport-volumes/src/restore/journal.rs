//! Owns `VOL/.homeport/journal`: the one record that says that two trees are being exchanged, or were and can still be
//! taken back. Never exchanges anything.
//!
//! ```text
//!                 | the old tree is live             | the new tree is live
//! ----------------+----------------------------------+-------------------------------------------------
//! step exchanging | begun, nothing happened yet      | exchanged, the marker may still be the old one
//! step exchanged  | being taken back                 | done; may be settled or taken back
//! ```
//!
//! Only the last of the four is no fault at a check. Which tree is live is told by inode numbers, never guessed.
//! [spec: VOL-46]

use std::os::fd::{AsFd as _, BorrowedFd};

use homeport_core::unit::Format;
use serde::{Deserialize, Serialize};

use super::error::RestoreError;
use crate::begin::Held;
use crate::facts::JournalFact;
use crate::failpoint::point;
use crate::identity::{TxId, VolumeUuid};
use crate::layout::JOURNAL;
use crate::record::{self, Found, Record};

/// How far an exchange is known to have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// It may happen from now on.
    Exchanging,
    /// It happened, and everything that belongs to it is on the disk.
    Exchanged,
}

/// One of the two trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tree {
    /// `st_ino` of its top directory.
    pub(crate) inode: u64,
    /// The format of what is in it.
    pub(crate) format: Format,
    /// The append-only and immutable flags of its top directory, which must be off while it is renamed.
    pub(crate) flags: u32,
}

/// The record. [spec: VOL-46]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Journal {
    pub(crate) version: u32,
    pub(crate) tx: TxId,
    /// The volume, so that a journal that was copied elsewhere is not followed there.
    pub(crate) uuid: VolumeUuid,
    pub(crate) step: Step,
    /// The tree that was live before.
    pub(crate) old: Tree,
    /// The tree that is to be live after.
    pub(crate) new: Tree,
}

impl Record for Journal {
    const VERSION: u32 = 1;
}

/// The journal of a held volume.
pub(crate) fn read(held: &Held) -> Result<Option<Journal>, RestoreError> {
    let path = held.path();
    match record::read::<Journal>(held.home(), JOURNAL).map_err(RestoreError::io("read the journal of", path))? {
        Found::Absent => Ok(None),
        Found::Valid(journal) if journal.uuid == held.marker().uuid => Ok(Some(journal)),
        Found::Valid(journal) => Err(RestoreError::ForeignJournal { path: path.clone(), uuid: journal.uuid }),
        Found::Invalid(source) => Err(RestoreError::Journal { path: path.clone(), source }),
    }
}

/// Writes the journal; when this returns it is on the disk.
pub(crate) fn write(held: &mut Held, journal: &Journal) -> Result<(), RestoreError> {
    let written = point("restore.journal").and_then(|()| record::write(held.home.as_fd(), JOURNAL, journal));
    held.sure(written, "write the journal of")
}

/// Takes the journal away; when this returns that is on the disk.
pub(crate) fn clear(held: &mut Held) -> Result<(), RestoreError> {
    held.point("restore.journal.clear")?;
    crate::file::unlink(held.home(), JOURNAL).map_err(RestoreError::io("remove the journal of", held.path()))?;
    let synced = point("restore.journal.cleared").and_then(|()| Ok(rustix::fs::fsync(held.home())?));
    held.sure(synced, "sync `.homeport` of")
}

/// What a check finds in `.homeport/`, where `live` is the inode of `data/`.
pub(crate) fn look(home: BorrowedFd<'_>, live: Option<u64>) -> Result<JournalFact, std::io::Error> {
    Ok(match record::read::<Journal>(home, JOURNAL)? {
        Found::Absent => JournalFact::Absent,
        Found::Valid(Journal { tx, step: Step::Exchanged, new, .. }) if live == Some(new.inode) => {
            JournalFact::Finished { tx }
        }
        Found::Valid(journal) => JournalFact::Unfinished { tx: journal.tx },
        Found::Invalid(fault) => JournalFact::Damaged { reason: fault.to_string() },
    })
}

impl Held {
    /// Passes on what a durable step gave, and remembers a failure other than a full disk: what was written since the
    /// last sync that succeeded may be gone, and a second sync that succeeds would prove nothing. [spec: STO-4]
    pub(crate) fn sure(&mut self, step: Result<(), std::io::Error>, action: &'static str) -> Result<(), RestoreError> {
        step.map_err(|error| {
            let full = matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
            self.unsure |= !full;
            RestoreError::io(action, self.path())(error)
        })
    }

    /// Passes a named moment before a step, at which a failure can be tried out.
    pub(super) fn point(&self, name: &'static str) -> Result<(), RestoreError> {
        point(name).map_err(RestoreError::io("change", self.path()))
    }

    /// Refuses to build on a step whose sync failed.
    pub(crate) fn must_be_sure(&self) -> Result<(), RestoreError> {
        if self.unsure { Err(RestoreError::Unsure { path: self.path().clone() }) } else { Ok(()) }
    }
}
