//! Owns what can go wrong while a volume's data is replaced by that of a snapshot. Never wraps a cause's text into its
//! own.

use std::path::PathBuf;

use homeport_core::fault::{Advice, Fault};

use crate::error::VolumeError;
use crate::identity::{TxId, VolumeUuid};
use crate::path::VolumePath;
use crate::record::RecordFault;
use crate::store::{EntriesId, StoreError};
use crate::tree::{TreeFault, TreePath};

/// One thing that is not as the snapshot has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The entry.
    pub path: TreePath,
    /// What is different, in words: `its mode is 0644, the snapshot has 0600`.
    pub what: String,
}

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
    /// The snapshot cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system refused a step on one entry.
    #[error("cannot {action} `{entry}`")]
    Entry {
        /// What was tried.
        action: &'static str,
        /// The entry.
        entry: TreePath,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The snapshot says something of an entry that cannot be, or must not be made.
    #[error("`{entry}` in the snapshot cannot be restored: {reason}")]
    Entries {
        /// The entry.
        entry: TreePath,
        /// Why not, in words.
        reason: String,
    },
    /// There is something where a file or directory was to be put.
    #[error("there is something at `{}` already", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// The directory in which something was to be put is not there.
    #[error("there is no directory for `{}`", path.display())]
    NoDirectory {
        /// The place.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The snapshot holds no such entry.
    #[error("`{entry}` is not in the entries `{entries}`")]
    NotThere {
        /// The entries of the volume.
        entries: EntriesId,
        /// What was looked for.
        entry: TreePath,
    },
    /// A tree is not what the snapshot says.
    #[error("the tree is not that of the entries `{entries}`: {}", differences_in(.differences, *.more))]
    Differs {
        /// What it was compared with.
        entries: EntriesId,
        /// What is different, at most 100.
        differences: Vec<Difference>,
        /// How many more were found.
        more: u64,
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
    /// A tree that was changed cannot be looked through.
    #[error("cannot look through the new tree")]
    Tree(#[source] TreeFault),
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
            Self::Store(error) => error.code(),
            Self::Entry { .. } => "HP-RST-010",
            Self::Entries { .. } => "HP-RST-011",
            Self::Differs { .. } => "HP-RST-012",
            Self::Exists { .. } => "HP-RST-013",
            Self::NotThere { .. } => "HP-RST-014",
            Self::NoDirectory { .. } => "HP-RST-015",
            Self::Tree(fault) => fault.code(),
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Refused(faults) => {
                return faults.first().map(|fault| fault.remedy.clone()).filter(|text| !text.is_empty());
            }
            Self::Volume(error) => return error.help(),
            Self::Store(error) => return error.help(),
            Self::Tree(fault) => return fault.help(),
            Self::Exists { .. } => "name a place where nothing is; nothing is ever replaced".into(),
            Self::NotThere { .. } => {
                "names are spelled exactly, from the volume's top; `homeport snapshot files NAME SNAPSHOT VOLUME` lists them"
                    .into()
            }
            Self::NoDirectory { path, .. } => match path.parent() {
                Some(parent) => format!("make the directory `{}` and repeat the command", parent.display()),
                None => "name a place in a directory that is there".into(),
            },
            Self::Entries { .. } => {
                "the snapshot was not made by HomePort, or is damaged: choose another one; the data is as it was".into()
            }
            Self::Differs { .. } => {
                "nothing was put in the place of the data; see the kernel's log (`dmesg`) for a failing disk or memory, \
                 and whether the file system can keep what is named"
                    .into()
            }
            Self::Io { source, .. } | Self::Entry { source, .. } => match source.kind() {
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
                 it with `homeport snapshot extract`"
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
            Self::Store(error) => error.faults(),
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

fn differences_in(differences: &[Difference], more: u64) -> String {
    let Some(first) = differences.first() else { return "nothing is named".to_owned() };
    let others = (differences.len() as u64 - 1).saturating_add(more);
    let text = format!("`{}`: {}", first.path, first.what);
    if others == 0 { text } else { format!("{text} (and {others} more)") }
}
