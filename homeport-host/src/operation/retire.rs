//! Owns the end of containers that only finished what they began, once nobody needs them any more. Never decides when.

use homeport_core::name::InstanceName;

use super::enter::enter;
use super::error::OperationError;
use crate::engine::ContainerId;
use crate::host::Host;
use crate::plan::{self, Gone, Kind};
use crate::run::Session;

/// Ends those of these containers that still retire. The clients that are left are disconnected.
pub fn retire(host: &Host, name: &InstanceName, containers: &[ContainerId]) -> Result<(), OperationError> {
    enter(host, Kind::Retire, name, |writer, root| {
        let mut retiring = writer.retiring(name)?;
        retiring.retain(|record| containers.contains(&record.container));
        if retiring.is_empty() {
            return Ok(());
        }
        let plan = plan::retire(name, &[], Gone::Free(&[]), &retiring);
        Session::new(host, writer, root.clone(), Kind::Retire, name.clone()).run(&plan)?;
        Ok(())
    })
}
