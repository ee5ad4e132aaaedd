//! Owns changing what an operator allows on a public address, live: first the ledger, then the daemon. Never decides who comes
//! in.

use std::num::NonZeroU32;

use homeport_core::fault::Fault;
use homeport_core::manifest::{Endpoint, ProxyProtocol, Transport};
use homeport_core::name::{EndpointName, InstanceName};
use homeport_router::{Announcement, Backend, Carried, RouteId, RouteRules, SourceAddress};
use ipnet::IpNet;

use super::enter::{as_root, known, locked};
use super::error::OperationError;
use super::lifecycle::LifecycleOutcome;
use super::survey::{no_such_endpoint, recorded_image};
use crate::accelerator::{Asked, Obstacle};
use crate::host::{Host, Probing};
use crate::ledger::{Change, EventRecord, Ledger};
use crate::request::{RouteSetRequest, RuleWish};
use crate::routes::RoutesError;
use crate::run::records;
use crate::way_back::{Mark, WayBack};

/// Whether the daemon goes by the rules already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InForce {
    /// It does, for every client from now on.
    Now,
    /// It will: it does not run, or the endpoint has no public address now.
    Later,
}

/// What is allowed on a public address now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RouteSet {
    /// Whether anything was changed.
    pub outcome: LifecycleOutcome,
    /// The instance.
    pub instance: InstanceName,
    /// The endpoint.
    pub endpoint: EndpointName,
    /// What is allowed from now on.
    pub rules: RouteRules,
    /// Whether that is in force.
    pub in_force: InForce,
    /// What carries clients now, where another backend is wished for or has connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carried: Option<Carried>,
    /// How many may be connected at once; `None` where the daemon does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Changes what is allowed on one endpoint's public address. Clients that are connected stay. It is kept with the instance,
/// over restarts and other versions, until it is changed again.
///
/// # Errors
/// There is no such instance or endpoint; or the backend that is wished for cannot carry the route on this machine, or not with these
/// rules: each reason is said, and nothing was changed. Where the daemon cannot be told, it is written down all the same, and the daemon goes by
/// it when it next looks.
pub fn route_set(host: &Host, request: &RouteSetRequest) -> Result<RouteSet, OperationError> {
    as_root()?;
    let (instance, endpoint) = (&request.instance, &request.endpoint);
    locked(host, &format!("route set {instance}"), |writer, _| {
        let record = known(writer, instance)?;
        let manifest = recorded_image(&record)?.manifest;
        let what = format!("changing the rules for `{endpoint}` of `{instance}`");
        if let Some(fault) = no_such_endpoint(&manifest, endpoint) {
            let fault = fault.remedy(format!("`homeport route show {instance}` shows all that have a public address"));
            return Err(OperationError::Refused { what, faults: vec![fault] });
        }
        let id = RouteId { instance: instance.clone(), endpoint: endpoint.clone() };
        let rules = wished(writer.route_rules()?.remove(&id).unwrap_or_default(), request);
        let declared = manifest.endpoints.get(endpoint);
        let mut faults = in_the_way(host, writer, &id, &rules, declared)?;
        faults.extend(declared.and_then(|declared| unseen(endpoint, declared, &rules)));
        if !faults.is_empty() {
            return Err(OperationError::Refused { what, faults });
        }
        if rules.source == SourceAddress::Client
            && host.probing == Probing::Real
            && let Some(root) = writer.root_id()?
        {
            // Before anything is written: where it cannot be made, nothing is changed.
            WayBack::new(Mark::of(&root), host.layout.way_back_file()).make()?;
        }
        let outcome = match writer.put_route_rules(&id, &rules)? {
            Change::Changed => {
                writer.append_event(&EventRecord {
                    time: host.now(),
                    instance: Some(instance.clone()),
                    operation: None,
                    kind: "route".to_owned(),
                    text: said(endpoint, &rules),
                })?;
                LifecycleOutcome::Changed
            }
            Change::Unchanged => LifecycleOutcome::Unchanged,
        };
        let in_force = match host.routes.set_rules(&id, &rules) {
            Ok(()) => InForce::Now,
            Err(RoutesError::NotRunning { .. }) => InForce::Later,
            Err(error) if error.is_no_such_route() => InForce::Later,
            Err(error) => return Err(error.into()),
        };
        // It is in force, or it is not; a daemon that ends just now tells no more of it.
        let account = host.routes.account().ok().flatten().unwrap_or_default();
        let live = account.of(&id);
        let (carried, limit) = (live.and_then(|status| status.carried.clone()), live.map(|status| status.limit));
        let (instance, endpoint) = (instance.clone(), endpoint.clone());
        Ok(RouteSet { outcome, instance, endpoint, rules, in_force, carried, limit })
    })
}

/// Everything that keeps the backend of these rules from carrying the route.
fn in_the_way(
    host: &Host,
    ledger: &Ledger,
    id: &RouteId,
    rules: &RouteRules,
    endpoint: Option<&Endpoint>,
) -> Result<Vec<Fault>, OperationError> {
    let route = ledger.routes(&id.instance)?.into_iter().find(|route| route.endpoint == id.endpoint);
    let announcement = match endpoint.map(|endpoint| endpoint.proxy_protocol) {
        Some(ProxyProtocol::V1) => Announcement::ProxyV1,
        Some(ProxyProtocol::V2) => Announcement::ProxyV2,
        Some(ProxyProtocol::None) | None => Announcement::None,
    };
    let asked = Asked { rules, address: route.as_ref().and_then(records::listen_address), announcement };
    Ok(host.accelerators.obstacles(&asked).iter().map(Obstacle::fault).collect())
}

/// For the history.
fn said(endpoint: &EndpointName, rules: &RouteRules) -> String {
    match rules.backend {
        Backend::Builtin => format!("`{endpoint}` lets in: {rules}"),
        backend => format!("`{endpoint}` lets in: {rules}; carried by {backend}"),
    }
}

/// That a container over UDP cannot see its clients' own addresses: the router sends it their datagrams from this machine's.
fn unseen(name: &EndpointName, declared: &Endpoint, rules: &RouteRules) -> Option<Fault> {
    let wants = declared.transport == Transport::Udp && rules.source == SourceAddress::Client;
    let message = format!("`{name}` takes datagrams, and the router cannot send those from its clients' addresses yet");
    wants.then(|| {
        Fault::new("HP-REQ-043", format!("endpoints.{name}"), message)
            .expected("an endpoint over `tcp`")
            .remedy("leave `--source client` out for it")
    })
}

fn word<T: Default>(wish: RuleWish<T>, now: T) -> T {
    match wish {
        RuleWish::Keep => now,
        RuleWish::Usual => T::default(),
        RuleWish::Is(word) => word,
    }
}

fn wished(now: RouteRules, request: &RouteSetRequest) -> RouteRules {
    let number = |wish: RuleWish<NonZeroU32>, now| match wish {
        RuleWish::Keep => now,
        RuleWish::Usual => None,
        RuleWish::Is(number) => Some(number),
    };
    let networks = |wish: &RuleWish<Vec<IpNet>>, now| match wish {
        RuleWish::Keep => now,
        RuleWish::Usual => Vec::new(),
        RuleWish::Is(networks) => networks.clone(),
    };
    RouteRules {
        connections: number(request.connections, now.connections),
        per_source: number(request.per_source, now.per_source),
        new_per_second: number(request.new_per_second, now.new_per_second),
        allow: networks(&request.allow, now.allow),
        deny: networks(&request.deny, now.deny),
        idle_seconds: number(request.idle_seconds, now.idle_seconds),
        hold_seconds: number(request.hold_seconds, now.hold_seconds),
        source: word(request.source, now.source),
        log: word(request.log, now.log),
        backend: word(request.backend, now.backend),
    }
}

#[cfg(test)]
mod tests {
    use homeport_router::{AccessLog, SourceAddress};

    use super::*;

    #[test]
    fn what_is_not_wished_for_stays_and_what_is_usual_goes() {
        let now = RouteRules {
            connections: NonZeroU32::new(9),
            per_source: NonZeroU32::new(3),
            hold_seconds: NonZeroU32::new(30),
            log: AccessLog::On,
            backend: Backend::Nftables,
            allow: vec!["10.0.0.0/8".parse().unwrap()],
            ..RouteRules::default()
        };
        let request = RouteSetRequest {
            instance: "alice".parse().unwrap(),
            endpoint: "ssh".parse().unwrap(),
            connections: RuleWish::Keep,
            per_source: RuleWish::Usual,
            new_per_second: RuleWish::Is(NonZeroU32::new(5).unwrap()),
            allow: RuleWish::Usual,
            deny: RuleWish::Is(vec!["192.0.2.0/24".parse().unwrap()]),
            idle_seconds: RuleWish::Is(NonZeroU32::new(600).unwrap()),
            hold_seconds: RuleWish::Usual,
            source: RuleWish::Is(SourceAddress::Client),
            log: RuleWish::Keep,
            backend: RuleWish::Keep,
        };
        let rules = wished(now, &request);
        assert_eq!(rules.backend, Backend::Nftables);
        let usual = wished(rules.clone(), &RouteSetRequest { backend: RuleWish::Usual, ..request.clone() });
        assert_eq!((usual.backend, usual.per_source), (Backend::Builtin, None));
        let endpoint = "ssh".parse().unwrap();
        assert!(
            said(&endpoint, &rules)
                .ends_with("other machines seen with their own addresses, logged; carried by nftables")
        );
        assert_eq!(said(&endpoint, &RouteRules::default()), "`ssh` lets in: everybody");
        assert_eq!(
            rules.to_string(),
            "everybody, but 192.0.2.0/24, 9 at once, 5 new ones a second, 600 s idle at most, \
                      other machines seen with their own addresses, logged"
        );
    }
}
