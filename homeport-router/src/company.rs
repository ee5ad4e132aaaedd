//! Owns whether tasks of more than one route of a router have run lately. Never says who may run.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Where only one route's tasks ran for so long, it is alone.
const LATELY: Duration = Duration::from_millis(100);

/// Who has run lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lately {
    /// Tasks of one route.
    One,
    /// Those of several.
    Several,
}

/// What all routes of a router note of it.
#[derive(Debug)]
pub(crate) struct Company {
    start: Instant,
    /// Whose task was the last; none so far is 0.
    last: AtomicUsize,
    /// Microseconds from the start until it was another's than the one before; never so far is 0.
    changed: AtomicU64,
}

impl Default for Company {
    fn default() -> Self {
        Self { start: Instant::now(), last: AtomicUsize::new(0), changed: AtomicU64::new(0) }
    }
}

impl Company {
    /// Notes that a task of this route runs now; a route is any number but 0.
    pub(crate) fn note(&self, route: usize, now: Instant) -> Lately {
        let now = u64::try_from(now.saturating_duration_since(self.start).as_micros()).unwrap_or(u64::MAX);
        let last = self.last.swap(route, Ordering::Relaxed);
        if last != route && last != 0 {
            self.changed.store(now.max(1), Ordering::Relaxed);
        }
        let changed = self.changed.load(Ordering::Relaxed);
        let is_late = u128::from(now.saturating_sub(changed)) >= LATELY.as_micros();
        if changed == 0 || is_late { Lately::One } else { Lately::Several }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_have_run_lately_while_tasks_of_others_come_between() {
        let company = Company::default();
        let note = |route: usize, milliseconds: u64| {
            company.note(route, company.start + Duration::from_millis(milliseconds)) == Lately::Several
        };
        assert!((0..10).all(|time| !note(1, time)), "it is alone");
        assert!(note(2, 20) && note(1, 30) && note(1, 129));
        assert!(!note(1, 131) && note(2, 200) && note(2, 299) && !note(2, 301));
    }
}
