//! Owns trying again what could be neither ended nor taken back, and saying what became of it and what is still in the way.
//! Never begins anything new.

use homeport_core::name::InstanceName;

use crate::host::Host;
use crate::ledger::{Ledger, LedgerError, OperationRecord, OperationState};
use crate::operation::OperationError;
use crate::operation::enter::{ready, resume_cut_off};

/// What a repair came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Repaired {
    /// What was open or stuck and is at its end now.
    pub ended: Vec<EndedOperation>,
    /// What is still stuck: the kind, the instance, and why.
    pub stuck: Vec<(String, InstanceName, String)>,
}

/// An operation that is at its end.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EndedOperation {
    /// Its kind.
    pub kind: String,
    /// Its instance.
    pub instance: InstanceName,
    /// Which end that is.
    pub how: EndedHow,
}

/// The two ends of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndedHow {
    /// What was asked for is done.
    Finished,
    /// Everything is as it was before.
    TakenBack,
}

/// Brings to an end whatever was cut off or stuck, and starts again what should run. Nothing that is stuck is given up.
pub fn repair(host: &Host) -> Result<Repaired, OperationError> {
    ready(host)?;
    let before = waiting(&Ledger::open(&host.layout)?)?;
    if before.is_empty() {
        return Ok(Repaired { ended: Vec::new(), stuck: Vec::new() });
    }
    resume_cut_off(host)?;
    let ledger = Ledger::open(&host.layout)?;
    let after = waiting(&ledger)?;
    let ended = before.into_iter().map(|operation| ended(&ledger, operation)).collect::<Result<Vec<_>, _>>()?;
    Ok(Repaired {
        ended: ended.into_iter().flatten().collect(),
        stuck: after.into_iter().map(|operation| (operation.kind, operation.instance, operation.message)).collect(),
    })
}

/// Which end an operation has come to; `None` where it has come to none, or nothing is known of it any more.
fn ended(ledger: &Ledger, operation: OperationRecord) -> Result<Option<EndedOperation>, LedgerError> {
    let how = match ledger.operation(operation.id)?.map(|(now, _)| now.state) {
        Some(OperationState::Done) => EndedHow::Finished,
        Some(OperationState::Undone) => EndedHow::TakenBack,
        Some(OperationState::Open | OperationState::Stuck) | None => return Ok(None),
    };
    Ok(Some(EndedOperation { kind: operation.kind, instance: operation.instance, how }))
}

fn waiting(ledger: &Ledger) -> Result<Vec<OperationRecord>, OperationError> {
    let open = ledger.open_operation()?.map(|(operation, _)| operation);
    Ok(ledger.stuck_operations()?.into_iter().chain(open).collect())
}
