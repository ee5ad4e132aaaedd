//! Owns what can be seen of containers: their facts, their output, their events. Never changes one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use homeport_core::digest::Digest;
use time::OffsetDateTime;

use super::cancel::Cancel;
use super::label::{LabelFilter, Labels};
use super::mount::MountFacts;
use super::name::{ContainerId, ContainerName};
use super::outcome::{ExitCode, ExitFacts};

/// Where a container is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, and never ran: nobody started it, or the start failed.
    Created,
    /// Running.
    Running {
        /// Its first process as the host numbers it.
        pid: u32,
        /// Since when; `None` where the engine does not say.
        since: Option<OffsetDateTime>,
    },
    /// Frozen by somebody's `docker pause`.
    Paused,
    /// Down after a run.
    Exited(ExitFacts),
    /// On its way out, or stuck there.
    Removing,
}

impl ContainerState {
    /// Whether it has processes.
    pub const fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Paused)
    }
}

/// What is true of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFacts {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: ContainerName,
    /// The image that it was made from.
    pub image: Digest,
    /// Where it is in its life.
    pub state: ContainerState,
    /// Its labels, the image's included.
    pub labels: Labels,
    /// Its address on each network, by the network's name as the engine tells it; empty while it does not run.
    pub addresses: BTreeMap<String, IpAddr>,
    /// What of the host is mounted in it, by target.
    pub mounts: Vec<MountFacts>,
}

/// Whether the caller wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// End here.
    Stop,
}

/// Which of a program's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, and everything where there is a terminal.
    Out,
    /// Standard error.
    Err,
}

/// How much of the past output is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogTail {
    /// All that the engine kept.
    All,
    /// This many last lines.
    Lines(u32),
}

/// Whether a request for output goes on with what comes.
#[derive(Debug, Clone)]
pub enum LogFollow {
    /// It ends with what is there.
    No,
    /// It goes on until the container is down or this is set.
    Until(Cancel),
}

/// Which output of a container is wanted.
#[derive(Debug, Clone)]
pub struct LogRequest {
    /// How much of the past.
    pub tail: LogTail,
    /// Whether to go on.
    pub follow: LogFollow,
    /// Nothing written before this.
    pub since: Option<OffsetDateTime>,
    /// Whether each line begins with its time as the engine writes it.
    pub times: LogTimes,
}

impl LogRequest {
    /// The output so far, or its last lines.
    pub const fn past(tail: LogTail) -> Self {
        Self { tail, follow: LogFollow::No, since: None, times: LogTimes::Without }
    }

    /// The output so far, or its last lines, and what comes, until `cancel` is set.
    pub const fn follow(tail: LogTail, cancel: Cancel) -> Self {
        Self { tail, follow: LogFollow::Until(cancel), since: None, times: LogTimes::Without }
    }
}

/// Whether lines of output carry their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogTimes {
    /// As the program wrote them.
    Without,
    /// With the engine's time in RFC 3339 and a space before each.
    With,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventRequest {
    /// From when on; `None` from now on.
    pub since: Option<OffsetDateTime>,
    /// Of which containers, by their labels.
    pub filter: LabelFilter,
}

/// What can happen to a container, as far as HomePort minds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It was made.
    Created,
    /// It runs.
    Started,
    /// The kernel killed something in it for want of memory; comes before its death, if it dies of it.
    OutOfMemory,
    /// It is down.
    Died(ExitCode),
    /// It is gone.
    Removed,
}

/// Something happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    /// When, to the nanosecond where the engine says so.
    pub at: OffsetDateTime,
    /// To which container.
    pub id: ContainerId,
    /// What it was called.
    pub name: ContainerName,
    /// Its labels.
    pub labels: Labels,
    /// What happened.
    pub kind: EventKind,
}
