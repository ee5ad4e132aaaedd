//! Owns looking at instances: never takes the lock, never changes anything, works while another operation runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use homeport_core::digest::Digest;
use homeport_core::entrypoint::{Condition, Status};
use homeport_core::name::{EndpointName, InstanceName, PortId, VolumeName};
use homeport_router::{ListenAddress, RouteId, RouteRules, RouteStatus};

use super::address::{AddressState, Said, reached};
use super::enter::known;
use super::error::OperationError;
use super::schedule::ScheduleView;
use super::survey::{no_such_endpoint, recorded_image};
use crate::container::LABEL_ROOT;
use crate::engine::{ContainerId, ContainerRef, ContainerState, LabelFilter};
use crate::host::Host;
use crate::image::{PortImage, find};
use crate::ledger::{Desired, InstanceRecord, Ledger, Time, VolumeState};
use crate::request::PortRef;
use crate::run::{exit_meaning, records};
use crate::rundir::RunDir;

/// The state of an instance that is to be stopped and is.
const STOPPED: &str = "stopped";

/// An instance as it is.
#[derive(Debug, Clone, serde::Serialize)]
pub struct InstanceView {
    /// Its name.
    pub name: InstanceName,
    /// Its port.
    pub port: PortId,
    /// Its version.
    pub version: semver::Version,
    /// Its image.
    pub image: Digest,
    /// Whether it is to run.
    pub desired: String,
    /// What it really does, in a few words.
    pub state: String,
    /// Its container, while there is one.
    pub container: Option<ContainerId>,
    /// When it was deployed.
    pub created: Time,
    /// Its public addresses.
    pub routes: BTreeMap<EndpointName, ListenAddress>,
    /// What a client of each of them meets.
    pub addresses: BTreeMap<EndpointName, AddressState>,
    /// Why nothing listens at those that are closed, where that is known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub why_closed: BTreeMap<EndpointName, String>,
    /// The protocol of each endpoint; empty where the stored manifest cannot be read any more.
    pub protocols: BTreeMap<EndpointName, String>,
    /// Where its data is.
    pub volumes: Vec<VolumeView>,
    /// Its periodic snapshots and what came of the last one, where it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleView>,
    /// The version that it had before, where it ever had another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former: Option<FormerView>,
    /// Containers of earlier versions that only serve the clients that they have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retiring: Vec<RetiringView>,
    /// The operation on it that has not ended, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<UnfinishedView>,
    /// What the port says of itself; `None` where it says nothing, and where the instance is stopped.
    pub status: Option<Status>,
}

/// The version that an instance had before.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FormerView {
    /// The version.
    pub version: semver::Version,
    /// When another took its place.
    pub until: Time,
}

/// An operation that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct UnfinishedView {
    /// Its kind.
    pub kind: String,
    /// Why it could be neither finished nor taken back; `None` where it goes on, or was cut off and nobody has tried yet.
    pub stuck: Option<String>,
}

impl UnfinishedView {
    /// The state of an instance whose operation it is: neither what it was nor what it is to be.
    fn state(&self) -> String {
        match self.stuck {
            None => format!("in between: `{}` has not ended", self.kind),
            Some(_) => format!("stuck: `{}` could be neither ended nor taken back", self.kind),
        }
    }
}

/// A container that gets no new clients any more.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RetiringView {
    /// The version that runs in it.
    pub version: semver::Version,
    /// When it is stopped at the latest.
    pub until: Time,
}

/// A volume as the ledger knows it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VolumeView {
    /// Its name.
    pub name: VolumeName,
    /// Where it is.
    pub path: PathBuf,
    /// Its identity.
    pub uuid: String,
    /// The format of its data.
    pub format: u32,
}

/// A route as the ledger and the daemon know it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RouteView {
    /// The instance.
    pub instance: InstanceName,
    /// The endpoint.
    pub endpoint: EndpointName,
    /// The public address.
    pub address: ListenAddress,
    /// Whom it is to let in, and what is to carry them, as it was set.
    pub rules: RouteRules,
    /// What the daemon says of it; `None` where it does not run or does not hold it.
    pub live: Option<RouteStatus>,
    /// Why it does not hold it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_closed: Option<String>,
}

/// Every instance, by name. Without an engine their state is not known, and said to be so; nor without a daemon that answers
/// whether their addresses are open.
pub fn list(host: &Host) -> Result<Vec<InstanceView>, OperationError> {
    let ledger = Ledger::open(&host.layout)?;
    ledger.at_one_moment(|ledger| {
        let records = ledger.instances()?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let seen = Seen { containers: states(host, ledger)?, routes: said(host) };
        records.into_iter().map(|record| view(host, ledger, record, &seen)).collect()
    })
}

/// One instance.
pub fn status(host: &Host, name: &InstanceName) -> Result<InstanceView, OperationError> {
    let ledger = Ledger::open(&host.layout)?;
    let record = known(&ledger, name)?;
    let seen = Seen { containers: states(host, &ledger)?, routes: said(host) };
    view(host, &ledger, record, &seen)
}

/// Every route, with what the daemon says of it.
pub fn routes(host: &Host) -> Result<Vec<RouteView>, OperationError> {
    let account = host.routes.account()?;
    let ledger = Ledger::open(&host.layout)?;
    let mut rules = ledger.route_rules()?;
    let said = Said::Routes(account);
    let routes = ledger.all_routes()?.into_iter().filter_map(|record| {
        let address = records::listen_address(&record)?;
        let id = RouteId { instance: record.instance, endpoint: record.endpoint };
        let (live, why_closed) = (said.status(&id).cloned(), said.why_closed(&id));
        let rules = rules.remove(&id).unwrap_or_default();
        Some(RouteView { instance: id.instance, endpoint: id.endpoint, address, rules, live, why_closed })
    });
    Ok(routes.collect())
}

/// The public addresses of an instance, or of one endpoint of it.
///
/// # Errors
/// There is no such instance; its port has no such endpoint.
pub fn routes_of(
    host: &Host,
    name: &InstanceName,
    endpoint: Option<&EndpointName>,
) -> Result<Vec<RouteView>, OperationError> {
    let record = known(&Ledger::open(&host.layout)?, name)?;
    if let Some(endpoint) = endpoint {
        let image = recorded_image(&record)?;
        if let Some(fault) = no_such_endpoint(&image.manifest, endpoint) {
            let fault = fault.remedy(format!("`homeport route show {name}` shows all that have a public address"));
            let what = format!("showing `{endpoint}` of `{name}`");
            return Err(OperationError::Refused { what, faults: vec![fault] });
        }
    }
    let mut routes = routes(host)?;
    routes.retain(|route| route.instance == *name && endpoint.is_none_or(|endpoint| route.endpoint == *endpoint));
    Ok(routes)
}

/// The container of an instance, for logs and for running something in it.
pub fn container_of(host: &Host, name: &InstanceName) -> Result<ContainerRef, OperationError> {
    let ledger = Ledger::open(&host.layout)?;
    let record = known(&ledger, name)?;
    record.container.map(ContainerRef::Id).ok_or_else(|| OperationError::NotRunning { name: name.clone() })
}

/// The port that a name stands for, without deploying it.
pub fn port_info(host: &Host, port: &PortRef) -> Result<PortImage, OperationError> {
    Ok(find(&*host.engine, port, None, &host.verified_images())?)
}

/// Whether the container that the ledger has of an instance runs.
pub(super) fn is_running(host: &Host, record: &InstanceRecord) -> Result<bool, OperationError> {
    let Some(container) = record.container.clone() else { return Ok(false) };
    Ok(host.engine.inspect(&ContainerRef::Id(container))?.is_some_and(|facts| facts.state.is_running()))
}

/// What each container of this HomePort does; an engine that cannot be reached is a state of its own.
fn states(host: &Host, ledger: &Ledger) -> Result<BTreeMap<ContainerId, String>, OperationError> {
    let Some(root) = ledger.root_id()? else { return Ok(BTreeMap::new()) };
    let filter = LabelFilter::any().value(LABEL_ROOT, root.to_string());
    let containers = match host.engine.list(&filter) {
        Ok(containers) => containers,
        Err(error) if error.is_unreachable() => {
            let ids = ledger.instances()?.into_iter().filter_map(|record| record.container);
            return Ok(ids.map(|id| (id, "unknown: the engine does not answer".to_owned())).collect());
        }
        Err(error) => return Err(error.into()),
    };
    let word = |state: ContainerState| match state {
        ContainerState::Created => "created".to_owned(),
        ContainerState::Running { .. } => "running".to_owned(),
        ContainerState::Paused => "paused".to_owned(),
        ContainerState::Exited(exit) => format!("ended: {}", exit_meaning(&exit)),
        ContainerState::Removing => "removing".to_owned(),
    };
    Ok(containers.into_iter().map(|facts| (facts.id, word(facts.state))).collect())
}

/// What engine and daemon say.
struct Seen {
    /// What each container does.
    containers: BTreeMap<ContainerId, String>,
    routes: Said,
}

/// What the daemon says of routes. One that does not answer keeps nobody from looking at everything else.
fn said(host: &Host) -> Said {
    host.routes.account().map_or(Said::Nothing, Said::Routes)
}

fn view(host: &Host, ledger: &Ledger, record: InstanceRecord, seen: &Seen) -> Result<InstanceView, OperationError> {
    let found = record.container.as_ref().and_then(|id| seen.containers.get(id));
    let routes = ledger.routes(&record.name)?;
    let ids = routes.iter().map(|route| RouteId { instance: record.name.clone(), endpoint: route.endpoint.clone() });
    let ids: Vec<RouteId> = ids.collect();
    let addresses = ids.iter().map(|id| (id.endpoint.clone(), seen.routes.of(id))).collect();
    let why_closed = ids.iter().filter_map(|id| Some((id.endpoint.clone(), seen.routes.why_closed(id)?))).collect();
    let status = RunDir::new(host.layout.instance_run_dir(&record.name, record.slot)).status();
    let state = match (record.desired, found) {
        (Desired::Stopped, None) => STOPPED.to_owned(),
        (Desired::Stopped, Some(found)) if found.starts_with("ended") => STOPPED.to_owned(),
        (Desired::Running, None) => "not running: it has no container".to_owned(),
        (_, Some(found)) if found == "running" => {
            let state = status.as_ref().map_or_else(|| found.clone(), condition);
            if record.desired == Desired::Running { reached(state, &addresses) } else { state }
        }
        (_, Some(found)) => found.clone(),
    };
    // What a port said when it ended is no news of one that is to be stopped and is; nor that it was ready, of one that has ended.
    let is_over =
        |status: &Status| found.is_none_or(|found| found.starts_with("ended")) && status.condition == Condition::Ready;
    let status = status.filter(|status| state != STOPPED && !is_over(status));
    let unfinished = unfinished(ledger, &record)?;
    let state = unfinished.as_ref().map_or(state, UnfinishedView::state);
    let protocols = recorded_image(&record)
        .map(|image| image.manifest.endpoints.into_iter().map(|(name, endpoint)| (name, endpoint.protocol)).collect());
    let volumes = ledger.volumes(&record.name)?.into_iter().filter(|volume| volume.state == VolumeState::Attached);
    Ok(InstanceView {
        schedule: ledger.schedule(&record.name)?.map(ScheduleView::of),
        former: ledger.former(&record.name)?.map(|former| FormerView { version: former.version, until: former.until }),
        retiring: ledger
            .retiring(&record.name)?
            .into_iter()
            .map(|retiring| RetiringView { version: retiring.version, until: retiring.until })
            .collect(),
        unfinished,
        routes: routes
            .iter()
            .filter_map(|route| Some((route.endpoint.clone(), records::listen_address(route)?)))
            .collect(),
        addresses,
        why_closed,
        protocols: protocols.unwrap_or_default(),
        volumes: volumes
            .map(|volume| VolumeView {
                name: volume.name,
                path: volume.path,
                uuid: volume.uuid,
                format: volume.format.get(),
            })
            .collect(),
        name: record.name,
        port: record.port,
        version: record.version,
        image: record.image,
        desired: record.desired.to_string(),
        state,
        container: record.container,
        created: record.created,
        status,
    })
}

/// The operation on an instance that has not ended.
fn unfinished(ledger: &Ledger, record: &InstanceRecord) -> Result<Option<UnfinishedView>, OperationError> {
    let is_its = |instance: &InstanceName| *instance == record.name;
    if let Some((open, _)) = ledger.open_operation()?.filter(|(open, _)| is_its(&open.instance)) {
        return Ok(Some(UnfinishedView { kind: open.kind, stuck: None }));
    }
    let stuck = ledger.stuck_operations()?.into_iter().find(|stuck| is_its(&stuck.instance));
    Ok(stuck.map(|stuck| UnfinishedView { kind: stuck.kind, stuck: Some(stuck.message) }))
}

fn condition(status: &Status) -> String {
    use homeport_core::entrypoint::Condition;
    match status.condition {
        Condition::Starting => "starting".to_owned(),
        Condition::Ready => "ready".to_owned(),
        Condition::Degraded => format!("degraded: {}", homeport_core::text::clip(&status.text, 80)),
        Condition::Stopping => "stopping".to_owned(),
    }
}
