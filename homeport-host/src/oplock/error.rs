//! Owns what can be wrong with taking the lock.

use std::io;
use std::path::PathBuf;

use homeport_core::fault::Advice;

use super::holder::ProcessId;
use crate::ledger::Time;

/// A lock that was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process performs an operation.
    #[error("another operation goes on: `{command}`, process {pid}, since {since}")]
    Busy {
        /// The process.
        pid: ProcessId,
        /// What it does.
        command: String,
        /// Since when.
        since: Time,
    },
    /// Another process has the lock and did not say who it is.
    #[error("another operation goes on, and its process has not said which")]
    BusyUnknown,
    /// The lock's file cannot be used.
    #[error("cannot use the lock `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Advice for LockError {
    fn code(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "HP-OPL-001",
            Self::BusyUnknown => "HP-OPL-002",
            Self::Io { .. } => "HP-OPL-003",
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Busy { pid, .. } => format!("Wait until it ends, or see what process {pid} does, and run it again."),
            Self::BusyUnknown => "Wait a moment and run it again.".to_owned(),
            Self::Io { .. } => "Run it as root, and see that the state directory is writable.".to_owned(),
        };
        Some(help)
    }
}
