//! Owns bringing the router to what the ledger has: addresses that are not bound, routes that lead nowhere or elsewhere.
//! Never changes the ledger, and never touches a route that an operation has in its hands.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use homeport_core::entrypoint::LABEL_MANIFEST;
use homeport_core::manifest::{self, ProxyProtocol, Transport};
use homeport_core::name::InstanceName;
use homeport_core::unit::PortNumber;
use homeport_router::{
    Announcement, ContainerId as RouterContainer, ListenAddress, RouteId, RouteRules, RouteState, RouteStatus, Target,
};

use super::addresses::Addresses;
use crate::engine::{ContainerId, ContainerRef, Labels};
use crate::host::Host;
use crate::ledger::{Desired, InstanceRecord, Ledger, LedgerError, RouteRecord};
use crate::plan::Kind;
use crate::routes::{Unbound, Wish};
use crate::run::records;

/// Something about a route that is not as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mend {
    /// The address is not bound.
    Reserve(RouteId, ListenAddress),
    /// The instance was stopped: clients are turned away.
    Close(RouteId),
    /// It lets in other clients than it should.
    SetRules(RouteId, RouteRules),
    /// The instance should run, and the route does not lead to its container.
    Point(RouteId, ContainerId, PortNumber),
}

/// The instances that an operation has in its hands, going on, cut off or stuck, and what it does.
pub(super) type Busy = BTreeMap<InstanceName, String>;

/// Which instances are in an operation's hands.
pub(super) fn busy(ledger: &Ledger) -> Result<Busy, LedgerError> {
    let open = ledger.open_operation()?.map(|(operation, _)| operation);
    let all = ledger.stuck_operations()?.into_iter().chain(open);
    Ok(all.map(|operation| (operation.instance, operation.kind)).collect())
}

/// What has to be done for the router to be as the ledger is.
pub(crate) fn plan(ledger: &Ledger, status: &[RouteStatus]) -> Result<Vec<Mend>, LedgerError> {
    ledger.at_one_moment(|ledger| {
        let records = ledger.instances()?.into_iter().map(|record| (record.name.clone(), record)).collect();
        Ok(compare(&ledger.all_routes()?, &records, &busy(ledger)?, &ledger.route_rules()?, status))
    })
}

fn compare(
    routes: &[RouteRecord],
    records: &BTreeMap<InstanceName, InstanceRecord>,
    busy: &Busy,
    rules: &BTreeMap<RouteId, RouteRules>,
    status: &[RouteStatus],
) -> Vec<Mend> {
    let mut found = Vec::new();
    for route in routes {
        let id = RouteId { instance: route.instance.clone(), endpoint: route.endpoint.clone() };
        let work = busy.get(&route.instance);
        // What is being removed or purged gives its addresses up; bound again, nobody would give them up any more.
        let is_leaving =
            work.is_some_and(|kind| [Kind::Remove, Kind::Purge].iter().any(|leaving| *kind == leaving.to_string()));
        let (Some(address), Some(record), false) =
            (records::listen_address(route), records.get(&route.instance), is_leaving)
        else {
            continue;
        };
        let status = status.iter().find(|status| status.id == id);
        let state = status.map(|status| &status.state);
        if state.is_none() {
            found.push(Mend::Reserve(id.clone(), address));
        }
        // Before it leads anywhere.
        let (usual, wanted) = (RouteRules::default(), rules.get(&id));
        if status.map_or(&usual, |status| &status.rules) != wanted.unwrap_or(&usual) {
            found.push(Mend::SetRules(id.clone(), wanted.cloned().unwrap_or_default()));
        }
        match (&record.container, record.desired) {
            _ if work.is_some() => {}
            (_, Desired::Stopped) if state.is_none() => found.push(Mend::Close(id)),
            (Some(container), Desired::Running) if !leads_to(state, container) => {
                found.push(Mend::Point(id, container.clone(), route.target_port));
            }
            (None, _) | (Some(_), Desired::Running | Desired::Stopped) => {}
        }
    }
    found
}

fn leads_to(state: Option<&RouteState>, container: &ContainerId) -> bool {
    matches!(state, Some(RouteState::Running { target, .. }) if target.container.as_str() == container.as_str())
}

/// Does all of these, each for itself: one that fails does not keep the others from it. Returns what could not be bound, and why;
/// that is what the daemon says of it from then on. A container that does not run is no failure: it is started again by the
/// supervisor, and its clients wait for it.
pub(super) fn mend(host: &Host, addresses: &Addresses, plan: Vec<Mend>) -> Vec<Unbound> {
    let is_closed = |mend: &Mend| if let Mend::Close(id) = mend { Some(id.clone()) } else { None };
    let closed: BTreeSet<RouteId> = plan.iter().filter_map(is_closed).collect();
    let mut failed = Vec::new();
    for mend in plan {
        match mend {
            Mend::Reserve(id, address) => {
                if let Err(error) = addresses.reserve(&id, address) {
                    let wish = if closed.contains(&id) { Wish::Reserved } else { Wish::Open };
                    failed.push(Unbound { id, address, wish, why: crate::run::with_causes(&error) });
                }
            }
            Mend::Close(id) => drop(addresses.close(&id)),
            Mend::SetRules(id, rules) => {
                addresses.set_rules(&id, rules).ok();
            }
            Mend::Point(id, container, port) => {
                if let Ok(target) = target(host, &container, port) {
                    addresses.point(&id, target).ok();
                }
            }
        }
    }
    addresses.set_unbound(failed.clone());
    failed
}

/// Where a container is now: asked anew each time, since an address that was free is soon another's.
pub(super) fn target(host: &Host, container: &ContainerId, port: PortNumber) -> Result<Target, String> {
    let facts = host.engine.inspect(&ContainerRef::Id(container.clone())).map_err(|error| error.to_string())?;
    let facts = facts.ok_or_else(|| format!("there is no container `{}`", container.as_str()))?;
    if !facts.state.is_running() {
        return Err(format!("container `{}` does not run", container.as_str()));
    }
    let address = facts.addresses.values().next().ok_or("the container has no address")?;
    let container: RouterContainer =
        container.as_str().parse().map_err(|error: homeport_router::ContainerIdError| error.to_string())?;
    Ok(Target::new(container, SocketAddr::new(*address, port.get())).announcing(announcement(&facts.labels, port)))
}

/// How the container expects to be told who its clients are: its own manifest says so. [spec: END-6]
fn announcement(labels: &Labels, port: PortNumber) -> Announcement {
    let manifest = labels.get(LABEL_MANIFEST).and_then(|text| manifest::parse(text.as_bytes()).ok());
    let endpoints = manifest.iter().flat_map(|manifest| manifest.endpoints.values());
    let mut tcp = endpoints.filter(|endpoint| endpoint.transport == Transport::Tcp);
    match tcp.find(|endpoint| endpoint.port == port).map(|endpoint| endpoint.proxy_protocol) {
        Some(ProxyProtocol::V1) => Announcement::ProxyV1,
        Some(ProxyProtocol::V2) => Announcement::ProxyV2,
        Some(ProxyProtocol::None) | None => Announcement::None,
    }
}

#[cfg(test)]
#[path = "mend_tests.rs"]
mod tests;
