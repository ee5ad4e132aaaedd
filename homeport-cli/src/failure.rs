//! Owns every way in which the command line itself can fail, beside what the host reports. Never prints.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use homeport_core::fault::{Advice, Fault};
use homeport_host::daemon::DaemonError;
use homeport_host::engine::EngineError;
use homeport_host::layout::LayoutError;
use homeport_host::operation::OperationError;
use homeport_host::routes::RoutesError;

use crate::exit::{self, Exit};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An operation was refused or failed.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// The daemon cannot run.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// The daemon cannot be asked.
    #[error(transparent)]
    Routes(#[from] RoutesError),
    /// The engine cannot be asked.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The root cannot be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The command line makes no sense, in a way that its grammar does not see.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do instead.
        help: &'static str,
    },
    /// A value's file cannot be read.
    #[error("failed to read the value of `{key}` from {from}")]
    Value {
        /// The key.
        key: String,
        /// The file, or standard input.
        from: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something around the process is not as it has to be.
    #[error("failed to {action}")]
    Surroundings {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Files could not be written.
    #[error("failed to write into `{}`", dir.display())]
    Write {
        /// The directory.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The result could not be written to standard output.
    #[error("failed to write to standard output")]
    Output(#[source] io::Error),
}

impl Failure {
    /// How the command ends because of it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Operation(error) => exit::of_operation(error),
            Self::Daemon(error) => exit::of_daemon(error),
            Self::Routes(error) => exit::of_routes(error),
            Self::Engine(error) => exit::of_engine(error),
            Self::Layout(error) => exit::of_layout(error),
            Self::Usage { .. } => Exit::Usage,
            Self::Value { .. } => Exit::Request,
            Self::Surroundings { .. } | Self::Write { .. } | Self::Output(_) => Exit::Host,
        }
    }

    /// Whether nobody reads standard output any more: that is no failure to talk about.
    pub(crate) fn is_closed_output(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The texts of the causes, the nearest first.
    pub(crate) fn causes(error: &dyn Error) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }
}

impl Advice for Failure {
    fn code(&self) -> &'static str {
        match self {
            Self::Operation(error) => error.code(),
            Self::Daemon(error) => error.code(),
            Self::Routes(error) => error.code(),
            Self::Engine(error) => error.code(),
            Self::Layout(error) => error.code(),
            Self::Usage { .. } => USAGE,
            Self::Value { .. } => "HP-CLI-002",
            Self::Surroundings { .. } => "HP-CLI-003",
            Self::Write { .. } => "HP-CLI-004",
            Self::Output(_) => "HP-CLI-005",
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Operation(error) => error.help(),
            Self::Daemon(error) => error.help(),
            Self::Routes(error) => error.help(),
            Self::Engine(error) => error.help(),
            Self::Layout(error) => error.help(),
            Self::Usage { help, .. } => Some((*help).to_owned()),
            Self::Value { .. } => Some("name a file that can be read, or `-` for standard input".to_owned()),
            Self::Surroundings { .. } => None,
            Self::Write { .. } => Some("name a directory that can be written".to_owned()),
            Self::Output(_) => Some("what was asked for is done; only its report is lost".to_owned()),
        }
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Operation(error) => error.faults(),
            Self::Engine(error) => error.faults(),
            _ => &[],
        }
    }
}

/// The code of every error of the command line's grammar.
pub(crate) const USAGE: &str = "HP-CLI-001";
