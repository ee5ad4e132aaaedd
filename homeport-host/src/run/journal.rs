//! Owns the order of acting and writing down: the loop that carries a plan out, and the one that takes it back.
//! Never knows what a step does.

use homeport_core::name::InstanceName;

use super::error::{KeptVolume, RunError, StepError};
use super::evidence::Evidence;
use super::session::Session;
use crate::hazard::{Hazard, Moment, Point};
use crate::host::now;
use crate::ledger::{
    Change, EventRecord, LedgerError, LedgerWriter, NewOperation, NewStep, OperationEnd, OperationId, Refusal, Slot,
    StepRecord, StepState,
};
use crate::oplock::ProcessId;
use crate::plan::{Clients, Course, Kind, Plan, Step, put_away};
use crate::progress::Event;

/// What was left when steps were taken back.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// Volumes that were made and hold something.
    pub(super) kept: Vec<KeptVolume>,
    /// What could not be taken back, and why.
    pub(super) failed: Vec<String>,
    /// Whether the container may still be there.
    container: bool,
}

impl Session<'_, '_> {
    /// Carries a plan out; see the module for what happens when it can't.
    pub(crate) fn run(&mut self, plan: &Plan) -> Result<(), RunError> {
        let operation = self.begin(plan).map_err(|source| self.unwritten(source))?;
        self.carry_out(operation, plan)
    }

    /// Writes the plan down; the consent to it is used up in the same transaction.
    fn begin(&mut self, plan: &Plan) -> Result<OperationId, LedgerError> {
        let (approval, at) = (self.approval.take(), self.host.now());
        self.writer.together(|writer| {
            if let Some(approval) = &approval {
                approval.use_up(writer, &at)?;
            }
            begin(writer, plan)
        })
    }

    /// Carries out what the end of this operation has begun; whoever comes next does it where this fails.
    pub(crate) fn follow(&mut self) -> Result<(), RunError> {
        let Some((operation, plan)) = self.following.take() else { return Ok(()) };
        self.kind = plan.kind;
        // The container has its volumes; their locks are for whoever works beside it.
        self.in_use.clear();
        self.carry_out(operation, &plan)
    }

    fn carry_out(&mut self, operation: OperationId, plan: &Plan) -> Result<(), RunError> {
        let count = plan.steps.len();
        for (index, step) in plan.steps.iter().enumerate() {
            self.host.progress.event(&Event::Step { number: index + 1, of: count, text: step.to_string() });
            if let Err(cause) = self.take(operation, index, step, index + 1 == count) {
                return Err(self.fail(operation, plan, index, cause));
            }
        }
        Ok(())
    }

    /// One step: written down, carried out, written down.
    pub(super) fn take(
        &mut self,
        operation: OperationId,
        index: usize,
        step: &Step,
        is_last: bool,
    ) -> Result<(), StepError> {
        let place = place(index);
        self.hazard(index, Moment::BeforeBegin)?;
        self.writer.step_begun(operation, place)?;
        self.hazard(index, Moment::BeforeStep)?;
        if is_last && step.is_commit() {
            self.hazard(index, Moment::BeforeCommit)?;
            if self.kind.is_change_of_version() {
                self.give_room_up();
            }
            return self.commit(operation, place, step);
        }
        self.apply(step)?;
        self.hazard(index, Moment::AfterStep)?;
        self.writer.step_done(operation, place)?;
        if is_last {
            self.hazard(index, Moment::BeforeCommit)?;
            self.end_done(operation)?;
        }
        Ok(())
    }

    /// Writes down that the operation is done, with what it put away where that is all that it was for.
    pub(super) fn end_done(&mut self, operation: OperationId) -> Result<(), StepError> {
        let mut said = String::new();
        if matches!(self.kind, Kind::Retire | Kind::Settle)
            && let Some((_, steps)) = self.writer.operation(operation)?
        {
            // What cannot be read is not told: it is done all the same.
            let steps: Vec<Step> = steps.iter().filter_map(|step| serde_json::from_str(&step.detail).ok()).collect();
            said = put_away(&steps);
        }
        Ok(self.end(operation, OperationEnd::Done, &said)?)
    }

    /// Writes down how the operation ended, in the journal and in the instance's history.
    pub(super) fn end(&mut self, operation: OperationId, how: OperationEnd, message: &str) -> Result<(), LedgerError> {
        let (instance, kind) = (self.instance.clone(), self.kind);
        self.writer.together(|writer| end(writer, operation, (kind, &instance), how, message))
    }

    /// What happens after a step failed.
    fn fail(&mut self, operation: OperationId, plan: &Plan, index: usize, cause: StepError) -> RunError {
        let (kind, instance) = (self.kind, self.instance.clone());
        if cause.is_death() {
            return RunError::Died { kind, instance };
        }
        let step = Box::new(plan.steps[index].clone());
        if kind.is_change_of_version() {
            self.give_room_up();
        }
        // If not even this can be written, the journal says that the step began, which leads to the same way back; one that
        // never began is refused.
        self.writer.step_failed(operation, place(index)).ok();
        if kind.course() == Course::On {
            return RunError::Unfinished { kind, instance, step, cause: Box::new(cause) };
        }
        let begun = if self.is_planned_only(operation, index) { index } else { index + 1 };
        let evidence = Box::new(self.evidence(&plan.steps[..begun]));
        self.host.progress.event(&Event::Undoing { text: format!("could not {step}: taking back what was done") });
        let message = cause.to_string();
        if makes_container(&step)
            && cause.leaves_open()
            && let Err(error) = self.fence()
        {
            // What a container may still come up on is not taken away.
            return self.unfenced(operation, step, cause, (error, evidence));
        }
        let steps: Vec<(usize, Step)> = plan.steps.iter().cloned().enumerate().take(begun).collect();
        match self.take_back(operation, &steps, &message) {
            Ok(left) if left.failed.is_empty() => {
                RunError::Undone { kind, instance, step, cause: Box::new(cause), evidence, kept: left.kept }
            }
            Ok(left) => RunError::Stuck { kind, instance, step, cause: Box::new(cause), left: left.failed, evidence },
            Err(_death) => RunError::Died { kind, instance },
        }
    }

    /// What remains where nobody knows whether the engine still makes a container: the next command takes everything back.
    fn unfenced(
        &mut self,
        operation: OperationId,
        step: Box<Step>,
        cause: StepError,
        (error, evidence): (StepError, Box<Evidence>),
    ) -> RunError {
        let (kind, instance) = (self.kind, self.instance.clone());
        if error.is_death() {
            return RunError::Died { kind, instance };
        }
        let mut left = vec![format!("{step}: {}", with_causes(&error))];
        let message = format!("{cause}; not taken back: {}", left.join("; "));
        if let Err(error) = self.end(operation, OperationEnd::Stuck, &message) {
            left.push(format!("write the journal: {}", with_causes(&error)));
        }
        RunError::Stuck { kind, instance, step, cause: Box::new(cause), left, evidence }
    }

    /// Whether the journal says that this step never began: then that could not be written down, and it has had no effect. A
    /// journal that cannot be read says nothing, and it is taken back as well.
    fn is_planned_only(&self, operation: OperationId, index: usize) -> bool {
        let found = self.writer.operation(operation).ok().flatten();
        found.is_some_and(|(_, steps)| {
            steps.iter().any(|step| step.index == place(index) && step.state == StepState::Planned)
        })
    }

    /// What the container left behind, where one was made.
    fn evidence(&self, steps: &[Step]) -> Evidence {
        match self.container_ref() {
            Ok(container) if steps.iter().any(makes_container) => match self.run_dir() {
                Ok(run_dir) => Evidence::gather(&*self.host.engine, &container, &run_dir),
                Err(_) => Evidence::default(),
            },
            _ => Evidence::default(),
        }
    }

    /// Takes steps back, the last one first. One that cannot be taken back does not keep the others from it, but for the
    /// container: while it is there, what it stands on (volumes, `/run/port`, network, the ledger's row) stays as well.
    ///
    /// # Errors
    /// Only where the simulated process died.
    pub(super) fn take_back(
        &mut self,
        operation: OperationId,
        steps: &[(usize, Step)],
        message: &str,
    ) -> Result<Leftovers, StepError> {
        let mut left = Leftovers::default();
        let (mut unnoted, mut again) = (Vec::new(), Vec::new());
        for (index, step) in steps.iter().rev() {
            if left.container {
                // The container stands on it. The next command takes the rest back.
                continue;
            }
            match self.take_one_back(operation, *index, step) {
                Ok((kept, noted)) => {
                    left.kept.extend(kept);
                    unnoted.extend((noted == Noted::DiskFull).then_some(*index));
                }
                Err(error) if error.is_death() => return Err(error),
                // Every undo acts before it writes anything down: nothing but a note is missing.
                Err(StepError::Ledger(LedgerError::Full { .. })) => again.push((*index, step)),
                Err(error) => {
                    self.writer.step_failed(operation, place(*index)).ok();
                    left.failed.push(format!("{step}: {}", with_causes(&error)));
                    left.container |= makes_container(step) || *step == Step::StartContainer;
                }
            }
        }
        // What was taken back may have made the room that writing it down needs.
        for (index, step) in again {
            match self.take_one_back(operation, index, step) {
                Ok((kept, noted)) => {
                    left.kept.extend(kept);
                    unnoted.extend((noted == Noted::DiskFull).then_some(index));
                }
                Err(error) if error.is_death() => return Err(error),
                Err(error) => left.failed.push(format!("{step}: {}", with_causes(&error))),
            }
        }
        for index in unnoted {
            if let Err(error) = self.writer.step_undone(operation, place(index)) {
                left.failed.push(format!("write the journal: {}", with_causes(&error)));
                break;
            }
        }
        let (end, message) = match left.failed.as_slice() {
            [] => (OperationEnd::Undone, message.to_owned()),
            failed => (OperationEnd::Stuck, format!("{message}; not taken back: {}", failed.join("; "))),
        };
        if let Err(error) = self.end(operation, end, &message) {
            left.failed.push(format!("write the journal: {}", with_causes(&error)));
        }
        Ok(left)
    }

    /// Takes one step back, also where a full disk keeps it from being written down: the copy that fills the disk may be what
    /// is taken back, and an undo that is not noted is at worst done again.
    fn take_one_back(
        &mut self,
        operation: OperationId,
        index: usize,
        step: &Step,
    ) -> Result<(Option<KeptVolume>, Noted), StepError> {
        noted(self.writer.step_undoing(operation, place(index)))?;
        self.hazard(index, Moment::BeforeUndo)?;
        let kept = self.undo(step)?;
        self.hazard(index, Moment::AfterUndo)?;
        Ok((kept, noted(self.writer.step_undone(operation, place(index)))?))
    }

    fn hazard(&self, step: usize, moment: Moment) -> Result<(), StepError> {
        match self.host.hazards.at(&Point { step, moment }) {
            Hazard::None => Ok(()),
            Hazard::Fail => Err(StepError::Simulated),
            Hazard::Die => Err(StepError::Died),
        }
    }

    pub(super) fn unwritten(&self, source: LedgerError) -> RunError {
        RunError::Journal { kind: self.kind, instance: self.instance.clone(), source }
    }
}

/// Whether something stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noted {
    Yes,
    /// There is no room for it.
    DiskFull,
}

fn noted(written: Result<Change, LedgerError>) -> Result<Noted, LedgerError> {
    match written {
        Ok(_) => Ok(Noted::Yes),
        Err(LedgerError::Full { .. }) => Ok(Noted::DiskFull),
        Err(error) => Err(error),
    }
}

pub(super) fn makes_container(step: &Step) -> bool {
    matches!(step, Step::CreateContainer | Step::PostRestore { .. } | Step::CheckPort(_) | Step::MigrateTree(_))
}

/// Writes a plan down before anything of it happens.
pub(super) fn begin(writer: &mut LedgerWriter<'_>, plan: &Plan) -> Result<OperationId, LedgerError> {
    let unwritten = |error: serde_json::Error| Refusal::Unstorable {
        what: "the plan of an operation",
        found: error.to_string(),
        wanted: "a plan that can be written as JSON",
    };
    let new = |step: &Step| {
        let detail = serde_json::to_string(step).map_err(unwritten)?;
        Ok::<_, LedgerError>(NewStep { name: step.name().to_owned(), detail })
    };
    let steps = plan.steps.iter().map(new).collect::<Result<_, _>>()?;
    writer.begin_operation(&NewOperation {
        kind: plan.kind.word().to_owned(),
        instance: plan.instance.clone(),
        pid: ProcessId::current(),
        started: now(),
        plan: serde_json::to_string(plan).map_err(unwritten)?,
        steps,
    })
}

pub(super) fn end(
    writer: &mut LedgerWriter<'_>,
    operation: OperationId,
    (kind, instance): (Kind, &InstanceName),
    how: OperationEnd,
    message: &str,
) -> Result<(), LedgerError> {
    writer.finish_operation(operation, how, message)?;
    writer.append_event(&EventRecord {
        time: now(),
        instance: Some(instance.clone()),
        operation: Some(operation),
        kind: kind.word().to_owned(),
        text: told(how, message),
    })?;
    Ok(())
}

/// How an operation ended, for its instance's history. The words of the journal say less: `undone` may mean that nothing was
/// done, and `stuck` not what can be done about it.
fn told(how: OperationEnd, message: &str) -> String {
    let said = if message.is_empty() { String::new() } else { format!(": {message}") };
    match how {
        OperationEnd::Done => format!("done{said}"),
        OperationEnd::Undone => format!("taken back{said}"),
        OperationEnd::Stuck => format!("neither finished nor taken back yet{said}; `homeport repair` tries again"),
    }
}

/// The steps of a journal that have to be taken back: those that began, with their places.
pub(super) fn begun(steps: &[StepRecord]) -> Result<Vec<(usize, Step)>, serde_json::Error> {
    steps
        .iter()
        .filter(|record| !matches!(record.state, StepState::Planned | StepState::Undone))
        .map(|record| Ok((index(record), serde_json::from_str(&record.detail)?)))
        .collect()
}

/// The slot in which the operation of a journal made things, and what becomes of clients meanwhile; `None` where the slot is
/// the one of the ledger.
pub(super) fn taken_slot(steps: &[StepRecord]) -> Result<Option<(Slot, Clients)>, serde_json::Error> {
    for record in steps.iter().rev().filter(|record| record.state != StepState::Planned) {
        if let Step::TakeSlot { slot, clients } = serde_json::from_str(&record.detail)? {
            return Ok(Some((slot, clients)));
        }
    }
    Ok(None)
}

/// The steps of a journal that are still to be carried out, with their places.
pub(super) fn ahead(steps: &[StepRecord]) -> Result<Vec<(usize, Step)>, serde_json::Error> {
    steps
        .iter()
        .filter(|record| record.state != StepState::Done)
        .map(|record| Ok((index(record), serde_json::from_str(&record.detail)?)))
        .collect()
}

fn index(record: &StepRecord) -> usize {
    usize::try_from(record.index).unwrap_or(usize::MAX)
}

pub(super) fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// An error with all its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_says_what_became_of_an_operation_and_what_can_be_done() {
        for (how, message, wanted) in [
            (OperationEnd::Done, "", "done"),
            (OperationEnd::Done, "from 1.0.0 to 1.1.0", "done: from 1.0.0 to 1.1.0"),
            (OperationEnd::Undone, "it was cut off", "taken back: it was cut off"),
            (
                OperationEnd::Stuck,
                "the port ended; not taken back: no room",
                "neither finished nor taken back yet: the port ended; not taken back: no room; `homeport repair` tries again",
            ),
        ] {
            assert_eq!(told(how, message), wanted);
        }
    }
}
