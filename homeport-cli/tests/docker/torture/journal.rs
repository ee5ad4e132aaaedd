//! Owns looking at the journal of a HomePort while another process writes it: how far an operation has come, in words.
//! Never writes to it.

use homeport_host::layout::Layout;
use homeport_host::ledger::{Ledger, OperationRecord, StepRecord, StepState};

use crate::world::World;

/// The journal of one HomePort.
pub(super) struct Journal(Ledger);

/// Where an operation was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stand {
    /// In words, the same for the same place in two operations of one kind.
    pub(super) words: String,
    /// Whether an open operation may have led clients to another version by then.
    pub(super) led: bool,
}

impl Journal {
    pub(super) fn of(world: &World) -> Self {
        Self(Ledger::open(&Layout::under(&world.root()).unwrap()).unwrap())
    }

    pub(super) const fn ledger(&self) -> &Ledger {
        &self.0
    }

    /// Where the open operation stands.
    pub(super) fn stand(&self) -> Stand {
        match self.0.open_operation().unwrap() {
            None => Stand { words: "no operation is open".to_owned(), led: false },
            Some((operation, steps)) => {
                let led = steps.iter().any(|step| step.name == "point_route" && step.state != StepState::Planned);
                Stand { words: words(&operation, &steps), led }
            }
        }
    }

    /// Whether the step at `place` of an open operation has begun; places beyond the last begin at the first again.
    pub(super) fn has_begun(&self, place: usize) -> bool {
        let Some((_, steps)) = self.0.open_operation().unwrap() else { return false };
        steps.get(place % steps.len().max(1)).is_some_and(|step| step.state != StepState::Planned)
    }

    /// Whether a step of this name has begun.
    pub(super) fn is_at(&self, name: &str) -> bool {
        let Some((_, steps)) = self.0.open_operation().unwrap() else { return false };
        steps.iter().any(|step| step.name == name && step.state != StepState::Planned)
    }

    /// What is not at its end.
    pub(super) fn unfinished(&self) -> Vec<String> {
        let open = self.0.open_operation().unwrap().map(|(operation, _)| operation);
        let stuck = self.0.stuck_operations().unwrap();
        stuck.into_iter().chain(open).map(|one| format!("{} is {}: {}", one.kind, one.state, one.message)).collect()
    }
}

fn words(operation: &OperationRecord, steps: &[StepRecord]) -> String {
    let kind = &operation.kind;
    let goes_back =
        |step: &&StepRecord| matches!(step.state, StepState::Undoing | StepState::Undone | StepState::Failed);
    if let Some(step) = steps.iter().find(goes_back) {
        return format!("{kind}: taking back, {} was the last", step.name);
    }
    match steps.iter().rev().find(|step| step.state != StepState::Planned) {
        None => format!("{kind}: before the first step"),
        Some(step) if step.state == StepState::Done => format!("{kind}: after {}", step.name),
        Some(step) => format!("{kind}: in {}", step.name),
    }
}
