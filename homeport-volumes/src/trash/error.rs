//! Owns what can go wrong with the trash. None of these changes a tree: what is told is kept as it is, but for what
//! [`TrashError::Undeletable`] says to be gone.

use homeport_core::fault::{Advice, Fault};

use super::delete::Deleted;
use crate::error::VolumeError;
use crate::identity::{TxId, VolumeUuid};
use crate::path::VolumePath;
use crate::tree::TreeFault;

/// A failed operation on the trash.
#[derive(Debug, thiserror::Error)]
pub enum TrashError {
    /// A step that any operation on volumes has.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// Something in the tree cannot be looked at.
    #[error("the tree cannot be counted")]
    Tree(#[source] TreeFault),
    /// Nothing is there.
    #[error("there is no `{tx}` in the trash `{place}`")]
    Absent {
        /// What was asked for.
        tx: TxId,
        /// The directory of the trash.
        place: VolumePath,
    },
    /// What a tree is cannot be said, so nothing is done with it.
    #[error("what `{tx}` in the trash `{place}` is cannot be said")]
    Unknown {
        /// What was asked for.
        tx: TxId,
        /// The directory of the trash.
        place: VolumePath,
        /// What is wrong with its note.
        #[source]
        fault: super::NoteFault,
    },
    /// The place where it was has something now.
    #[error("`{tx}` cannot go back to `{path}`: something is there")]
    Occupied {
        /// What was to go back.
        tx: TxId,
        /// Where it was.
        path: VolumePath,
    },
    /// The tree is not the volume that its note names.
    #[error("`{tx}` in the trash is not the volume {wanted} that its note names: {found}")]
    Foreign {
        /// What was asked for.
        tx: TxId,
        /// The volume of the note.
        wanted: VolumeUuid,
        /// What is there, in words.
        found: String,
    },
    /// A part of it is deleted.
    #[error("`{tx}` was deleted in part: it is not whole any more")]
    Partial {
        /// What was asked for.
        tx: TxId,
    },
    /// Putting it into the trash, or taking it out, was interrupted.
    #[error("`{tx}` is neither in its place nor in the trash as a whole")]
    Unfinished {
        /// What was asked for.
        tx: TxId,
    },
    /// Another file system would have to be crossed.
    #[error("something is mounted in the trash at `{point}`")]
    Mounted {
        /// Where.
        point: String,
    },
    /// Some entries could not be deleted; the others are.
    #[error("{} entries of `{tx}` could not be deleted", faults.len())]
    Undeletable {
        /// What was to be deleted.
        tx: TxId,
        /// What is gone all the same.
        deleted: Deleted,
        /// Each entry that is left, at most 100.
        faults: Vec<Fault>,
    },
    /// Trees in the own trash of a purged volume would be deleted with it, and cannot be named.
    #[error("{} things in the trash of the volume `{tx}` cannot be named", faults.len())]
    Inside {
        /// The volume that was to be deleted.
        tx: TxId,
        /// Each of them.
        faults: Vec<Fault>,
    },
    /// The tree was replaced by a restore, or is that of one that was taken back: it goes back by an exchange.
    #[error("`{tx}` is a tree of a restore, not a volume that was purged")]
    Replaced {
        /// What was asked for.
        tx: TxId,
    },
}

impl Advice for TrashError {
    fn code(&self) -> &'static str {
        match self {
            Self::Volume(error) => error.code(),
            Self::Tree(_) => "HP-TRS-010",
            Self::Absent { .. } => "HP-TRS-001",
            Self::Unknown { .. } | Self::Inside { .. } => "HP-TRS-002",
            Self::Occupied { .. } => "HP-TRS-003",
            Self::Foreign { .. } => "HP-TRS-004",
            Self::Partial { .. } => "HP-TRS-005",
            Self::Mounted { .. } => "HP-TRS-006",
            Self::Undeletable { .. } => "HP-TRS-007",
            Self::Replaced { .. } => "HP-TRS-008",
            Self::Unfinished { .. } => "HP-TRS-009",
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Volume(error) => return error.help(),
            Self::Tree(_) => "see the kernel's log (`dmesg`) for a failing disk".to_owned(),
            Self::Absent { .. } => "`homeport trash list` shows what is in the trash".to_owned(),
            Self::Unknown { tx, place, .. } => {
                format!("look at `{place}/{tx}` yourself: HomePort neither moves nor deletes what it cannot name")
            }
            Self::Occupied { path, .. } => format!("move what is at `{path}` away and repeat the command"),
            Self::Inside { .. } => {
                "look at what is named yourself, and move it away or delete it: nothing was deleted".to_owned()
            }
            Self::Foreign { .. } => "look at it yourself: HomePort leaves it as it is".to_owned(),
            Self::Partial { tx } => {
                format!("delete the rest with `homeport trash empty {tx}`; a snapshot may have its data")
            }
            Self::Unfinished { .. } => {
                "repeat the command that was interrupted: it goes on where it stopped".to_owned()
            }
            Self::Mounted { point } => format!("run `umount {point}` and repeat the command"),
            Self::Undeletable { .. } => {
                "mend what is named, for example with `chattr -i -a`, and repeat the command".to_owned()
            }
            Self::Replaced { .. } => "undo the restore".to_owned(),
        })
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Volume(error) => error.faults(),
            Self::Undeletable { faults, .. } | Self::Inside { faults, .. } => faults,
            _ => &[],
        }
    }
}
