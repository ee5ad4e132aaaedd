//! Public addresses of endpoints that take datagrams: through deploy, restart and changes of version, and what is refused.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use homeport_core::fault::Advice as _;
use homeport_core::manifest::Transport;
use homeport_core::name::EndpointName;
use homeport_host::operation::{self, OperationError};
use homeport_host::request::{DeployRequest, RouteSetRequest, RuleWish};
use homeport_host::routes::{SimLead, SourceAddress};

use crate::data_rules::refusal;
use crate::port::MANIFEST;
use crate::stage::{Command, Ground, Stage, alice};
use crate::version::{next_of, rollback, upgrade};

/// The port with a name server beside it, at one number over both transports.
const NAMES: &str = r#""endpoints":{
"names":{"port":53,"transport":"udp","protocol":"dns","exposure":"public","default_public":"40053"},
"names-tcp":{"port":53,"protocol":"dns","exposure":"public","default_public":"40053"},"#;

fn manifest() -> String {
    MANIFEST.replace(r#""endpoints":{"#, NAMES)
}

fn names() -> EndpointName {
    "names".parse().unwrap()
}

/// Every public address as the ledger has it and as the daemon does, and where it leads.
fn addresses(stage: &Stage) -> BTreeMap<String, (String, SimLead)> {
    let leads = stage.routes.leads();
    let routes = stage.does(operation::routes);
    assert_eq!(routes.len(), leads.len());
    leads
        .into_iter()
        .map(|(id, (address, lead))| {
            let view = routes.iter().find(|view| view.endpoint == id.endpoint).unwrap();
            assert_eq!(view.address, address);
            (id.endpoint.to_string(), (address.to_string(), lead))
        })
        .collect()
}

/// That both addresses lead to the container that runs.
fn assert_both_lead(stage: &Stage) {
    let container = stage.ledger().instance(&alice()).unwrap().unwrap().container.unwrap();
    let found = addresses(stage);
    let lead = |port| SimLead::To(container.clone(), homeport_core::unit::PortNumber::new(port));
    assert_eq!(found["names"], ("*:40053/udp".to_owned(), lead(53)));
    assert_eq!(found["names-tcp"], ("*:40053".to_owned(), lead(53)));
}

fn deploy(stage: &Stage, name: &str, routes: &[(&str, &str)]) -> Result<(), OperationError> {
    let routes = routes.iter().map(|(endpoint, wish)| (endpoint.parse().unwrap(), wish.parse().unwrap())).collect();
    let request = DeployRequest { routes, ..stage.request(&name.parse().unwrap(), false) };
    stage.with(&crate::stage::Trouble::default(), |host| operation::deploy(host, &request).map(drop)).0.result
}

fn codes(error: &OperationError) -> Vec<&'static str> {
    error.faults().iter().map(|fault| fault.code).collect()
}

#[test]
fn an_endpoint_over_udp_has_its_address_through_restart_upgrade_and_way_back() {
    let ground = Ground::new();
    let stage = ground.stage_of(&manifest());
    let request = stage.request(&alice(), false);
    let plan = stage.does(|host| operation::plan_deploy(host, &request)).unwrap();
    assert!(plan.routes.contains(&(names(), "*:40053/udp".to_owned())), "{:?}", plan.routes);
    stage.must(Command::Deploy);
    assert_both_lead(&stage);
    let route = stage.ledger().routes(&alice()).unwrap().into_iter().find(|route| route.endpoint == names()).unwrap();
    assert_eq!((route.transport, route.port.get()), (Transport::Udp, 40_053));
    stage.must(Command::Restart);
    assert_both_lead(&stage);
    stage.any_time();
    stage.put_version(&next_of(&manifest()));
    stage.does(upgrade);
    assert_both_lead(&stage);
    stage.does(rollback);
    assert_both_lead(&stage);
    let view = stage.list().remove(0);
    assert_eq!(view.routes[&names()].to_string(), "*:40053/udp");
}

#[test]
fn a_number_that_is_taken_over_one_transport_is_free_over_the_other() {
    let ground = Ground::new();
    let stage = ground.stage_of(&manifest());
    stage.must(Command::Deploy);
    let taken = deploy(&stage, "bob", &[("names", "40053"), ("names-tcp", "none")]).unwrap_err();
    assert_eq!(codes(&taken), ["HP-RTR-002"]);
    let said = taken.faults()[0].to_string();
    assert!(said.contains("`names` of `alice` on `*:40053/udp`"), "{said}");
    let udp_only = [("names", "40054"), ("names-tcp", "40055"), ("ssh", "none")];
    deploy(&stage, "bob", &udp_only).unwrap();
    deploy(&stage, "carol", &[("names", "40055"), ("names-tcp", "40054"), ("ssh", "none")]).unwrap();
    let mut found: Vec<_> = stage.ledger().all_routes().unwrap();
    found.retain(|route| route.instance.as_str() != "alice");
    let all: Vec<_> = found.iter().map(|route| (route.port.get(), route.transport)).collect();
    let (tcp, udp) = (Transport::Tcp, Transport::Udp);
    assert_eq!(all, [(40_054, udp), (40_055, tcp), (40_055, udp), (40_054, tcp)]);
}

#[test]
fn another_transport_is_another_address_and_is_not_taken_for_the_same() {
    let ground = Ground::new();
    let stage = ground.stage_of(&manifest());
    stage.must(Command::Deploy);
    stage.any_time();
    let before = stage.ledger().all_routes().unwrap();
    let other = next_of(&manifest())
        .replace(r#""names":{"port":53,"transport":"udp","#, r#""names":{"port":54,"#)
        .replace(
            r#""default_public":"40053"},
"names-tcp""#,
            r#""default_public":"40056"},
"names-tcp""#,
        )
        .replace(r#""version":"1.1.0""#, r#""version":"2.0.0""#);
    stage.put_version(&other);
    let error = refusal(&stage, |host| operation::upgrade(host, &crate::version::request(Some("2.0.0"))).map(drop));
    assert_eq!(codes(&error), ["HP-REQ-042"], "{error}");
    let fault = &error.faults()[0];
    assert!(fault.to_string().contains("`names`") && fault.remedy.contains("homeport remove alice"), "{fault}");
    assert_eq!(stage.ledger().all_routes().unwrap(), before);
    assert_both_lead(&stage);
}

#[test]
fn an_endpoint_over_udp_has_rules_as_any_other_but_for_its_clients_own_addresses() {
    let ground = Ground::new();
    let stage = ground.stage_of(&manifest());
    stage.must(Command::Deploy);
    let source = |source| RouteSetRequest {
        instance: alice(),
        endpoint: names(),
        connections: RuleWish::Keep,
        per_source: RuleWish::Is(NonZeroU32::new(4).unwrap()),
        new_per_second: RuleWish::Keep,
        allow: RuleWish::Keep,
        deny: RuleWish::Keep,
        idle_seconds: RuleWish::Keep,
        hold_seconds: RuleWish::Keep,
        source,
        log: RuleWish::Keep,
        backend: RuleWish::Keep,
    };
    let error =
        refusal(&stage, |host| operation::route_set(host, &source(RuleWish::Is(SourceAddress::Client))).map(drop));
    assert_eq!(codes(&error), ["HP-REQ-043"]);
    assert_eq!(stage.ledger().route_rules().unwrap().len(), 0);
    let set = stage.does(|host| operation::route_set(host, &source(RuleWish::Keep)));
    assert_eq!(set.rules.per_source, NonZeroU32::new(4));
}

#[test]
fn a_container_cannot_be_told_of_its_clients_over_udp() {
    let ground = Ground::new();
    let told = r#""transport":"udp","proxy_protocol":"v2","#;
    let stage = ground.stage_of(&manifest().replace(r#""transport":"udp","#, told));
    let error = deploy(&stage, "alice", &[]).unwrap_err();
    assert_eq!(codes(&error), ["HP-REQ-014"]);
    assert!(error.faults()[0].to_string().contains("proxy_protocol `v2` over `udp`"), "{}", error.faults()[0]);
    assert_eq!(stage.ledger().all_routes().unwrap(), []);
    deploy(&stage, "alice", &[("names", "none")]).unwrap();
}
