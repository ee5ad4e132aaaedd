//! Owns every way in which the engine can fail its caller, and what to do about it. Never retries.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use homeport_core::fault::{Advice, Fault};
use homeport_core::unit::Bytes;

use super::facts::ApiVersion;

/// What kind of call it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// [`super::Engine::ping`].
    Ping,
    /// [`super::Engine::facts`].
    Facts,
    /// [`super::Engine::image`].
    Image,
    /// [`super::Engine::images`].
    Images,
    /// [`super::Engine::load_image`].
    LoadImage,
    /// [`super::Engine::remove_image`].
    RemoveImage,
    /// [`super::Engine::read_image_file`].
    ReadImageFile,
    /// [`super::Engine::ensure_network`].
    EnsureNetwork,
    /// [`super::Engine::network`].
    Network,
    /// [`super::Engine::remove_network`].
    RemoveNetwork,
    /// [`super::Engine::create`].
    Create,
    /// [`super::Engine::start`].
    Start,
    /// [`super::Engine::stop`].
    Stop,
    /// [`super::Engine::kill`].
    Kill,
    /// [`super::Engine::remove`].
    Remove,
    /// [`super::Engine::inspect`].
    Inspect,
    /// [`super::Engine::list`].
    List,
    /// [`super::Engine::logs`].
    Logs,
    /// [`super::Engine::exec`].
    Exec,
    /// [`super::Engine::wait`].
    Wait,
    /// [`super::Engine::events`].
    Events,
}

impl Operation {
    /// Whether it can change anything: what only looks can be asked again without harm.
    pub const fn changes(self) -> bool {
        matches!(
            self,
            Self::LoadImage
                | Self::RemoveImage
                | Self::EnsureNetwork
                | Self::RemoveNetwork
                | Self::Create
                | Self::Start
                | Self::Stop
                | Self::Kill
                | Self::Remove
                | Self::Exec
        )
    }

    const fn phrase(self) -> &'static str {
        match self {
            Self::Ping => "reach the engine",
            Self::Facts => "ask the engine what it is",
            Self::Image => "look up image",
            Self::Images => "list images",
            Self::LoadImage => "load an image archive",
            Self::RemoveImage => "remove image",
            Self::ReadImageFile => "read a file of image",
            Self::EnsureNetwork => "make network",
            Self::Network => "look up network",
            Self::RemoveNetwork => "remove network",
            Self::Create => "create container",
            Self::Start => "start container",
            Self::Stop => "stop container",
            Self::Kill => "kill container",
            Self::Remove => "remove container",
            Self::Inspect => "inspect container",
            Self::List => "list containers",
            Self::Logs => "read the logs of container",
            Self::Exec => "run a program in container",
            Self::Wait => "wait for container",
            Self::Events => "watch containers",
        }
    }
}

/// A call and what it was about, as in "start container `homeport-alice-1f3c5a7b`".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The kind of call.
    pub operation: Operation,
    /// What it was about, as its caller named it; empty where there is no single thing.
    pub subject: String,
}

impl Action {
    /// This call about this thing.
    pub fn on(operation: Operation, subject: impl fmt::Display) -> Self {
        Self { operation, subject: subject.to_string() }
    }

    /// This call about nothing in particular.
    pub const fn new(operation: Operation) -> Self {
        Self { operation, subject: String::new() }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation.phrase())?;
        if self.subject.is_empty() { Ok(()) } else { write!(f, " `{}`", self.subject) }
    }
}

/// What kind of thing is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
        })
    }
}

/// A call to the engine failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no socket.
    #[error("the container engine's socket `{}` does not exist", socket.display())]
    SocketMissing {
        /// Where it was looked for.
        socket: PathBuf,
    },
    /// There is a socket and nobody listens on it, or it is not a socket at all.
    #[error("no container engine listens on `{}`", socket.display())]
    NotRunning {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There is a socket and this user may not use it.
    #[error("no permission to use the container engine's socket `{}`", socket.display())]
    PermissionDenied {
        /// The socket.
        socket: PathBuf,
    },
    /// The engine's API is older than what HomePort needs.
    #[error("the container engine is too old: found API {found}, wanted {wanted} or newer")]
    TooOld {
        /// The newest API that it speaks.
        found: ApiVersion,
        /// The oldest that would do.
        wanted: ApiVersion,
    },
    /// What the call was about is not there.
    #[error("failed to {action}: there is no {what} `{name}`")]
    NotFound {
        /// The call.
        action: Action,
        /// What kind of thing is missing.
        what: Subject,
        /// Which one.
        name: String,
    },
    /// The engine will not, because of the state that something is in.
    #[error("failed to {action}: {message}")]
    Conflict {
        /// The call.
        action: Action,
        /// The engine's words.
        message: String,
    },
    /// The engine tried and could not, or rejects the request.
    #[error("failed to {action}: the engine refused ({status}): {message}")]
    Refused {
        /// The call.
        action: Action,
        /// The HTTP status of its answer; 200 where it refused within a stream that began well.
        status: u16,
        /// The engine's words.
        message: String,
    },
    /// No answer in time. What was asked may still happen.
    #[error("failed to {action}: no answer after {} s", after.as_secs())]
    Timeout {
        /// The call.
        action: Action,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke. What was asked may have happened.
    #[error("failed to {action}: the connection to the container engine broke")]
    Lost {
        /// The call.
        action: Action,
        /// What broke.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was to be read is larger than allowed.
    #[error("failed to {action}: `{path}` is larger than {limit} bytes")]
    TooLarge {
        /// The call.
        action: Action,
        /// Which file.
        path: String,
        /// What is allowed.
        limit: Bytes,
    },
    /// The engine's answer makes no sense, or a local step of the call failed.
    #[error("failed to {action}: {message}")]
    Unexpected {
        /// The call.
        action: Action,
        /// What was found and what was wanted.
        message: String,
    },
    /// The request itself is wrong; the engine was not asked.
    #[error("failed to {action}: {}", list(faults))]
    Invalid {
        /// The call.
        action: Action,
        /// All that is wrong with it.
        faults: Vec<Fault>,
    },
    /// Threads or memory for talking to the engine could not be had.
    #[error("failed to prepare for talking to the container engine")]
    Runtime {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The simulated process is dead: return at once, undo nothing, write nothing. Never from a real engine.
    #[error("the simulated process died while it was to {action}")]
    Died {
        /// The call in which it died.
        action: Action,
    },
}

impl EngineError {
    /// Whether the engine could not be reached at all, so that nothing was asked of it.
    pub const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::SocketMissing { .. } | Self::NotRunning { .. } | Self::PermissionDenied { .. } | Self::Runtime { .. }
        )
    }

    /// Whether it is unknown if the engine did what was asked.
    pub const fn is_uncertain(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Lost { .. } | Self::Died { .. })
    }
}

impl Advice for EngineError {
    fn code(&self) -> &'static str {
        match self {
            Self::SocketMissing { .. } => "HP-ENG-001",
            Self::NotRunning { .. } => "HP-ENG-002",
            Self::PermissionDenied { .. } => "HP-ENG-003",
            Self::TooOld { .. } => "HP-ENG-004",
            Self::NotFound { .. } => "HP-ENG-005",
            Self::Conflict { .. } => "HP-ENG-006",
            Self::Refused { .. } => "HP-ENG-007",
            Self::Timeout { .. } => "HP-ENG-008",
            Self::Lost { .. } => "HP-ENG-009",
            Self::TooLarge { .. } => "HP-ENG-010",
            Self::Unexpected { .. } => "HP-ENG-011",
            Self::Runtime { .. } => "HP-ENG-012",
            Self::Invalid { .. } => "HP-ENG-013",
            Self::Died { .. } => "HP-ENG-099",
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::SocketMissing { .. } => "install Docker and start it, or say where its socket is".to_owned(),
            Self::NotRunning { .. } => {
                "start the engine: `systemctl start docker`, or `dockerd` where no service manager runs".to_owned()
            }
            Self::PermissionDenied { socket } => {
                format!("run HomePort as root; only root and the group of `{}` may use it", socket.display())
            }
            Self::TooOld { .. } => "install Docker 20.10 or newer".to_owned(),
            Self::NotFound { what: Subject::Image, name, .. } => {
                format!("load the image first, or check that `{name}` is spelled as in `docker images`")
            }
            Self::NotFound { .. } => {
                "something else removed it meanwhile: look at `homeport list` and repeat".to_owned()
            }
            Self::Timeout { .. } | Self::Lost { .. } => {
                "look at the engine (`docker ps`, its log) and repeat the command: it goes on where it was".to_owned()
            }
            Self::Runtime { .. } => "free memory or raise the limit on threads, and repeat".to_owned(),
            Self::Conflict { .. }
            | Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::Unexpected { .. }
            | Self::Invalid { .. }
            | Self::Died { .. } => return None,
        })
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Invalid { faults, .. } => faults,
            _ => &[],
        }
    }
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_done_to_what() {
        let action = Action::on(Operation::Start, "homeport-a-1");
        let error = EngineError::Refused { action, status: 500, message: "exec: no such file".to_owned() };
        assert_eq!(
            error.to_string(),
            "failed to start container `homeport-a-1`: the engine refused (500): exec: no such file"
        );
        assert_eq!(error.code(), "HP-ENG-007");
    }

    #[test]
    fn no_two_kinds_of_error_share_a_code() {
        let action = || Action::new(Operation::Ping);
        let io = || std::io::Error::other("x");
        let socket = || PathBuf::from("/s");
        let all = [
            EngineError::SocketMissing { socket: socket() },
            EngineError::NotRunning { socket: socket(), source: io() },
            EngineError::PermissionDenied { socket: socket() },
            EngineError::TooOld { found: ApiVersion { major: 1, minor: 40 }, wanted: super::super::facts::OLDEST_API },
            EngineError::NotFound { action: action(), what: Subject::Image, name: "x".to_owned() },
            EngineError::Conflict { action: action(), message: String::new() },
            EngineError::Refused { action: action(), status: 500, message: String::new() },
            EngineError::Timeout { action: action(), after: Duration::ZERO },
            EngineError::Lost { action: action(), source: Box::new(io()) },
            EngineError::TooLarge { action: action(), path: String::new(), limit: Bytes::new(1) },
            EngineError::Unexpected { action: action(), message: String::new() },
            EngineError::Runtime { source: io() },
            EngineError::Invalid { action: action(), faults: Vec::new() },
            EngineError::Died { action: action() },
        ];
        let codes: std::collections::BTreeSet<_> = all.iter().map(Advice::code).collect();
        assert_eq!(codes.len(), all.len());
        assert!(all[..3].iter().all(|error| error.is_unreachable() && error.help().is_some()));
    }
}
