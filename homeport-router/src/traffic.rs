//! Owns the counters of a route. Never decides anything by them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::rules::RefusedBecause;
use crate::status::Datagrams;

/// A number that only rises.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one connection has handed on, both ways.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) from_client: Counter,
    pub(crate) to_client: Counter,
}

impl Passed {
    pub(crate) fn sum(&self) -> u64 {
        self.from_client.get().wrapping_add(self.to_client.get())
    }
}

/// Counts one direction of a connection, for itself and for its route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter<'a> {
    pub(crate) own: &'a Counter,
    pub(crate) route: &'a Counter,
}

impl Meter<'_> {
    pub(crate) fn add(self, more: usize) {
        self.own.add(more);
        self.route.add(more);
    }
}

/// Clients that were reset before they reached a container, by why.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    pub(crate) closed: Counter,
    pub(crate) full: Counter,
    pub(crate) source_full: Counter,
    pub(crate) too_fast: Counter,
    pub(crate) not_allowed: Counter,
}

impl Refused {
    pub(crate) fn because(&self) -> RefusedBecause {
        RefusedBecause {
            closed: self.closed.get(),
            full: self.full.get(),
            source_full: self.source_full.get(),
            too_fast: self.too_fast.get(),
            not_allowed: self.not_allowed.get(),
        }
    }

    pub(crate) fn sum(&self) -> u64 {
        let all = [&self.closed, &self.full, &self.source_full, &self.too_fast, &self.not_allowed];
        all.iter().map(|counter| counter.get()).fold(0, u64::saturating_add)
    }
}

/// What became of the datagrams of a route.
#[derive(Debug, Default)]
pub(crate) struct CountedDatagrams {
    pub(crate) from_clients: Counter,
    pub(crate) to_clients: Counter,
    pub(crate) crowded_out: Counter,
    pub(crate) unreachable: Counter,
    pub(crate) unsent: Counter,
    waiting: AtomicUsize,
}

impl CountedDatagrams {
    pub(crate) fn set_waiting(&self, waiting: usize) {
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    pub(crate) fn told(&self) -> Datagrams {
        Datagrams {
            from_clients: self.from_clients.get(),
            to_clients: self.to_clients.get(),
            waiting: self.waiting.load(Ordering::Relaxed),
            crowded_out: self.crowded_out.get(),
            unreachable: self.unreachable.get(),
            unsent: self.unsent.get(),
        }
    }
}

/// What a route has seen since its reservation.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) accepted: Counter,
    pub(crate) refused: Refused,
    pub(crate) failed: Counter,
    pub(crate) idle: Counter,
    pub(crate) from_clients: Counter,
    pub(crate) to_clients: Counter,
    pub(crate) datagrams: CountedDatagrams,
    last_error: Mutex<Option<(Instant, String)>>,
}

impl Traffic {
    pub(crate) fn went_wrong(&self, text: String) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), text));
    }

    /// What went wrong last, and how long ago.
    pub(crate) fn last_error(&self) -> Option<(Duration, String)> {
        let last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|(at, text)| (at.elapsed(), text.clone()))
    }
}
