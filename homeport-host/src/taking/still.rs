//! Owns whether anything may write to the volumes of an instance. Never decides what is said of a snapshot.

use homeport_core::name::InstanceName;
use homeport_volumes::RootId;

use super::error::TakeError;
use crate::engine::ContainerRef;
use crate::host::Host;
use crate::ledger::{Ledger, VolumeRecord};
use crate::run::known;

/// What may write to the volumes now, in words: the instance's own container, or a process elsewhere that has one of them
/// mounted. `None` where nothing may. Asked before and after the reading, it says that nothing could. [spec: STO-22]
///
/// # Errors
/// The ledger, the engine or a volume cannot be asked.
pub(crate) fn what_may_write(
    host: &Host,
    ledger: &Ledger,
    root: &RootId,
    instance: &InstanceName,
    volumes: &[VolumeRecord],
) -> Result<Option<String>, TakeError> {
    let container = ledger.instance(instance)?.and_then(|record| record.container);
    if let Some(container) = container
        && host.engine.inspect(&ContainerRef::Id(container))?.is_some_and(|facts| facts.state.is_running())
    {
        return Ok(Some(format!("`{instance}` runs: what it writes meanwhile may be half in it")));
    }
    for record in volumes {
        let (request, known) = known::ask(host, ledger, root, record)?;
        let examined = homeport_volumes::examine(&host.machine, &request, Some(&known))?;
        if let Some(user) = examined.facts.users.first() {
            return Ok(Some(format!(
                "`{instance}` does not run, and process {} (`{}`) has `{}` mounted: what it writes meanwhile may be half in \
                 it",
                user.pid, user.command, record.name
            )));
        }
    }
    Ok(None)
}
