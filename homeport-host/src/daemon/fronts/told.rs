//! Owns how what goes past the router is told with the routes that it came by. Pure.

use homeport_router::{
    Backend, Carried, Generation, LiveConnections, Moved, RefusedBecause, RouteId, RouteState, RouteStatus,
};

use super::State;
use crate::accelerator::{Flow, Obstacle, Total, Way, decide};

/// These routes, as they were told by the router, with the connections that go past it, what carries their new clients, and why
/// that is not what is wished for.
pub(super) fn with_carried(routes: Vec<RouteStatus>, state: &State, flows: &[Flow]) -> Vec<RouteStatus> {
    routes.into_iter().map(|status| one(status, state, flows)).collect()
}

/// These routes, with what was counted of clients that never came to the router.
pub(super) fn with_totals(mut routes: Vec<RouteStatus>, totals: &[(RouteId, Total)]) -> Vec<RouteStatus> {
    for status in &mut routes {
        for (_, more) in totals.iter().filter(|(id, _)| *id == status.id) {
            let moved = Moved { from_clients: status.bytes_from_clients, to_clients: status.bytes_to_clients };
            let own = Total { accepted: status.accepted, moved, refused: status.refused_because };
            let Total { accepted, moved, refused } = own.and(*more);
            let RefusedBecause { closed, full, source_full, too_fast, not_allowed } = refused;
            status.refused = closed + full + source_full + too_fast + not_allowed;
            (status.accepted, status.refused_because) = (accepted, refused);
            (status.bytes_from_clients, status.bytes_to_clients) = (moved.from_clients, moved.to_clients);
        }
    }
    routes
}

fn one(mut status: RouteStatus, state: &State, flows: &[Flow]) -> RouteStatus {
    let own: Vec<&Flow> = flows.iter().filter(|flow| flow.id == status.id).collect();
    let by = state.led.get(&status.id).map_or(Backend::Builtin, |(by, _)| *by);
    if status.rules.backend.is_builtin() && own.is_empty() && by.is_builtin() {
        return status;
    }
    let mut obstacles = match decide(&status, &state.offers) {
        Way::Router(obstacles) => obstacles,
        Way::Past(..) => Vec::new(),
    };
    let failed = state.failed.get(&status.id).map(|failed| failed.error.clone());
    let troubled = state.troubled.get(&status.rules.backend).cloned();
    obstacles.extend(failed.into_iter().chain(troubled).map(Obstacle::Failed));
    let connections = own.iter().map(|flow| flow.connections).sum();
    // Where one is not counted, nothing can be said of their sum.
    let moved = own.iter().try_fold(Moved::default(), |sum, flow| {
        let more = flow.moved?;
        let from_clients = sum.from_clients.saturating_add(more.from_clients);
        Some(Moved { from_clients, to_clients: sum.to_clients.saturating_add(more.to_clients) })
    });
    for flow in own {
        count(&mut status, flow);
    }
    let obstacles = obstacles.iter().map(Obstacle::to_string).collect();
    status.carried = Some(Carried { by, obstacles, connections, moved });
    status
}

/// Counts connections with those that the router has with the same container.
fn count(status: &mut RouteStatus, flow: &Flow) {
    status.open += flow.connections;
    if let Some(live) = status.live.iter_mut().find(|live| live.container == flow.container) {
        live.connections += flow.connections;
        return;
    }
    let now = match &status.state {
        RouteState::Running { generation, target } if target.container == flow.container => Some(*generation),
        _ => None,
    };
    // Of an earlier target nobody knows any more which one it was: older than all that are known.
    let place = if now.is_some() { status.live.len() } else { 0 };
    let generation = now.unwrap_or(Generation::new(0));
    let (container, connections) = (flow.container.clone(), flow.connections);
    status.live.insert(place, LiveConnections { generation, container, connections });
}

#[cfg(test)]
mod tests {
    use homeport_router::{RouteRules, Target};

    use super::*;

    fn status(backend: Backend) -> RouteStatus {
        let id = RouteId { instance: "alice".parse().unwrap(), endpoint: "ssh".parse().unwrap() };
        let target = Target::new("c2".parse().unwrap(), "172.18.0.2:22".parse().unwrap());
        let state = RouteState::Running { generation: Generation::new(4), target };
        let live = LiveConnections { generation: Generation::new(3), container: "c1".parse().unwrap(), connections: 1 };
        let rules = RouteRules { backend, ..RouteRules::default() };
        let address = "*:2222".parse().unwrap();
        RouteStatus { rules, open: 2, live: vec![live], ..RouteStatus::unused(id, address, state, 9) }
    }

    fn flow(container: &str, connections: usize, moved: Option<(u64, u64)>) -> Flow {
        let moved = moved.map(|(from_clients, to_clients)| Moved { from_clients, to_clients });
        Flow { id: status(Backend::Builtin).id, container: container.parse().unwrap(), connections, moved }
    }

    fn live(status: &RouteStatus) -> Vec<(u64, &str, usize)> {
        status.live.iter().map(|live| (live.generation.get(), live.container.as_str(), live.connections)).collect()
    }

    #[test]
    fn what_goes_past_the_router_is_counted_with_its_route_and_container() {
        let flows = [flow("c2", 5, Some((10, 20))), flow("c1", 2, Some((1, 2))), flow("c0", 1, Some((0, 0)))];
        let told = with_carried(vec![status(Backend::Builtin)], &State::default(), &flows);
        assert_eq!(live(&told[0]), [(0, "c0", 1), (3, "c1", 3), (4, "c2", 5)]);
        assert_eq!(told[0].open, 10);
        let carried = told[0].carried.clone().unwrap();
        assert_eq!((carried.by, carried.connections, carried.obstacles.len()), (Backend::Builtin, 8, 0));
        assert_eq!(carried.moved, Some(Moved { from_clients: 11, to_clients: 22 }));
        let uncounted = with_carried(vec![status(Backend::Builtin)], &State::default(), &[flow("c2", 1, None)]);
        assert_eq!(uncounted[0].carried.as_ref().unwrap().moved, None);
    }

    #[test]
    fn who_never_came_to_the_router_is_counted_with_those_who_did() {
        let mut own = status(Backend::Haproxy);
        (own.accepted, own.bytes_from_clients, own.bytes_to_clients) = (5, 100, 1_000);
        own.refused = 2;
        own.refused_because.full = 2;
        let refused = RefusedBecause { full: 1, not_allowed: 4, ..RefusedBecause::default() };
        let more = Total { accepted: 7, moved: Moved { from_clients: 20, to_clients: 300 }, refused };
        let other = RouteId { instance: "bob".parse().unwrap(), ..own.id.clone() };
        let told = with_totals(vec![own.clone()], &[(own.id.clone(), more), (other, more)]);
        let because = RefusedBecause { full: 3, not_allowed: 4, ..RefusedBecause::default() };
        assert_eq!((told[0].refused, told[0].refused_because), (7, because));
        assert_eq!((told[0].accepted, told[0].bytes_from_clients, told[0].bytes_to_clients), (12, 120, 1_300));
        let unchanged = with_totals(vec![own.clone()], &[]);
        assert_eq!(unchanged, [own]);
    }

    #[test]
    fn a_wish_that_is_not_granted_is_told_with_its_reason_and_a_usual_route_says_nothing() {
        let told = with_carried(vec![status(Backend::Haproxy), status(Backend::Builtin)], &State::default(), &[]);
        let carried = told[0].carried.clone().unwrap();
        assert_eq!(carried.by, Backend::Builtin);
        assert_eq!(carried.obstacles, ["this HomePort cannot carry clients by `haproxy` yet"]);
        assert_eq!(told[1], status(Backend::Builtin));
    }
}
