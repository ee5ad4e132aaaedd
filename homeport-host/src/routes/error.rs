//! Owns why a route could not be had. Never decides anything.

use std::io;
use std::path::PathBuf;

use homeport_core::fault::Advice;

use crate::accelerator::AcceleratorError;

/// Why a route could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RoutesError {
    /// The daemon does not run.
    #[error("the daemon does not run: nothing listens on `{}`", socket.display())]
    NotRunning {
        /// Its control socket.
        socket: PathBuf,
    },
    /// The daemon was started and did not answer.
    #[error("the daemon was started and does not answer{}", words(said))]
    NotStarted {
        /// The last lines of its log.
        said: String,
        /// Its log.
        log: PathBuf,
    },
    /// The daemon could not be started at all.
    #[error("failed to start the daemon `{}`", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The daemon refused what was asked, in its own words.
    #[error("{message}")]
    Refused {
        /// The stable code of the refusal.
        code: &'static str,
        /// What it said.
        message: String,
        /// What to do next.
        help: Option<String>,
    },
    /// Talking to the daemon failed.
    #[error("failed to talk to the daemon on `{}`", socket.display())]
    Talk {
        /// Its control socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What a daemon that was killed had left to lead clients past it could not be taken away.
    #[error("what led clients past the daemon is still there")]
    Leftover(#[from] AcceleratorError),
    /// The simulated process died. Return at once and touch nothing more.
    #[error("the simulated process died")]
    Died,
}

impl RoutesError {
    /// Whether the daemon runs and does not have the route that was meant.
    pub fn is_no_such_route(&self) -> bool {
        matches!(self, Self::Refused { code: "HP-RTR-010", .. })
    }

    /// Whether there is nothing to lead to: the container does not run any more.
    pub fn is_no_such_target(&self) -> bool {
        matches!(self, Self::Refused { code: "HP-DMN-008", .. })
    }
}

fn words(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

impl Advice for RoutesError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotRunning { .. } => "HP-DMN-001",
            Self::NotStarted { .. } => "HP-DMN-002",
            Self::Spawn { .. } => "HP-DMN-003",
            Self::Refused { code, .. } => code,
            Self::Talk { .. } => "HP-DMN-004",
            Self::Leftover(error) => error.code(),
            Self::Died => "HP-DMN-099",
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::NotRunning { .. } => Some(
                "start it with `homeport daemon run`; `homeport deploy` and `homeport start` do so by themselves"
                    .to_owned(),
            ),
            Self::NotStarted { log, .. } => {
                Some(format!("look at its log `{}`, or run it in the foreground: `homeport daemon run`", log.display()))
            }
            Self::Talk { .. } => {
                Some("look at it with `homeport daemon status`; `homeport daemon stop` ends it".to_owned())
            }
            Self::Refused { help, .. } => help.clone(),
            Self::Leftover(error) => error.help(),
            Self::Spawn { .. } | Self::Died => None,
        }
    }
}
