//! Owns a public socket and the tasks of its connections. Never decides by itself who may connect: the gate says so.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use crate::accept_fault::AcceptFault;
use crate::accepts::{Accepts, Queue, is_waited_at};
use crate::backoff::Backoff;
use crate::connection::serve;
use crate::crowd::{Crowd, IfFull, Turn};
use crate::gate::{Admission, Gate, Hold};
use crate::listen::end_listening;
use crate::next_client::next_client;
use crate::patience::Patience;
use crate::report::Report;
use crate::route::Route;
use crate::seating::Seating;
use crate::seats::Waiting;
use crate::severed::Severed;
use crate::slice::Sliced;

/// How often connections that live on are seen to.
const BEAT: Duration = Duration::from_secs(1);
/// After each so many who were accepted other routes have their turn: the rest wait on in the kernel's queue.
const IN_A_ROW: u32 = 16;
/// How many who were left waiting are taken in before anything else is looked at.
const AT_ONCE: usize = 64;

/// Whether a lack of resources lasts, and so was said already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    Said,
}

/// Whether clients are accepted at all, on every route of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepting {
    Yes,
    /// Another process does from now on; only what was accepted is carried on.
    NoMore,
}

/// Accepts the clients of one route.
#[derive(Debug)]
pub(crate) struct Acceptor {
    route: Arc<Route>,
    listener: Arc<TcpListener>,
    gate: watch::Receiver<Gate>,
    accepting: watch::Receiver<Accepting>,
    accepts: watch::Receiver<Accepts>,
    /// Dropped as soon as no client is accepted any more.
    open: oneshot::Sender<()>,
    connections: JoinSet<()>,
    patience: Patience,
    backoff: Backoff,
    paused_until: Option<Instant>,
    crowd: Crowd,
    /// Who was accepted, and found no seat after all.
    seating: Arc<Seating>,
    trouble: Trouble,
}

/// What to do until the gate changes.
#[derive(Debug, Clone, Copy)]
enum Duty {
    Accept,
    Wait(Hold),
    Stop,
}

impl Acceptor {
    /// An acceptor of the route's clients on this socket; `open` is dropped when it accepts no more.
    pub(crate) fn new(
        route: Arc<Route>,
        listener: Arc<TcpListener>,
        accepting: watch::Receiver<Accepting>,
        open: oneshot::Sender<()>,
    ) -> Self {
        let (gate, accepts) = (route.gate.subscribe(), route.accepts.subscribe());
        let seating = Arc::new(Seating::of(Arc::clone(&route)));
        Self {
            route,
            listener,
            gate,
            accepting,
            accepts,
            open,
            connections: JoinSet::new(),
            patience: Patience::default(),
            backoff: Backoff::ACCEPT,
            paused_until: None,
            crowd: Crowd::default(),
            seating,
            trouble: Trouble::None,
        }
    }

    /// Accepts until the route is released, then resets what is live and ends the listening, also where another process has
    /// the socket too. Where no more is accepted, the socket is only closed, and the connections are carried on to their end.
    ///
    /// Safe to cancel: connections are reset and the socket is closed all the same, only nobody waits for it.
    pub(crate) async fn run(mut self) {
        let mut beat = beats();
        loop {
            let duty = duty(&mut self.gate);
            if *self.accepting.borrow_and_update() == Accepting::NoMore {
                return self.carry_on().await;
            }
            match duty {
                Duty::Accept => {
                    let accepts = *self.accepts.borrow_and_update();
                    match accepts {
                        Accepts::Everybody => self.accept_until_change(&mut beat).await,
                        Accepts::WhoIsLeft => self.accept_who_is_left(&mut beat).await,
                    }
                }
                Duty::Wait(hold) => self.wait_until_change(hold, &mut beat).await,
                Duty::Stop => break,
            }
        }
        end_listening(&*self.listener);
        drop(self.listener);
        self.connections.shutdown().await;
    }

    /// Goes on with the connections that there are, and with what may happen to the route meanwhile.
    async fn carry_on(self) {
        let Self { route, listener, mut gate, open, mut connections, mut patience, .. } = self;
        drop(listener);
        drop(open);
        let mut beat = beats();
        loop {
            let end = match duty(&mut gate) {
                Duty::Wait(hold) => Some(route.end_of(hold, Instant::now(), &mut patience)),
                Duty::Accept => None,
                Duty::Stop => return connections.shutdown().await,
            };
            let is_held = end.is_some();
            if connections.is_empty() && !is_held {
                return;
            }
            let expired = async {
                match end {
                    Some(end) => {
                        sleep_until(end.at).await;
                        end
                    }
                    None => std::future::pending().await,
                }
            };
            let mut expired = std::pin::pin!(expired);
            loop {
                tokio::select! {
                    changed = gate.changed() => {
                        drop(changed);
                        break;
                    }
                    end = &mut expired => {
                        route.expire(end);
                        break;
                    }
                    _ = beat.tick() => route.beat.notify_waiters(),
                    // The end of a hold is seen to also where only a proxy hands on who waits for it.
                    Some(_) = connections.join_next() => if connections.is_empty() && !is_held {
                        return;
                    },
                }
            }
        }
    }

    /// Leaves all clients in the kernel's queue.
    async fn wait_until_change(&mut self, hold: Hold, beat: &mut Interval) {
        let mut times = self.route.times.subscribe();
        let renewed = Instant::now();
        // Who comes after a hold has a second anew.
        self.crowd = Crowd::default();
        loop {
            times.mark_unchanged();
            let end = self.route.end_of(hold, renewed, &mut self.patience);
            tokio::select! {
                // The route, which this task shares, owns the other end: an error cannot come.
                changed = self.gate.changed() => return drop(changed),
                changed = self.accepting.changed() => return drop(changed),
                // How long clients may wait is another time now.
                Ok(()) = times.changed() => {}
                () = sleep_until(end.at) => return self.route.expire(end),
                _ = beat.tick(), if !self.connections.is_empty() => self.route.beat.notify_waiters(),
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    async fn accept_until_change(&mut self, beat: &mut Interval) {
        let mut in_a_row = 0;
        loop {
            if in_a_row == IN_A_ROW {
                in_a_row = 0;
                yield_now().await;
            }
            tokio::select! {
                // A change is looked at first: only whom this is about to accept at that moment still comes here after it.
                biased;
                changed = self.gate.changed() => return drop(changed),
                changed = self.accepting.changed() => return drop(changed),
                changed = self.accepts.changed() => return drop(changed),
                _ = beat.tick(), if !self.connections.is_empty() => self.route.beat.notify_waiters(),
                Some(_) = self.connections.join_next() => {}
                // Each turn looks anew for a seat: one may come of a connection that has ended.
                next = next_client(&self.listener, &self.route, &mut self.crowd, &mut self.paused_until) => match next {
                    Ok((client, from, if_full)) => {
                        if self.connections.is_empty() {
                            // A whole beat from the first one on. A timer that is set already also keeps those of
                            // single connections, which are later, from waking the thread.
                            beat.reset();
                        }
                        self.admit(client, from, if_full);
                        in_a_row += 1;
                    }
                    Err(error) => self.note(&error),
                },
            }
        }
    }

    /// Accepts whom another process leaves waiting, until something changes.
    async fn accept_who_is_left(&mut self, beat: &mut Interval) {
        let mut queue = Queue::new(self.route.limits.left_waiting);
        loop {
            let next = Instant::now() + queue.pause();
            loop {
                tokio::select! {
                    biased;
                    changed = self.gate.changed() => return drop(changed),
                    changed = self.accepting.changed() => return drop(changed),
                    changed = self.accepts.changed() => return drop(changed),
                    () = sleep_until(next) => break,
                    _ = beat.tick(), if !self.connections.is_empty() => self.route.beat.notify_waiters(),
                    Some(_) = self.connections.join_next() => {}
                }
            }
            if queue.look(is_waited_at(&*self.listener)) {
                self.take_in_who_waits();
            }
        }
    }

    fn take_in_who_waits(&mut self) {
        // Nobody has to be woken: the next look is soon.
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..AT_ONCE {
            let Turn::Now(if_full) = self.crowd.turn(self.route.room_in_queue(), Instant::now()) else { return };
            match self.listener.poll_accept(&mut context) {
                Poll::Ready(Ok((client, from))) => self.admit(client, from, if_full),
                Poll::Ready(Err(error)) if AcceptFault::of(&error) == AcceptFault::Client => {}
                Poll::Ready(Err(error)) => return self.note(&error),
                Poll::Pending => return,
            }
        }
    }

    /// Lets in a client that was accepted just now.
    fn admit(&mut self, client: TcpStream, from: SocketAddr, if_full: IfFull) {
        let client = Severed::new(client);
        self.backoff.reset();
        if self.trouble == Trouble::Said {
            self.trouble = Trouble::None;
            self.route.reports.say(&Report::AcceptResumed { route: self.route.id.clone() });
        }
        let is_closed = matches!(self.route.gate.borrow().admission(), Admission::Refuse | Admission::Gone);
        if is_closed {
            return self.route.traffic.refused.closed.add(1);
        }
        match self.route.find_seat(from.ip()) {
            Ok(seat) => {
                self.route.traffic.accepted.add(1);
                self.carry(serve(Arc::clone(&self.route), client, from, None, seat));
            }
            // Somebody who came another way, or to another route, was quicker, or had come just before. Those are few: while one waits
            // for a seat, nobody else of this route is accepted for the same one.
            Err(no_seat) if no_seat.is_for_anybody() && if_full == IfFull::Wait => {
                let waiting = self.route.seats.wait();
                let seating = Arc::clone(&self.seating);
                self.carry(wait_and_serve(seating, Arc::clone(&self.route), client, from, waiting));
            }
            Err(no_seat) => self.route.turned_away(no_seat),
        }
    }

    fn carry(&mut self, connection: impl Future<Output = ()> + Send + 'static) {
        self.connections.spawn(Sliced::one_of_many(Arc::clone(&self.route), connection));
    }

    fn note(&mut self, error: &io::Error) {
        if AcceptFault::of(error) == AcceptFault::Client {
            return;
        }
        self.paused_until = Some(Instant::now() + self.backoff.pause());
        if self.trouble == Trouble::None {
            self.trouble = Trouble::Said;
            let report = Report::AcceptPaused { route: self.route.id.clone(), cause: error.to_string() };
            self.route.traffic.went_wrong(report.to_string());
            self.route.reports.say(&report);
        }
    }
}

/// The beats of a route's connections, the first of them a whole one from now.
pub(crate) fn beats() -> Interval {
    let mut beat = interval_at(Instant::now() + BEAT, BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat
}

fn duty(gate: &mut watch::Receiver<Gate>) -> Duty {
    match gate.borrow_and_update().admission() {
        Admission::Forward(..) | Admission::Refuse => Duty::Accept,
        Admission::Wait(hold) => Duty::Wait(hold),
        Admission::Gone => Duty::Stop,
    }
}

/// Serves a client to its end, where it gets a seat; else, or where this is dropped at any point, it is reset.
async fn wait_and_serve(seating: Arc<Seating>, route: Arc<Route>, client: Severed, from: SocketAddr, waiting: Waiting) {
    if let Some(seat) = seating.seat(waiting, from.ip()).await {
        drop(seating);
        serve(route, client, from, None, seat).await;
    }
}

#[cfg(test)]
#[path = "acceptor_tests.rs"]
mod tests;
