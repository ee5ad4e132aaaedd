//! Owns how each step is carried out. Every step can be repeated: what is there already is found, not made again.
//! Never decides the order, and never undoes anything.

use homeport_core::entrypoint::Phase;
use homeport_core::name::{EndpointName, VolumeName};
use homeport_core::unit::{PortNumber, Seconds};
use homeport_router::ListenHost;
use homeport_volumes::{Checked, Ready, UnixSeconds, check};

use super::adopt;
use super::error::StepError;
use super::ready::Waiting;
use super::records;
use super::session::Session;
use crate::container::{ContainerParts, container_spec, labels, stop_grace};
use crate::engine::{
    Access, ContainerId, ContainerRef, EngineError, LabelFilter, NetworkSpec, PeerTraffic, Reach, StopOutcome,
};
use crate::host::{Probing, now};
use crate::ledger::{Desired, HasData, LedgerError, RouteChoice, RouteRecord};
use crate::notify::NotifySocket;
use crate::plan::{Clients, Step};
use crate::probe::probe;
use crate::progress::Event;
use crate::request::PortChoice;

/// How long a container has to stop where its manifest is not known any more.
const UNKNOWN_GRACE: Seconds = Seconds::new(60);
/// How long a public address may take to answer after the port said that it is ready.
const PROBE_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

impl Session<'_, '_> {
    /// Carries one step out.
    pub(super) fn apply(&mut self, step: &Step) -> Result<(), StepError> {
        match step {
            Step::MakeVolume { volume, uuid, .. } => self.make_volume(volume, *uuid),
            Step::Record => self.record(),
            Step::EnsureNetwork => self.ensure_network(),
            Step::ReserveRoute { endpoint, host, ports } => self.reserve(endpoint, host.0, ports),
            Step::HoldRoutes => self.hold_routes(),
            Step::CloseRoutes => {
                self.each_route(|session, endpoint| session.host.routes.close(&session.route_id(endpoint), &[]))
            }
            Step::CloseRoute { endpoint } => self.close_route(endpoint),
            Step::StopContainer { grace } => self.stop_container(*grace),
            Step::RemoveOldContainer => self.remove_container(),
            Step::UseVolumes => self.use_volumes(),
            Step::PrepareRunDir => self.prepare_run_dir(),
            Step::CreateContainer => self.create_container(&Phase::Run),
            Step::StartContainer => self.start_container(),
            Step::AwaitReady { within } => self.await_ready(*within),
            Step::PointRoute { endpoint } => self.point(endpoint),
            Step::ProbeRoute { endpoint } => self.probe(endpoint),
            Step::WantRunning => self.want(Desired::Running),
            Step::WantStopped => self.want(Desired::Stopped),
            Step::ReleaseVolumes => self.release_volumes(),
            Step::RemoveRunDir => Ok(self.run_dir()?.remove()?),
            Step::ReleaseRoutes => {
                self.each_route(|session, endpoint| session.host.routes.release(&session.route_id(endpoint)))
            }
            Step::RemoveNetwork => match self.remove_network() {
                // Something still runs in it that is no instance, a container that an earlier command could not take away
                // for example. Whoever takes that away removes the network.
                Err(StepError::Engine(EngineError::Conflict { .. })) => Ok(()),
                other => other,
            },
            Step::ReadAhead { volumes } => self.read_ahead(volumes),
            Step::SnapshotPresent { volumes, port } => self.snapshot_present(volumes, *port),
            Step::BuildTree { volume, uuid, tx, snapshot, devices } => {
                self.build_tree(volume, *uuid, *tx, *snapshot, *devices)
            }
            Step::StageTrashed { uuid, tx, trashed, .. } => self.stage_trashed(*uuid, *tx, *trashed),
            Step::ExchangeTree { volume, uuid, tx, bundle, .. } => self.exchange_tree(volume, *uuid, *tx, *bundle),
            Step::PostRestore { command, within } => self.post_restore(command, *within),
            Step::SettleTree { uuid, tx, .. } => self.settle_tree(*uuid, *tx),
            Step::PurgeVolume(volume) => self.purge_volume(volume),
            Step::PutBackVolume(tree) => self.put_back_volume(tree),
            Step::EmptyTree(tree) => self.empty_tree(tree),
            Step::AdoptDirectory(directory) => self.adopt_directory(directory),
            Step::ChangeVolume(change) => self.change_volume(change),
            Step::SettleAdoption(directory) => adopt::settle_adoption(directory),
            Step::TakeSlot { slot, clients } => {
                (self.slot, self.clients) = (Some(*slot), *clients);
                self.set_room_aside()
            }
            Step::CheckPort(checked) => self.check_port(checked),
            Step::CopyTree { volume, uuid, tx } => self.copy_tree(volume, *uuid, *tx),
            Step::MigrateTree(step) => self.migrate_tree(step),
            Step::QuitContainer { container, grace } => self.quit_container(container, *grace),
            Step::Soak { within } => self.soak(*within),
            Step::ReleaseRoute { endpoint } => self.release_route(endpoint),
            Step::RetireContainer { container, slot, grace, bundle } => {
                self.retire_container(container, *slot, *grace, *bundle)
            }
            Step::Reconfigure
            | Step::Forget
            | Step::KeepReplaced
            | Step::ForgetPurged { .. }
            | Step::RecordPutBack { .. }
            | Step::ForgetTrash { .. }
            | Step::RecordVolume
            | Step::TakeOver { .. } => Err(StepError::OutOfOrder {
                step: step.name(),
                missing: "the end of its operation, which it belongs to",
            }),
        }
    }

    fn make_volume(&mut self, volume: &VolumeName, uuid: homeport_volumes::VolumeUuid) -> Result<(), StepError> {
        match self.checked.remove(volume) {
            Some(Checked::Create(creatable)) => {
                let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                let created = UnixSeconds::new(seconds.map(|since| since.as_secs()).unwrap_or_default());
                let made = creatable.create(uuid, created)?;
                let record = records::volume(self.blueprint("make_volume")?, volume, made.ready.marker())?;
                self.checked.insert(volume.clone(), Checked::Attach(Box::new(made.ready)));
                self.writer.put_volume(&record)?;
                Ok(())
            }
            other => {
                self.checked.extend(other.map(|checked| (volume.clone(), checked)));
                Err(StepError::OutOfOrder { step: "make_volume", missing: "a place that was checked" })
            }
        }
    }

    fn record(&mut self) -> Result<(), StepError> {
        let blueprint = self.blueprint("record")?;
        let instance = records::instance(blueprint);
        let config = records::config(blueprint);
        let mut volumes = Vec::new();
        for (name, checked) in &self.checked {
            if let Checked::Attach(ready) = checked {
                let mut volume = records::volume(blueprint, name, ready.marker())?;
                // What was known of it before stays known: that it holds data is never forgotten.
                if let Some(known) = self.writer.volume_by_uuid(&volume.uuid)? {
                    (volume.has_data, volume.created) = (known.has_data, known.created);
                }
                volumes.push(volume);
            }
        }
        self.writer.together(|writer| -> Result<(), LedgerError> {
            writer.put_instance(&instance)?;
            writer.put_config(&instance.name, &config)?;
            volumes.iter().try_for_each(|volume| writer.put_volume(volume).map(|_| ()))
        })?;
        Ok(())
    }

    /// Notes which container the instance has, where the ledger knows the instance. One in another slot than the ledger's
    /// is noted when it takes over.
    pub(super) fn note_container(&mut self, container: Option<&ContainerId>) -> Result<(), StepError> {
        if let Some(record) = self.writer.instance(&self.instance)?
            && self.slot.is_none_or(|slot| slot == record.slot)
        {
            self.writer.set_container(&self.instance, container, &now())?;
        }
        Ok(())
    }

    fn ensure_network(&mut self) -> Result<(), StepError> {
        let spec = NetworkSpec {
            name: self.network_name()?,
            labels: labels(&self.root),
            peers: PeerTraffic::Blocked,
            reach: Reach::Outside,
        };
        self.network = Some(self.host.engine.ensure_network(&spec)?.into_inner());
        Ok(())
    }

    fn reserve(&mut self, endpoint: &EndpointName, host: ListenHost, ports: &[PortNumber]) -> Result<(), StepError> {
        let plan = self.blueprint("reserve_route")?.routes.get(endpoint);
        let plan = plan.ok_or(StepError::OutOfOrder { step: "reserve_route", missing: "the route" })?;
        let (choice, target_port, transport) = (plan.choice, plan.target, plan.transport);
        self.host.routes.ensure()?;
        let port = self.host.routes.reserve(&self.route_id(endpoint), host, transport, ports)?;
        let is_there = self.writer.routes(&self.instance)?.iter().any(|route| route.endpoint == *endpoint);
        if self.clients == Clients::Wait || !is_there {
            // The clients of an instance that was stopped were turned away.
            self.host.routes.hold(&self.route_id(endpoint))?;
            self.keep_waiting(endpoint)?;
        }
        if self.kind.is_change_of_version() && is_there {
            // Where it leads inside of the container is the version's, and written down when it takes over.
            return Ok(());
        }
        self.writer.put_route(&RouteRecord {
            instance: self.instance.clone(),
            endpoint: endpoint.clone(),
            listen: records::listen_text(host),
            port,
            choice: match choice {
                PortChoice::Random => RouteChoice::Random,
                PortChoice::Fixed(_) => RouteChoice::Fixed,
            },
            target_port,
            transport,
        })?;
        Ok(())
    }

    /// Does something to every route that the ledger knows of the instance.
    fn each_route(
        &self,
        act: impl Fn(&Self, &EndpointName) -> Result<(), crate::routes::RoutesError>,
    ) -> Result<(), StepError> {
        for route in self.writer.routes(&self.instance)? {
            act(self, &route.endpoint)?;
        }
        Ok(())
    }

    /// How long the container has to stop by itself: what its manifest says, as it is to be or as it is recorded. [spec: ENT-46]
    pub(super) fn grace(&self) -> Result<Seconds, StepError> {
        if let Some(blueprint) = &self.blueprint {
            return Ok(stop_grace(&blueprint.image.manifest));
        }
        let recorded = self.writer.instance(&self.instance)?;
        let manifest = recorded.and_then(|record| homeport_core::manifest::parse(&record.manifest).ok());
        Ok(manifest.map_or(UNKNOWN_GRACE, |manifest| stop_grace(&manifest)))
    }

    pub(super) fn stop_container(&self, grace: Seconds) -> Result<(), StepError> {
        self.stop_this(&self.container_ref()?, grace)
    }

    /// The same for this container.
    pub(super) fn stop_this(&self, container: &ContainerRef, grace: Seconds) -> Result<(), StepError> {
        let running = self.host.engine.inspect(container)?.is_some_and(|facts| facts.state.is_running());
        if !running {
            return Ok(());
        }
        if let StopOutcome::Stopped(exit) = self.host.engine.stop(container, grace)?
            && exit.code.get() != 0
        {
            let text = format!("the container `{container}` ended with {}", super::evidence::exit_meaning(&exit));
            self.host.progress.event(&Event::Warning { text });
        }
        Ok(())
    }

    pub(super) fn remove_container(&mut self) -> Result<(), StepError> {
        let container = self.container_ref()?;
        if let Some(facts) = self.host.engine.inspect(&container)? {
            if facts.state.is_running() {
                // It has its time to end, whoever started it: it may be writing.
                self.host.engine.stop(&container, self.grace()?)?;
            }
            self.host.engine.remove(&container)?;
            self.forget_freeze(&facts.id)?;
        }
        self.note_container(None)
    }

    /// Forgets that this container stood still, which is gone.
    pub(super) fn forget_freeze(&self, gone: &ContainerId) -> Result<(), StepError> {
        let recorded = self.writer.instance(&self.instance)?.and_then(|record| record.container);
        crate::taking::forget_freeze(self.host, &self.instance, gone, recorded.as_ref());
        Ok(())
    }

    fn use_volumes(&mut self) -> Result<(), StepError> {
        let mounts = self.mounts()?;
        let manifest = self.manifest("use_volumes")?.clone();
        for (name, volume) in &manifest.volumes {
            let ready = self.checked_volume(name)?;
            let in_use = ready.begin_use()?;
            let uuid = in_use.marker().uuid;
            self.writer.set_volume_generation(&uuid.to_string(), in_use.generation().get())?;
            let mounted = mounts.mount(in_use.data())?;
            self.expected.insert(name.clone(), in_use.expected(volume.path.clone()));
            self.mounted.insert(name.clone(), mounted);
            self.in_use.insert(name.clone(), in_use);
        }
        Ok(())
    }

    /// A volume that was checked; where its tree was exchanged since, it is checked now.
    fn checked_volume(&mut self, name: &VolumeName) -> Result<Box<Ready>, StepError> {
        let mut checked = self.checked.remove(name);
        if self.kind.replaces()
            && let Some(plan) = self.blueprint("use_volumes")?.volumes.get(name)
        {
            let record = self.writer.volume_by_uuid(&plan.uuid.to_string())?;
            let known = record.as_ref().map(records::known).transpose();
            let known = known.map_err(|fault| homeport_volumes::VolumeError::Refused(vec![*fault]))?;
            checked = Some(check(&self.host.machine, &plan.request, known.as_ref())?);
        }
        match checked {
            Some(Checked::Attach(ready)) => Ok(ready),
            _ => Err(StepError::OutOfOrder { step: "use_volumes", missing: "a volume that was checked" }),
        }
    }

    fn prepare_run_dir(&mut self) -> Result<(), StepError> {
        let run_dir = self.run_dir()?;
        run_dir.prepare(&self.blueprint("prepare_run_dir")?.effective, &self.expected)?;
        let socket = NotifySocket::bind(&run_dir.notify_socket());
        self.notify =
            Some(socket.map_err(|source| StepError::Io { action: "listen for the port's readiness", source })?);
        Ok(())
    }

    /// Makes the container that is to carry out this phase.
    pub(super) fn create_container(&mut self, phase: &Phase) -> Result<(), StepError> {
        let missing = |missing| StepError::OutOfOrder { step: "create_container", missing };
        let blueprint = self.blueprint("create_container")?;
        let volumes =
            self.mounted.iter().map(|(name, mounted)| (name.clone(), mounted.path.as_path().to_owned())).collect();
        let run_dir = self.run_dir()?;
        let spec = container_spec(&ContainerParts {
            root: &self.root,
            instance: &self.instance,
            manifest: &blueprint.image.manifest,
            image: blueprint.image.id,
            slot: self.slot()?,
            network: Some(self.network.clone().ok_or(missing("the network"))?),
            run_dir: run_dir.path(),
            volumes: &volumes,
            access: Access::ReadWrite,
            open_files_hard: open_files_hard(),
            phase,
            snapshot: None,
        })?;
        let created = self.host.engine.create(&spec)?;
        for text in created.warnings {
            self.host.progress.event(&Event::Warning { text });
        }
        self.note_container(Some(&created.id))?;
        self.container = Some(created.id);
        Ok(())
    }

    pub(super) fn start_container(&mut self) -> Result<(), StepError> {
        let container = self.container_ref()?;
        self.host.engine.start(&container)?;
        self.compare_mounts(&container)?;
        self.close_mounts()
    }

    /// Takes the volumes' mounts away again: the container has its own, and what stays mounted below the run directory
    /// could be emptied by whoever clears that directory.
    fn close_mounts(&self) -> Result<(), StepError> {
        let mounts = self.mounts()?;
        for in_use in self.in_use.values() {
            mounts.unmount(in_use.marker().uuid)?;
        }
        Ok(())
    }

    fn await_ready(&mut self, within: Seconds) -> Result<(), StepError> {
        let container = self.container_ref()?;
        let missing = StepError::OutOfOrder { step: "await_ready", missing: "the socket" };
        Waiting {
            engine: &*self.host.engine,
            container: &container,
            socket: self.notify.as_ref().ok_or(missing)?,
            progress: &*self.host.progress,
            memory: self.manifest("await_ready")?.resources.memory_limit,
            proc: &self.host.machine.proc,
        }
        .until_ready(within)?;
        self.note_data()
    }

    fn probe(&self, endpoint: &EndpointName) -> Result<(), StepError> {
        if self.host.probing == Probing::Simulated {
            return Ok(());
        }
        let routes = self.writer.routes(&self.instance)?;
        let route = routes.iter().find(|route| route.endpoint == *endpoint);
        let declared = self.manifest("probe_route")?.endpoints.get(endpoint);
        let (Some(route), Some(declared)) = (route, declared) else {
            return Err(StepError::OutOfOrder { step: "probe_route", missing: "the route" });
        };
        let missing = StepError::OutOfOrder { step: "probe_route", missing: "an address that can be read" };
        let listen = records::listen_address(route).ok_or(missing)?;
        probe(self.host, &self.route_id(endpoint), listen, declared, PROBE_LIMIT)
            .map_err(|source| StepError::Probe { endpoint: endpoint.to_string(), source })
    }

    fn want(&mut self, desired: Desired) -> Result<(), StepError> {
        self.writer.set_desired(&self.instance, desired, &now())?;
        Ok(())
    }

    pub(super) fn release_volumes(&mut self) -> Result<(), StepError> {
        // A ledger that cannot be written keeps no volume in use: what is taken back next may make room for it.
        let noted = self.note_data();
        self.in_use.clear();
        self.mounted.clear();
        let mounts = self.mounts()?;
        for record in self.writer.volumes(&self.instance)? {
            if let Ok(uuid) = record.uuid.parse() {
                mounts.unmount(uuid)?;
            }
        }
        noted
    }

    /// Notes which volumes hold something: from then on an empty one is a loss. [spec: VOL-19]
    pub(super) fn note_data(&mut self) -> Result<(), StepError> {
        for mut record in self.writer.volumes(&self.instance)? {
            let data = record.path.join("data");
            let filled = std::fs::read_dir(data).is_ok_and(|mut names| names.next().is_some());
            if filled && record.has_data == HasData::No {
                record.has_data = HasData::Yes;
                self.writer.put_volume(&record)?;
            }
        }
        Ok(())
    }

    /// Removes the network, and the place of mounts, where no other instance of this HomePort is left.
    pub(super) fn remove_network(&self) -> Result<(), StepError> {
        let others = self.writer.instances()?.into_iter().any(|other| other.name != self.instance);
        if others {
            return Ok(());
        }
        let filter = LabelFilter::any().value(crate::container::LABEL_ROOT, self.root.to_string());
        if let Some(network) = self.host.engine.network(&self.network_name()?, &filter)? {
            self.host.engine.remove_network(&network)?;
        }
        self.mounts()?.put_away()?;
        Ok(())
    }
}

/// The most open files that this machine lets a process have; a container's limit cannot be above it.
pub(super) fn open_files_hard() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap_or(u64::MAX)
}
