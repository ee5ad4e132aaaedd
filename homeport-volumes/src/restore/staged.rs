//! Owns `staged.json` beside a staged tree: what says that the tree is whole and may become live. Never looks into the
//! tree itself.

use std::os::fd::{AsFd as _, OwnedFd};

use homeport_core::unit::{Bytes, Format};
use serde::{Deserialize, Serialize};

use super::error::RestoreError;
use crate::begin::Held;
use crate::failpoint::point;
use crate::identity::{TxId, VolumeUuid};
use crate::layout::STAGED;
use crate::record::{self, Found, Record};

/// The record. It is written only after the tree was compared with its snapshot, or came out of the trash. [spec: VOL-47]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Staged {
    pub(super) version: u32,
    pub(super) tx: TxId,
    pub(super) uuid: VolumeUuid,
    /// The entries that the tree was compared with; `None` for a tree out of the trash.
    pub(super) entries: Option<String>,
    /// How many entries it has, where they were counted.
    pub(super) count: Option<u64>,
    /// How many bytes its files have, where they were counted.
    pub(super) bytes: Option<Bytes>,
    /// `st_ino` of its top directory.
    pub(super) inode: u64,
    /// The format of what is in it.
    pub(super) format: Format,
    /// The append-only and immutable flags that its top directory gets once it is live.
    pub(super) flags: u32,
    /// The transaction in whose trash it was.
    pub(super) from: Option<TxId>,
}

impl Record for Staged {
    const VERSION: u32 = 1;
}

/// The record in the directory of `tx`.
pub(super) fn read(held: &Held, dir: &OwnedFd, tx: TxId) -> Result<Staged, RestoreError> {
    let not_ready = |what: String| RestoreError::NotReady { path: held.path().clone(), tx, what };
    let found = record::read::<Staged>(dir.as_fd(), STAGED);
    match found.map_err(RestoreError::io("read what is said of a staged tree of", held.path()))? {
        Found::Absent => Err(not_ready("it was not compared with its snapshot".to_owned())),
        Found::Invalid(fault) => Err(not_ready(format!("what is said of it is damaged: {fault}"))),
        Found::Valid(staged) if (staged.tx, staged.uuid) != (tx, held.marker().uuid) => {
            Err(not_ready(format!("it belongs to {} of volume {}", staged.tx, staged.uuid)))
        }
        Found::Valid(staged) => Ok(staged),
    }
}

/// Writes the record, and makes the way to it durable.
pub(super) fn write(held: &mut Held, dir: &OwnedFd, area: &OwnedFd, staged: &Staged) -> Result<(), RestoreError> {
    let written = point("restore.staged")
        .and_then(|()| record::write(dir, STAGED, staged))
        .and_then(|()| point("restore.staged.sync"))
        .and_then(|()| Ok(rustix::fs::fsync(area)?))
        .and_then(|()| Ok(rustix::fs::fsync(held.home())?));
    held.sure(written, "write what is said of a staged tree of")
}
