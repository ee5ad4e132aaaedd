//! Owns what the ledger remembers of an operation. Never runs one.
//!
//! ```text
//! begin -> open -> done      everything is as planned
//!             \--> undone    everything is as before
//!             \--> stuck     neither: a person must look; a repair makes it done or undone
//! ```

use std::fmt;

use homeport_core::name::InstanceName;

use super::id::OperationId;
use super::step::NewStep;
use super::time::Time;
use super::word::word_enum;
use crate::oplock::ProcessId;

word_enum!(
    /// Where an operation stands.
    OperationState, "operation state", "`open`, `done`, `undone`, `stuck`",
    {
        /// It goes on, or its process died: the next command finishes or undoes it.
        Open = "open",
        /// It ended as planned.
        Done = "done",
        /// It was taken back whole.
        Undone = "undone",
        /// It could be neither finished nor taken back.
        Stuck = "stuck",
    }
);

word_enum!(
    /// How an operation ends.
    OperationEnd, "end of an operation", "`done`, `undone`, `stuck`",
    {
        /// As planned: every step is done.
        Done = "done",
        /// Taken back: every step is undone or was never begun.
        Undone = "undone",
        /// Neither.
        Stuck = "stuck",
    }
);

impl From<OperationEnd> for OperationState {
    fn from(end: OperationEnd) -> Self {
        match end {
            OperationEnd::Done => Self::Done,
            OperationEnd::Undone => Self::Undone,
            OperationEnd::Stuck => Self::Stuck,
        }
    }
}

/// An operation that is about to begin.
#[derive(Clone, PartialEq, Eq)]
pub struct NewOperation {
    /// What it does, for example `deploy`.
    pub kind: String,
    /// The instance that it works on.
    pub instance: InstanceName,
    /// The process that performs it.
    pub pid: ProcessId,
    /// When it begins.
    pub started: Time,
    /// The plan as JSON: enough to finish or undo it in another process.
    pub plan: String,
    /// The steps in their order.
    pub steps: Vec<NewStep>,
}

/// An operation as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct OperationRecord {
    /// Its id.
    pub id: OperationId,
    /// What it does, for example `deploy`.
    pub kind: String,
    /// The instance that it works on.
    pub instance: InstanceName,
    /// The process that began it; it may be gone and its number another's.
    pub pid: ProcessId,
    /// When it began.
    pub started: Time,
    /// The plan as JSON.
    pub plan: String,
    /// Where it stands.
    pub state: OperationState,
    /// What was said at its end; empty while it is open.
    pub message: String,
}

impl fmt::Debug for NewOperation {
    /// Shows the plan by its length: it may hold configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewOperation")
            .field("kind", &self.kind)
            .field("instance", &self.instance)
            .field("pid", &self.pid)
            .field("started", &self.started)
            .field("plan", &format_args!("{} bytes", self.plan.len()))
            .field("steps", &self.steps)
            .finish()
    }
}

impl fmt::Debug for OperationRecord {
    /// Shows the plan by its length: it may hold configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationRecord")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("instance", &self.instance)
            .field("pid", &self.pid)
            .field("started", &self.started)
            .field("plan", &format_args!("{} bytes", self.plan.len()))
            .field("state", &self.state)
            .field("message", &self.message)
            .finish()
    }
}
