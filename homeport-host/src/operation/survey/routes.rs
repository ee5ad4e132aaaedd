//! Owns looking at the public addresses of an instance: what is asked for, what the manifest proposes, what is taken.
//! Never binds one.

use std::collections::{BTreeMap, BTreeSet};

use homeport_core::fault::{Advice as _, Fault};
use homeport_core::manifest::{DefaultPublic, Endpoint, Exposure, Manifest, ProxyProtocol, Tls, Transport};
use homeport_core::name::EndpointName;
use homeport_core::unit::PortNumber;
use homeport_router::{ListenHost, PortRange, random_ports};

use super::{OperationError, Surveyor};
use crate::ledger::RouteRecord;
use crate::plan::RoutePlan;
use crate::request::{PortChoice, RouteWish};
use crate::run::records;

/// How many ports are tried for a random one.
const CANDIDATES: usize = 64;

/// That the port has no endpoint of this name.
pub(in crate::operation) fn no_such_endpoint(manifest: &Manifest, name: &EndpointName) -> Option<Fault> {
    if manifest.endpoints.contains_key(name) {
        return None;
    }
    let known = manifest.endpoints.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let message = format!("`{name}` is not an endpoint of this port");
    Some(Fault::new("HP-REQ-006", format!("endpoints.{name}"), message).expected(if known.is_empty() {
        "no endpoint at all".to_owned()
    } else {
        format!("one of {known}")
    }))
}

impl Surveyor<'_> {
    pub(super) fn routes(
        &mut self,
        wished: &BTreeMap<EndpointName, RouteWish>,
    ) -> Result<BTreeMap<EndpointName, RoutePlan>, OperationError> {
        let unknown = wished.keys().filter_map(|name| no_such_endpoint(self.manifest, name));
        self.faults.extend(unknown.map(|fault| fault.remedy("correct the name after `--route`")));
        let mut leased = self.ledger.leased_ports()?;
        let mut plans = BTreeMap::new();
        let manifest = self.manifest;
        for (name, endpoint) in &manifest.endpoints {
            let wish = wished.get(name).copied();
            if wish.is_none() && endpoint.exposure == Exposure::Lan && endpoint.default_public != DefaultPublic::None {
                self.faults.push(
                    Fault::new(
                        "HP-REQ-013",
                        format!("endpoints.{name}"),
                        format!(
                            "`{name}` is for the local network, and HomePort does not know which addresses are in it"
                        ),
                    )
                    .expected("an address of this machine in the local network")
                    .remedy(format!("say where: `--route {name}=ADDRESS:PORT`, or `--route {name}=none`"))
                    .clause("END-3"),
                );
                continue;
            }
            let (host, choice) = match wish.unwrap_or_else(|| proposed(endpoint)) {
                RouteWish::None => continue,
                RouteWish::On { host, port } => (host, port),
            };
            if endpoint.tls == Tls::Terminated {
                self.faults.push(
                    Fault::new(
                        "HP-REQ-014",
                        format!("endpoints.{name}"),
                        format!("`{name}` wants what the router cannot do yet"),
                    )
                    .actual(format!("tls `{}`", endpoint.tls.word()))
                    .expected("tls other than `terminated`")
                    .remedy(format!("do without a public address: `--route {name}=none`")),
                );
                continue;
            }
            if endpoint.transport == Transport::Udp && endpoint.proxy_protocol != ProxyProtocol::None {
                self.faults.push(no_connection_to_begin(name, endpoint));
                continue;
            }
            if let Some(ports) = self.ports(name, choice, &leased) {
                leased.extend(ports.first());
                let (target, transport) = (endpoint.port, endpoint.transport);
                plans.insert(name.clone(), RoutePlan { host, choice, ports, target, transport });
            }
        }
        self.taken_addresses(&plans)?;
        Ok(plans)
    }

    /// The ports that will do, the best first.
    pub(super) fn ports(
        &mut self,
        name: &EndpointName,
        choice: PortChoice,
        leased: &BTreeSet<PortNumber>,
    ) -> Option<Vec<PortNumber>> {
        let wanted = match choice {
            PortChoice::Fixed(port) => return Some(vec![port]),
            PortChoice::Random => PortRange::DEFAULT,
        };
        let text = std::fs::read_to_string(self.host.machine.proc.join("sys/net/ipv4/ip_local_port_range"));
        let kernel = text.ok().and_then(|text| PortRange::parse_kernel(&text));
        let kernel = kernel.or_else(|| PortRange::new(PortNumber::new(32_768), PortNumber::new(60_999)))?;
        let draws = std::iter::repeat_with(|| getrandom::u32().unwrap_or_default());
        match random_ports(wanted, kernel, leased, draws) {
            Ok(ports) => Some(ports.take(CANDIDATES).collect()),
            Err(error) => {
                self.faults.push(
                    Fault::new(error.code(), format!("endpoints.{name}"), error.to_string())
                        .remedy(error.help().unwrap_or_default()),
                );
                None
            }
        }
    }

    /// Addresses that another instance has are said before anything is begun.
    fn taken_addresses(&mut self, plans: &BTreeMap<EndpointName, RoutePlan>) -> Result<(), OperationError> {
        let routes = self.ledger.all_routes()?;
        for (name, plan) in plans {
            let PortChoice::Fixed(port) = plan.choice else { continue };
            let wanted = homeport_router::ListenAddress::new(plan.host, port).ok();
            let wanted = wanted.map(|address| address.over(plan.transport));
            let other = routes.iter().find(|route| {
                route.instance != *self.instance
                    && records::listen_address(route).zip(wanted).is_some_and(|(held, wanted)| held.overlaps(wanted))
            });
            if let Some(other) = other {
                self.faults.push(
                    Fault::new(
                        "HP-RTR-002",
                        format!("endpoints.{name}"),
                        format!("public port {port} belongs to another instance"),
                    )
                    .actual(format!("`{}` of `{}` on `{}`", other.endpoint, other.instance, written(other)))
                    .expected(format!("a port that is free, for `{name}`"))
                    .remedy(format!("choose another port (`--route {name}=PORT`) or `--route {name}=random`")),
                );
            }
        }
        Ok(())
    }
}

/// A route that is there as its address is written, also where that cannot be read.
fn written(route: &RouteRecord) -> String {
    let plain = || format!("{}:{}", route.listen, route.port);
    records::listen_address(route).map_or_else(plain, |address| address.to_string())
}

/// A client is told by what a connection begins with, and datagrams have no beginning. [spec: END-6]
fn no_connection_to_begin(name: &EndpointName, endpoint: &Endpoint) -> Fault {
    Fault::new("HP-REQ-014", format!("endpoints.{name}"), format!("`{name}` wants what the router cannot do"))
        .actual(format!("proxy_protocol `{}` over `udp`", endpoint.proxy_protocol.word()))
        .expected("proxy_protocol `none`, since datagrams begin no connection")
        .remedy(format!("do without a public address: `--route {name}=none`"))
        .clause("END-6")
}

/// What the manifest proposes for an endpoint. [spec: END-4]
fn proposed(endpoint: &Endpoint) -> RouteWish {
    match endpoint.default_public {
        DefaultPublic::None => RouteWish::None,
        DefaultPublic::Random => RouteWish::On { host: ListenHost::Any, port: PortChoice::Random },
        DefaultPublic::Port(port) => RouteWish::On { host: ListenHost::Any, port: PortChoice::Fixed(port) },
    }
}
