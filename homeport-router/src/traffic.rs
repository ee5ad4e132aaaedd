//! Owns the counters of a route. Never decides anything by them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

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

/// What a route has seen since its reservation.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) accepted: Counter,
    pub(crate) refused: Counter,
    pub(crate) failed: Counter,
    pub(crate) from_clients: Counter,
    pub(crate) to_clients: Counter,
    last_error: Mutex<Option<String>>,
}

impl Traffic {
    pub(crate) fn went_wrong(&self, text: String) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
