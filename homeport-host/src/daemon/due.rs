//! Owns when something periodic is due. Pure: the clock comes in, nothing is done.

use std::time::Duration;

use crate::ledger::{ScheduleRecord, ScheduleState, Time};

/// How long after a failure a snapshot is tried again, at most.
const AGAIN: Duration = Duration::from_mins(15);
/// How long a month is here.
const MONTH: Duration = Duration::from_hours(30 * 24);

/// A snapshot that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// How many more were due before it and not taken.
    pub(super) missed: u32,
}

/// Whether a snapshot is due, and how many were missed.
pub(super) fn snapshot(schedule: &ScheduleRecord, now: &Time) -> Option<Due> {
    if schedule.state == ScheduleState::Paused || *now < schedule.next {
        return None;
    }
    let late = now.since(&schedule.next).as_secs();
    let missed = u32::try_from(late / every(schedule).as_secs()).unwrap_or(u32::MAX);
    Some(Due { missed })
}

impl Due {
    /// When the next one is due: in the rhythm that the schedule has, or soon where this one failed.
    pub(super) fn next(self, schedule: &ScheduleRecord, now: &Time, failed: bool) -> Time {
        let periods = self.missed.saturating_add(1);
        let regular = schedule.next.after(every(schedule).saturating_mul(periods));
        // It may have taken longer than a period.
        let regular = if regular <= *now { now.after(every(schedule)) } else { regular };
        if failed { regular.min(now.after(AGAIN)) } else { regular }
    }
}

/// Whether something that was done then is due again.
pub(super) fn monthly(last: &Time, now: &Time) -> bool {
    now.since(last) >= MONTH
}

fn every(schedule: &ScheduleRecord) -> Duration {
    Duration::from_secs(schedule.every.get().max(1).into())
}

#[cfg(test)]
mod tests {
    use homeport_core::unit::Seconds;

    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn schedule(next: &str) -> ScheduleRecord {
        ScheduleRecord {
            instance: "alice".parse().unwrap(),
            every: Seconds::new(3_600),
            keep: String::new(),
            state: ScheduleState::Enabled,
            next: at(next),
            last: None,
            missed: 0,
            rehearsal: None,
        }
    }

    #[test]
    fn what_is_due_is_taken_once_and_the_rhythm_stays() {
        let rows = [
            ("2026-11-23T03:59:59Z", None, ""),
            ("2026-11-23T04:00:00Z", Some(0), "2026-11-23T05:00:00.000Z"),
            ("2026-11-23T04:59:59Z", Some(0), "2026-11-23T05:00:00.000Z"),
            ("2026-11-23T05:00:00Z", Some(1), "2026-11-23T06:00:00.000Z"),
            ("2026-11-24T04:30:00Z", Some(24), "2026-11-24T05:00:00.000Z"),
        ];
        let due_at_four = schedule("2026-11-23T04:00:00Z");
        for (now, missed, next) in rows {
            let found = snapshot(&due_at_four, &at(now));
            assert_eq!(found.map(|due| due.missed), missed, "{now}");
            if let Some(due) = found {
                assert_eq!(due.next(&due_at_four, &at(now), false).as_str(), next, "{now}");
                assert!(due.next(&due_at_four, &at(now), true) <= at(now).after(AGAIN), "{now}");
                assert!(due.next(&due_at_four, &at(now), true) > at(now), "{now}");
            }
        }
        let paused = ScheduleRecord { state: ScheduleState::Paused, ..due_at_four.clone() };
        assert_eq!(snapshot(&paused, &at("2030-01-01T00:00:00Z")), None);
        // One that took three hours is followed by the next one after a whole period.
        let due = snapshot(&due_at_four, &at("2026-11-23T04:00:00Z")).unwrap();
        assert_eq!(due.next(&due_at_four, &at("2026-11-23T07:10:00Z"), false).as_str(), "2026-11-23T08:10:00.000Z");
    }

    #[test]
    fn a_month_is_thirty_days() {
        let then = at("2026-11-23T04:00:00Z");
        assert!(!monthly(&then, &at("2026-12-23T03:59:59Z")));
        assert!(monthly(&then, &at("2026-12-23T04:00:00Z")));
    }
}
