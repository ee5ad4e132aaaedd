//! What threads that share a route can do to each other: the same steps at the same time, many times over.

use std::sync::Barrier;
use std::thread;

use super::*;
use crate::test_route::{self, limits, limits_of};

/// So often that each order of the steps of two threads comes up, on two processors.
const ROUNDS: u64 = 20_000;

fn route() -> Route {
    test_route::route(limits())
}

fn target(name: &str) -> Target {
    Target::new(name.parse().unwrap(), "127.0.0.1:2".parse().unwrap())
}

/// Has both happen at once, and gives what each came to.
fn at_once<A: Send, B: Send>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B + Send) -> (A, B) {
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        let one = scope.spawn(|| {
            barrier.wait();
            one()
        });
        barrier.wait();
        let other = other();
        (one.join().unwrap(), other)
    })
}

#[tokio::test]
async fn a_connection_with_an_earlier_target_turns_round_or_is_found_whoever_comes_first() {
    let (mut turned, mut found) = (0, 0);
    for round in 0..ROUNDS {
        let route = route();
        let (old, new) = (target("a"), target("b"));
        route.let_happen(GateEvent::Point(old.clone()));
        let event = if round % 2 == 0 { GateEvent::Point(new) } else { GateEvent::Hold };
        let (ticket, ended) = at_once(
            || route.enter(Generation::new(1), &old),
            || {
                route.let_happen(event);
                route.flows.end(&old.container)
            },
        );
        if let Some(ticket) = ticket {
            assert_eq!(ended, 1, "it stays with a container that is left, and nobody found it");
            // It was told: this does not wait.
            tokio::time::timeout(std::time::Duration::from_secs(20), ticket.ended()).await.unwrap();
            found += 1;
        } else {
            turned += 1;
        }
        assert_eq!(route.flows.live(), []);
    }
    assert!(turned > 0, "{found} of {ROUNDS} were found, and none turned round");
}

#[test]
fn seats_are_given_back_to_the_last_one_whoever_takes_and_leaves_at_once() {
    let route = route();
    let limit = route.status().unwrap().limit;
    let take_all = || {
        let mut most = 0;
        for _ in 0..500 {
            let seats: Vec<_> = std::iter::from_fn(|| route.take_seat([192, 0, 2, 1].into())).collect();
            most = most.max(seats.len());
        }
        most
    };
    let (one, other) = at_once(take_all, take_all);
    assert!(one <= limit && other <= limit && one.max(other) > 0, "{one} and {other} of {limit}");
    assert_eq!(route.status().unwrap().open, 0);
    let seats: Vec<_> = std::iter::from_fn(|| route.take_seat([192, 0, 2, 2].into())).collect();
    assert_eq!(seats.len(), limit, "all are there again");
}

/// A route that leads somewhere.
fn route_of(instance: &str, limits: Limits, shared: &Shared) -> Route {
    let route = test_route::route_of(instance, limits, shared);
    route.let_happen(GateEvent::Point(target("a")));
    route
}

/// A seat of somebody who has reached the container.
fn arrived(route: &Route) -> (Seat, FlowTicket<'_>) {
    let seat = route.take_seat([192, 0, 2, 1].into()).unwrap();
    (seat, route.enter(Generation::new(1), &target("a")).unwrap())
}

#[test]
fn a_full_route_tells_whether_somebody_has_left_it() {
    let limits = limits_of(2);
    let route = route_of("web", limits, &Shared::of(&limits, 1));
    let on_the_way = route.take_seat([192, 0, 2, 1].into()).unwrap();
    assert_eq!(route.room(), Room::Some);
    let one = arrived(&route);
    assert_eq!(route.room(), Room::Soon(Departures::default()));
    drop(on_the_way);
    assert_eq!(route.room(), Room::Some);
    let other = arrived(&route);
    assert_eq!(route.room(), Room::None(Departures::new(1)));
    drop((one, other));
    route.let_happen(GateEvent::Hold);
    assert!(matches!(route.room(), Room::Soon(_)));
    route.let_happen(GateEvent::Close);
    assert_eq!(route.room(), Room::Some, "everybody is turned away");
}

#[test]
fn where_the_router_is_full_it_tells_whether_somebody_has_left_any_route() {
    let limits = Limits { connections: 3, ..limits_of(2) };
    let shared = Shared::of(&limits, 1);
    let [web, mail] = ["web", "mail"].map(|instance| route_of(instance, limits, &shared));
    let _stays = arrived(&mail);
    let comes_and_goes = [arrived(&web), arrived(&web)];
    assert_eq!(mail.room(), Room::None(Departures::default()));
    drop(comes_and_goes);
    assert_eq!(mail.room(), Room::Some);
    let _again = [arrived(&web), arrived(&web)];
    assert_eq!(mail.room(), Room::None(Departures::new(2)));
    assert_eq!(web.room(), Room::None(Departures::new(2)));
}

#[test]
fn those_who_are_accepted_come_before_those_in_the_kernels_queue() {
    let limits = limits_of(2);
    let route = route_of("web", limits, &Shared::of(&limits, 1));
    let _one = arrived(&route);
    assert_eq!((route.room(), route.room_in_queue()), (Room::Some, Room::Some));
    let waits = route.seats.wait();
    assert_eq!((route.room(), route.room_in_queue()), (Room::Some, Room::None(Departures::default())));
    let status = route.status().unwrap();
    assert_eq!((status.open, status.waiting), (1, 1));
    drop(waits);
    assert_eq!((route.room_in_queue(), route.status().unwrap().waiting), (Room::Some, 0));
}
