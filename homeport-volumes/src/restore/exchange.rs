//! Owns the exchange of the live tree with a staged one, in one step, and the way back. Never builds or deletes a tree.
//!
//! ```text
//! notes -> journal "exchanging" -> renameat2(EXCHANGE) -> fsync VOL/, fsync staging/<tx>/ -> marker -> journal "exchanged"
//! ```
//!
//! All that is needed for the way back or for the trash is written before the exchange, so that a full disk after it
//! hinders neither. A crash at any point leaves `data/` exactly as it was or exactly as it is to be. [spec: STO-31, VOL-46]

use std::os::fd::{AsFd as _, OwnedFd};

use homeport_core::unit::{Bytes, Format};

use super::area::{self, Live};
use super::error::RestoreError;
use super::journal::{self, Journal, Step, Tree};
use super::staged::{self, Staged};
use crate::begin::Held;
use crate::directory;
use crate::failpoint::point;
use crate::file;
use crate::identity::{TxId, UnixSeconds};
use crate::layout::{JOURNAL_VERSION, NEW_NOTE, OLD_NOTE, STAGED, STAGING, TRASH};
use crate::marker;
use crate::trash::{TrashKind, TrashNote};

/// What is to be said in the trash of the tree that is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// How many entries it has, where they were counted.
    pub entries: Option<u64>,
    /// How many bytes its files have, where they were counted.
    pub bytes: Option<Bytes>,
    /// The moment of the exchange.
    pub since: UnixSeconds,
    /// When it may go without another approval; `None` for never.
    pub until: Option<UnixSeconds>,
}

/// What an exchange came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// The staged tree is live now, and the old one stands in its place.
    Done,
    /// That was so already.
    Already,
}

/// What became of taking an exchange back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Back {
    /// The tree from before is live again; the one that was live meanwhile is in the trash under this transaction.
    Returned(TxId),
    /// The tree from before is live, and the staged one was never in use; it stands where it was and may be discarded.
    NeverExchanged,
    /// Nothing of the transaction is there, or only what it put into the trash.
    Nothing,
}

/// Puts the staged tree of `tx` in the place of the live one. When this returns, that is on the disk, and `held` has the
/// new tree as its data. The same call may be repeated after a crash at any point of it.
///
/// The marker takes the format of the new tree; whether the port can work with it is the caller's to decide before.
///
/// # Errors
/// [`RestoreError::NotReady`] if the tree was not compared; [`RestoreError::Busy`] if another one is not finished;
/// [`crate::VolumeError::Changed`] if a tree is not the one that was staged. `data/` is the old or the new tree.
pub fn exchange(held: &mut Held, tx: TxId, keeping: &Keeping) -> Result<Exchange, RestoreError> {
    held.must_be_sure()?;
    let journal = match journal::read(held)? {
        Some(journal) if journal.tx != tx => {
            return Err(RestoreError::Busy { path: held.path().clone(), tx: journal.tx });
        }
        Some(journal) => journal,
        None => begin(held, tx, keeping)?,
    };
    let dir = staging_of(held, tx)?;
    match (journal.step, area::which(held, &journal, &dir)?) {
        (Step::Exchanged, Live::New) => {
            area::fasten_both(held, &journal, &dir)?;
            held.look_again()?;
            return Ok(Exchange::Already);
        }
        (Step::Exchanged, Live::Old) => {
            let what = "it is being taken back".to_owned();
            return Err(RestoreError::NotReady { path: held.path().clone(), tx, what });
        }
        (Step::Exchanging, Live::Old) => {
            area::loosen_both(held, &dir)?;
            area::swap(held, &dir)?;
        }
        (Step::Exchanging, Live::New) => area::sync_swap(held, &dir)?,
    }
    finish(held, &journal, &dir)?;
    Ok(Exchange::Done)
}

/// Everything before the exchange itself: identities, notes and the journal.
fn begin(held: &mut Held, tx: TxId, keeping: &Keeping) -> Result<Journal, RestoreError> {
    let dir = staging_of(held, tx)?;
    let staged = staged::read(held, &dir, tx)?;
    let Some((_, inode)) = area::tree_in(held, &dir)?.filter(|(_, inode)| *inode == staged.inode) else {
        let what = "its directory is not the one that was compared".to_owned();
        return Err(RestoreError::NotReady { path: held.path().clone(), tx, what });
    };
    let live = area::live(held)?;
    let old = area::described(held, &live, held.marker().format)?;
    let new = Tree { inode, format: staged.format, flags: staged.flags };
    if old.inode == new.inode {
        let what = "it is the live one".to_owned();
        return Err(RestoreError::NotReady { path: held.path().clone(), tx, what });
    }
    area::ensure(held, TRASH)?;
    write_notes(held, &dir, &staged, keeping)?;
    let uuid = held.marker().uuid;
    let journal = Journal { version: JOURNAL_VERSION, tx, uuid, step: Step::Exchanging, old, new };
    journal::write(held, &journal)?;
    Ok(journal)
}

/// The note of the old tree, for when it is settled; and that of the new one, for when it is taken back. A tree that
/// came out of the trash has its note already.
fn write_notes(held: &mut Held, dir: &OwnedFd, staged: &Staged, keeping: &Keeping) -> Result<(), RestoreError> {
    let marker = held.marker();
    let old = TrashNote {
        tx: staged.tx,
        kind: TrashKind::Replaced,
        root: marker.root.clone(),
        uuid: marker.uuid,
        port: marker.port.clone(),
        instance: marker.instance.clone(),
        volume: marker.volume.clone(),
        format: marker.format,
        generation: marker.generation,
        entries: keeping.entries,
        bytes: keeping.bytes,
        since: keeping.since,
        until: keeping.until,
        path: held.path().clone(),
    };
    let new = TrashNote {
        kind: TrashKind::TakenBack,
        format: staged.format,
        entries: staged.count,
        bytes: staged.bytes,
        ..old.clone()
    };
    let mut written = point("restore.note.old")
        .and_then(|()| file::replace(dir, &format!("{OLD_NOTE}.new"), OLD_NOTE, &old.render()));
    if staged.from.is_none() {
        written = written
            .and_then(|()| point("restore.note.new"))
            .and_then(|()| file::replace(dir, &format!("{NEW_NOTE}.new"), NEW_NOTE, &new.render()));
    }
    held.sure(written, "write the notes for the trash of")
}

/// What comes after the exchange is durable.
pub(super) fn finish(held: &mut Held, journal: &Journal, dir: &OwnedFd) -> Result<(), RestoreError> {
    follow_format(held, journal.new.format)?;
    area::fasten_both(held, journal, dir)?;
    journal::write(held, &Journal { step: Step::Exchanged, ..journal.clone() })?;
    held.look_again()?;
    Ok(())
}

/// Gives the marker the format of the tree that is live.
fn follow_format(held: &mut Held, format: Format) -> Result<(), RestoreError> {
    if held.marker().format == format {
        return Ok(());
    }
    let mut marker = held.marker().clone();
    marker.format = format;
    let written = point("restore.marker").and_then(|()| marker::file::write(held.home.as_fd(), &marker));
    held.sure(written, "write the marker of")?;
    held.ready.marker = marker;
    Ok(())
}

/// Takes the exchange of `tx` back: the tree from before is live again when this returns, and on the disk.
///
/// A tree that was in use, for however short, is not deleted: it goes to the trash, because a port may have written into
/// it. Nothing here needs room on the disk unless the format differs. The same call may be repeated after a crash at any point of it.
///
/// # Errors
/// As for [`exchange`]. `data/` is the old or the new tree.
pub fn exchange_back(held: &mut Held, tx: TxId) -> Result<Back, RestoreError> {
    held.must_be_sure()?;
    let staging = area::find(held, STAGING, tx)?;
    let journal = match journal::read(held)? {
        None if staging.is_some() => return Ok(Back::NeverExchanged),
        None => return Ok(Back::Nothing),
        Some(journal) if journal.tx != tx => {
            return Err(RestoreError::Busy { path: held.path().clone(), tx: journal.tx });
        }
        Some(journal) => journal,
    };
    let Some(dir) = staging else {
        let (_, live) = area::live(held)?;
        if live == journal.old.inode {
            // Only its very last step was cut off.
            return put_away(held, &journal);
        }
        let what = "it is in the trash already: take the tree from before out of there".to_owned();
        return Err(RestoreError::NotReady { path: held.path().clone(), tx, what });
    };
    match area::which(held, &journal, &dir)? {
        Live::New => {
            area::loosen_both(held, &dir)?;
            area::swap(held, &dir)?;
        }
        Live::Old => area::sync_swap(held, &dir)?,
    }
    follow_format(held, journal.old.format)?;
    area::fasten_both(held, &journal, &dir)?;
    held.look_again()?;
    if journal.step == Step::Exchanging {
        // No check lets a volume with such a journal be used, so nothing can have been written into the new tree.
        journal::clear(held)?;
        return Ok(Back::NeverExchanged);
    }
    put_away(held, &journal)
}

/// Puts the tree that was taken back into the trash, by names that are there already, and ends the journal.
fn put_away(held: &mut Held, journal: &Journal) -> Result<Back, RestoreError> {
    let tx = super::settle::to_trash(held, journal.tx, NEW_NOTE)?;
    // A tree that had come out of the trash is there under its old transaction, also where a crash cut this off before.
    let found = in_trash(held, tx, journal.new.inode)?;
    journal::clear(held)?;
    Ok(found.map_or(Back::Nothing, Back::Returned))
}

/// Under which transaction the tree with this inode is in the trash; `tx` is looked at first.
fn in_trash(held: &Held, tx: TxId, inode: u64) -> Result<Option<TxId>, RestoreError> {
    let Some(trash) = area::find_area(held, TRASH)? else { return Ok(None) };
    let names = directory::names(&trash, usize::MAX).map_err(RestoreError::io("list the trash of", held.path()))?;
    let others = names.iter().filter_map(|name| name.to_str()?.parse::<TxId>().ok());
    for tx in std::iter::once(tx).chain(others) {
        if let Some(dir) = area::find(held, TRASH, tx)?
            && area::tree_in(held, &dir)?.is_some_and(|(_, found)| found == inode)
        {
            return Ok(Some(tx));
        }
    }
    Ok(None)
}

/// The directory of a staged tree.
pub(super) fn staging_of(held: &Held, tx: TxId) -> Result<OwnedFd, RestoreError> {
    let what = || "there is none below `.homeport/staging`".to_owned();
    area::find(held, STAGING, tx)?.ok_or_else(|| RestoreError::NotReady { path: held.path().clone(), tx, what: what() })
}

/// The names beside a staged tree that belong to its transaction only.
pub(super) const OWN_NAMES: [&str; 3] = [STAGED, OLD_NOTE, NEW_NOTE];
