//! Owns removing an instance. Its data stays: where it is, with everything in it, and known.

use std::path::PathBuf;

use homeport_core::name::{InstanceName, VolumeName};

use super::enter::{enter, known, ready};
use super::error::OperationError;
use super::lifecycle::grace;
use crate::host::Host;
use crate::ledger::{Ledger, OperationRecord};
use crate::plan::{self, Kind, Plan};
use crate::run::Session;

/// What was removed, and what stays.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Removed {
    /// The instance that is gone.
    pub instance: InstanceName,
    /// Its volumes, which stay.
    pub kept: Vec<(VolumeName, PathBuf)>,
    /// What was done, or would be.
    pub plan: Plan,
}

/// Whether an operation is carried out or only planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// It is carried out.
    Real,
    /// It is only planned.
    DryRun,
}

/// Removes an instance: its container, its addresses and its configuration. Its volumes stay.
pub fn remove(host: &Host, name: &InstanceName, execution: Execution) -> Result<Removed, OperationError> {
    let ledger = Ledger::open(&host.layout)?;
    if execution == Execution::DryRun {
        return removal(&ledger, name);
    }
    ready(host)?;
    let cut_off = ledger.at_one_moment(|ledger| cut_off(ledger, name))?;
    drop(ledger);
    enter(host, Kind::Remove, name, |writer, root| {
        // What an earlier command began was finished on the way in here.
        if let Some(removed) = cut_off
            && writer.instance(name)?.is_none()
        {
            return Ok(removed);
        }
        let removed = removal(writer, name)?;
        Session::new(host, writer, root.clone(), Kind::Remove, name.clone()).run(&removed.plan)?;
        Ok(removed)
    })
}

/// What removing an instance does, and what it keeps.
fn removal(ledger: &Ledger, name: &InstanceName) -> Result<Removed, OperationError> {
    let record = known(ledger, name)?;
    let kept = ledger.volumes(name)?.into_iter().map(|record| (record.name, record.path)).collect();
    Ok(Removed { instance: name.clone(), kept, plan: plan::remove(name, grace(&record), &ledger.retiring(name)?) })
}

/// What an earlier command that was to remove the instance has not finished.
fn cut_off(ledger: &Ledger, name: &InstanceName) -> Result<Option<Removed>, OperationError> {
    let open = ledger.open_operation()?.map(|(operation, _)| operation);
    let waiting = ledger.stuck_operations()?.into_iter().chain(open);
    let is_removal = |operation: &OperationRecord| operation.instance == *name && operation.kind == Kind::Remove.word();
    if waiting.into_iter().any(|operation| is_removal(&operation)) && ledger.instance(name)?.is_some() {
        removal(ledger, name).map(Some)
    } else {
        Ok(None)
    }
}
