//! Owns why the daemon cannot run. Never decides anything.

use std::io;
use std::path::PathBuf;

use homeport_core::fault::Advice;

use crate::ledger::LedgerError;

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Another one runs for the same HomePort.
    #[error("the daemon of this HomePort runs already, as process {pid}")]
    AlreadyRunning {
        /// Its process id, as it wrote it down.
        pid: String,
    },
    /// HomePort does not run as root.
    #[error("the daemon needs to run as root")]
    NotRoot,
    /// Its directories cannot be used.
    #[error(transparent)]
    Layout(#[from] crate::layout::LayoutError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// It may open too few files.
    #[error(transparent)]
    Descriptors(#[from] homeport_router::TooFewDescriptors),
    /// Something of the operating system failed.
    #[error("the daemon failed to {action} `{}`", path.display())]
    Io {
        /// What it was doing.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The daemon that runs does not give its place up.
    #[error("the daemon that runs does not give its place up: {message}")]
    NotHandedOver {
        /// What it said.
        message: String,
    },
    /// A thread of the daemon has ended by itself: that is a bug.
    #[error("the daemon ends, since a thread of it did: the one that {what}")]
    Thread {
        /// What it did.
        what: &'static str,
    },
}

impl Advice for DaemonError {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyRunning { .. } => "HP-DMN-010",
            Self::NotRoot => "HP-OPN-020",
            Self::Layout(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::Descriptors(error) => error.code(),
            Self::Io { .. } => "HP-DMN-011",
            Self::Thread { .. } => "HP-DMN-012",
            Self::NotHandedOver { .. } => "HP-DMN-013",
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::AlreadyRunning { .. } => {
                Some("`homeport daemon status` asks it, `homeport daemon stop` ends it".to_owned())
            }
            Self::NotRoot => Some("repeat it with `sudo`".to_owned()),
            Self::Layout(error) => error.help(),
            Self::Ledger(error) => error.help(),
            Self::Descriptors(error) => error.help(),
            Self::Io { .. } => None,
            Self::NotHandedOver { .. } => {
                Some("it goes on; `homeport daemon stop` ends it, and clients with it".to_owned())
            }
            Self::Thread { .. } => Some("start it again, and report what the end of its log says".to_owned()),
        }
    }
}
