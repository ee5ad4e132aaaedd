//! Owns the wait for a seat of those who are accepted already: each has its turn, in the order in which they ask. Never accepts
//! anybody, and never decides for how long one waits: the crowd does.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{Mutex, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::crowd::{Crowd, Room, Turn};
use crate::gate::{Admission, Gate};
use crate::route::Route;
use crate::seats::{Seat, Waiting};

/// Those of one way into a route who are accepted and wait for a seat.
#[derive(Debug)]
pub(crate) struct Seating {
    route: Arc<Route>,
    first: Mutex<First>,
}

/// What whoever is first needs to know.
#[derive(Debug)]
struct First {
    crowd: Crowd,
    gate: watch::Receiver<Gate>,
}

/// Whether anybody gets a seat.
enum Door {
    Open,
    /// Not until the hold is over.
    Held,
    Closed,
}

impl First {
    fn door(&mut self) -> Door {
        match self.gate.borrow_and_update().admission() {
            Admission::Forward(..) => Door::Open,
            Admission::Wait(_) => Door::Held,
            Admission::Refuse | Admission::Gone => Door::Closed,
        }
    }
}

impl Seating {
    /// Nobody waits yet.
    pub(crate) fn of(route: Arc<Route>) -> Self {
        let gate = route.gate.subscribe();
        Self { route, first: Mutex::new(First { crowd: Crowd::default(), gate }) }
    }

    /// A seat for this client, who counts as waiting until it has one, and as accepted from then on; `None`, and counted by why, where there is
    /// none for it. Whoever is first keeps its turn while the route is held. Safe to cancel: the next one is first then.
    pub(crate) async fn seat(&self, waiting: Waiting, client: IpAddr) -> Option<Seat> {
        let route = &self.route;
        let mut first = self.first.lock().await;
        loop {
            match first.door() {
                Door::Open => {}
                Door::Held => {
                    // The route, which this shares, owns the other end: an error cannot come.
                    drop(first.gate.changed().await);
                    // Who comes after a hold has a second anew.
                    first.crowd = Crowd::default();
                    continue;
                }
                Door::Closed => {
                    route.traffic.refused.closed.add(1);
                    return None;
                }
            }
            // Heard from now on: a seat of this route that is left after the look below is not missed. One of the router that another
            // route leaves is found at the next look.
            let left = route.seats.left();
            let room = route.room();
            if let Turn::Later(later) = first.crowd.turn(room, Instant::now()) {
                tokio::select! {
                    () = sleep_until(later) => {}
                    () = left => {}
                    changed = first.gate.changed() => drop(changed),
                }
                continue;
            }
            match route.find_seat(client) {
                Ok(seat) => {
                    route.traffic.accepted.add(1);
                    drop(waiting);
                    return Some(seat);
                }
                // Somebody who came another way was quicker.
                Err(no_seat) if no_seat.is_for_anybody() && room == Room::Some => yield_now().await,
                Err(no_seat) => {
                    route.turned_away(no_seat);
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "seating_tests.rs"]
mod tests;
