//! Owns what the parts of one route share: its gate, its counters and its seats. Never awaits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::address::ListenAddress;
use crate::flows::Flows;
use crate::gate::{Admission, Change, Gate, GateEvent, HoldNumber};
use crate::limits::Limits;
use crate::report::{Report, Reports};
use crate::route_id::RouteId;
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
    pub(crate) flows: Flows,
    pub(crate) traffic: Traffic,
    pub(crate) reports: Reports,
    seats: Arc<Semaphore>,
    all_seats: Arc<Semaphore>,
    is_unreachable: AtomicBool,
    is_full: AtomicBool,
}

/// The right to be one of the open connections, given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    _of_route: OwnedSemaphorePermit,
    _of_router: OwnedSemaphorePermit,
}

impl Route {
    /// A fresh route; `all_seats` are those of the whole router.
    pub(crate) fn new(
        id: RouteId,
        address: ListenAddress,
        limits: Limits,
        all_seats: Arc<Semaphore>,
        reports: Reports,
    ) -> Self {
        Self {
            id,
            address,
            limits,
            gate: watch::Sender::new(Gate::fresh()),
            flows: Flows::default(),
            traffic: Traffic::default(),
            reports,
            seats: Arc::new(Semaphore::new(limits.connections_per_route)),
            all_seats,
            is_unreachable: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
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

    /// Ends the hold, unless it has ended already.
    pub(crate) fn expire(&self, hold: HoldNumber) {
        if self.let_happen(GateEvent::HoldExpired(hold)) == Change::Changed {
            let report = Report::HoldExpired { route: self.id.clone(), after: self.limits.hold_limit };
            self.traffic.went_wrong(report.to_string());
            self.reports.say(&report);
        }
    }

    /// A seat for one more connection; `None` when the route or the router is full.
    pub(crate) fn take_seat(&self) -> Option<Seat> {
        let route = || self.id.clone();
        let Ok(of_route) = Arc::clone(&self.seats).try_acquire_owned() else {
            self.is_at_limit(&Report::AtLimit { route: route(), connections: self.limits.connections_per_route });
            return None;
        };
        let Ok(of_router) = Arc::clone(&self.all_seats).try_acquire_owned() else {
            self.is_at_limit(&Report::RouterAtLimit { route: route(), connections: self.limits.connections });
            return None;
        };
        // Being full is news again only after a clear relief, not whenever one of many connections ends.
        let is_half_empty = self.open() <= self.limits.connections_per_route / 2
            && self.all_seats.available_permits() >= self.limits.connections / 2;
        if is_half_empty {
            self.is_full.store(false, Ordering::Relaxed);
        }
        Some(Seat { _of_route: of_route, _of_router: of_router })
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

    /// The connections that are open now.
    fn open(&self) -> usize {
        self.limits.connections_per_route.saturating_sub(self.seats.available_permits())
    }

    /// The route as it is now; `None` once it was released.
    pub(crate) fn status(&self) -> Option<RouteStatus> {
        let state = match self.gate.borrow().admission() {
            Admission::Wait(_) => RouteState::Held,
            Admission::Forward(generation, target) => RouteState::Running { generation, target: target.clone() },
            Admission::Refuse => RouteState::Closed,
            Admission::Gone => return None,
        };
        Some(RouteStatus {
            id: self.id.clone(),
            address: self.address,
            state,
            open: self.open(),
            live: self.flows.live(),
            limit: self.limits.connections_per_route,
            accepted: self.traffic.accepted.get(),
            refused: self.traffic.refused.get(),
            failed: self.traffic.failed.get(),
            bytes_from_clients: self.traffic.from_clients.get(),
            bytes_to_clients: self.traffic.to_clients.get(),
            last_error: self.traffic.last_error(),
        })
    }
}
