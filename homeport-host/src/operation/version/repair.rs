//! Owns trying again what could be neither ended nor taken back, and saying what is still in the way.
//! Never begins anything new.

use homeport_core::name::InstanceName;

use crate::host::Host;
use crate::ledger::{Ledger, OperationRecord};
use crate::operation::OperationError;
use crate::operation::enter::{ready, resume_cut_off};

/// What a repair came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Repaired {
    /// What was open or stuck and is at its end now: the kind and the instance.
    pub ended: Vec<(String, InstanceName)>,
    /// What is still stuck: the kind, the instance, and why.
    pub stuck: Vec<(String, InstanceName, String)>,
}

/// Brings to an end whatever was cut off or stuck, and starts again what should run. Nothing that is stuck is given up.
pub fn repair(host: &Host) -> Result<Repaired, OperationError> {
    ready(host)?;
    let before = waiting(&Ledger::open(&host.layout)?)?;
    if before.is_empty() {
        return Ok(Repaired { ended: Vec::new(), stuck: Vec::new() });
    }
    resume_cut_off(host)?;
    let after = waiting(&Ledger::open(&host.layout)?)?;
    let is_waiting = |id| after.iter().any(|operation| operation.id == id);
    let ended = before.into_iter().filter(|operation| !is_waiting(operation.id));
    Ok(Repaired {
        ended: ended.map(|operation| (operation.kind, operation.instance)).collect(),
        stuck: after.into_iter().map(|operation| (operation.kind, operation.instance, operation.message)).collect(),
    })
}

fn waiting(ledger: &Ledger) -> Result<Vec<OperationRecord>, OperationError> {
    let open = ledger.open_operation()?.map(|(operation, _)| operation);
    Ok(ledger.stuck_operations()?.into_iter().chain(open).collect())
}
