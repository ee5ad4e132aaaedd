//! Owns what the parts of one route share: its gate, its counters and its seats. Never awaits.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use homeport_core::manifest::Transport;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::accepts::Accepts;
use crate::address::ListenAddress;
use crate::company::Company;
use crate::crowd::{Departures, Room};
use crate::entrance::{Barred, Entrance, Origin};
use crate::flows::{FlowTicket, Flows};
use crate::gate::{Admission, Change, Gate, GateEvent, Generation, Hold};
use crate::limits::Limits;
use crate::local_port::LocalPorts;
use crate::occasion::Occasion;
use crate::patience::{End, Patience};
use crate::pipe::Pipes;
use crate::report::{Report, Reports};
use crate::route_id::RouteId;
use crate::rules::{AccessLog, RouteRules, Times};
use crate::seats::{NoSeat, RouterSeats, Seat, Seats, Vacancy};
use crate::slice::Slice;
use crate::source::SourceAddress;
use crate::status::{RouteState, RouteStatus};
use crate::target::Target;
use crate::traffic::Traffic;

/// One route, shared by the router, its acceptor and its connections.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) id: RouteId,
    pub(crate) address: ListenAddress,
    pub(crate) limits: Limits,
    pub(crate) gate: watch::Sender<Gate>,
    pub(crate) accepts: watch::Sender<Accepts>,
    pub(crate) flows: Flows,
    pub(crate) traffic: Traffic,
    pub(crate) reports: Reports,
    pub(crate) pipes: Arc<Pipes>,
    pub(crate) ports: Arc<LocalPorts>,
    /// Comes once a second while there are connections.
    pub(crate) beat: Notify,
    /// How long clients may be idle, and be kept waiting.
    pub(crate) times: watch::Sender<Times>,
    /// What its tasks have used of the threads.
    pub(crate) slice: Slice,
    pub(crate) seats: Arc<Seats>,
    is_unreachable: AtomicBool,
    is_full: AtomicBool,
    source_full: Occasion,
    too_fast: Occasion,
}

/// What all routes of a router share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    seats: Arc<RouterSeats>,
    pipes: Arc<Pipes>,
    ports: Arc<LocalPorts>,
    company: Arc<Company>,
    threads: usize,
}

impl Shared {
    /// As much of it as the limits allow, for tasks that run on so many threads.
    pub(crate) fn of(limits: &Limits, threads: usize) -> Self {
        let (seats, pipes) = (Arc::new(RouterSeats::new(limits.connections)), Arc::new(Pipes::new(limits.pipes)));
        Self { seats, pipes, ports: Arc::new(LocalPorts::of_kernel()), company: Arc::default(), threads }
    }
}

impl Route {
    /// A fresh route of a router.
    pub(crate) fn new(id: RouteId, address: ListenAddress, limits: Limits, shared: Shared, reports: Reports) -> Self {
        let entrance = Entrance::new(limits.connections_per_route, limits.connections / 2);
        Self {
            id,
            address,
            limits,
            gate: watch::Sender::new(Gate::fresh()),
            accepts: watch::Sender::default(),
            flows: Flows::default(),
            traffic: Traffic::default(),
            reports,
            pipes: shared.pipes,
            ports: shared.ports,
            beat: Notify::new(),
            times: watch::Sender::default(),
            slice: Slice::new(shared.company, shared.threads),
            seats: Arc::new(Seats::new(entrance, shared.seats)),
            is_unreachable: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            source_full: Occasion::default(),
            too_fast: Occasion::default(),
        }
    }

    /// Lets the event happen and tells all who wait for the route. A route that is gone stays as it is.
    pub(crate) fn let_happen(&self, event: GateEvent) -> Change {
        let mut change = Change::Unchanged;
        self.gate.send_if_modified(|gate| {
            change = gate.apply(event).unwrap_or(Change::Unchanged);
            change != Change::Unchanged
        });
        if change == Change::Changed {
            // The next failure is news again: it concerns another target, or the same one at another time.
            self.is_unreachable.store(false, Ordering::Relaxed);
        }
        change
    }

    /// When this hold ends by itself, which was begun or renewed then.
    pub(crate) fn end_of(&self, hold: Hold, renewed: Instant, patience: &mut Patience) -> End {
        patience.until(hold, renewed, self.limits.hold_limit, self.times.borrow().held)
    }

    /// Ends the hold, unless it has ended already.
    pub(crate) fn expire(&self, end: End) {
        if self.let_happen(end.event) == Change::Changed {
            let report = Report::HoldExpired { route: self.id.clone(), after: end.after };
            self.traffic.went_wrong(report.to_string());
            self.reports.say(&report);
        }
    }

    /// What the route lets in from now on; who is connected stays.
    pub(crate) fn set_rules(&self, rules: RouteRules) -> Change {
        let mut entrance = self.seats.entrance();
        if *entrance.rules() == rules {
            return Change::Unchanged;
        }
        let times = Times::of(&rules);
        entrance.set(rules);
        self.times.send_if_modified(|now| std::mem::replace(now, times) != times);
        Change::Changed
    }

    /// Whether connections that begin now leave a line.
    pub(crate) fn access_log(&self) -> AccessLog {
        self.seats.entrance().rules().log
    }

    /// From which address containers are dialled now.
    pub(crate) fn source(&self) -> SourceAddress {
        self.seats.entrance().rules().source
    }

    /// Whether there is a seat for one more of those who are accepted already, whoever it is. Where everybody is turned away, nobody
    /// waits for one.
    pub(crate) fn room(&self) -> Room {
        self.room_beside(0)
    }

    /// The same, for whoever is next in the kernel's queue: those who are accepted already come first.
    pub(crate) fn room_in_queue(&self) -> Room {
        self.room_beside(self.seats.waiting())
    }

    fn room_beside(&self, others: usize) -> Room {
        match self.gate.borrow().admission() {
            Admission::Forward(..) => {}
            Admission::Wait(_) => return Room::Soon(Departures::default()),
            Admission::Refuse | Admission::Gone => return Room::Some,
        }
        match self.seats.vacancy(others) {
            Vacancy::Some => Room::Some,
            Vacancy::None { open, departures } if self.flows.count() < open => Room::Soon(departures),
            Vacancy::None { departures, .. } => Room::None(departures),
        }
    }

    /// A seat for one more connection; `None`, and counted by why, when there is none for this client.
    pub(crate) fn take_seat(&self, client: IpAddr) -> Option<Seat> {
        self.find_seat(client).map_err(|no_seat| self.turned_away(no_seat)).ok()
    }

    /// Counts a client that does not come in for want of a seat, by why.
    pub(crate) fn turned_away(&self, no_seat: NoSeat) {
        match no_seat {
            NoSeat::Barred(barred) => self.barred(barred),
            NoSeat::OfRouter => {
                self.traffic.refused.full.add(1);
                let connections = self.limits.connections;
                self.is_at_limit(&Report::RouterAtLimit { route: self.id.clone(), connections });
            }
        }
    }

    /// The same, where it is not yet sure that the client does not come in: nothing is counted and nothing is said.
    pub(crate) fn find_seat(&self, client: IpAddr) -> Result<Seat, NoSeat> {
        let origin = Origin::of(client, self.address.host());
        let seat = self.seats.take(client, origin)?;
        if self.is_full.load(Ordering::Relaxed) && self.is_relieved() {
            self.is_full.store(false, Ordering::Relaxed);
        }
        Ok(seat)
    }

    /// Whether being full is news again: only after a clear relief, not whenever one of many connections ends.
    fn is_relieved(&self) -> bool {
        let (open, limit) = {
            let entrance = self.seats.entrance();
            (entrance.open(), entrance.limit())
        };
        open <= limit / 2 && self.seats.of_router().free() >= self.limits.connections / 2
    }

    /// Whether a client may come from there at all; counted where it may not.
    pub(crate) fn may_come(&self, client: IpAddr) -> bool {
        let may_come = self.seats.entrance().allows(client, Origin::of(client, self.address.host()));
        if !may_come {
            self.traffic.refused.not_allowed.add(1);
        }
        may_come
    }

    /// Counts a client that does not come in, and says why where that is news.
    fn barred(&self, barred: Barred) {
        let (refused, route) = (&self.traffic.refused, self.id.clone());
        match barred {
            // Who may not come is no news: whoever scans ports is not told of once more.
            Barred::NotAllowed => refused.not_allowed.add(1),
            Barred::Full(connections) => {
                refused.full.add(1);
                self.is_at_limit(&Report::AtLimit { route, connections });
            }
            Barred::SourceFull(source, connections) => {
                refused.source_full.add(1);
                let (source, connections) = (source.to_string(), connections as usize);
                self.is_news(&self.source_full, &Report::SourceAtLimit { route, source, connections });
            }
            Barred::TooFast(a_second) => {
                refused.too_fast.add(1);
                self.is_news(&self.too_fast, &Report::TooFast { route, a_second });
            }
        }
    }

    fn is_news(&self, occasion: &Occasion, report: &Report) {
        self.traffic.went_wrong(report.to_string());
        if occasion.is_news(Instant::now()) {
            self.reports.say(report);
        }
    }

    fn is_at_limit(&self, report: &Report) {
        self.traffic.went_wrong(report.to_string());
        if !self.is_full.swap(true, Ordering::Relaxed) {
            self.reports.say(report);
        }
    }

    /// Notes that an attempt to reach the target failed.
    pub(crate) fn attempt_failed(&self, target: &Target, cause: &io::Error) {
        let report = Report::Unreachable { route: self.id.clone(), target: target.clone(), cause: cause.to_string() };
        self.traffic.went_wrong(report.to_string());
        if !self.is_unreachable.swap(true, Ordering::Relaxed) {
            self.reports.say(&report);
        }
    }

    /// Notes that the target was reached.
    pub(crate) fn reached(&self, target: &Target) {
        if self.is_unreachable.swap(false, Ordering::Relaxed) {
            self.reports.say(&Report::Reachable { route: self.id.clone(), target: target.clone() });
        }
    }

    /// Counts a connection in that has reached this target; `None` where it is not the route's any more.
    pub(crate) fn enter(&self, generation: Generation, target: &Target) -> Option<FlowTicket<'_>> {
        // First counted in, then asked: whoever moved the route meanwhile either makes this one turn round, or finds it among
        // the live ones.
        let ticket = self.flows.enter(generation, &target.container);
        self.gate.borrow().runs(generation).then_some(ticket)
    }

    /// The route as it is now; `None` once it was released.
    pub(crate) fn status(&self) -> Option<RouteStatus> {
        let state = match self.gate.borrow().admission() {
            Admission::Wait(_) => RouteState::Held,
            Admission::Forward(generation, target) => RouteState::Running { generation, target: target.clone() },
            Admission::Refuse => RouteState::Closed,
            Admission::Gone => return None,
        };
        // Before those who are open are counted: who gets a seat between the two counts in both, and never in none.
        let waiting = self.seats.waiting();
        let last_error = self.traffic.last_error();
        let datagrams = (self.address.transport() == Transport::Udp).then(|| self.traffic.datagrams.told());
        let (open, limit, rules) = {
            let entrance = self.seats.entrance();
            (entrance.open(), entrance.limit(), entrance.rules().clone())
        };
        Some(RouteStatus {
            id: self.id.clone(),
            address: self.address,
            state,
            open: open + datagrams.map_or(0, |datagrams| datagrams.waiting),
            waiting,
            live: self.flows.live(),
            limit,
            rules,
            accepted: self.traffic.accepted.get(),
            refused: self.traffic.refused.sum(),
            refused_because: self.traffic.refused.because(),
            failed: self.traffic.failed.get(),
            idle: self.traffic.idle.get(),
            bytes_from_clients: self.traffic.from_clients.get(),
            bytes_to_clients: self.traffic.to_clients.get(),
            datagrams,
            last_error_seconds_ago: last_error.as_ref().map(|(ago, _)| ago.as_secs()),
            last_error: last_error.map(|(_, text)| text),
            carried: None,
        })
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
