//! Owns deploying: from a request to an instance that answers on its public addresses, or to nothing at all.

use homeport_core::fault::Fault;
use homeport_core::manifest::Transport;
use homeport_core::name::{EndpointName, InstanceName};
use homeport_core::upgrade::is_same_version;
use homeport_router::ListenAddress;

use super::enter::{enter, ready};
use super::error::OperationError;
use super::lifecycle::{Running, running, start_in, still_answers, with_way_back};
use super::survey::{Survey, Surveyor};
use crate::host::Host;
use crate::image::{PortImage, find};
use crate::ledger::{Desired, InstanceRecord, Ledger, LedgerWriter, RootId, VolumeRecord};
use crate::plan::{self, Kind, Plan};
use crate::request::{DeployRequest, PortChoice, RouteWish};
use crate::run::{Session, records};

/// What a deploy changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployOutcome {
    /// There is a new instance.
    Created,
    /// The instance was there and stopped; it runs again.
    Started,
    /// The instance was there and ran.
    Unchanged,
}

/// A deploy that succeeded.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Deployed {
    /// What it changed.
    pub outcome: DeployOutcome,
    /// What runs now.
    pub running: Running,
}

/// What a deploy would do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DeployPlan {
    /// The steps.
    pub plan: Plan,
    /// The public address of each endpoint that gets one; a random port is not picked yet.
    pub routes: Vec<(EndpointName, String)>,
}

/// Deploys a port. On success its public addresses answer; after a failure nothing is left but what volumes hold.
pub fn deploy(host: &Host, request: &DeployRequest) -> Result<Deployed, OperationError> {
    ready(host)?;
    let image = find(&*host.engine, &request.port, request.version.as_ref(), &host.verified_images())?;
    let name = instance_name(request, &image)?;
    enter(host, Kind::Deploy, &name, |writer, root| match writer.instance(&name)? {
        Some(record) => confirm(host, writer, root, request, &image, &record),
        None => create(host, writer, root, request, &image, &name),
    })
}

/// What a deploy would do; changes nothing. `None` where the instance is there already.
pub fn plan_deploy(host: &Host, request: &DeployRequest) -> Result<Option<DeployPlan>, OperationError> {
    host.engine.ping()?;
    let image = find(&*host.engine, &request.port, request.version.as_ref(), &host.verified_images())?;
    let name = instance_name(request, &image)?;
    let ledger = Ledger::open(&host.layout)?;
    if let Some(record) = ledger.instance(&name)? {
        let faults = differences(&ledger, request, &image, &record)?;
        let what = format!("deploy of `{name}`");
        return if faults.is_empty() { Ok(None) } else { Err(OperationError::Refused { what, faults }) };
    }
    let root = ledger.root_id()?.unwrap_or_else(|| RootId::from_bytes([0; 4]));
    let Survey { blueprint, .. } = surveyor(host, &ledger, &root, &name, &image).deploy(&image, request)?;
    let address = |route: &plan::RoutePlan| match route.ports.as_slice() {
        [port] => ListenAddress::new(route.host, *port)
            .map_or_else(|_| String::new(), |address| address.over(route.transport).to_string()),
        _ if route.transport == Transport::Udp => format!("{}:random/udp", route.host),
        _ => format!("{}:random", route.host),
    };
    let routes = blueprint.routes.iter().map(|(endpoint, route)| (endpoint.clone(), address(route))).collect();
    Ok(Some(DeployPlan { plan: plan::deploy(&blueprint), routes }))
}

fn surveyor<'a>(
    host: &'a Host,
    ledger: &'a Ledger,
    root: &'a RootId,
    name: &'a InstanceName,
    image: &'a PortImage,
) -> Surveyor<'a> {
    Surveyor::new(host, ledger, root, name, &image.manifest)
}

fn instance_name(request: &DeployRequest, image: &PortImage) -> Result<InstanceName, OperationError> {
    if let Some(name) = &request.name {
        return Ok(name.clone());
    }
    let id = &image.manifest.port.id;
    id.as_str().parse().map_err(|error: homeport_core::name::NameError| OperationError::Refused {
        what: format!("deploy of `{id}`"),
        faults: vec![Fault::new("HP-REQ-008", "name", error.to_string()).remedy("give a name: `--name NAME`")],
    })
}

fn create(
    host: &Host,
    writer: &mut LedgerWriter<'_>,
    root: &RootId,
    request: &DeployRequest,
    image: &PortImage,
    name: &InstanceName,
) -> Result<Deployed, OperationError> {
    let survey = surveyor(host, writer, root, name, image).deploy(image, request)?;
    let plan = plan::deploy(&survey.blueprint);
    let session = Session::new(host, writer, root.clone(), Kind::Deploy, name.clone());
    session.toward(survey.blueprint, survey.checked).run(&plan)?;
    Ok(Deployed { outcome: DeployOutcome::Created, running: running(host, writer, name, survey.notices)? })
}

/// The instance is there: what was asked for must be what it is.
fn confirm(
    host: &Host,
    writer: &mut LedgerWriter<'_>,
    root: &RootId,
    request: &DeployRequest,
    image: &PortImage,
    record: &InstanceRecord,
) -> Result<Deployed, OperationError> {
    let name = record.name.clone();
    let faults = differences(writer, request, image, record)?;
    if !faults.is_empty() {
        return Err(OperationError::Refused { what: format!("deploy of `{name}`"), faults });
    }
    let runs = record.desired == Desired::Running && super::observe::is_running(host, record)?;
    if runs {
        still_answers(host, writer, &name)?;
        return Ok(Deployed { outcome: DeployOutcome::Unchanged, running: running(host, writer, &name, Vec::new())? });
    }
    let notices = start_in(host, writer, root, &name).map_err(|error| with_way_back(writer, record, error))?;
    Ok(Deployed { outcome: DeployOutcome::Started, running: running(host, writer, &name, notices)? })
}

fn differences(
    ledger: &Ledger,
    request: &DeployRequest,
    image: &PortImage,
    record: &InstanceRecord,
) -> Result<Vec<Fault>, OperationError> {
    let name = &record.name;
    let mut faults = Vec::new();
    let there = |what: &str| format!("instance `{name}` is there already, with {what}");
    if record.port != image.manifest.port.id {
        faults.push(
            Fault::new("HP-REQ-010", "port", there("another port"))
                .actual(format!("`{}`", record.port))
                .expected(format!("`{}`", image.manifest.port.id))
                .remedy("choose another name: `--name NAME`"),
        );
        return Ok(faults);
    }
    if record.image != image.id {
        faults.push(
            Fault::new("HP-REQ-011", "image", there("another image"))
                .actual(format!("version {} ({})", record.version, short(record.image)))
                .expected(format!("version {} ({})", image.manifest.port.version, short(image.id)))
                .remedy(way_to_another_image(record, image)),
        );
    }
    match homeport_core::config::parse_given(&image.manifest.config, &request.given) {
        Err(bad) => faults.extend(bad),
        Ok(given) => {
            let stored = ledger.config(name)?.effective;
            let other: Vec<String> = given
                .iter()
                .filter(|(key, value)| stored.get(key) != Some(*value))
                .map(|(key, _)| format!("`{key}`"))
                .collect();
            if !other.is_empty() {
                faults.push(
                    Fault::new("HP-REQ-012", "config", there("other configuration"))
                        .actual(format!("other values for {}", other.join(", ")))
                        .remedy(format!("change it: `homeport config {name} set KEY=VALUE`")),
                );
            }
        }
    }
    faults.extend(other_routes(ledger, request, name)?);
    for (volume, path) in &request.volumes {
        // Another port may have left a volume of the same name.
        let own = |known: &VolumeRecord| known.name == *volume && known.port == record.port;
        let stored = ledger.volumes(name)?.into_iter().find(own);
        if stored.as_ref().is_none_or(|record| record.path != *path) {
            faults.push(
                Fault::new(
                    "HP-REQ-004",
                    format!("volumes.{volume}"),
                    there(&format!("volume `{volume}` somewhere else")),
                )
                .actual(stored.map_or("no such volume".to_owned(), |record| format!("`{}`", record.path.display())))
                .expected(format!("`{}`", path.display()))
                .remedy("leave `--volume` out to keep it where it is"),
            );
        }
    }
    Ok(faults)
}

/// How an instance that is there gets the image that was asked for. Two images of one version are none that can follow each
/// other: the instance is made anew, with its data.
fn way_to_another_image(record: &InstanceRecord, image: &PortImage) -> String {
    let (name, wanted) = (&record.name, &image.reference);
    if is_same_version(&record.version, &image.manifest.port.version) {
        return format!("`homeport remove {name}` keeps its data; deploy it again afterwards");
    }
    format!(
        "`homeport upgrade {name} --to {wanted}` takes it there with its data; `--dry-run` shows first what that does"
    )
}

/// Routes that were asked for and are others.
fn other_routes(ledger: &Ledger, request: &DeployRequest, name: &InstanceName) -> Result<Vec<Fault>, OperationError> {
    let routes = ledger.routes(name)?;
    let mut faults = Vec::new();
    for (endpoint, wish) in &request.routes {
        let held = routes.iter().find(|route| route.endpoint == *endpoint).and_then(records::listen_address);
        let (fits, wanted) = match (*wish, held) {
            (RouteWish::None, held) => (held.is_none(), "no public address".to_owned()),
            (RouteWish::On { host, port: PortChoice::Random }, held) => {
                (held.is_some_and(|held| held.host() == host), format!("`{host}:random`"))
            }
            (RouteWish::On { host, port: PortChoice::Fixed(port) }, held) => {
                (held.is_some_and(|held| held.host() == host && held.port() == port), format!("`{host}:{port}`"))
            }
        };
        if !fits {
            let message = format!("instance `{name}` is there already, with another address for `{endpoint}`");
            faults.push(
                Fault::new("HP-REQ-015", format!("endpoints.{endpoint}"), message)
                    .actual(held.map_or("no public address".to_owned(), |held| format!("`{held}`")))
                    .expected(wanted)
                    .remedy(format!("`homeport remove {name}` keeps its data; deploy it again with the other address")),
            );
        }
    }
    Ok(faults)
}

fn short(image: homeport_core::digest::Digest) -> String {
    image.hex().chars().take(12).collect()
}
