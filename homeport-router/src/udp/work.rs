//! Owns what a route for datagrams has under way, and the way of a datagram from its client to a container. Each deed is one step
//! that never waits.

use std::io::{self, ErrorKind};
use std::net::UdpSocket as StdSocket;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::batch::{self, Asked};
use super::flight::{Flight, MOST};
use super::peer::Peer;
use super::public::asked;
use super::sessions::{Course, Farewell, Leads, SessionId, Sessions};
use super::upstream::{connect, is_nothing, is_of_one};
use super::upstreams::Upstreams;
use super::waiting::{Queue, Waiting};
use crate::entrance::Barred;
use crate::flows::FlowTicket;
use crate::gate::{Admission, Generation};
use crate::route::Route;
use crate::seats::{NoSeat, Seat};
use crate::target::Target;
use crate::visit::{VisitEnd, Visiting};

/// So many times in a row clients are read before somebody else has his turn.
const ROUNDS: usize = 4;

/// What a session has: its way to the container, and its place among those of the route.
#[derive(Debug)]
pub(super) struct Carried<'r> {
    pub(super) socket: StdSocket,
    pub(super) peer: Peer,
    pub(super) target: Target,
    pub(super) visiting: Visiting,
    ticket: FlowTicket<'r>,
    // Given back last: the descriptor that the seat stands for is closed by then.
    _seat: Seat,
}

/// Everything that a route for datagrams has under way.
#[derive(Debug)]
pub(super) struct Work<'r> {
    pub(super) route: &'r Arc<Route>,
    pub(super) socket: Arc<UdpSocket>,
    asked: Asked,
    pub(super) sessions: Sessions<Carried<'r>>,
    pub(super) upstreams: Upstreams,
    waiting: Queue,
    /// Answers that the public socket had no room for.
    pub(super) blocked: Vec<Waiting>,
    farewell: Farewell,
}

impl<'r> Work<'r> {
    /// Nothing yet.
    pub(super) fn new(route: &'r Arc<Route>, socket: Arc<UdpSocket>) -> io::Result<Self> {
        let asked = asked(socket.local_addr()?);
        Ok(Self {
            route,
            socket,
            asked,
            sessions: Sessions::new(),
            upstreams: Upstreams::new()?,
            waiting: Queue::default(),
            blocked: Vec::new(),
            farewell: Farewell::No,
        })
    }

    pub(super) fn route(&self) -> &'r Route {
        self.route
    }

    pub(super) fn socket(&self) -> Arc<UdpSocket> {
        Arc::clone(&self.socket)
    }

    pub(super) fn farewell(&self) -> Farewell {
        self.farewell
    }

    /// Whether there is no session.
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Whether nothing is left that could still come to anything.
    pub(super) fn is_idle(&self) -> bool {
        self.sessions.is_empty() && self.waiting.len() == 0 && self.blocked.is_empty()
    }

    /// Whether answers wait for room, and none may be read before they have had it.
    pub(super) fn is_blocked(&self) -> bool {
        !self.blocked.is_empty()
    }

    /// Completes when a container has said something. Safe to cancel.
    pub(super) async fn containers(&mut self) -> io::Result<()> {
        self.upstreams.wait().await
    }

    /// Listens to clients no more.
    pub(super) fn leave(&mut self) {
        self.farewell = Farewell::Yes;
    }

    /// Takes in what clients have sent, and sends it where it goes.
    pub(super) fn take_in(&mut self) -> io::Result<()> {
        for _ in 0..ROUNDS {
            if Flight::with(|flight| self.take_in_once(flight))? < MOST {
                break;
            }
        }
        Ok(())
    }

    fn take_in_once(&mut self, flight: &mut Flight) -> io::Result<usize> {
        let (socket, asked) = (Arc::clone(&self.socket), self.asked);
        let mut got = None;
        let looked = socket.try_io(Interest::READABLE, || {
            let count = batch::from_clients(&*socket, asked, flight)?;
            got = Some(count);
            // Fewer than there is room for: the socket is empty, and the next look waits without asking.
            if count < MOST { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match (got, looked) {
            (Some(count), _) => {
                self.send_up(flight);
                Ok(count)
            }
            (None, Err(error)) if is_nothing(&error) => Ok(0),
            // An error that an answer met, told late: that answer is lost, and nothing else.
            (None, Err(error)) if is_of_one(&error) => Ok(0),
            (None, looked) => looked.map(|()| 0),
        }
    }

    /// Sends what waits, where the route leads by now.
    pub(super) fn send_on(&mut self) {
        if self.waiting.len() == 0 {
            return;
        }
        let all = self.waiting.take();
        self.count_waiting();
        for some in Vec::from(all).chunks(MOST) {
            Flight::with(|flight| {
                for one in some {
                    flight.put(one.peer, &one.bytes);
                }
                self.send_up(flight);
            });
        }
    }

    /// Sends each datagram to the container of its session.
    fn send_up(&mut self, flight: &Flight) {
        let now = Instant::now();
        let mut goes: Vec<(SessionId, usize)> = Vec::with_capacity(flight.len());
        for index in 0..flight.len() {
            let Some(peer) = flight.peer(index).filter(|peer| peer.client.port() != 0) else { continue };
            if let Some(id) = self.admit(peer, flight.bytes(index), now) {
                goes.push((id, index));
            }
        }
        // The datagrams of one session are sent with one call, in their order.
        goes.sort_unstable();
        for of_one in goes.chunk_by(|(id, _), (other, _)| id == other) {
            let which: Vec<usize> = of_one.iter().map(|(_, index)| *index).collect();
            if let Some((id, _)) = of_one.first() {
                self.send_to_container(*id, flight, &which);
            }
        }
    }

    /// The session that a datagram belongs to; `None` where it waits or is dropped.
    fn admit(&mut self, peer: Peer, bytes: &[u8], now: Instant) -> Option<SessionId> {
        let leads = match self.route.gate.borrow().admission() {
            Admission::Forward(generation, _) => Leads::To(generation),
            Admission::Wait(_) => Leads::Nowhere,
            Admission::Refuse | Admission::Gone => Leads::Away,
        };
        let mut course = self.sessions.course(peer, leads, now);
        if let Course::To(id) = course
            && self.sessions.get(id).is_some_and(|carried| carried.ticket.is_ended())
        {
            // Nothing goes to a container that has ended, also if that was said this very moment.
            self.end(id, VisitEnd::ContainerEnded);
            course = self.sessions.course(peer, leads, now);
        }
        if let Course::Open(Some(before)) | Course::Wait(Some(before)) | Course::Drop(Some(before)) = course {
            self.end(before, VisitEnd::Closed);
        }
        match course {
            Course::To(id) => self.sessions.heard(id, now).map(|_| id),
            Course::Open(_) => self.begin(peer, bytes, now),
            Course::Wait(_) => self.wait(peer, bytes),
            Course::Drop(_) => self.turn_away(),
        }
    }

    fn wait(&mut self, peer: Peer, bytes: &[u8]) -> Option<SessionId> {
        if self.route.may_come(peer.client.ip()) {
            let dropped = self.waiting.push(Waiting { peer, bytes: bytes.into() });
            self.route.traffic.datagrams.crowded_out.add(dropped);
            self.count_waiting();
        }
        None
    }

    fn turn_away(&self) -> Option<SessionId> {
        self.route.traffic.refused.closed.add(1);
        None
    }

    fn count_waiting(&self) {
        self.route.traffic.datagrams.set_waiting(self.waiting.len());
    }

    /// Opens a session with the target that the route has at this moment.
    fn begin(&mut self, peer: Peer, bytes: &[u8], now: Instant) -> Option<SessionId> {
        let seat = self.seat(peer, now)?;
        let route = self.route;
        loop {
            let (generation, target) = match route.gate.borrow().admission() {
                Admission::Forward(generation, target) => (generation, target.clone()),
                Admission::Wait(_) => return self.wait(peer, bytes),
                Admission::Refuse | Admission::Gone => return self.turn_away(),
            };
            // First counted in, then asked, as a connection: whoever moved the route meanwhile either makes this one turn
            // round, or finds it among the live ones.
            let ticket = route.flows.enter(generation, &target.container);
            if route.gate.borrow().runs(generation) {
                return self.open(peer, generation, target, (ticket, seat), now);
            }
        }
    }

    fn open(
        &mut self,
        peer: Peer,
        generation: Generation,
        target: Target,
        (ticket, seat): (FlowTicket<'r>, Seat),
        now: Instant,
    ) -> Option<SessionId> {
        let socket = connect(target.address).and_then(|socket| {
            self.upstreams.add(&socket, self.sessions.next_id())?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => {
                self.route.traffic.accepted.add(1);
                let mut visiting = Visiting::new(self.route, peer.client);
                visiting.connected_with(&target.container);
                let carried = Carried { socket, peer, target, visiting, ticket, _seat: seat };
                Some(self.sessions.open(peer, generation, carried, now))
            }
            Err(error) => {
                self.route.traffic.failed.add(1);
                self.route.attempt_failed(&target, &error);
                None
            }
        }
    }

    /// A seat for a session. Where there is none, one that can be done without gives up its own.
    fn seat(&mut self, peer: Peer, now: Instant) -> Option<Seat> {
        let client = peer.client.ip();
        let why = match self.route.find_seat(client) {
            Ok(seat) => return Some(seat),
            Err(why) => why,
        };
        let spare = match why {
            NoSeat::Barred(Barred::Full(_)) | NoSeat::OfRouter => self.sessions.spare(None, now),
            NoSeat::Barred(Barred::SourceFull(source, _)) => self.sessions.spare(Some(source), now),
            NoSeat::Barred(Barred::NotAllowed | Barred::TooFast(_)) => None,
        };
        if let Some(spare) = spare {
            self.end(spare, VisitEnd::Closed);
        }
        self.route.take_seat(client)
    }

    fn end(&mut self, id: SessionId, how: VisitEnd) {
        if let Some(mut carried) = self.sessions.end(id) {
            carried.visiting.ended(how);
        }
    }

    fn send_to_container(&mut self, id: SessionId, flight: &Flight, which: &[usize]) {
        let datagrams = &self.route.traffic.datagrams;
        let Some(carried) = self.sessions.get(id) else {
            // It made room for another one meanwhile.
            return datagrams.crowded_out.add(which.len());
        };
        let (mut rest, mut tries) = (which, 0);
        while let Some(first) = rest.first() {
            match batch::to_container(&carried.socket, flight, rest) {
                Ok(sent) if sent > 0 => {
                    let bytes: usize = rest.iter().take(sent).map(|index| flight.bytes(*index).len()).sum();
                    datagrams.from_clients.add(sent);
                    self.route.traffic.from_clients.add(bytes);
                    carried.visiting.passed.from_client.add(bytes);
                    (rest, tries) = (rest.get(sent..).unwrap_or_default(), 0);
                }
                // It is of an earlier datagram, which nobody took; this one has not been sent yet.
                Err(error) if is_of_one(&error) && tries == 0 => {
                    tries += 1;
                    datagrams.unreachable.add(1);
                    self.route.attempt_failed(&carried.target, &error);
                }
                failed => {
                    datagrams.unsent.add(1);
                    if let Err(error) = failed.map(|_| ())
                        && !is_nothing(&error)
                    {
                        let length = flight.bytes(*first).len();
                        let (target, text) = (&carried.target, format!("{length} bytes were not sent to"));
                        self.route.traffic.went_wrong(format!("{text} {target}: {error}"));
                    }
                    (rest, tries) = (rest.get(1..).unwrap_or_default(), 0);
                }
            }
        }
    }

    /// Ends the sessions that were told to.
    pub(super) fn end_ended(&mut self) {
        for id in self.sessions.those(|carried| carried.ticket.is_ended()) {
            self.end(id, VisitEnd::ContainerEnded);
        }
    }

    /// Ends the sessions that have been silent for too long.
    pub(super) fn end_over(&mut self) {
        let idle = self.route.times.borrow().idle;
        for id in self.sessions.over(self.farewell, idle, Instant::now()) {
            self.end(id, VisitEnd::Idle);
            if idle.is_some() {
                self.route.traffic.idle.add(1);
            }
        }
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.route.traffic.datagrams.set_waiting(0);
    }
}
