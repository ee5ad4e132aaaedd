//! Owns which routes are led past the router, by what, and why not where that was wished for. Pure.

use std::collections::BTreeMap;

use homeport_router::{Announcement, Backend, RouteState, RouteStatus};

use super::front::{Asked, Front};
use super::obstacle::Obstacle;

/// What an accelerator has to offer on a machine.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What this machine lacks for it; it carries nothing as long as there is anything.
    pub lacks: Vec<Obstacle>,
    /// What it cannot do for a route that asks for this. Pure.
    pub refuses: fn(&Asked<'_>) -> Vec<Obstacle>,
}

/// What each accelerator that there is has to offer.
pub type Offers = BTreeMap<Backend, Offer>;

/// How a route's new clients get to its container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Through the router, with what is in the way where another backend is wished for. Where nothing is, the route leads nowhere
    /// now.
    Router(Vec<Obstacle>),
    /// Past it.
    Past(Backend, Front),
}

/// How the new clients of a route get to its container now. Only a route that leads somewhere is led past the router: with that
/// clients wait, or are turned away.
pub fn decide(status: &RouteStatus, offers: &Offers) -> Way {
    let target = match &status.state {
        RouteState::Running { target, .. } => Some(target),
        RouteState::Held | RouteState::Closed => None,
    };
    // How a container that is not there yet is told who its clients are is seen when it comes.
    let announcement = target.map_or(Announcement::None, |target| target.announcement);
    let rules = &status.rules;
    let obstacles = obstacles(&Asked { rules, address: Some(status.address), announcement }, offers);
    let Some(target) = target.filter(|_| !rules.backend.is_builtin() && obstacles.is_empty()) else {
        return Way::Router(obstacles);
    };
    let (id, address, target) = (status.id.clone(), status.address, target.clone());
    let transport = address.transport();
    Way::Past(rules.backend, Front { id, transport, address, target, rules: rules.clone() })
}

/// Everything that keeps a route from being carried by the backend that its rules name.
pub(super) fn obstacles(asked: &Asked<'_>, offers: &Offers) -> Vec<Obstacle> {
    let backend = asked.rules.backend;
    if backend.is_builtin() {
        return Vec::new();
    }
    let Some(offer) = offers.get(&backend) else { return vec![Obstacle::NotBuilt { backend }] };
    offer.lacks.iter().cloned().chain((offer.refuses)(asked)).collect()
}

#[cfg(test)]
mod tests {
    use homeport_core::manifest::Transport;
    use homeport_router::{Generation, RouteRules, Target};
    use proptest::prelude::*;

    use super::*;

    fn refuses(asked: &Asked<'_>) -> Vec<Obstacle> {
        let backend = asked.rules.backend;
        let mut found = Vec::new();
        if asked.rules.connections.is_some() {
            found.push(Obstacle::NotKept { backend, option: "--connections" });
        }
        if !asked.announcement.is_none() {
            found.push(Obstacle::Announced { backend });
        }
        found
    }

    fn offers(lacks: &[Obstacle]) -> Offers {
        Offers::from([(Backend::Nftables, Offer { lacks: lacks.to_vec(), refuses })])
    }

    fn status(state: RouteState, rules: RouteRules) -> RouteStatus {
        let id = homeport_router::RouteId { instance: "alice".parse().unwrap(), endpoint: "ssh".parse().unwrap() };
        RouteStatus { rules, ..RouteStatus::unused(id, "*:2222".parse().unwrap(), state, 512) }
    }

    fn running(announcement: Announcement) -> RouteState {
        let target = Target::new("c1".parse().unwrap(), "172.18.0.2:22".parse().unwrap()).announcing(announcement);
        RouteState::Running { generation: Generation::new(1), target }
    }

    fn wished(backend: Backend) -> RouteRules {
        RouteRules { backend, ..RouteRules::default() }
    }

    #[test]
    fn everything_that_is_in_the_way_is_said_at_once() {
        let missing = Obstacle::NoProgram { backend: Backend::Nftables, program: "nft", package: "nftables" };
        let rules = RouteRules { connections: std::num::NonZeroU32::new(3), ..wished(Backend::Nftables) };
        let found = decide(&status(running(Announcement::ProxyV2), rules), &offers(std::slice::from_ref(&missing)));
        let backend = Backend::Nftables;
        let wanted =
            vec![missing, Obstacle::NotKept { backend, option: "--connections" }, Obstacle::Announced { backend }];
        assert_eq!(found, Way::Router(wanted));
        let unknown = decide(&status(running(Announcement::None), wished(Backend::Haproxy)), &offers(&[]));
        assert_eq!(unknown, Way::Router(vec![Obstacle::NotBuilt { backend: Backend::Haproxy }]));
    }

    #[test]
    fn a_route_is_fronted_exactly_as_it_leads() {
        let status = status(running(Announcement::None), wished(Backend::Nftables));
        let Way::Past(Backend::Nftables, front) = decide(&status, &offers(&[])) else { panic!("not fronted") };
        assert_eq!((&front.id, front.address, &front.rules), (&status.id, status.address, &status.rules));
        assert!(matches!(&status.state, RouteState::Running { target, .. } if *target == front.target));
        let over_udp = RouteStatus { address: status.address.over(Transport::Udp), ..status };
        let Way::Past(_, front) = decide(&over_udp, &offers(&[])) else { panic!("not fronted") };
        assert_eq!(front.transport, Transport::Udp);
    }

    proptest! {
        #[test]
        fn nothing_but_a_route_that_leads_somewhere_and_asks_for_it_is_fronted(
            state in prop_oneof![
                Just(RouteState::Held), Just(RouteState::Closed),
                Just(running(Announcement::None)), Just(running(Announcement::ProxyV1)),
            ],
            backend in prop::sample::select(Backend::ALL.to_vec()),
            connections in prop::option::of(1_u32..9),
            lacks in prop::bool::ANY,
        ) {
            let connections = connections.and_then(std::num::NonZeroU32::new);
            let status = status(state, RouteRules { connections, ..wished(backend) });
            let lack = Obstacle::NotForwarding { backend, setting: "net.ipv4.ip_forward" };
            let offers = offers(if lacks { std::slice::from_ref(&lack) } else { &[] });
            let can = !lacks && connections.is_none() && status.state == running(Announcement::None);
            match decide(&status, &offers) {
                Way::Past(by, _) => prop_assert!(can && by == backend && by == Backend::Nftables),
                Way::Router(why) => {
                    prop_assert!(!(can && backend == Backend::Nftables));
                    // A wish that something is in the way of says what, wherever the route leads, and nothing else does.
                    let is_announced = status.state == running(Announcement::ProxyV1);
                    let is_free = !lacks && connections.is_none() && !is_announced && backend == Backend::Nftables;
                    prop_assert_eq!(why.is_empty(), backend.is_builtin() || is_free);
                }
            }
        }
    }
}
