//! Owns a staged tree while somebody else changes it, as a migration does: it may not become live from before the first
//! change until it was looked at again. Never changes what is in the tree, and never touches `data/`.

use std::os::fd::{AsFd as _, OwnedFd};

use homeport_core::unit::Format;

use super::area;
use super::error::RestoreError;
use super::exchange::staging_of;
use super::journal;
use super::staged::{self, Staged};
use crate::begin::Held;
use crate::check::CheckedData;
use crate::directory;
use crate::failpoint::point;
use crate::file;
use crate::identity::TxId;
use crate::layout::{STAGED, STAGED_VERSION, STAGING};
use crate::progress::Progress;
use crate::stamp;
use crate::trash::{Measured, measure};

/// A staged tree that is being changed. Dropping it changes nothing: the tree stays one that may not become live.
#[derive(Debug)]
pub struct Lent {
    tx: TxId,
    /// The format that the tree had.
    format: Format,
    flags: u32,
    dir: OwnedFd,
    data: CheckedData,
}

impl Lent {
    /// The tree, to be mounted for whoever changes it.
    pub fn data(&self) -> &CheckedData {
        &self.data
    }

    /// The format that the tree had before.
    pub fn format(&self) -> Format {
        self.format
    }
}

/// Gives the staged tree of `tx` out to be changed. What said that it is whole is gone from the disk when this returns, so
/// that a tree that is half changed can never become live. [spec: VOL-47]
///
/// # Errors
/// [`RestoreError::NotReady`] if there is no such tree that was compared, or it came out of the trash; [`RestoreError::Busy`] if an exchange of the
/// volume was begun.
pub fn lend(held: &mut Held, tx: TxId) -> Result<Lent, RestoreError> {
    held.must_be_sure()?;
    let path = held.path().clone();
    if let Some(journal) = journal::read(held)? {
        return Err(RestoreError::Busy { path, tx: journal.tx });
    }
    let dir = staging_of(held, tx)?;
    let staged = staged::read(held, &dir, tx)?;
    if staged.from.is_some() {
        let what = "it came out of the trash, where it is kept as it was: nothing may change it".to_owned();
        return Err(RestoreError::NotReady { path, tx, what });
    }
    let data = open(held, &dir, tx, staged.inode)?;
    let gone = point("restore.lend")
        .and_then(|()| Ok(file::unlink(&dir, STAGED)?))
        .and_then(|()| point("restore.lend.sync"))
        .and_then(|()| Ok(rustix::fs::fsync(&dir)?));
    held.sure(gone, "lend a staged tree of")?;
    Ok(Lent { tx, format: staged.format, flags: staged.flags, dir, data })
}

/// The staged tree of `tx`, to be mounted for whoever only looks at it, and its format.
///
/// # Errors
/// [`RestoreError::NotReady`] if there is no such tree that may become live.
pub fn show(held: &Held, tx: TxId) -> Result<(CheckedData, Format), RestoreError> {
    let dir = staging_of(held, tx)?;
    let staged = staged::read(held, &dir, tx)?;
    Ok((open(held, &dir, tx, staged.inode)?, staged.format))
}

/// Takes the tree back: it has `format` now and may become live. Everything in it is on the disk when this returns.
///
/// # Errors
/// An entry that cannot be looked at, or that something is mounted on; what the operating system refused. The tree is
/// then one that may not become live.
pub fn take_back(
    held: &mut Held,
    lent: &Lent,
    format: Format,
    progress: &dyn Progress,
) -> Result<Measured, RestoreError> {
    held.must_be_sure()?;
    let path = held.path().clone();
    let inode = lent.data.identity().1;
    let data = open(held, &lent.dir, lent.tx, inode)?;
    let top = directory::readable(&data.fd).map_err(RestoreError::io("open a new tree of", &path))?;
    held.point("restore.lend.stamp")?;
    stamp::write(&top, held.marker().uuid, format).map_err(RestoreError::io("stamp a new tree of", &path))?;
    let synced = point("restore.lend.data").and_then(|()| Ok(rustix::fs::syncfs(&top)?));
    held.sure(synced, "sync a new tree of")?;
    let mut done = (0, 0);
    let mut tell = |counted: &Measured| {
        let now = (counted.bytes.get(), counted.entries);
        progress.advance(now.0.saturating_sub(done.0), now.1.saturating_sub(done.1));
        done = now;
    };
    let measured = measure(&top, &mut tell).map_err(RestoreError::Tree)?;
    let area = area::ensure(held, STAGING)?;
    let staged = Staged {
        version: STAGED_VERSION,
        tx: lent.tx,
        uuid: held.marker().uuid,
        entries: None,
        count: Some(measured.entries),
        bytes: Some(measured.bytes),
        inode,
        format,
        flags: lent.flags,
        from: None,
    };
    staged::write(held, &lent.dir, &area, &staged)?;
    Ok(measured)
}

/// The tree in the directory of `tx`, if it is the one that was staged.
fn open(held: &Held, dir: &OwnedFd, tx: TxId, inode: u64) -> Result<CheckedData, RestoreError> {
    let path = held.path().clone();
    let other = || RestoreError::NotReady {
        path: path.clone(),
        tx,
        what: "its directory is not the one that was compared".to_owned(),
    };
    let (fd, found) = area::tree_in(held, dir)?.filter(|(_, found)| *found == inode).ok_or_else(other)?;
    let status = directory::status(fd.as_fd()).map_err(RestoreError::io("examine a tree of", &path))?;
    Ok(CheckedData { fd, path: path.clone(), uuid: held.marker().uuid, device: status.device, inode: found })
}
