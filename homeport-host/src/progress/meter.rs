//! Owns counting long work and telling how far it is: a few times a second, with the time that is left.
//! Never does any of the work.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::{Event, Progress};

/// The least time between two tellings.
const PAUSE: Duration = Duration::from_millis(200);
/// Before this much of the work is done, nothing is said of the time that is left.
const TOO_EARLY: f64 = 0.02;
/// An entry takes about as long as so many bytes.
const ENTRY_WEIGHT: f64 = 4096.0;

/// Counts one piece of work on one thread.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    progress: &'a dyn Progress,
    what: String,
    of_bytes: Option<u64>,
    of_entries: Option<u64>,
    bytes: Cell<u64>,
    entries: Cell<u64>,
    begun: Instant,
    told: Cell<Option<Instant>>,
}

impl<'a> Meter<'a> {
    /// Begins to count work of unknown extent.
    pub(crate) fn new(progress: &'a dyn Progress, what: impl Into<String>) -> Self {
        Self {
            progress,
            what: what.into(),
            of_bytes: None,
            of_entries: None,
            bytes: Cell::new(0),
            entries: Cell::new(0),
            begun: Instant::now(),
            told: Cell::new(None),
        }
    }

    /// The same, of about so much work.
    #[must_use]
    pub(crate) fn of(mut self, bytes: u64, entries: u64) -> Self {
        (self.of_bytes, self.of_entries) = (Some(bytes), Some(entries));
        self
    }

    fn tell(&self) {
        self.progress.event(&Event::Work {
            what: self.what.clone(),
            bytes: self.bytes.get(),
            of_bytes: self.of_bytes,
            entries: self.entries.get(),
            of_entries: self.of_entries,
            left: left(
                (self.bytes.get(), self.entries.get()),
                (self.of_bytes.unwrap_or(0), self.of_entries.unwrap_or(0)),
                self.begun.elapsed(),
            ),
        });
    }
}

impl homeport_volumes::progress::Progress for Meter<'_> {
    fn advance(&self, bytes: u64, entries: u64) {
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        self.entries.set(self.entries.get().saturating_add(entries));
        let now = Instant::now();
        if self.told.get().is_none_or(|told| now.duration_since(told) >= PAUSE) {
            self.told.set(Some(now));
            self.tell();
        }
    }
}

/// How long the rest takes if it goes on as until now; more than was expected leaves nothing.
#[expect(clippy::cast_precision_loss, reason = "an estimate of seconds needs no more than a few digits")]
fn left(done: (u64, u64), of: (u64, u64), taken: Duration) -> Option<Duration> {
    let weight = |(bytes, entries): (u64, u64)| bytes as f64 + entries as f64 * ENTRY_WEIGHT;
    let (done, of) = (weight(done), weight(of));
    if of <= 0.0 || done < of * TOO_EARLY {
        return None;
    }
    let rest = (of / done - 1.0).max(0.0);
    Duration::try_from_secs_f64(taken.as_secs_f64() * rest).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use homeport_volumes::progress::Progress as _;

    use super::*;

    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<Event>>);

    impl Progress for Heard {
        fn event(&self, event: &Event) {
            self.0.lock().unwrap().push(event.clone());
        }
    }

    #[test]
    fn what_is_left_follows_from_what_was_done() {
        let second = Duration::from_secs(1);
        let rows = [
            ((0, 0), (100, 0), None),
            ((1, 0), (100, 0), None),
            ((50, 0), (100, 0), Some(second)),
            ((25, 0), (100, 0), Some(3 * second)),
            ((100, 0), (100, 0), Some(Duration::ZERO)),
            ((200, 0), (100, 0), Some(Duration::ZERO)),
            ((0, 5), (0, 10), Some(second)),
            ((5, 5), (0, 0), None),
        ];
        for (done, of, wanted) in rows {
            assert_eq!(left(done, of, second), wanted, "{done:?} of {of:?}");
        }
    }

    #[test]
    fn the_first_step_is_told_at_once_and_a_thousand_are_not() {
        let heard = Heard::default();
        let meter = Meter::new(&heard, "read").of(4096, 1);
        for _ in 0..1000 {
            meter.advance(4, 1);
        }
        let events = heard.0.into_inner().unwrap();
        assert!((1..5).contains(&events.len()), "{}", events.len());
        let Event::Work { bytes, entries, of_bytes, .. } = &events[0] else { panic!("{events:?}") };
        assert_eq!((*bytes, *entries, *of_bytes), (4, 1, Some(4096)));
    }
}
