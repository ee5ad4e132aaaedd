//! Owns why a snapshot was not made, checked, exported or imported. Never wraps a cause's text into its own.

use homeport_core::fault::{Advice, Fault};
use homeport_core::name::VolumeName;
use rustix::io::Errno;

use crate::restore::RestoreError;
use crate::store::{ObjectId, StoreError};
use crate::tree::{EntriesError, TreePath};

/// A snapshot that was not made, or not read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Entries could not be read, or changed although nothing should write; nothing was kept. [spec: STO-23]
    #[error("{total} entries of the volume `{volume}` could not be saved: {}", first(.faults, *.total))]
    Entries {
        /// The volume.
        volume: VolumeName,
        /// Each entry, the first hundred of them.
        faults: Vec<Fault>,
        /// How many there are.
        total: u64,
    },
    /// The operating system refused something about a volume as a whole.
    #[error("cannot {action} the volume `{volume}`")]
    Volume {
        /// What was tried.
        action: &'static str,
        /// The volume.
        volume: VolumeName,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Names of hard links came and went although nothing should write.
    #[error("the volume `{volume}` changed while it was read, though the port is stopped")]
    Restless {
        /// The volume.
        volume: VolumeName,
    },
    /// A snapshot cannot say that nothing could write.
    #[error("a snapshot of a running port's volume cannot be called `stopped`")]
    NotStopped,
    /// An unchanged file's piece is not in the store, although the snapshot before names it.
    #[error("the store has lost the object `{object}` of `{volume}/{path}`")]
    Incomplete {
        /// The volume.
        volume: VolumeName,
        /// The file.
        path: TreePath,
        /// The object.
        object: ObjectId,
    },
    /// An object has another length than the entries say.
    #[error("the object `{object}` has {found} bytes, the entries say {wanted}")]
    Length {
        /// The object.
        object: ObjectId,
        /// How many it has.
        found: u64,
        /// How many it should have.
        wanted: u64,
    },
    /// An archive is not the export of a snapshot, or was changed since.
    #[error("the archive is wrong at byte {offset}: {what}")]
    Archive {
        /// Where.
        offset: u64,
        /// How.
        what: String,
    },
    /// An archive cannot be read.
    #[error("cannot read the archive")]
    Input(#[source] std::io::Error),
    /// An archive cannot be written.
    #[error("cannot write the archive")]
    Output(#[source] std::io::Error),
    /// A tree could not be built from the snapshot, or is not what it says.
    #[error("the snapshot was not restored")]
    Restore(#[from] RestoreError),
    /// There is no room for a rehearsal.
    #[error("the scratch place has {free} bytes free, a rehearsal wants {needed}")]
    NoRoom {
        /// What is free.
        free: u64,
        /// What is needed, with what has to stay free.
        needed: u64,
    },
    /// Another rehearsal has the scratch place.
    #[error("another rehearsal goes on in the scratch place")]
    Rehearsing,
    /// The store refused, or is damaged.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The file that takes what does not fit into memory failed.
    #[error("cannot use a temporary file")]
    Scratch(#[source] std::io::Error),
    /// Lines that cannot stand in entries.
    #[error("entries could not be written or read")]
    Lines(#[from] EntriesError),
}

impl SnapshotError {
    /// Makes the error of a call on a volume; for `map_err`.
    pub(crate) fn volume(action: &'static str, volume: &VolumeName) -> impl FnOnce(Errno) -> Self {
        let volume = volume.clone();
        move |errno| Self::Volume { action, volume, source: errno.into() }
    }
}

fn first(faults: &[Fault], total: u64) -> String {
    match faults.first() {
        Some(fault) if total == 1 => fault.to_string(),
        Some(fault) => format!("{fault} (and {} more)", total - 1),
        None => "none is named".to_owned(),
    }
}

impl Advice for SnapshotError {
    fn code(&self) -> &'static str {
        match self {
            Self::Entries { faults, .. } => faults.first().map_or("HP-SNA-000", |fault| fault.code),
            Self::Volume { .. } => "HP-SNA-004",
            Self::Restless { .. } => "HP-SNA-002",
            Self::NotStopped => "HP-SNA-007",
            Self::Incomplete { .. } => "HP-SNA-005",
            Self::Length { .. } => "HP-SNA-008",
            Self::Archive { .. } => "HP-SNA-009",
            Self::Input(_) => "HP-SNA-010",
            Self::Output(_) => "HP-SNA-011",
            Self::Restore(error) => error.code(),
            Self::NoRoom { .. } => "HP-SNA-012",
            Self::Rehearsing => "HP-SNA-014",
            Self::Store(error) => error.code(),
            Self::Scratch(_) => "HP-SNA-006",
            Self::Lines(error) => error.code(),
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Entries { faults, .. } => faults.first().map(|fault| fault.remedy.clone()),
            Self::Volume { .. } => Some("see the kernel's log (`dmesg`) for a failing disk; nothing was kept".into()),
            Self::Restless { .. } => Some("find out who writes into the volume, and repeat the command".into()),
            Self::NotStopped => Some("report this: it is a fault of HomePort".into()),
            Self::Incomplete { .. } => Some("verify the store, and take the snapshot again reading everything".into()),
            Self::Length { .. } => Some("verify the snapshot, and export another one".into()),
            Self::Archive { .. } => {
                Some("take the file that `snapshot export` wrote, unchanged; nothing was taken from this one".into())
            }
            Self::Input(_) => Some("see why the file cannot be read, and repeat the command".into()),
            Self::Output(_) => Some("make room where the archive goes, delete what there is of it, and repeat".into()),
            Self::Restore(error) => error.help(),
            Self::Rehearsing => Some("repeat it when that one is at its end".into()),
            Self::NoRoom { .. } => Some("make room on the file system of the scratch place".into()),
            Self::Store(error) => error.help(),
            Self::Scratch(_) => Some("make room on the file system of the store, and repeat the command".into()),
            Self::Lines(error) => error.help(),
        }
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Entries { faults, .. } => faults,
            Self::Restore(error) => error.faults(),
            Self::Store(error) => error.faults(),
            _ => &[],
        }
    }
}
