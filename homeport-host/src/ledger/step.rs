//! Owns what the ledger remembers of one step of an operation, and which state may follow which.
//! Never performs a step.
//!
//! ```text
//! planned -> begun -> done ----.
//!              | ^ \           v
//!              | |  `------> undoing -> undone
//!              v |             ^ |
//!            failed <----------' '   (a failed step is tried again or taken back; taking back may fail too)
//! ```

use std::fmt;

use super::id::OperationId;
use super::word::word_enum;

word_enum!(
    /// Where a step stands.
    StepState, "step state", "`planned`, `begun`, `done`, `undoing`, `undone`, `failed`",
    {
        /// Nothing of it has happened.
        Planned = "planned",
        /// It may have happened, in part or in full.
        Begun = "begun",
        /// It has happened.
        Done = "done",
        /// It may have been taken back, in part or in full.
        Undoing = "undoing",
        /// Nothing of it is left.
        Undone = "undone",
        /// It, or taking it back, returned an error: a part of it may be there.
        Failed = "failed",
    }
);

impl StepState {
    /// Whether a step in this state may come to stand in `next`. Staying as it is counts as allowed.
    pub const fn may_become(self, next: Self) -> bool {
        use StepState::{Begun, Done, Failed, Planned, Undoing, Undone};
        match (self, next) {
            (Planned, Planned | Begun | Undone)
            | (Begun, Begun | Done | Failed | Undoing | Undone)
            | (Done, Done | Undoing | Undone)
            | (Undoing, Undoing | Undone | Failed)
            | (Failed, Failed | Begun | Undoing | Undone)
            | (Undone, Undone) => true,
            (Planned | Begun | Done | Undoing | Failed | Undone, _) => false,
        }
    }
}

/// A step that is about to be planned.
#[derive(Clone, PartialEq, Eq)]
pub struct NewStep {
    /// What it does, for example `create-container`.
    pub name: String,
    /// What it needs to be finished or taken back, as JSON.
    pub detail: String,
}

/// A step as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// The operation that it belongs to.
    pub operation: OperationId,
    /// Its place among the steps, from 0.
    pub index: u32,
    /// What it does.
    pub name: String,
    /// What it needs to be finished or taken back, as JSON.
    pub detail: String,
    /// Where it stands.
    pub state: StepState,
}

impl fmt::Debug for NewStep {
    /// Shows the detail by its length: it may hold configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewStep")
            .field("name", &self.name)
            .field("detail", &format_args!("{} bytes", self.detail.len()))
            .finish()
    }
}

impl fmt::Debug for StepRecord {
    /// Shows the detail by its length: it may hold configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepRecord")
            .field("operation", &self.operation)
            .field("index", &self.index)
            .field("name", &self.name)
            .field("detail", &format_args!("{} bytes", self.detail.len()))
            .field("state", &self.state)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::StepState::{self, Begun, Done, Failed, Planned, Undoing, Undone};

    #[test]
    fn what_is_undone_stays_undone_and_nothing_is_done_before_it_began() {
        let all = [Planned, Begun, Done, Undoing, Undone, Failed];
        for state in all {
            assert!(state.may_become(state), "{state}");
            assert!(!Undone.may_become(state) || state == Undone, "{state}");
            assert_eq!(state.may_become(Done), matches!(state, Begun | Done), "{state}");
            assert_eq!(state.may_become(Planned), state == Planned, "{state}");
            assert_eq!(state.as_str().parse::<StepState>(), Ok(state));
        }
    }
}
