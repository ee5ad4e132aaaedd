//! What an operator rules about a public address: which backend is to carry it is refused with every reason where it cannot, and
//! nothing is changed then.

use std::num::NonZeroU32;
use std::sync::Arc;

use homeport_core::fault::Advice as _;
use homeport_host::Host;
use homeport_host::accelerator::{
    Accelerator, AcceleratorError, Accelerators, Asked, Drift, Flows, Front, Obstacle, Offer, Silent,
};
use homeport_host::operation::{self, LifecycleOutcome, OperationError, RouteSet};
use homeport_host::request::{RouteSetRequest, RuleWish};
use homeport_host::routes::Backend;
use homeport_router::{ContainerId, RouteId};

use crate::data_rules::refusal;
use crate::stage::{Command, Ground, Stage, alice};
use crate::version::{two_versions, upgrade};

/// An accelerator that only says what it cannot do.
#[derive(Debug)]
struct Offers(Vec<Obstacle>);

fn refuses(asked: &Asked<'_>) -> Vec<Obstacle> {
    let backend = asked.rules.backend;
    let rule = asked.rules.per_source.map(|_| Obstacle::NotKept { backend, option: "--per-source" });
    let address = asked.address.filter(|address| address.to_string().starts_with("127."));
    rule.into_iter().chain(address.map(|address| Obstacle::Loopback { backend, address })).collect()
}

impl Accelerator for Offers {
    fn backend(&self) -> Backend {
        Backend::Nftables
    }

    fn offer(&self) -> Offer {
        Offer { lacks: self.0.clone(), refuses }
    }

    fn begin(&self) -> Result<(), AcceleratorError> {
        Ok(())
    }

    fn apply(&self, _: &[Front]) -> Result<(), AcceleratorError> {
        Ok(())
    }

    fn point(&self, _: &Front) -> Result<(), AcceleratorError> {
        Ok(())
    }

    fn unpoint(&self, _: &RouteId) -> Result<(), AcceleratorError> {
        Ok(())
    }

    fn observe(&self) -> Result<Drift, AcceleratorError> {
        Ok(Drift::None)
    }

    fn flows(&self, _silent: Silent) -> Flows {
        Flows::default()
    }

    fn end_flows(&self, _: &RouteId, _: &ContainerId) -> Result<usize, AcceleratorError> {
        Ok(0)
    }

    fn give_up(&self) -> Result<(), AcceleratorError> {
        Ok(())
    }
}

fn with(host: &Host, lacks: &[Obstacle]) -> Host {
    host.clone().with_accelerators(Accelerators::new(vec![Arc::new(Offers(lacks.to_vec()))]))
}

fn nothing() -> RouteSetRequest {
    RouteSetRequest {
        instance: alice(),
        endpoint: "ssh".parse().unwrap(),
        connections: RuleWish::Keep,
        per_source: RuleWish::Keep,
        new_per_second: RuleWish::Keep,
        allow: RuleWish::Keep,
        deny: RuleWish::Keep,
        idle_seconds: RuleWish::Keep,
        hold_seconds: RuleWish::Keep,
        source: RuleWish::Keep,
        log: RuleWish::Keep,
        backend: RuleWish::Keep,
    }
}

fn carried_by(backend: Backend) -> RouteSetRequest {
    RouteSetRequest { backend: RuleWish::Is(backend), ..nothing() }
}

fn per_source(number: u32) -> RouteSetRequest {
    RouteSetRequest { per_source: RuleWish::Is(NonZeroU32::new(number).unwrap()), ..nothing() }
}

fn kept(stage: &Stage) -> Option<Backend> {
    stage.ledger().route_rules().unwrap().into_values().next().map(|rules| rules.backend)
}

fn codes(error: &OperationError) -> Vec<&str> {
    error.faults().iter().map(|fault| fault.code).collect()
}

#[test]
fn a_backend_that_there_is_none_of_is_refused_and_nothing_is_changed() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    for backend in [Backend::Nftables, Backend::Haproxy] {
        let told = refusal(&stage, |host| operation::route_set(host, &carried_by(backend)));
        assert_eq!(codes(&told), ["HP-RTR-030"]);
        assert!(told.faults()[0].remedy.contains("--backend builtin"));
        assert_eq!(kept(&stage), None);
    }
    let set = |backend| stage.does(move |host| operation::route_set(host, &carried_by(backend)));
    assert_eq!(set(Backend::Builtin).outcome, LifecycleOutcome::Unchanged);
}

#[test]
fn everything_that_keeps_a_backend_from_carrying_a_route_is_said_at_once() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.does(|host| operation::route_set(host, &per_source(4)));
    let missing = Obstacle::NoProgram { backend: Backend::Nftables, program: "nft", package: "nftables" };
    let told = refusal(&stage, |host| {
        operation::route_set(&with(host, std::slice::from_ref(&missing)), &carried_by(Backend::Nftables))
    });
    assert_eq!(codes(&told), ["HP-RTR-031", "HP-RTR-034"]);
    assert_eq!(told.faults()[0].remedy, "install it with `apt install nftables`");
    assert_eq!(kept(&stage), Some(Backend::Builtin), "only the rule from before");
}

#[test]
fn a_backend_is_kept_with_the_instance_and_a_rule_that_it_cannot_keep_is_refused() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    let set = |request: RouteSetRequest| move |host: &Host| operation::route_set(&with(host, &[]), &request);
    let RouteSet { outcome, rules, .. } = stage.does(set(carried_by(Backend::Nftables)));
    assert_eq!((outcome, rules.backend), (LifecycleOutcome::Changed, Backend::Nftables));
    assert_eq!(codes(&refusal(&stage, set(per_source(4)))), ["HP-RTR-034"]);
    stage.does(upgrade);
    assert_eq!(kept(&stage), Some(Backend::Nftables));
    stage.does(set(RouteSetRequest { backend: RuleWish::Usual, ..nothing() }));
    assert_eq!(kept(&stage), None, "the usual rules are forgotten");
    stage.does(set(per_source(4)));
}
