//! Owns the way of a datagram from a container to its client. Never opens a session.

use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::time::Instant;

use super::batch;
use super::flight::{Flight, MOST};
use super::upstream::{is_nothing, is_of_one};
use super::waiting::Waiting;
use super::work::Work;

/// How many datagrams of a container are asked for first: most have said one thing to one client, and making room for more takes
/// longer than that.
const FEW: usize = 2;

impl Work<'_> {
    /// Passes on what containers have said.
    pub(super) fn answer(&mut self) {
        Flight::with(|flight| {
            let now = Instant::now();
            let (mut errors, mut most) = (0, FEW);
            while flight.left() > 0
                && let Some(id) = self.upstreams.next()
            {
                let Some(carried) = self.sessions.get(id) else {
                    self.upstreams.is_read();
                    continue;
                };
                let most_now = most.min(flight.left());
                match batch::from_container(&carried.socket, carried.peer, most_now, flight) {
                    Ok(count) => {
                        errors = 0;
                        let all = flight.len();
                        carried.visiting.passed.to_client.add(flight.sum(all - count..all));
                        self.route.reached(&carried.target);
                        self.sessions.answered(id, now);
                        // Who had as many as were asked for may have more, and those at once.
                        most = if count < most_now { FEW } else { MOST };
                        if count < most_now {
                            self.upstreams.is_read();
                        }
                    }
                    // What it said comes after the error. The bound is for a socket that has nothing but errors.
                    Err(error) if is_of_one(&error) && errors < MOST => {
                        errors += 1;
                        self.route.traffic.datagrams.unreachable.add(1);
                        self.route.attempt_failed(&carried.target, &error);
                    }
                    Err(error) => {
                        errors = 0;
                        if !is_nothing(&error) {
                            self.route.attempt_failed(&carried.target, &error);
                        }
                        self.upstreams.is_read();
                    }
                }
            }
            self.send_down(flight);
        });
    }

    /// Passes on the answers for which there was no room.
    pub(super) fn send_answers_on(&mut self) {
        let blocked = std::mem::take(&mut self.blocked);
        Flight::with(|flight| {
            for one in &blocked {
                flight.put(one.peer, &one.bytes);
            }
            self.send_down(flight);
        });
    }

    /// Sends each answer to its client. Those for which there is no room wait.
    fn send_down(&mut self, flight: &Flight) {
        let socket = Arc::clone(&self.socket);
        let mut from = 0;
        while from < flight.len() {
            let alike: Range<usize> = flight.alike(from);
            let sent = socket.try_io(Interest::WRITABLE, || batch::to_clients(&*socket, flight, alike));
            match sent {
                Ok(count) if count > 0 => {
                    self.route.traffic.datagrams.to_clients.add(count);
                    self.route.traffic.to_clients.add(flight.sum(from..from + count));
                    from += count;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let rest = (from..flight.len()).filter_map(|index| {
                        Some(Waiting { peer: flight.peer(index)?, bytes: flight.bytes(index).into() })
                    });
                    return self.blocked.extend(rest);
                }
                failed => {
                    self.route.traffic.datagrams.unsent.add(1);
                    if let (Err(error), Some(peer)) = (failed, flight.peer(from)) {
                        let text = format!("an answer was not sent to {}: {error}", peer.client);
                        self.route.traffic.went_wrong(text);
                    }
                    from += 1;
                }
            }
        }
    }
}
