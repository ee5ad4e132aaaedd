//! Owns when something periodic is due. Pure: the clock comes in, nothing is done.

use std::time::Duration;

use crate::ledger::{ScheduleRecord, ScheduleState, Time};

/// How long after a failure a snapshot is tried again, at most.
const AGAIN: Duration = Duration::from_mins(15);
/// How long a month is here.
const MONTH: Duration = Duration::from_hours(30 * 24);

/// How long after a failure, or after being cut off, something monthly is tried again.
const DAY: Duration = Duration::from_hours(24);

/// What is written down of something that was begun, until it comes to an end.
pub(super) const BEGUN: &str = "begun, and not at its end";
/// How what is written down of a failure begins.
pub(super) const FAILED: &str = "failed";

/// A snapshot that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// How many more were due before it and not taken.
    pub(super) missed: u32,
}

/// Whether a snapshot is due, and how many were missed. A clock that was ahead when the schedule was written delays nothing:
/// what it says of the future is due now.
pub(super) fn snapshot(schedule: &ScheduleRecord, now: &Time) -> Option<Due> {
    let was_ahead =
        schedule.next > now.after(every(schedule)) || schedule.last.as_ref().is_some_and(|(last, _)| last > now);
    if schedule.state == ScheduleState::Paused || (*now < schedule.next && !was_ahead) {
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
        // It may have taken longer than a period, or the clock was ahead when the rhythm was written.
        let soonest = now.after(every(schedule));
        let regular = if regular <= *now { soonest } else { regular.min(soonest) };
        if failed { regular.min(now.after(AGAIN)) } else { regular }
    }
}

/// Whether something that was done then is due again; what was done in the future was done by a clock that was ahead.
pub(super) fn monthly(last: &Time, now: &Time) -> bool {
    last > now || now.since(last) >= MONTH
}

/// Whether something monthly, of which this was written down, is due again: sooner where it did not come to its end.
pub(super) fn again((last, outcome): &(Time, String), now: &Time) -> bool {
    let is_open = outcome == BEGUN || outcome.starts_with(FAILED);
    monthly(last, now) || (is_open && now.since(last) >= DAY)
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
    fn a_clock_that_was_ahead_ends_no_schedule() {
        let now = at("2026-11-23T04:00:00Z");
        let ahead = at("2036-01-01T00:00:00Z");
        let far = schedule("2036-01-01T01:00:00Z");
        let near = schedule("2026-11-23T04:30:00Z");
        assert_eq!(snapshot(&near, &now), None);
        let told = ScheduleRecord { last: Some((ahead.clone(), "snapshot 1".to_owned())), ..near };
        for schedule in [far, told] {
            let due = snapshot(&schedule, &now).unwrap();
            assert_eq!(due.missed, 0);
            let next = due.next(&schedule, &now, false);
            assert!(next > now && next <= now.after(every(&schedule)), "{next}");
            let after = ScheduleRecord { next, last: Some((now.clone(), String::new())), ..schedule };
            assert_eq!(snapshot(&after, &now), None, "once");
        }
        assert!(monthly(&ahead, &now));
    }

    #[test]
    fn a_month_is_thirty_days() {
        let then = at("2026-11-23T04:00:00Z");
        assert!(!monthly(&then, &at("2026-12-23T03:59:59Z")));
        assert!(monthly(&then, &at("2026-12-23T04:00:00Z")));
    }

    #[test]
    fn what_did_not_come_to_its_end_is_tried_again_after_a_day() {
        let then = at("2026-11-23T04:00:00Z");
        for (outcome, days) in [("9 entries restored", 30), (BEGUN, 1), ("failed: there is no room", 1)] {
            let last = (then.clone(), outcome.to_owned());
            assert!(again(&last, &then.after(DAY * days)), "{outcome}");
            assert!(!again(&last, &then.after(DAY * (days - 1))), "{outcome}");
        }
    }
}
