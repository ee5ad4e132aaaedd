//! Owns what happens to operations that were cut off: they go on in the direction that their kind has.
//! Never starts something new: which instances should run again is for the caller to see to.

use homeport_core::name::InstanceName;

use super::error::StepError;
use super::fence::is_cut_off_in_making;
use super::journal::{ahead, begun, taken_slot, with_causes};
use super::session::Session;
use crate::host::Host;
use crate::ledger::{LedgerError, LedgerWriter, OperationEnd, OperationRecord, OperationState, RootId, StepRecord};
use crate::plan::{Course, Kind, Step};
use crate::progress::Event;

/// What became of operations that were cut off.
#[derive(Debug, Default)]
pub(crate) struct Resumed {
    /// Instances whose operations could not be brought to an end, with the reason.
    pub(crate) stuck: Vec<(InstanceName, String)>,
    /// Instances whose container was being replaced or started: they may have none now.
    pub(crate) interrupted: Vec<InstanceName>,
    /// Whether the simulated process died.
    pub(crate) died: bool,
}

/// Brings every operation that was cut off, or stuck, to its end, as far as that can be done.
pub(crate) fn resume(host: &Host, writer: &mut LedgerWriter<'_>, root: &RootId) -> Result<Resumed, LedgerError> {
    let mut resumed = Resumed::default();
    let open = writer.open_operation()?.map(|(operation, _)| operation);
    let waiting: Vec<OperationRecord> = writer.stuck_operations()?.into_iter().chain(open).collect();
    for operation in waiting {
        let Some((operation, steps)) = writer.operation(operation.id)? else { continue };
        let (instance, what) = (operation.instance.clone(), format!("{} of `{}`", operation.kind, operation.instance));
        host.progress.event(&Event::Resuming { what: what.clone() });
        match bring_to_end(host, writer, root, &operation, &steps) {
            Ok(kind) if kind.interrupts() => resumed.interrupted.push(instance),
            Ok(_) => {}
            Err(error) if error.is_death() => {
                resumed.died = true;
                return Ok(resumed);
            }
            Err(error) => {
                let reason = format!("{what} was cut off and could not be brought to an end: {}", with_causes(&error));
                writer.finish_operation(operation.id, OperationEnd::Stuck, &reason)?;
                host.progress.event(&Event::Warning { text: reason.clone() });
                resumed.stuck.push((instance, reason));
            }
        }
    }
    Ok(resumed)
}

fn bring_to_end(
    host: &Host,
    writer: &mut LedgerWriter<'_>,
    root: &RootId,
    operation: &OperationRecord,
    steps: &[StepRecord],
) -> Result<Kind, StepError> {
    let unread = |error: String| StepError::Io { action: "read the journal", source: std::io::Error::other(error) };
    let kind: Kind = operation.kind.parse().map_err(unread)?;
    let mut session = Session::new(host, writer, root.clone(), kind, operation.instance.clone());
    if kind.is_change_of_version() {
        session.give_room_up();
    }
    match kind.course() {
        Course::Back => {
            // What was made is in the slot that the operation had taken, also where that step is taken back already.
            if let Some((slot, clients)) = taken_slot(steps).map_err(|error| unread(error.to_string()))? {
                (session.slot, session.clients) = (Some(slot), clients);
            }
            let taken = begun(steps).map_err(|error| unread(error.to_string()))?;
            // At once: those who wait have done so since before the process died.
            if taken.iter().any(|(_, step)| *step == Step::HoldRoutes) {
                session.hold_again()?;
            }
            if is_cut_off_in_making(steps) {
                session.fence()?;
            }
            let why = match operation.state {
                OperationState::Stuck => "it was stuck",
                OperationState::Open | OperationState::Done | OperationState::Undone => "it was cut off",
            };
            let left = session.take_back(operation.id, &taken, why)?;
            match left.failed.as_slice() {
                [] => Ok(kind),
                failed => Err(StepError::NotTakenBack { what: failed.join("; ") }),
            }
        }
        Course::On => {
            let ahead = ahead(steps).map_err(|error| unread(error.to_string()))?;
            let count = ahead.len();
            for (n, (index, step)) in ahead.iter().enumerate() {
                session.take(operation.id, *index, step, n + 1 == count)?;
            }
            if count == 0 {
                session.end_done(operation.id)?;
            }
            Ok(kind)
        }
    }
}
