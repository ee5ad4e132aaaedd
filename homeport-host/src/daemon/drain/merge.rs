//! Owns how the routes of a daemon and what its drainers have left of them are told as one. Pure.

use homeport_router::RouteStatus;

use super::ask::Draining;

/// The daemon's routes, with the connections that drainers have of each: those that are open or wait are counted in, and those
/// that are live come first, since they are older. The generations of another process count its own targets.
pub(in crate::daemon) fn with_drained(own: Vec<RouteStatus>, drained: &[Draining]) -> Vec<RouteStatus> {
    let more = |mut status: RouteStatus| {
        let all = drained.iter().flat_map(|one| &one.routes).filter(|route| route.id == status.id);
        let (mut open, mut waiting, mut live) = (0, 0, Vec::new());
        for route in all {
            open += route.open;
            waiting += route.waiting;
            live.extend(route.live.iter().cloned());
        }
        status.open += open;
        status.waiting += waiting;
        status.live.splice(0..0, live);
        status
    };
    own.into_iter().map(more).collect()
}

#[cfg(test)]
mod tests {
    use homeport_router::{Generation, LiveConnections, RouteId, RouteState};

    use super::*;
    use crate::ledger::Time;

    fn route(endpoint: &str, open: usize, live: &[(&str, usize)]) -> RouteStatus {
        let id = RouteId { instance: "alice".parse().unwrap(), endpoint: endpoint.parse().unwrap() };
        let live = live.iter().map(|(container, connections)| LiveConnections {
            generation: Generation::new(1),
            container: container.parse().unwrap(),
            connections: *connections,
        });
        let live = live.collect();
        RouteStatus { open, live, ..RouteStatus::unused(id, "*:2222".parse().unwrap(), RouteState::Held, 9) }
    }

    fn draining(routes: Vec<RouteStatus>) -> Draining {
        Draining { pid: 1, version: "0.1.0".to_owned(), since: Time::now(), until: Time::now(), routes }
    }

    #[test]
    fn connections_of_drainers_are_counted_with_the_route_that_they_came_by() {
        let drained = [
            draining(vec![route("ssh", 3, &[("a", 2)]), route("gone", 1, &[("a", 1)])]),
            draining(vec![route("ssh", 1, &[("b", 1)])]),
        ];
        let told = with_drained(vec![route("http", 5, &[("c", 5)]), route("ssh", 1, &[("c", 1)])], &drained);
        assert_eq!(told, [route("http", 5, &[("c", 5)]), route("ssh", 5, &[("a", 2), ("b", 1), ("c", 1)])]);
        assert_eq!(drained[0].clients(), 4);
        let waits = |open, waiting| RouteStatus { waiting, ..route("ssh", open, &[]) };
        let drained = draining(vec![waits(3, 2)]);
        assert_eq!(drained.clients(), 5, "whoever waits is carried on as well");
        assert_eq!(with_drained(vec![waits(4, 1)], &[drained]), [waits(7, 3)]);
        assert_eq!(with_drained(vec![route("ssh", 1, &[])], &[]), [route("ssh", 1, &[])]);
    }
}
