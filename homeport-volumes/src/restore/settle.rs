//! Owns what happens to the tree that is not live any more: into the trash, and out of it again to undo a restore.
//! Never exchanges and never deletes a tree.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::area;
use super::error::RestoreError;
use super::exchange::{OWN_NAMES, staging_of};
use super::journal::{self, Step};
use super::staged::{self, Staged};
use crate::begin::Held;
use crate::error::VolumeError;
use crate::failpoint::point;
use crate::file;
use crate::identity::TxId;
use crate::layout::{NOTE, OLD_NOTE, STAGED_VERSION, STAGING, TRASH};
use crate::trash::{TrashKind, TrashNote, note};

/// What settling came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The old tree is in the trash now.
    Done(TrashNote),
    /// That was so already.
    Already(TrashNote),
}

/// Ends the transaction for good: the tree that was taken out goes to `.homeport/trash/<tx>/`, with its note, and the
/// journal goes. Needs no room on the disk. The same call may be repeated after a crash at any point of it.
/// [spec: STO-32, VOL-48]
///
/// # Errors
/// [`RestoreError::NotReady`] if no exchange of `tx` is finished; [`RestoreError::Busy`] if another transaction is.
pub fn settle(held: &mut Held, tx: TxId) -> Result<Settled, RestoreError> {
    held.must_be_sure()?;
    let not_ready = |what: &str| RestoreError::NotReady { path: held.path().clone(), tx, what: what.to_owned() };
    let Some(journal) = journal::read(held)? else {
        return match area::find(held, TRASH, tx)? {
            Some(dir) => Ok(Settled::Already(note_in(held, &dir, tx)?)),
            None => Err(not_ready("it was never exchanged")),
        };
    };
    if journal.tx != tx {
        return Err(RestoreError::Busy { path: held.path().clone(), tx: journal.tx });
    }
    let (_, live) = area::live(held)?;
    if (journal.step, live) != (Step::Exchanged, journal.new.inode) {
        return Err(not_ready("its exchange is not finished"));
    }
    to_trash(held, tx, OLD_NOTE)?;
    journal::clear(held)?;
    match area::find(held, TRASH, tx)? {
        Some(dir) => Ok(Settled::Done(note_in(held, &dir, tx)?)),
        None => Err(VolumeError::Changed { path: held.path().clone(), what: "its trash is gone".to_owned() }.into()),
    }
}

/// Moves the directory of `tx` from the staging area to the trash, with the note that `which` is the name of, or with
/// the one that it has already; the transaction whose trash it is then. Repeatable after a crash at any point.
pub(super) fn to_trash(held: &mut Held, tx: TxId, which: &str) -> Result<TxId, RestoreError> {
    let path = held.path().clone();
    let io = |action| RestoreError::io::<Errno>(action, &path);
    let trash = area::ensure(held, TRASH)?;
    let staging = area::ensure(held, STAGING)?;
    let mut settled = tx;
    if let Some(dir) = area::find(held, STAGING, tx)? {
        held.point("restore.trash.note")?;
        match rustix::fs::renameat(&dir, which, &dir, NOTE) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(io("name the note in the trash of")(error)),
        }
        for name in OWN_NAMES {
            held.point("restore.trash.clear")?;
            file::unlink(&dir, name).map_err(io("clear the staging area of"))?;
        }
        let synced = point("restore.trash.named").and_then(|()| Ok(rustix::fs::fsync(&dir)?));
        held.sure(synced, "sync the staging area of")?;
        settled = any_note_in(held, &dir, tx)?.tx;
        let (from, to) = (tx.to_string(), settled.to_string());
        held.point("restore.trash.move")?;
        rustix::fs::renameat_with(&staging, &from, &trash, &to, RenameFlags::NOREPLACE)
            .map_err(io("move a tree to the trash of"))?;
    }
    let synced = point("restore.trash.sync")
        .and_then(|()| Ok(rustix::fs::fsync(&trash)?))
        .and_then(|()| point("restore.trash.moved"))
        .and_then(|()| Ok(rustix::fs::fsync(&staging)?));
    held.sure(synced, "sync the trash of")?;
    Ok(settled)
}

/// Takes the tree of `trashed` out of the trash and stages it as `tx`, in constant time, so that it can be exchanged
/// with the live one: this is how a restore is undone. [`super::discard()`] puts it back. [spec: VOL-48]
///
/// # Errors
/// [`RestoreError::NotReady`] if there is no such tree, or it is none that an exchange took out;
/// [`RestoreError::Busy`] if another transaction is not finished.
pub fn stage_trashed(held: &mut Held, trashed: TxId, tx: TxId) -> Result<TrashNote, RestoreError> {
    held.must_be_sure()?;
    let path = held.path().clone();
    let not_ready = |what: &str| RestoreError::NotReady { path: path.clone(), tx: trashed, what: what.to_owned() };
    if let Some(journal) = journal::read(held)? {
        return Err(RestoreError::Busy { path, tx: journal.tx });
    }
    let trash = area::ensure(held, TRASH)?;
    let staging = area::ensure(held, STAGING)?;
    if area::find(held, STAGING, tx)?.is_none() {
        if area::find(held, TRASH, tx)?.is_some() {
            return Err(RestoreError::Used { path, tx });
        }
        let dir = area::find(held, TRASH, trashed)?.ok_or_else(|| not_ready("it is not in the trash"))?;
        let found = note_in(held, &dir, trashed)?;
        if found.kind == TrashKind::Purged {
            return Err(not_ready("the whole volume was purged: it is brought back as a volume"));
        }
        if area::tree_in(held, &dir)?.is_none() {
            return Err(not_ready("its directory holds no tree"));
        }
        held.point("restore.untrash.move")?;
        rustix::fs::renameat_with(&trash, trashed.to_string(), &staging, tx.to_string(), RenameFlags::NOREPLACE)
            .map_err(RestoreError::io("take a tree out of the trash of", &path))?;
        let synced = point("restore.untrash.sync")
            .and_then(|()| Ok(rustix::fs::fsync(&staging)?))
            .and_then(|()| point("restore.untrash.moved"))
            .and_then(|()| Ok(rustix::fs::fsync(&trash)?));
        held.sure(synced, "sync the trash of")?;
    }
    let dir = staging_of(held, tx)?;
    let found = note_in(held, &dir, trashed)?;
    let (tree, inode) = area::tree_in(held, &dir)?.ok_or_else(|| not_ready("its directory holds no tree"))?;
    let flags = area::fixed(&tree).map_err(RestoreError::io("read the flags of a tree of", &path))?;
    let staged = Staged {
        version: STAGED_VERSION,
        tx,
        uuid: found.uuid,
        entries: None,
        count: found.entries,
        bytes: found.bytes,
        inode,
        format: found.format,
        flags,
        from: Some(trashed),
    };
    staged::write(held, &dir, &staging, &staged)?;
    Ok(found)
}

/// The note in the directory of a tree that belongs to this volume and to the transaction `tx`.
fn note_in(held: &Held, dir: &OwnedFd, tx: TxId) -> Result<TrashNote, RestoreError> {
    let found = any_note_in(held, dir, tx)?;
    if found.tx == tx {
        return Ok(found);
    }
    let what = format!("its note belongs to {}", found.tx);
    Err(RestoreError::NotReady { path: held.path().clone(), tx, what })
}

/// The note in the directory of a tree that belongs to this volume.
pub(super) fn any_note_in(held: &Held, dir: &OwnedFd, tx: TxId) -> Result<TrashNote, RestoreError> {
    let not_ready = |what: String| RestoreError::NotReady { path: held.path().clone(), tx, what };
    let found = note::read(dir.as_fd()).map_err(RestoreError::io("read a note in the trash of", held.path()))?;
    let found = found.map_err(|fault| not_ready(format!("its note cannot be used: {fault}")))?;
    if found.uuid == held.marker().uuid {
        Ok(found)
    } else {
        Err(not_ready(format!("it belongs to volume {}", found.uuid)))
    }
}
