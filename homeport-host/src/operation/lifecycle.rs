//! Owns starting, stopping and restarting instances that are there.

use std::collections::BTreeMap;

use homeport_core::entrypoint::Status;
use homeport_core::fault::Fault;
use homeport_core::name::{EndpointName, InstanceName, PortId};
use homeport_core::unit::Seconds;
use homeport_router::{ListenAddress, RouteId};

use super::enter::{enter, known, ready};
use super::error::OperationError;
use super::survey::{Survey, Surveyor, recorded_effective, recorded_image};
use crate::container::stop_grace;
use crate::engine::ContainerId;
use crate::host::{Host, Probing};
use crate::ledger::{Desired, InstanceRecord, Ledger, LedgerWriter, RootId, RouteRecord};
use crate::plan::{self, Kind};
use crate::probe::{ProbeError, probe};
use crate::run::{RunError, Session, records};
use crate::rundir::RunDir;

/// How long an address may take that worked before; a daemon that has just been started takes its routes up meanwhile.
const STILL_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

/// What an operation on an instance changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleOutcome {
    /// It was done.
    Changed,
    /// It was so already.
    Unchanged,
}

/// An instance that runs.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Running {
    /// Its name.
    pub instance: InstanceName,
    /// Its port.
    pub port: PortId,
    /// Its version.
    pub version: semver::Version,
    /// Its container.
    pub container: Option<ContainerId>,
    /// Its public addresses, and the protocol that each speaks.
    pub routes: BTreeMap<EndpointName, (ListenAddress, String)>,
    /// What the port says of itself.
    pub status: Option<Status>,
    /// What is worth telling about its volumes, which may be used all the same; none where nothing was started.
    pub notices: Vec<Fault>,
}

/// Starts an instance; one that runs already is left alone.
pub fn start(host: &Host, name: &InstanceName) -> Result<(LifecycleOutcome, Running), OperationError> {
    ready(host)?;
    enter(host, Kind::Start, name, |writer, root| {
        let record = known(writer, name)?;
        let (outcome, notices) = if record.desired == Desired::Running && super::observe::is_running(host, &record)? {
            still_answers(host, writer, name)?;
            (LifecycleOutcome::Unchanged, Vec::new())
        } else {
            let started = start_in(host, writer, root, name);
            (LifecycleOutcome::Changed, started.map_err(|error| with_way_back(writer, &record, error))?)
        };
        Ok((outcome, running(host, writer, name, notices)?))
    })
}

/// Starts an instance again whose container has ended, if it should still run, its container is still `died`, and nobody
/// was faster.
pub fn start_again(
    host: &Host,
    name: &InstanceName,
    died: Option<&ContainerId>,
) -> Result<LifecycleOutcome, OperationError> {
    enter(host, Kind::Start, name, |writer, root| {
        let Some(record) = writer.instance(name)? else { return Ok(LifecycleOutcome::Unchanged) };
        let is_same = died.is_none() || record.container.as_ref() == died;
        if record.desired != Desired::Running || !is_same || super::observe::is_running(host, &record)? {
            return Ok(LifecycleOutcome::Unchanged);
        }
        start_in(host, writer, root, name)?;
        Ok(LifecycleOutcome::Changed)
    })
}

/// Gives an instance a new container. Clients wait meanwhile, and their address stays the same.
pub fn restart(host: &Host, name: &InstanceName) -> Result<Running, OperationError> {
    ready(host)?;
    enter(host, Kind::Restart, name, |writer, root| {
        let record = known(writer, name)?;
        let notices = if record.desired == Desired::Stopped {
            start_in(host, writer, root, name).map_err(|error| with_way_back(writer, &record, error))?
        } else {
            let (survey, grace) = existing(host, writer, root, &record, format!("restart of `{name}`"))?;
            let plan = plan::restart(&survey.blueprint, grace);
            let done = Session::new(host, writer, root.clone(), Kind::Restart, name.clone())
                .toward(survey.blueprint, survey.checked)
                .run(&plan);
            done.map_err(|error| with_way_back(writer, &record, error.into()))?;
            survey.notices
        };
        running(host, writer, name, notices)
    })
}

/// Stops an instance. Its addresses stay reserved, its container stays for its logs.
pub fn stop(host: &Host, name: &InstanceName) -> Result<LifecycleOutcome, OperationError> {
    ready(host)?;
    enter(host, Kind::Stop, name, |writer, root| {
        let record = known(writer, name)?;
        if record.desired == Desired::Stopped && !super::observe::is_running(host, &record)? {
            return Ok(LifecycleOutcome::Unchanged);
        }
        let plan = plan::stop(name, grace(&record), &writer.retiring(name)?);
        Session::new(host, writer, root.clone(), Kind::Stop, name.clone()).run(&plan)?;
        Ok(LifecycleOutcome::Changed)
    })
}

/// Starts an instance, with the lock held already. Returns what is worth telling about its volumes.
pub(super) fn start_in(
    host: &Host,
    writer: &mut LedgerWriter<'_>,
    root: &RootId,
    name: &InstanceName,
) -> Result<Vec<Fault>, OperationError> {
    let record = known(writer, name)?;
    let (survey, _) = existing(host, writer, root, &record, format!("start of `{name}`"))?;
    let plan = plan::start(&survey.blueprint);
    Session::new(host, writer, root.clone(), Kind::Start, name.clone())
        .toward(survey.blueprint, survey.checked)
        .run(&plan)?;
    Ok(survey.notices)
}

/// Why an instance did not start, with the way back where it had another version before: the one that it has may never have run.
pub(super) fn with_way_back(ledger: &Ledger, record: &InstanceRecord, error: OperationError) -> OperationError {
    // A ledger that cannot be read has no way back; what failed first is what is told.
    match (error, ledger.former(&record.name)) {
        (OperationError::Run(failed @ RunError::Undone { .. }), Ok(Some(former))) if may_be_the_ports(&failed) => {
            let (name, version) = (record.name.clone(), record.version.clone());
            OperationError::NotReady { name, version, former: former.version, failed: Box::new(failed) }
        }
        (error, _) => error,
    }
}

fn may_be_the_ports(failed: &RunError) -> bool {
    matches!(failed, RunError::Undone { cause, .. } if cause.may_be_the_ports())
}

/// Starts an instance that should run, unless its container was never stopped, with the lock held already.
pub(super) fn bring_back_in(
    host: &Host,
    writer: &mut LedgerWriter<'_>,
    root: &RootId,
    name: &InstanceName,
) -> Result<(), OperationError> {
    if super::observe::is_running(host, &known(writer, name)?)? {
        return Ok(());
    }
    start_in(host, writer, root, name).map(drop)
}

/// Nothing that does not work is reported as working: the sockets' holder runs, and every public address answers.
pub(super) fn still_answers(host: &Host, ledger: &Ledger, name: &InstanceName) -> Result<(), OperationError> {
    host.routes.ensure()?;
    let account = host.routes.account()?.unwrap_or_default();
    let record = known(ledger, name)?;
    let image = recorded_image(&record)?;
    for route in ledger.routes(name)?.into_iter().filter(|_| host.probing == Probing::Real) {
        let declared = image.manifest.endpoints.get(&route.endpoint);
        if let (Some(address), Some(declared)) = (records::listen_address(&route), declared) {
            let id = RouteId { instance: name.clone(), endpoint: route.endpoint.clone() };
            // Whoever has it instead may well answer.
            let held = if account.of(&id).is_some() { Ok(()) } else { open_again(host, &record, &route, &id, address) };
            held.and_then(|()| probe(host, &id, address, declared, STILL_LIMIT)).map_err(|source| {
                let (name, endpoint) = (name.clone(), route.endpoint);
                OperationError::Silent { name, endpoint, source }
            })?;
        }
    }
    Ok(())
}

/// Opens an address that the daemon does not hold, and leads it to the container that runs.
fn open_again(
    host: &Host,
    record: &InstanceRecord,
    route: &RouteRecord,
    id: &RouteId,
    address: ListenAddress,
) -> Result<(), ProbeError> {
    let reserved = host.routes.reserve(id, address.host(), address.transport(), &[address.port()]);
    let led = reserved.and_then(|_| match &record.container {
        Some(container) => host.routes.point(id, container, route.target_port),
        None => Ok(()),
    });
    led.map_err(|source| ProbeError::NotHeld { listen: address, source: Box::new(source) })
}

/// Looks at everything that an instance needs, and how long its container has to stop.
pub(super) fn existing(
    host: &Host,
    ledger: &Ledger,
    root: &RootId,
    record: &InstanceRecord,
    what: String,
) -> Result<(Survey, Seconds), OperationError> {
    let image = recorded_image(record)?;
    let config = ledger.config(&record.name)?;
    let effective = recorded_effective(&image.manifest, config.effective);
    let surveyor = Surveyor::new(host, ledger, root, &record.name, &image.manifest);
    let survey = surveyor.existing(what, &image, config.given, effective)?;
    let grace = stop_grace(&image.manifest);
    Ok((survey, grace))
}

/// The same for a recorded instance; one whose manifest cannot be read any more gets half a minute.
pub(super) fn grace(record: &InstanceRecord) -> Seconds {
    recorded_image(record).map_or(Seconds::new(30), |image| stop_grace(&image.manifest))
}

/// What runs now, for whoever asked for it.
pub(super) fn running(
    host: &Host,
    ledger: &Ledger,
    name: &InstanceName,
    notices: Vec<Fault>,
) -> Result<Running, OperationError> {
    let record = known(ledger, name)?;
    let image = recorded_image(&record)?;
    let mut routes = BTreeMap::new();
    for route in ledger.routes(name)? {
        let protocol = image.manifest.endpoints.get(&route.endpoint).map(|endpoint| endpoint.protocol.clone());
        if let (Some(address), Some(protocol)) = (records::listen_address(&route), protocol) {
            routes.insert(route.endpoint, (address, protocol));
        }
    }
    let status = RunDir::new(host.layout.instance_run_dir(name, record.slot)).status();
    Ok(Running {
        instance: record.name,
        port: record.port,
        version: record.version,
        container: record.container,
        routes,
        status,
        notices,
    })
}
