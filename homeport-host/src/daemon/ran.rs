//! Owns what came of one run of a schedule, and what that makes of the schedule's record. Pure: others read and write.

use homeport_core::unit::Seconds;

use crate::ledger::{ScheduleRecord, Time};

/// What came of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ran {
    /// The rhythm that the run was of.
    rhythm: (Seconds, Time),
    next: Time,
    last: (Time, String),
    missed: u32,
}

impl Ran {
    /// Of a run of the schedule as the ledger has it.
    pub(super) fn of(schedule: &ScheduleRecord, next: Time, last: (Time, String), missed: u32) -> Self {
        Self { rhythm: (schedule.every, schedule.next.clone()), next, last, missed }
    }

    /// The record after the run. A schedule that was set anew meanwhile keeps its own rhythm: the run was not of it.
    pub(super) fn onto(&self, record: ScheduleRecord) -> ScheduleRecord {
        let is_its = (record.every, &record.next) == (self.rhythm.0, &self.rhythm.1);
        let (next, missed) =
            if is_its { (self.next.clone(), self.missed) } else { (record.next.clone(), record.missed) };
        ScheduleRecord { next, missed, last: Some(self.last.clone()), ..record }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::ScheduleState;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn a_schedule_that_was_set_during_a_run_keeps_its_rhythm() {
        let (noon, one) = (at("2026-11-23T12:00:00Z"), at("2026-11-23T13:00:00Z"));
        let schedule = ScheduleRecord {
            instance: "alice".parse().unwrap(),
            every: Seconds::new(3_600),
            keep: String::new(),
            state: ScheduleState::Enabled,
            next: noon.clone(),
            last: None,
            missed: 0,
            rehearsal: None,
        };
        let last = (noon.clone(), "snapshot 1".to_owned());
        let ran = Ran::of(&schedule, one.clone(), last.clone(), 3);
        let after = ScheduleRecord { next: one.clone(), last: Some(last.clone()), missed: 3, ..schedule.clone() };
        assert_eq!(ran.onto(schedule.clone()), after);
        assert_eq!(ran.onto(after.clone()), after, "once more it changes nothing");
        let set = [
            ScheduleRecord { every: Seconds::new(60), keep: "last=1".to_owned(), ..schedule.clone() },
            ScheduleRecord { next: at("2026-11-23T12:00:07Z"), ..schedule },
        ];
        for set in set {
            assert_eq!(ran.onto(set.clone()), ScheduleRecord { last: Some(last.clone()), ..set });
        }
    }
}
