//! Owns how the steps of a change of version are carried out that no other operation has: the copy of a volume, the end of
//! the container from before, and the look at the new one. Never decides which version takes over.

use std::time::{Duration, Instant};

use homeport_core::entrypoint::Condition;
use homeport_core::name::{EndpointName, VolumeName};
use homeport_core::unit::Seconds;
use homeport_volumes::restore::{RestoreError, gone_from_top, newest_change};
use homeport_volumes::{TxId, VolumeUuid};

use super::error::StepError;
use super::evidence::exit_meaning;
use super::journal::with_causes;
use super::session::Session;
use crate::engine::{ContainerId, ContainerRef, ContainerState, MemoryEnd};
use crate::host::Probing;
use crate::ledger::{EventRecord, Slot, TrashReason};
use crate::progress::Event;
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
        match self.tell_late_writes(bundle) {
            // The container has ended whatever can be said of its data, which is in the trash.
            Err(error) if !error.is_death() => {
                let text = format!(
                    "whether the version from before wrote to its data after that was copied cannot be said ({}); the data is \
                     in the trash, as {bundle}",
                    with_causes(&error)
                );
                self.tell(text)?;
            }
            told => told?,
        }
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

    /// A copy was migrated while the version from before still had the original: what that wrote since the snapshot is not
    /// in the copy. It is not lost, and somebody has to know.
    fn tell_late_writes(&mut self, bundle: TxId) -> Result<(), StepError> {
        let trees: Vec<_> =
            self.writer.trash_of(bundle)?.into_iter().filter(|tree| tree.reason == TrashReason::Upgrade).collect();
        if trees.is_empty() {
            return Ok(());
        }
        let Some(store) = crate::store::open(self.writer)? else { return Ok(()) };
        let catalog = store.catalog()?;
        for tree in trees {
            let Some(head) = tree.snapshot.and_then(|snapshot| catalog.find(&snapshot)) else { continue };
            let home = tree.path.join(".homeport");
            let places = ["staging", "trash"].map(|area| home.join(area).join(tree.tx.to_string()).join("data"));
            let Some(data) = places.iter().find_map(|place| std::fs::File::open(place).ok()) else { continue };
            let mut is_late = newest_change(&data).map_err(RestoreError::Tree)? > head.body.taken;
            if let Some(part) = head.body.volumes.iter().find(|part| !is_late && part.name == tree.name) {
                is_late = gone_from_top(&data, store.entries(&part.entries)?)?.is_some();
            }
            if is_late {
                let text = format!(
                    "volume `{}` was written to by the version from before after its data was copied; what was written \
                     since is only in the trash, as {}",
                    tree.name, tree.bundle
                );
                self.tell(text)?;
            }
        }
        Ok(())
    }

    /// Says something now, and in the history.
    fn tell(&mut self, text: String) -> Result<(), StepError> {
        self.host.progress.event(&Event::Warning { text: text.clone() });
        self.writer.append_event(&EventRecord {
            time: self.host.now(),
            instance: Some(self.instance.clone()),
            operation: None,
            kind: self.kind.word().to_owned(),
            text,
        })?;
        Ok(())
    }
}
