//! Owns giving up a staged tree: one that was built and never used is deleted, one that came out of the trash goes back.
//! Never deletes anything that was live, or may become live.

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::area;
use super::erase::erase;
use super::error::RestoreError;
use super::exchange::OWN_NAMES;
use super::journal;
use super::settle::any_note_in;
use crate::begin::Held;
use crate::failpoint::point;
use crate::file;
use crate::identity::TxId;
use crate::layout::{DATA, NOTE, STAGING, TRASH};

/// What became of a staged tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discarded {
    /// It was built from a snapshot, never used, and is deleted.
    Deleted,
    /// It had come out of the trash, and is there again under this transaction.
    PutBack(TxId),
    /// There was none.
    Absent,
}

/// Gives up the staged tree of `tx`. May be repeated after a crash at any point. [spec: VOL-47]
///
/// # Errors
/// [`RestoreError::Precious`] if an exchange with that tree was begun: [`super::exchange_back`] comes first.
pub fn discard(held: &mut Held, tx: TxId) -> Result<Discarded, RestoreError> {
    let path = held.path().clone();
    let io = |action| RestoreError::io::<Errno>(action, &path);
    if journal::read(held)?.is_some_and(|journal| journal.tx == tx) {
        return Err(RestoreError::Precious { path: path.clone(), tx });
    }
    let Some(dir) = area::find(held, STAGING, tx)? else { return Ok(Discarded::Absent) };
    let staging = area::ensure(held, STAGING)?;
    let has_note = match rustix::fs::statat(&dir, NOTE, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => true,
        Err(Errno::NOENT) => false,
        Err(error) => return Err(io("look for a note in the staging area of")(error)),
    };
    if has_note {
        // Only a tree that was live has a note. One that cannot be read is no reason to delete what it stands beside.
        let from = any_note_in(held, &dir, tx)?.tx;
        for name in OWN_NAMES {
            held.point("restore.putback.clear")?;
            file::unlink(&dir, name).map_err(io("clear the staging area of"))?;
        }
        let synced = point("restore.putback.cleared").and_then(|()| Ok(rustix::fs::fsync(&dir)?));
        held.sure(synced, "sync the staging area of")?;
        held.point("restore.putback.move")?;
        let trash = area::ensure(held, TRASH)?;
        rustix::fs::renameat_with(&staging, tx.to_string(), &trash, from.to_string(), RenameFlags::NOREPLACE)
            .map_err(io("put a tree back into the trash of"))?;
        let synced = point("restore.putback.sync")
            .and_then(|()| Ok(rustix::fs::fsync(&trash)?))
            .and_then(|()| Ok(rustix::fs::fsync(&staging)?));
        held.sure(synced, "sync the trash of")?;
        return Ok(Discarded::PutBack(from));
    }
    if let Some((_, inode)) = area::tree_in(held, &dir)?
        && inode == area::live(held)?.1
    {
        return Err(RestoreError::Precious { path: path.clone(), tx });
    }
    // First what says that the tree is ready, so that half a tree can never be taken for a whole one.
    for name in OWN_NAMES {
        held.point("restore.discard.clear")?;
        file::unlink(&dir, name).map_err(io("clear the staging area of"))?;
    }
    let synced = point("restore.discard.sync").and_then(|()| Ok(rustix::fs::fsync(&dir)?));
    held.sure(synced, "sync the staging area of")?;
    held.point("restore.discard.data")?;
    erase(&dir, DATA.as_bytes()).map_err(|fault| fault.on(&path))?;
    drop(dir);
    held.point("restore.discard.rest")?;
    erase(&staging, tx.to_string().as_bytes()).map_err(|fault| fault.on(&path))?;
    Ok(Discarded::Deleted)
}

/// The transactions whose staged trees nobody has finished: after a crash, those to be discarded. One that the journal
/// names is not among them.
///
/// # Errors
/// What the operating system refused, or a damaged journal.
pub fn leftovers(held: &Held) -> Result<Vec<TxId>, RestoreError> {
    let Some(staging) = area::find_area(held, STAGING)? else { return Ok(Vec::new()) };
    let busy = journal::read(held)?.map(|journal| journal.tx);
    let names = crate::directory::names(&staging, usize::MAX);
    let names = names.map_err(RestoreError::io("list the staging area of", held.path()))?;
    let ids = names.iter().filter_map(|name| name.to_str()?.parse::<TxId>().ok());
    Ok(ids.filter(|tx| Some(*tx) != busy).collect())
}
