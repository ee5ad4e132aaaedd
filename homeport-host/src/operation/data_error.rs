//! Owns why something about snapshots, volumes or the trash was refused or failed. Never decides anything.

use std::path::PathBuf;

use homeport_core::fault::{Advice, Fault};
use homeport_core::name::{InstanceName, VolumeName};
use homeport_volumes::VolumeError;
use homeport_volumes::restore::RestoreError;
use homeport_volumes::snapshot::SnapshotError;
use homeport_volumes::store::StoreError;
use homeport_volumes::trash::TrashError;
use homeport_volumes::tree::{TreeFault, TreePath};

use super::error::OperationError;
use crate::run::StepError;
use crate::store::OpenError;
use crate::taking::TakeError;

/// Why something about a person's data was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A volume cannot be used.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// A tree cannot be built, compared or exchanged.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A snapshot cannot be made or read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The trash cannot be used.
    #[error(transparent)]
    Trash(#[from] TrashError),
    /// A tree cannot be looked at in full.
    #[error("volume `{volume}` of `{instance}` cannot be counted")]
    Uncountable {
        /// The instance.
        instance: InstanceName,
        /// The volume.
        volume: VolumeName,
        /// Why not.
        #[source]
        source: TreeFault,
    },
    /// A file of the operator's cannot be used.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A file of the operator's is something else than a file.
    #[error("`{}` is {found} and no regular file", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
        /// What it is, in words.
        found: &'static str,
    },
    /// What a step would say when it fails.
    #[error(transparent)]
    Step(Box<StepError>),
    /// There is no such snapshot.
    #[error("`{instance}` has no snapshot `{wanted}`{}", among(.known))]
    NoSnapshot {
        /// The instance.
        instance: InstanceName,
        /// What was asked for.
        wanted: String,
        /// The numbers that there are.
        known: Vec<String>,
    },
    /// More than one begins like that.
    #[error("`{wanted}` names more than one: {}", .found.join(", "))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// What it could be.
        found: Vec<String>,
    },
    /// There is nothing to take a snapshot of, or to put back.
    #[error("`{instance}` has no volume to work on: {why}")]
    NoVolume {
        /// The instance.
        instance: InstanceName,
        /// Why not, in words.
        why: String,
    },
    /// The volume is not one that is known, or not in the snapshot.
    #[error("`{instance}` has no volume `{volume}`{}", among(.known))]
    UnknownVolume {
        /// The instance.
        instance: InstanceName,
        /// The volume.
        volume: VolumeName,
        /// Those that there are.
        known: Vec<String>,
    },
    /// There is nothing of that name in the snapshot.
    #[error("volume `{volume}` has no `{path}` in the snapshot{}", nearby(.near))]
    NoEntry {
        /// The volume.
        volume: VolumeName,
        /// What was looked for.
        path: TreePath,
        /// What is in the same directory and may be meant.
        near: Vec<String>,
    },
    /// The instance runs and must not.
    #[error("`{instance}` runs: {why}")]
    Runs {
        /// The instance.
        instance: InstanceName,
        /// Why it must not, in words.
        why: &'static str,
    },
    /// A volume became another one, or was started or stopped, while it was looked at.
    #[error("`{instance}` changed while its volumes were read: {what}")]
    Changed {
        /// The instance.
        instance: InstanceName,
        /// What changed, in words.
        what: String,
    },
    /// There is nothing like that in the trash.
    #[error("nothing in the trash is `{wanted}`{}", among(.known))]
    NotInTrash {
        /// What was asked for.
        wanted: String,
        /// What is there.
        known: Vec<String>,
    },
}

fn nearby(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!(": near it is {}", near.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ")),
    }
}

fn among(known: &[String]) -> String {
    match known {
        [] => ": there is none".to_owned(),
        known => format!(": found {}", known.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ")),
    }
}

impl DataError {
    /// Whether what was to be taken out is not in the snapshot.
    pub fn is_missing_entry(&self) -> bool {
        matches!(self, Self::NoEntry { .. } | Self::Restore(RestoreError::NotThere { .. }))
    }

    /// Whether what was asked for is at fault, so that the same command fails again.
    pub fn is_request(&self) -> bool {
        match self {
            Self::NoSnapshot { .. }
            | Self::Ambiguous { .. }
            | Self::NoVolume { .. }
            | Self::UnknownVolume { .. }
            | Self::NoEntry { .. }
            | Self::Runs { .. }
            | Self::NotInTrash { .. }
            | Self::File { .. }
            | Self::Store(StoreError::SnapshotExists { .. })
            | Self::NotRegular { .. }
            | Self::Restore(
                RestoreError::Refused(_)
                | RestoreError::Exists { .. }
                | RestoreError::NoDirectory { .. }
                | RestoreError::NotThere { .. },
            )
            | Self::Snapshot(SnapshotError::Archive { .. })
            | Self::Trash(TrashError::Absent { .. } | TrashError::Occupied { .. })
            | Self::Volume(VolumeError::Refused(_)) => true,
            Self::Store(_)
            | Self::Volume(_)
            | Self::Restore(_)
            | Self::Snapshot(_)
            | Self::Trash(_)
            | Self::Uncountable { .. }
            | Self::Step(_)
            | Self::Changed { .. } => false,
        }
    }
}

impl Advice for DataError {
    fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Volume(error) => error.code(),
            Self::Restore(error) => error.code(),
            Self::Snapshot(error) => error.code(),
            Self::Trash(error) => error.code(),
            Self::Uncountable { source, .. } => source.code(),
            Self::Step(error) => error.code(),
            Self::File { .. } => "HP-DAT-012",
            Self::NotRegular { .. } => "HP-DAT-014",
            Self::NoSnapshot { .. } => "HP-DAT-001",
            Self::Ambiguous { .. } => "HP-DAT-002",
            Self::NoVolume { .. } => "HP-DAT-003",
            Self::UnknownVolume { .. } => "HP-DAT-004",
            Self::NoEntry { .. } => "HP-DAT-015",
            Self::Runs { .. } => "HP-DAT-005",
            Self::Changed { .. } => "HP-DAT-006",
            Self::NotInTrash { .. } => "HP-DAT-007",
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Store(error) => return error.help(),
            Self::Volume(error) => return error.help(),
            Self::Restore(error) => return error.help(),
            Self::Snapshot(error) => return error.help(),
            Self::Trash(error) => return error.help(),
            Self::Uncountable { source, .. } => return source.help(),
            Self::Step(error) => return error.help(),
            Self::File { .. } => "give the whole path of a file that is not there yet, or of one to read".to_owned(),
            Self::NotRegular { .. } => "name the file that `homeport snapshot export` wrote".to_owned(),
            Self::NoSnapshot { .. } => "`homeport snapshot list` shows those that there are".to_owned(),
            Self::Ambiguous { .. } => "give more of its digits".to_owned(),
            Self::NoVolume { .. } | Self::UnknownVolume { .. } => {
                "`homeport volume list` shows the volumes that there are".to_owned()
            }
            Self::NoEntry { .. } => {
                "names are spelled exactly, from the volume's top; `homeport snapshot files` without a path lists all"
                    .to_owned()
            }
            Self::Runs { instance, .. } => format!("`homeport stop {instance}` first"),
            Self::Changed { .. } => "repeat the command".to_owned(),
            Self::NotInTrash { .. } => "`homeport trash list` shows what is in it".to_owned(),
        })
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Store(error) => error.faults(),
            Self::Volume(error) => error.faults(),
            Self::Restore(error) => error.faults(),
            Self::Snapshot(error) => error.faults(),
            Self::Trash(error) => error.faults(),
            Self::Step(error) => error.faults(),
            _ => &[],
        }
    }
}

impl From<StepError> for OperationError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Ledger(error) => error.into(),
            StepError::Engine(error) => error.into(),
            StepError::Layout(error) => error.into(),
            StepError::Volume(error) => DataError::from(error).into(),
            StepError::Store(error) => DataError::from(error).into(),
            error => DataError::Step(Box::new(error)).into(),
        }
    }
}

impl From<OpenError> for OperationError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => DataError::from(error).into(),
            OpenError::Ledger(error) => error.into(),
            OpenError::Layout(error) => error.into(),
        }
    }
}

impl From<TakeError> for OperationError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Store(error) => DataError::from(error).into(),
            TakeError::Snapshot(error) => DataError::from(error).into(),
            TakeError::Volume(error) => DataError::from(error).into(),
            TakeError::Ledger(error) => error.into(),
            TakeError::Engine(error) => error.into(),
            TakeError::Step(error) => (*error).into(),
            TakeError::Changed { instance, what } => DataError::Changed { instance, what }.into(),
        }
    }
}
