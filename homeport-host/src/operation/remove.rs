//! Owns removing an instance. Its data stays: where it is, with everything in it, and known.

use std::path::PathBuf;

use homeport_core::name::{InstanceName, VolumeName};

use super::enter::{enter, known};
use super::error::OperationError;
use super::lifecycle::grace;
use crate::host::Host;
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
    if execution == Execution::DryRun {
        let ledger = crate::ledger::Ledger::open(&host.layout)?;
        let record = known(&ledger, name)?;
        return Ok(Removed {
            instance: name.clone(),
            kept: ledger.volumes(name)?.into_iter().map(|record| (record.name, record.path)).collect(),
            plan: plan::remove(name, grace(&record)),
        });
    }
    host.engine.ping()?;
    enter(host, Kind::Remove, name, |writer, root| {
        let record = known(writer, name)?;
        let kept = writer.volumes(name)?.into_iter().map(|record| (record.name, record.path)).collect();
        let plan = plan::remove(name, grace(&record));
        Session::new(host, writer, root.clone(), Kind::Remove, name.clone()).run(&plan)?;
        Ok(Removed { instance: name.clone(), kept, plan })
    })
}
