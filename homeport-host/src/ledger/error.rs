//! Owns what can be wrong with the ledger's file, and what to do about it.
//! Never tells more than it knows: where the file may still be good, the text does not call it broken.

use std::io;
use std::path::{Path, PathBuf};

use homeport_core::fault::Advice;

use super::refusal::Refusal;

/// A read or write of the ledger that did not happen. Nothing of a failed write is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The write contradicts what the ledger holds.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The file is damaged.
    #[error("ledger `{}` is damaged: {found}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found, in SQLite's words.
        found: String,
    },
    /// A newer HomePort has written the file.
    #[error("ledger `{}` was written by a newer HomePort: found schema {found}, wanted at most {known}", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// The schema of the file.
        found: i64,
        /// The newest schema that this build knows.
        known: i64,
    },
    /// The file is a good database of something else.
    #[error("`{}` is no ledger of HomePort: found application id {found:#x}, wanted {wanted:#x}", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// The application id of the file.
        found: i64,
        /// The application id of a ledger.
        wanted: i64,
    },
    /// The file cannot be opened or is no regular file.
    #[error("cannot open ledger `{}`", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The disk is full. The ledger is as it was before.
    #[error("no space left to write ledger `{}`", file.display())]
    Full {
        /// The file.
        file: PathBuf,
        /// SQLite's report.
        #[source]
        source: rusqlite::Error,
    },
    /// Another program kept the file locked for longer than a write can take.
    #[error("ledger `{}` is locked by another program", file.display())]
    Locked {
        /// The file.
        file: PathBuf,
        /// SQLite's report.
        #[source]
        source: rusqlite::Error,
    },
    /// The file is a good database, and a value in it is none that HomePort writes.
    #[error("ledger `{}` holds a value that cannot be understood", file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// Which value and why.
        #[source]
        source: rusqlite::Error,
    },
    /// The disk or the system failed.
    #[error("cannot use ledger `{}`", file.display())]
    Failed {
        /// The file.
        file: PathBuf,
        /// SQLite's report.
        #[source]
        source: rusqlite::Error,
    },
    /// The operating system gave no randomness for the root id.
    #[error("no randomness for a new root id")]
    Randomness(#[source] getrandom::Error),
}

impl LedgerError {
    /// What SQLite's report means for this file.
    pub(super) fn of(file: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, PermissionDenied,
        };
        let file = file.to_owned();
        if matches!(
            source,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..)
        ) {
            return Self::Content { file, source };
        }
        match source.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged { file, found: source.to_string() },
            Some(DiskFull) => Self::Full { file, source },
            Some(DatabaseBusy | DatabaseLocked) => Self::Locked { file, source },
            Some(CannotOpen | PermissionDenied) => Self::Unreadable { file, source: io::Error::other(source) },
            _ => Self::Failed { file, source },
        }
    }

    /// The refusal, if that is what it is.
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

impl Advice for LedgerError {
    fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Damaged { .. } => "HP-LED-001",
            Self::Newer { .. } => "HP-LED-002",
            Self::Foreign { .. } => "HP-LED-003",
            Self::Unreadable { .. } => "HP-LED-004",
            Self::Full { .. } => "HP-LED-005",
            Self::Locked { .. } => "HP-LED-006",
            Self::Content { .. } => "HP-LED-007",
            Self::Failed { .. } => "HP-LED-008",
            Self::Randomness(_) => "HP-LED-009",
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Refused(refusal) => return refusal.help(),
            Self::Damaged { file, .. } | Self::Content { file, .. } => format!(
                "Nothing was written to it, and the volumes' data is not in it. Keep a copy of `{0}`, `{0}-wal` and \
                 `{0}-shm` together, check the disk, then put a copy of the ledger from a backup in their place.",
                file.display()
            ),
            Self::Newer { .. } => {
                "Nothing was written to it. Use the HomePort that wrote it, or a newer one.".to_owned()
            }
            Self::Foreign { file, .. } => {
                format!("Nothing was written to it. Move `{}` away, or give another `--root`.", file.display())
            }
            Self::Unreadable { .. } => "Run it as root, and see that the ledger is a regular file.".to_owned(),
            Self::Full { file, .. } => {
                format!("Make room on the file system of `{}` and run the command again.", file.display())
            }
            Self::Locked { file, .. } => format!("End whatever has `{}` open, and run it again.", file.display()),
            Self::Failed { .. } => "Look for disk errors in `dmesg`, then run the command again.".to_owned(),
            Self::Randomness(_) => return None,
        };
        Some(help)
    }
}
