//! Owns whether a tree has been in the trash for its full time. Never goes by the clock alone: one that was set makes
//! nothing older. [spec: STO-32]
//!
//! ```text
//! since ──event──event──────── gap ────────event──event── now      counted: everything but a gap of more than three days
//! ```
//!
//! A machine without a clock of its own begins in 1970 and is told the time later; what was put into the trash before that
//! would be decades old at once. So only time counts that the history has seen go by, and a clock that is behind the
//! history counts for nothing. The daemon writes a line a day while there is anything in the trash.

use std::time::Duration;

use crate::host::Host;
use crate::ledger::{Ledger, LedgerError, Time};

/// The longest time between two lines of the history that is taken for time that went by.
const GAP: Duration = Duration::from_hours(3 * 24);

/// The present, and what is known of the time before it.
pub(super) struct Age {
    now: Time,
    /// The moments of the history since the oldest tree was put into the trash, in their order.
    moments: Vec<Time>,
    newest: Option<Time>,
}

impl Age {
    /// Looks at the clock, and into the history as far as the trash goes back.
    pub(super) fn read(host: &Host, ledger: &Ledger, oldest: Option<&Time>) -> Result<Self, LedgerError> {
        let moments = oldest.map_or(Ok(Vec::new()), |oldest| ledger.moments_after(oldest))?;
        Ok(Self { moments, newest: ledger.newest()?, now: host.now() })
    }

    /// Whether the time from `since` until `until` is over, and was seen to go by.
    pub(super) fn is_over(&self, since: &Time, until: &Time) -> bool {
        let is_behind = self.newest.as_ref().is_some_and(|newest| self.now < *newest);
        !is_behind && *until <= self.now && self.seen_since(since) >= until.since(since)
    }

    /// How much of the time since then was seen to go by.
    fn seen_since(&self, since: &Time) -> Duration {
        let known = self.moments.iter().filter(|moment| *moment > since && **moment <= self.now);
        let mut last = since;
        let mut seen = Duration::ZERO;
        for moment in known.chain([&self.now]) {
            let gap = moment.since(last);
            if gap <= GAP {
                seen = seen.saturating_add(gap);
            }
            last = moment;
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn days(from: &Time, numbers: impl IntoIterator<Item = u64>) -> Vec<Time> {
        numbers.into_iter().map(|day| from.after(Duration::from_hours(day * 24))).collect()
    }

    #[test]
    fn only_time_counts_that_the_history_has_seen_and_a_clock_that_is_behind_counts_for_nothing() {
        let (early, late) = (at("1970-01-01T00:10:00Z"), at("2026-11-23T04:00:00Z"));
        let since = |start: &Time| days(start, [0]).remove(0);
        let rows = [
            ("seen every day", &late, days(&late, 0..30), days(&late, [30]), true),
            ("a day too early", &late, days(&late, 0..29), days(&late, [29]), false),
            ("off at weekends", &late, days(&late, (0..=30).filter(|day| day % 7 < 5)), days(&late, [30]), true),
            ("nothing was seen", &late, Vec::new(), days(&late, [30]), false),
            ("off for a month, and back", &late, days(&late, [0, 31]), days(&late, [32]), false),
            ("told the time", &early, days(&early, [0]), days(&late, [0]), false),
            ("told the time a month ago", &early, days(&late, 0..30), days(&late, [30]), true),
            ("told the time 29 days ago", &early, days(&late, 0..29), days(&late, [29]), false),
            ("set back", &late, days(&late, 0..40), days(&late, [35]), false),
        ];
        for (case, start, moments, now, over) in rows {
            let start = since(start);
            let until = start.after(Duration::from_hours(30 * 24));
            let age = Age { newest: moments.iter().max().cloned(), moments, now: now[0].clone() };
            assert_eq!(age.is_over(&start, &until), over, "{case}");
        }
    }
}
