//! Who gets a seat that is left, and who is turned away. Time is paused.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;
use crate::flows::FlowTicket;
use crate::gate::{GateEvent, Generation};
use crate::limits::Limits;
use crate::route::Shared;
use crate::target::Target;
use crate::test_route::{limits_of, route_of};

/// A route that leads somewhere.
fn route(instance: &str, limits: Limits, shared: &Shared) -> Arc<Route> {
    let route = route_of(instance, limits, shared);
    point(&route);
    Arc::new(route)
}

/// A route of one seat, and those who wait for it.
fn seating() -> (Arc<Route>, Arc<Seating>) {
    let route = route("web", limits_of(1), &Shared::of(&limits_of(1), 1));
    (Arc::clone(&route), Arc::new(Seating::of(route)))
}

fn target() -> Target {
    Target::new("a".parse().unwrap(), "127.0.0.1:2".parse().unwrap())
}

fn point(route: &Route) {
    route.let_happen(GateEvent::Point(target()));
}

/// Somebody who has a seat and has reached the container.
fn arrived(route: &Route) -> (Seat, FlowTicket<'_>) {
    (route.find_seat(client()).unwrap(), route.enter(Generation::new(1), &target()).unwrap())
}

fn client() -> IpAddr {
    [192, 0, 2, 1].into()
}

/// Asks for a seat, and is in the line when this returns.
async fn asks(route: &Route, seating: &Arc<Seating>) -> JoinHandle<Option<Seat>> {
    let (waiting, seating) = (route.seats.wait(), Arc::clone(seating));
    let asks = tokio::spawn(async move { seating.seat(waiting, client()).await });
    sleep(Duration::from_millis(1)).await;
    asks
}

#[tokio::test(start_paused = true)]
async fn each_has_its_turn_as_soon_as_a_seat_is_left() {
    let (route, seating) = seating();
    let mut seat = route.find_seat(client()).unwrap();
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(asks(&route, &seating).await);
    }
    assert_eq!((route.seats.waiting(), route.status().unwrap().open), (3, 1));
    let began = Instant::now();
    for (n, next) in all.into_iter().enumerate() {
        drop(seat);
        seat = next.await.unwrap().unwrap();
        assert_eq!(route.seats.waiting(), 2 - n);
    }
    assert_eq!(Instant::now(), began, "nobody has waited for the next look");
    assert_eq!(route.status().unwrap().accepted, 3);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_the_turn_to_the_next_one() {
    let (route, seating) = seating();
    let seat = route.find_seat(client()).unwrap();
    let (first, second) = (asks(&route, &seating).await, asks(&route, &seating).await);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    drop(seat);
    assert!(second.await.unwrap().is_some());
    assert_eq!(route.seats.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn everybody_is_turned_away_when_the_route_closes_and_is_counted() {
    let (route, seating) = seating();
    let _seat = route.find_seat(client()).unwrap();
    let all = [asks(&route, &seating).await, asks(&route, &seating).await, asks(&route, &seating).await];
    route.let_happen(GateEvent::Close);
    for next in all {
        assert!(next.await.unwrap().is_none());
    }
    assert_eq!((route.status().unwrap().refused_because.closed, route.seats.waiting()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_hold_takes_nobodys_patience() {
    let (route, seating) = seating();
    let arrived = arrived(&route);
    let waits = asks(&route, &seating).await;
    for _ in 0..5 {
        sleep(Duration::from_millis(900)).await;
        route.let_happen(GateEvent::Hold);
        sleep(Duration::from_secs(1)).await;
        point(&route);
    }
    sleep(Duration::from_millis(900)).await;
    drop(arrived);
    assert!(waits.await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_while_others_come_and_go_waits_on_and_one_who_waits_in_vain_does_not() {
    let (route, seating) = seating();
    let mut seat = arrived(&route);
    let (waits, began) = (asks(&route, &seating).await, Instant::now());
    for _ in 0..8 {
        sleep(Duration::from_millis(900)).await;
        // Taken again before whoever waits has looked.
        drop(seat);
        seat = arrived(&route);
    }
    assert!(!waits.is_finished());
    assert!(waits.await.unwrap().is_none());
    let lasted = began.elapsed().as_millis();
    assert!((8_200..8_300).contains(&lasted), "a second after the last has left: {lasted} ms");
    assert_eq!((route.status().unwrap().refused_because.full, route.seats.waiting()), (1, 0));
    drop(seat);
}

#[tokio::test(start_paused = true)]
async fn a_seat_of_the_router_that_another_route_leaves_is_found_at_the_next_look() {
    let limits = Limits { connections: 3, ..limits_of(2) };
    let shared = Shared::of(&limits, 1);
    let (web, mail) = (route("web", limits, &shared), route("mail", limits, &shared));
    let (_stays, mut comes_and_goes) = (arrived(&web), vec![arrived(&mail), arrived(&mail)]);
    let waits = asks(&web, &Arc::new(Seating::of(Arc::clone(&web)))).await;
    sleep(Duration::from_millis(500)).await;
    assert!(!waits.is_finished());
    let began = Instant::now();
    comes_and_goes.pop();
    assert!(waits.await.unwrap().is_some());
    assert!(began.elapsed() <= Duration::from_millis(20), "{:?}", began.elapsed());
}
