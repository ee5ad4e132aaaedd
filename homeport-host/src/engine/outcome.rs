//! Owns what calls to the engine changed, as values. Never an error: "it was so already" is one of the outcomes.

use time::OffsetDateTime;

use super::name::ContainerId;

/// A thing is there; whether it had to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnsureOutcome<T> {
    /// It was made now.
    Created(T),
    /// It was there, exactly as asked.
    Unchanged(T),
}

impl<T> EnsureOutcome<T> {
    /// The thing, however it came to be.
    pub fn into_inner(self) -> T {
        match self {
            Self::Created(thing) | Self::Unchanged(thing) => thing,
        }
    }
}

/// A container was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerCreated {
    /// Its id.
    pub id: ContainerId,
    /// What the engine will not enforce though it was asked to, in its own words; usually empty.
    pub warnings: Vec<String>,
}

/// A container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartOutcome {
    /// It was started now.
    Started,
    /// It ran already.
    AlreadyRunning,
}

/// A container does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopOutcome {
    /// It ran and is down now, with this end. A code of 137 says that it had to be killed.
    Stopped(ExitFacts),
    /// It was not running.
    AlreadyStopped,
}

/// A container was told to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillOutcome {
    /// The signal was sent.
    Killed,
    /// It was not running.
    NotRunning,
}

/// A thing is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveOutcome {
    /// It was removed now.
    Removed,
    /// There was none.
    Absent,
}

/// How a process ended: 0 is well, 137 usually a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExitCode(i64);

impl ExitCode {
    /// Ended well.
    pub const SUCCESS: Self = Self(0);
    /// Killed by SIGKILL.
    pub const KILLED: Self = Self(137);

    /// The code with this value.
    pub const fn new(code: i64) -> Self {
        Self(code)
    }

    /// The bare value; the engine's own errors may be outside of 0 to 255.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl std::fmt::Display for ExitCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How a container's last run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitFacts {
    /// The code of its first process.
    pub code: ExitCode,
    /// Whether the kernel killed something in it for want of memory.
    pub memory: MemoryEnd,
    /// When; `None` where the engine does not say.
    pub at: Option<OffsetDateTime>,
    /// The engine's own words where it could not even start; usually empty.
    pub message: String,
}

/// Whether want of memory ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryEnd {
    /// It did not.
    Enough,
    /// The kernel killed for want of memory.
    OutOfMemory,
}

/// What came of waiting for a container's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitOutcome {
    /// It is down.
    Exited(ExitFacts),
    /// It was not down when the time was over.
    StillRunning,
}

/// What came of a program run in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecOutcome {
    /// It ended with this code. 126 and 127 may also say that it could not be started; then the reason is in the output.
    Exited(ExitCode),
    /// The sink wanted no more; the program may still run.
    Abandoned,
}

/// Why a stream of logs ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogsEnd {
    /// There is no more: all was given and, where the request follows, the container is down.
    Complete,
    /// The sink wanted no more.
    Stopped,
    /// The request was cancelled.
    Cancelled,
}

/// Why a stream of events ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventsEnd {
    /// The sink wanted no more.
    Stopped,
    /// The request was cancelled.
    Cancelled,
}
