//! Owns the writes about operations and their steps: what is written before and after each of them acts.
//! Never acts itself.

use super::change::Change;
use super::error::LedgerError;
use super::id::OperationId;
use super::operation::{NewOperation, OperationEnd, OperationState};
use super::refusal::Refusal;
use super::step::{StepRecord, StepState};
use super::writer::{LedgerWriter, WriteError};

/// So many operations that are done or undone are remembered; older ones are forgotten with their steps.
const KEPT_OPERATIONS: i64 = 200;

impl LedgerWriter<'_> {
    /// Writes down an operation with all its steps before anything of it happens.
    ///
    /// # Errors
    /// `OperationOpen` where there is an unfinished one: it is finished or undone first.
    pub fn begin_operation(&mut self, new: &NewOperation) -> Result<OperationId, LedgerError> {
        self.write(|ledger, connection| {
            if let Some((open, _)) = ledger.open_operation()? {
                let (id, kind, instance) = (open.id, open.kind, open.instance);
                return Err(Refusal::OperationOpen { id, kind, instance }.into());
            }
            connection
                .prepare_cached(
                    "INSERT INTO operation (kind, instance, pid, started, plan, state, message)
                     VALUES (?1, ?2, ?3, ?4, ?5, 'open', '')",
                )?
                .execute((&new.kind, new.instance.as_str(), new.pid.get(), new.started.as_str(), &new.plan))?;
            let id = connection.last_insert_rowid();
            let mut insert = connection.prepare_cached(
                "INSERT INTO step (operation, place, name, detail, state) VALUES (?1, ?2, ?3, ?4, 'planned')",
            )?;
            for (place, step) in (0_u32..).zip(&new.steps) {
                insert.execute((id, place, &step.name, &step.detail))?;
            }
            connection
                .prepare_cached(
                    "DELETE FROM operation WHERE state IN ('done', 'undone') AND id NOT IN (SELECT id FROM operation
                         WHERE state IN ('done', 'undone') ORDER BY id DESC LIMIT ?1)",
                )?
                .execute([KEPT_OPERATIONS])?;
            Ok(OperationId::new(id))
        })
    }

    /// Writes down that the step is about to act.
    ///
    /// # Errors
    /// `StepOrder` where the step cannot come to that state from where it stands; `Ended`, `UnknownOperation` or
    /// `UnknownStep`. The same for the four below.
    pub fn step_begun(&mut self, operation: OperationId, index: u32) -> Result<Change, LedgerError> {
        self.set_step(operation, index, StepState::Begun)
    }

    /// Writes down that the step has acted.
    pub fn step_done(&mut self, operation: OperationId, index: u32) -> Result<Change, LedgerError> {
        self.set_step(operation, index, StepState::Done)
    }

    /// Writes down that the step, or taking it back, returned an error.
    pub fn step_failed(&mut self, operation: OperationId, index: u32) -> Result<Change, LedgerError> {
        self.set_step(operation, index, StepState::Failed)
    }

    /// Writes down that the step is about to be taken back.
    pub fn step_undoing(&mut self, operation: OperationId, index: u32) -> Result<Change, LedgerError> {
        self.set_step(operation, index, StepState::Undoing)
    }

    /// Writes down that nothing of the step is left.
    pub fn step_undone(&mut self, operation: OperationId, index: u32) -> Result<Change, LedgerError> {
        self.set_step(operation, index, StepState::Undone)
    }

    /// Ends an operation. A stuck one can still come to be done or undone; any other end is final.
    ///
    /// # Errors
    /// `Unsettled` where it would be done with a step that is not, or undone with a step that left something;
    /// `Ended` where it has another end already; `UnknownOperation`.
    pub fn finish_operation(
        &mut self,
        operation: OperationId,
        end: OperationEnd,
        message: &str,
    ) -> Result<Change, LedgerError> {
        let to = OperationState::from(end);
        self.write(|ledger, connection| {
            let (found, steps) = ledger.operation(operation)?.ok_or(Refusal::UnknownOperation(operation))?;
            let from = found.state;
            if from == to {
                return Ok(Change::Unchanged);
            }
            if matches!(from, OperationState::Done | OperationState::Undone) {
                return Err(Refusal::Ended { operation, from, to }.into());
            }
            check_settled(steps, end)?;
            connection.prepare_cached("UPDATE operation SET state = ?2, message = ?3 WHERE id = ?1")?.execute((
                operation.get(),
                to.as_str(),
                message,
            ))?;
            Ok(Change::Changed)
        })
    }

    fn set_step(&mut self, operation: OperationId, index: u32, to: StepState) -> Result<Change, LedgerError> {
        self.write(|ledger, connection| {
            let (found, steps) = ledger.operation(operation)?.ok_or(Refusal::UnknownOperation(operation))?;
            let step = steps.into_iter().find(|step| step.index == index);
            let step = step.ok_or(Refusal::UnknownStep { operation, index })?;
            let (from, name) = (step.state, step.name);
            if from == to {
                return Ok(Change::Unchanged);
            }
            if matches!(found.state, OperationState::Done | OperationState::Undone) {
                return Err(Refusal::Ended { operation, from: found.state, to: OperationState::Open }.into());
            }
            if !from.may_become(to) {
                return Err(Refusal::StepOrder { operation, index, name, from, to }.into());
            }
            connection.prepare_cached("UPDATE step SET state = ?3 WHERE operation = ?1 AND place = ?2")?.execute((
                operation.get(),
                index,
                to.as_str(),
            ))?;
            Ok(Change::Changed)
        })
    }
}

/// Refuses an end that a step contradicts.
fn check_settled(steps: Vec<StepRecord>, end: OperationEnd) -> Result<(), WriteError> {
    let agrees = |state: StepState| match end {
        OperationEnd::Done => state == StepState::Done,
        OperationEnd::Undone => matches!(state, StepState::Planned | StepState::Undone),
        OperationEnd::Stuck => true,
    };
    match steps.into_iter().find(|step| !agrees(step.state)) {
        None => Ok(()),
        Some(StepRecord { operation, index, name, state, .. }) => {
            Err(Refusal::Unsettled { operation, to: end.into(), index, name, state }.into())
        }
    }
}
