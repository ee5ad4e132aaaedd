//! Owns what can go wrong with a store, each kind with its code and what to do next.
//! Never wraps a cause's text into its own.

use std::path::PathBuf;

use homeport_core::fault::{Advice, Fault};

use super::document::DocumentFault;
use super::head::HeadFault;
use super::identity::{EntriesId, ObjectId, PackId, SnapshotUuid, StoreUuid};
use crate::owner::Owner;
use crate::path::{VolumePath, VolumePathError};
use crate::tree::EntriesError;

/// A failed operation on a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The text is not a path that a store can have.
    #[error("this is not a place for a store")]
    Path(#[source] VolumePathError),
    /// There is no store at the path.
    #[error("there is no store at `{path}`: {missing} is missing")]
    Missing {
        /// Where it should be.
        path: VolumePath,
        /// What is not there.
        missing: String,
    },
    /// Something stands in the way of the store's directory.
    #[error("`{path}` cannot be the directory of a store: {reason}")]
    Place {
        /// Where the store should be.
        path: VolumePath,
        /// What is wrong, in words.
        reason: String,
    },
    /// The place for a new store is not empty.
    #[error("there is something at `{path}` already: `{found}`")]
    NotEmpty {
        /// Where the store should be made.
        path: VolumePath,
        /// One name that is there.
        found: String,
    },
    /// Others than root can reach into it.
    #[error("`{}` belongs to {found}: wanted {}", path.display(), Owner::PRIVATE)]
    Insecure {
        /// The store's directory, or one in it.
        path: PathBuf,
        /// What was found.
        found: Owner,
    },
    /// `store.json` does not say which store this is.
    #[error("the store at `{path}` cannot be recognised")]
    Document {
        /// The store.
        path: VolumePath,
        /// What is wrong with it.
        #[source]
        fault: DocumentFault,
    },
    /// Another store than the one that is meant.
    #[error("the store at `{path}` is another one: found `{found}`, wanted `{wanted}`")]
    Another {
        /// The store.
        path: VolumePath,
        /// Which it is.
        found: StoreUuid,
        /// Which it should be.
        wanted: StoreUuid,
    },
    /// Its file system is mounted read-only.
    #[error("the store at `{path}` cannot be written to: its file system is read-only")]
    ReadOnly {
        /// The store.
        path: VolumePath,
    },
    /// Another process writes to it.
    #[error("the store at `{path}` is being written to by {holder}")]
    Busy {
        /// The store.
        path: VolumePath,
        /// Who holds the lock, in words.
        holder: String,
    },
    /// The operating system refused a step.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// There is no room left.
    #[error("the file system of the store at `{path}` is full: {what}")]
    Full {
        /// The store.
        path: VolumePath,
        /// What is needed and what is free, in words.
        what: String,
    },
    /// An earlier step failed, so nothing that the writer wrote may be used.
    #[error("the writer of the store at `{path}` gave up after an error")]
    Poisoned {
        /// The store.
        path: VolumePath,
    },
    /// More bytes than an object may have.
    #[error("an object of {found} bytes was to be stored: wanted at most {limit}")]
    TooLarge {
        /// How many.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A line that entries cannot have at that place.
    #[error("the entries of a volume cannot be written")]
    Line(#[source] EntriesError),
    /// No pack holds the object.
    #[error("the object `{object}` is missing from the store")]
    ObjectMissing {
        /// The object.
        object: ObjectId,
    },
    /// What a pack holds in the object's place is something else.
    #[error("the object `{object}` is damaged in the pack `{pack}`: {why}")]
    ObjectDamaged {
        /// The object.
        object: ObjectId,
        /// The pack.
        pack: PackId,
        /// What is wrong, in words.
        why: String,
    },
    /// A pack cannot be read as one.
    #[error("the pack `{pack}` is damaged: {why}")]
    PackDamaged {
        /// The pack.
        pack: PackId,
        /// What is wrong, in words.
        why: String,
    },
    /// What was just written is not what the disk gives back.
    #[error("the disk does not give back what was written to `{}`: {why}", path.display())]
    ReadBack {
        /// The file.
        path: PathBuf,
        /// What is different, in words.
        why: String,
    },
    /// Entries that a snapshot names are not there.
    #[error("the entries `{entries}` are missing from the store")]
    EntriesMissing {
        /// The entries.
        entries: EntriesId,
    },
    /// Entries are not what they were when they were written.
    #[error("the entries `{entries}` are damaged: {why}")]
    EntriesDamaged {
        /// The entries.
        entries: EntriesId,
        /// What is wrong, in words.
        why: String,
    },
    /// The text of entries breaks a rule of the format.
    #[error("the entries `{entries}` are damaged")]
    EntriesText {
        /// The entries.
        entries: EntriesId,
        /// Which rule, and where.
        #[source]
        error: EntriesError,
    },
    /// No snapshot has this identity.
    #[error("there is no snapshot `{snapshot}` in the store at `{path}`")]
    SnapshotUnknown {
        /// The store.
        path: VolumePath,
        /// The snapshot.
        snapshot: SnapshotUuid,
    },
    /// A snapshot has this identity already.
    #[error("the snapshot `{snapshot}` is in the store at `{path}` already")]
    SnapshotExists {
        /// The store.
        path: VolumePath,
        /// The snapshot.
        snapshot: SnapshotUuid,
    },
    /// A snapshot that was to be written, or was found, is not well formed.
    #[error("the snapshot `{file}` is damaged")]
    Snapshot {
        /// The file's name.
        file: String,
        /// What is wrong with it.
        #[source]
        fault: HeadFault,
    },
    /// A file below `snapshots/` that is not given up.
    #[error("`{}` cannot be given up: {why}", path.display())]
    NotGivenUp {
        /// The file.
        path: PathBuf,
        /// Why not, in words.
        why: &'static str,
    },
    /// Eight digits are used up.
    #[error("the store at `{path}` has had as many snapshots as it can")]
    Exhausted {
        /// The store.
        path: VolumePath,
    },
    /// The store would lie in a volume, or a volume in it. [spec: STO-36]
    #[error("there can be no store at `{path}`: {}", summary(.faults))]
    NotApart {
        /// Where it should be.
        path: VolumePath,
        /// Every volume that it overlaps with.
        faults: Vec<Fault>,
    },
    /// Collection found something that it cannot read, so it removed nothing.
    #[error("nothing was removed from the store at `{path}`: {}", summary(.faults))]
    Stopped {
        /// The store.
        path: VolumePath,
        /// Everything that stands in the way.
        faults: Vec<Fault>,
    },
}

impl StoreError {
    /// Makes the error of a failed step; for `map_err`.
    pub(crate) fn io<E: Into<std::io::Error>>(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source: source.into() }
    }
}

impl Advice for StoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "HP-STO-001",
            Self::Path(_) | Self::Place { .. } => "HP-STO-002",
            Self::Document { fault: DocumentFault::Newer { .. }, .. } => "HP-STO-004",
            Self::Document { .. } => "HP-STO-003",
            Self::Insecure { .. } => "HP-STO-005",
            Self::ReadOnly { .. } => "HP-STO-006",
            Self::Busy { .. } => "HP-STO-007",
            Self::NotEmpty { .. } => "HP-STO-008",
            Self::Another { .. } => "HP-STO-009",
            Self::Io { .. } => "HP-STO-020",
            Self::Full { .. } => "HP-STO-021",
            Self::Poisoned { .. } => "HP-STO-022",
            Self::TooLarge { .. } => "HP-STO-023",
            Self::ReadBack { .. } => "HP-STO-024",
            Self::Line(_) => "HP-STO-025",
            Self::ObjectMissing { .. } => "HP-STO-030",
            Self::ObjectDamaged { .. } => "HP-STO-031",
            Self::PackDamaged { .. } => "HP-STO-032",
            Self::EntriesMissing { .. } => "HP-STO-040",
            Self::EntriesDamaged { .. } | Self::EntriesText { .. } => "HP-STO-041",
            Self::Snapshot { .. } => "HP-STO-050",
            Self::SnapshotUnknown { .. } => "HP-STO-051",
            Self::SnapshotExists { .. } => "HP-STO-052",
            Self::Exhausted { .. } => "HP-STO-053",
            Self::NotApart { .. } => "HP-STO-010",
            Self::NotGivenUp { .. } => "HP-STO-054",
            Self::Stopped { .. } => "HP-STO-060",
        }
    }

    fn help(&self) -> Option<String> {
        let text = match self {
            Self::Missing { .. } => {
                "mount the disk that holds the store; where it is lost for good, `homeport snapshot begin-store` gives it up"
            }
            Self::Path(_) | Self::Place { .. } => "name a directory that is reached without symbolic links",
            Self::Document { fault: DocumentFault::Newer { .. }, .. } => {
                "use the HomePort that wrote the store, or a newer one"
            }
            Self::Document { .. } => {
                "bring `store.json` back from a copy; the snapshots can be read without it, see `spec/restore.sh`"
            }
            Self::Insecure { .. } => "find out who changed it, then run `chown root:root` and `chmod 0700` on it",
            Self::ReadOnly { .. } => {
                "see the kernel's log (`dmesg`) for why the file system is read-only, and check the disk"
            }
            Self::Busy { .. } => "wait until the other command has ended, and repeat this one",
            Self::NotEmpty { .. } => "name an empty directory, or one that does not exist",
            Self::Another { .. } => "mount the disk that holds the right store",
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => "run this as root",
                std::io::ErrorKind::StorageFull => "make room on the file system, and repeat the command",
                std::io::ErrorKind::ReadOnlyFilesystem => {
                    "see the kernel's log (`dmesg`) for why the file system is read-only, and check the disk"
                }
                _ => "see the kernel's log (`dmesg`) for a failing disk, and repeat the command",
            },
            Self::Full { .. } => {
                "make room on the file system, or remove snapshots with `homeport snapshot prune`, and repeat"
            }
            Self::Poisoned { .. } => "repeat the command; the error before this one says what went wrong",
            Self::TooLarge { .. } | Self::Line(_) => "report this: that is a bug of HomePort",
            Self::ReadBack { .. } => "see the kernel's log (`dmesg`): the disk, its cable or the memory is failing",
            Self::ObjectMissing { .. }
            | Self::ObjectDamaged { .. }
            | Self::PackDamaged { .. }
            | Self::EntriesMissing { .. }
            | Self::EntriesDamaged { .. }
            | Self::EntriesText { .. }
            | Self::Snapshot { .. } => {
                "see with `homeport snapshot verify` which snapshots are whole, and check the disk; the next snapshot \
                 stores anew what the volumes still have"
            }
            Self::SnapshotUnknown { .. } => "see `homeport snapshot list` for those that there are",
            Self::SnapshotExists { .. } => "nothing needs to be done: it is there",
            Self::Exhausted { .. } => "make a new store",
            Self::NotGivenUp { .. } => {
                "see `homeport snapshot list` for files that are damaged; what HomePort never made there, move away yourself"
            }
            Self::Stopped { faults, .. } | Self::NotApart { faults, .. } => {
                return faults.first().map(|fault| fault.remedy.clone()).filter(|text| !text.is_empty());
            }
        };
        Some(text.to_owned())
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Stopped { faults, .. } | Self::NotApart { faults, .. } => faults,
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

/// An error with its cause in one line.
pub(crate) fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
