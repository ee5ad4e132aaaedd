//! Owns how the steps of a change of version are carried out that no other operation has: the copy of a volume, the end of
//! the container from before, and the look at the new one. Never decides which version takes over.

use std::time::{Duration, Instant};

use homeport_core::entrypoint::Condition;
use homeport_core::name::{EndpointName, VolumeName};
use homeport_core::unit::Seconds;
use homeport_volumes::{TxId, VolumeUuid};

use super::error::StepError;
use super::evidence::exit_meaning;
use super::session::Session;
use crate::engine::{ContainerId, ContainerRef, ContainerState, MemoryEnd};
use crate::host::Probing;
use crate::ledger::Slot;
use crate::request::DeviceNodes;
use crate::rundir::RunDir;

/// How often a new version is looked at.
const LOOK: Duration = Duration::from_millis(250);

impl Session<'_, '_> {
    /// Builds a copy of a volume from the snapshot that this operation has made.
    pub(super) fn copy_tree(&mut self, volume: &VolumeName, uuid: VolumeUuid, tx: TxId) -> Result<(), StepError> {
        let missing = StepError::OutOfOrder { step: "copy_tree", missing: "the snapshot of what is there" };
        let snapshot = self.before.ok_or(missing)?;
        self.build_tree(volume, uuid, tx, snapshot, DeviceNodes::Make)
    }

    /// Stops the container from before, where it runs. It stays for its logs until the new version has taken over.
    pub(super) fn quit_container(&self, container: &ContainerId, grace: Seconds) -> Result<(), StepError> {
        self.stop_this(&ContainerRef::Id(container.clone()), grace)
    }

    /// Looks for a while whether the new version goes on as it said that it would.
    pub(super) fn soak(&self, within: Seconds) -> Result<(), StepError> {
        let container = self.container_ref()?;
        let run_dir = self.run_dir()?;
        let end = Instant::now() + Duration::from_secs(within.get().into());
        loop {
            match self.host.engine.inspect(&container)?.map(|facts| facts.state) {
                Some(ContainerState::Running { .. }) => {}
                Some(ContainerState::Exited(exit)) if exit.memory == MemoryEnd::OutOfMemory => {
                    let limit = self.manifest("soak")?.resources.memory_limit;
                    return Err(StepError::OutOfMemory { limit, how: exit_meaning(&exit) });
                }
                Some(ContainerState::Exited(exit)) => {
                    return Err(StepError::Faltered { how: format!("it ended with {}", exit_meaning(&exit)) });
                }
                _ => return Err(StepError::Vanished),
            }
            if let Some(status) = run_dir.status().filter(|status| status.condition == Condition::Degraded) {
                let how = homeport_core::text::clip(&status.text, 200);
                return Err(StepError::Faltered { how: format!("it says that it is degraded: {how}") });
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.host.probing == Probing::Simulated {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    /// Ends a container that only finished what it began, and gives up the addresses that only it had. What it wrote into a
    /// tree that was exchanged since is told: that tree is in the trash, with what was written.
    pub(super) fn retire_container(
        &mut self,
        container: &ContainerId,
        slot: Slot,
        grace: Seconds,
        bundle: TxId,
    ) -> Result<(), StepError> {
        let found = ContainerRef::Id(container.clone());
        self.stop_this(&found, grace)?;
        for endpoint in self.left_endpoints(bundle)? {
            self.release_route(&endpoint)?;
        }
        if self.host.engine.inspect(&found)?.is_some() {
            self.host.engine.remove(&found)?;
        }
        self.forget_freeze(container)?;
        RunDir::new(self.host.layout.instance_run_dir(&self.instance, slot)).remove()?;
        self.tell_late_writes(bundle)?;
        self.writer.remove_retiring(container)?;
        Ok(())
    }

    /// The endpoints that only the version had which this change replaced: their addresses went on for its clients.
    fn left_endpoints(&self, bundle: TxId) -> Result<Vec<EndpointName>, StepError> {
        let former = self.writer.former(&self.instance)?.filter(|former| former.bundle == bundle);
        let own = self.writer.routes(&self.instance)?;
        let mut left: Vec<_> =
            former.into_iter().flat_map(|former| former.routes).map(|route| route.endpoint).collect();
        left.retain(|endpoint| !own.iter().any(|route| route.endpoint == *endpoint));
        Ok(left)
    }
}
