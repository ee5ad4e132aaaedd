//! Owns what one running operation has in its hands: the lock, the journal, descriptors that were checked.
//! Everything here is lost when the process dies; what has to outlive it is in the ledger.

use std::collections::BTreeMap;

use homeport_core::entrypoint::ExpectedVolumes;
use homeport_core::fault::Fault;
use homeport_core::manifest::Manifest;
use homeport_core::name::{EndpointName, InstanceName, VolumeName};
use homeport_core::unit::Format;
use homeport_router::RouteId;
use homeport_volumes::adopt::DirectoryPlan;
use homeport_volumes::store::SnapshotUuid;
use homeport_volumes::{Checked, InUse, Mounted, Mounts, Request, TxId};

use super::error::StepError;
use super::holding::Holding;
use crate::approval::TokenUse;
use crate::container::container_name;
use crate::engine::{ContainerId, ContainerRef, NetworkId, NetworkName};
use crate::host::Host;
use crate::ledger::{LedgerWriter, OperationId, RestoredRecord, RootId, Slot, TrashRecord, VolumeRecord};
use crate::notify::NotifySocket;
use crate::plan::{AdoptedDirectory, Blueprint, Clients, Kind, Plan};
use crate::rundir::RunDir;
use crate::taking::Ahead;

/// What is known of a directory that is adopted: what is asked of it, and what was found in it.
#[derive(Debug)]
pub(crate) struct Adopting {
    pub(crate) request: Request,
    pub(crate) plan: DirectoryPlan,
}

/// One operation that runs.
pub(crate) struct Session<'a, 'lock> {
    pub(crate) host: &'a Host,
    pub(crate) writer: &'a mut LedgerWriter<'lock>,
    pub(crate) root: RootId,
    pub(crate) kind: Kind,
    pub(crate) instance: InstanceName,
    /// What is to be; `None` where only something is taken away.
    pub(crate) blueprint: Option<Blueprint>,
    /// Volumes that were checked and are not in use yet.
    pub(crate) checked: BTreeMap<VolumeName, Checked>,
    /// Volumes that are in use: their locks are held.
    pub(crate) in_use: BTreeMap<VolumeName, InUse>,
    pub(crate) mounted: BTreeMap<VolumeName, Mounted>,
    pub(crate) expected: ExpectedVolumes,
    /// The slot that this operation works in; `None` for the one that the ledger has.
    pub(crate) slot: Option<Slot>,
    /// What becomes of clients until the container is ready.
    pub(crate) clients: Clients,
    /// The routes whose clients wait for this operation.
    pub(super) holding: Holding,
    pub(crate) network: Option<NetworkId>,
    pub(crate) container: Option<ContainerId>,
    pub(crate) notify: Option<NotifySocket>,
    /// The consent to what is run, used up with its beginning.
    pub(crate) approval: Option<TokenUse>,
    /// What was read before the port was stopped.
    pub(crate) ahead: Option<Ahead>,
    /// The snapshot that was made of what is replaced, and what was counted in each volume.
    pub(crate) before: Option<SnapshotUuid>,
    pub(crate) counted: BTreeMap<VolumeName, (u64, u64)>,
    /// The formats that volumes had before their trees were exchanged.
    pub(crate) formats: BTreeMap<VolumeName, Format>,
    /// What volumes were put back to: noted with the end of the operation.
    pub(crate) restored: Vec<RestoredRecord>,
    /// Trees that were taken out, and those that came back from the trash: noted with the end of the operation.
    pub(crate) replaced: Vec<TrashRecord>,
    pub(crate) returned: Vec<TxId>,
    /// What was noted of them then.
    pub(crate) kept: Vec<TrashRecord>,
    /// What the end of the operation has begun.
    pub(crate) following: Option<(OperationId, Plan)>,
    /// What was planned of a directory that is adopted, with its step.
    pub(crate) adopting: Option<(Box<Adopting>, AdoptedDirectory)>,
    /// What the ledger is to know of a volume that was adopted or moved.
    pub(crate) recorded: Option<VolumeRecord>,
    /// Entries and bytes that were deleted.
    pub(crate) deleted: (u64, u64),
    /// What could not be deleted, and why.
    pub(crate) undeleted: BTreeMap<TxId, Vec<Fault>>,
    /// What could not be taken out of the trash, and why.
    pub(crate) unreturned: BTreeMap<TxId, Fault>,
}

impl<'a, 'lock> Session<'a, 'lock> {
    pub(crate) fn new(
        host: &'a Host,
        writer: &'a mut LedgerWriter<'lock>,
        root: RootId,
        kind: Kind,
        instance: InstanceName,
    ) -> Self {
        Self {
            host,
            writer,
            root,
            kind,
            instance,
            blueprint: None,
            checked: BTreeMap::new(),
            in_use: BTreeMap::new(),
            mounted: BTreeMap::new(),
            expected: ExpectedVolumes::new(),
            slot: None,
            clients: Clients::Wait,
            holding: Holding::new(host.routes.clone(), host.renewal),
            network: None,
            container: None,
            notify: None,
            approval: None,
            ahead: None,
            before: None,
            counted: BTreeMap::new(),
            formats: BTreeMap::new(),
            replaced: Vec::new(),
            returned: Vec::new(),
            restored: Vec::new(),
            kept: Vec::new(),
            following: None,
            adopting: None,
            recorded: None,
            deleted: (0, 0),
            undeleted: BTreeMap::new(),
            unreturned: BTreeMap::new(),
        }
    }

    /// The same session, with what is to be and the volumes that were checked for it.
    #[must_use]
    pub(crate) fn toward(mut self, blueprint: Blueprint, checked: BTreeMap<VolumeName, Checked>) -> Self {
        self.blueprint = Some(blueprint);
        self.checked = checked;
        self
    }

    /// The same session, with the consent to what it runs.
    #[must_use]
    pub(crate) fn approved(mut self, approval: Option<TokenUse>) -> Self {
        self.approval = approval;
        self
    }

    /// The slot that this operation works in.
    pub(crate) fn slot(&self) -> Result<Slot, StepError> {
        match self.slot {
            Some(slot) => Ok(slot),
            None => self.recorded_slot(),
        }
    }

    /// The slot that the ledger has for the instance.
    pub(crate) fn recorded_slot(&self) -> Result<Slot, StepError> {
        Ok(self.writer.instance(&self.instance)?.map_or(Slot::First, |record| record.slot))
    }

    pub(crate) fn run_dir(&self) -> Result<RunDir, StepError> {
        Ok(RunDir::new(self.host.layout.instance_run_dir(&self.instance, self.slot()?)))
    }

    /// The instance's container in this slot, by its name: there is one at a time.
    pub(crate) fn container_ref(&self) -> Result<ContainerRef, StepError> {
        let name = container_name(&self.root, &self.instance, self.slot()?);
        Ok(ContainerRef::Name(name.map_err(crate::container::ContainerError::from)?))
    }

    pub(crate) fn route_id(&self, endpoint: &EndpointName) -> RouteId {
        RouteId { instance: self.instance.clone(), endpoint: endpoint.clone() }
    }

    pub(crate) fn blueprint(&self, step: &'static str) -> Result<&Blueprint, StepError> {
        self.blueprint.as_ref().ok_or(StepError::OutOfOrder { step, missing: "what is to be" })
    }

    pub(crate) fn manifest(&self, step: &'static str) -> Result<&Manifest, StepError> {
        Ok(&self.blueprint(step)?.image.manifest)
    }

    pub(crate) fn mounts(&self) -> Result<Mounts, StepError> {
        self.host
            .mounts()
            .map_err(|error| StepError::Io { action: "name the place of mounts", source: std::io::Error::other(error) })
    }

    /// The network of this HomePort.
    pub(crate) fn network_name(&self) -> Result<NetworkName, StepError> {
        let name = format!("homeport-{}", self.root).parse();
        Ok(name.map_err(crate::container::ContainerError::from)?)
    }
}
