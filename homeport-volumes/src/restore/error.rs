//! Owns what can go wrong while a volume's data is replaced by that of a snapshot. Never wraps a cause's text into its
//! own.

use std::path::PathBuf;

use homeport_core::fault::{Advice, Fault};

use crate::error::VolumeError;
use crate::identity::{TxId, VolumeUuid};
use crate::path::VolumePath;
use crate::record::RecordFault;

/// A failed step of a restore. Whatever it is, `data/` holds exactly the tree from before or exactly the new one.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The plan found faults; nothing was changed.
    #[error("the restore is refused: {}", summary(.0))]
    Refused(Vec<Fault>),
    /// The volume itself.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The operating system refused a step.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried, for example `exchange the data of`.
        action: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The journal cannot be read, so nobody knows which tree should be live.
    #[error("the journal of the volume `{path}` is damaged")]
    Journal {
        /// The volume.
        path: VolumePath,
        /// What is wrong with it.
        #[source]
        source: RecordFault,
    },
    /// The journal is another volume's: it was copied here.
    #[error("the journal of the volume `{path}` belongs to volume {uuid}")]
    ForeignJournal {
        /// The volume.
        path: VolumePath,
        /// Whose journal it is.
        uuid: VolumeUuid,
    },
    /// Another transaction has exchanged the data and is neither settled nor taken back.
    #[error("another restore of the volume `{path}` is not finished: {tx}")]
    Busy {
        /// The volume.
        path: VolumePath,
        /// The other transaction.
        tx: TxId,
    },
    /// There is no tree of this transaction that was compared with its snapshot.
    #[error("the volume `{path}` has no tree of {tx} that is ready to be used: {what}")]
    NotReady {
        /// The volume.
        path: VolumePath,
        /// The transaction.
        tx: TxId,
        /// What is missing, in words.
        what: String,
    },
    /// The transaction's id was used before.
    #[error("the volume `{path}` has a tree of {tx} already")]
    Used {
        /// The volume.
        path: VolumePath,
        /// The transaction.
        tx: TxId,
    },
    /// A tree that was live, or may become live, was to be thrown away.
    #[error("the tree of {tx} in the volume `{path}` is in use or was, and is not thrown away")]
    Precious {
        /// The volume.
        path: VolumePath,
        /// The transaction.
        tx: TxId,
    },
    /// The file system cannot exchange two directories in one step.
    #[error("the file system of `{path}` cannot exchange two directories in one step")]
    NoExchange {
        /// The volume.
        path: VolumePath,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A sync failed earlier.
    #[error("a sync of the volume `{path}` failed before: nothing is certain until it is looked at anew")]
    Unsure {
        /// The volume.
        path: VolumePath,
    },
}

impl RestoreError {
    /// Makes the error of a failed step on the volume at `path`; for `map_err`.
    pub(crate) fn io<E: Into<std::io::Error>>(action: &'static str, path: &VolumePath) -> impl FnOnce(E) -> Self {
        let path = path.as_path().to_owned();
        move |source| Self::Io { action, path, source: source.into() }
    }
}

impl Advice for RestoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::Refused(faults) => faults.first().map_or("HP-RST-001", |fault| fault.code),
            Self::Volume(error) => error.code(),
            Self::Io { .. } => "HP-RST-002",
            Self::Journal { .. } | Self::ForeignJournal { .. } => "HP-RST-003",
            Self::Busy { .. } => "HP-RST-004",
            Self::NotReady { .. } => "HP-RST-005",
            Self::Used { .. } => "HP-RST-006",
            Self::Precious { .. } => "HP-RST-007",
            Self::NoExchange { .. } => "HP-RST-008",
            Self::Unsure { .. } => "HP-RST-009",
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Refused(faults) => {
                return faults.first().map(|fault| fault.remedy.clone()).filter(|text| !text.is_empty());
            }
            Self::Volume(error) => return error.help(),
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    "make room on the file system and repeat the command; the data is as it was".into()
                }
                std::io::ErrorKind::PermissionDenied => "run this as root".into(),
                _ => "see the kernel's log (`dmesg`) for a failing disk, and repeat the command".into(),
            },
            Self::Journal { .. } | Self::ForeignJournal { .. } => {
                "`data` is whole, and so is the tree below `.homeport/staging`: look which one is wanted, and ask for \
                 help before anything is moved"
                    .into()
            }
            Self::Busy { tx, .. } => format!("repeat the command that was interrupted; its transaction is {tx}"),
            Self::NotReady { .. } => "begin the restore anew".into(),
            Self::Used { .. } => "report this: a transaction's id is used once only".into(),
            Self::Precious { .. } => "report this: nothing was thrown away".into(),
            Self::NoExchange { .. } => {
                "move the volume to ext4, XFS or btrfs; the data is as it was, and a snapshot can be taken out beside \
                 it with `homeport snapshot take-out`"
                    .into()
            }
            Self::Unsure { .. } => {
                "see the kernel's log (`dmesg`) for a failing disk; the next command looks at the volume anew".into()
            }
        })
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Refused(faults) => faults,
            Self::Volume(error) => error.faults(),
            _ => &[],
        }
    }
}

fn summary(faults: &[Fault]) -> String {
    match faults {
        [] => "no fault is named".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}
