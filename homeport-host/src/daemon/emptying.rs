//! Owns emptying the trash by the clock: when it is tried, when again where something could not be deleted, and what is
//! said of it. Never decides what may be deleted: the operation does. [spec: STO-32]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::timer::note;
use crate::host::Host;
use crate::ledger::{Ledger, LedgerError, Time, TrashRecord};
use crate::operation::{self, Execution, Outcome};
use crate::request::{EmptyRequest, TrashChoice};
use crate::run::with_causes;

/// How long it waits after the first attempt that left something; twice as long after each that follows.
const FIRST_PAUSE: Duration = Duration::from_mins(15);
/// How long it waits at most.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);
/// How often the history says that something is in the trash: by that it knows that time goes by.
const WITNESS: Duration = Duration::from_hours(24);

/// How emptying goes, as long as the daemon lives.
#[derive(Debug, Default)]
pub struct Emptying {
    /// How often in a row something was left.
    failures: u32,
    /// When it is tried again; `None` where at once.
    again: Option<Instant>,
    /// What was said since everything went well: nothing is said twice.
    said: BTreeSet<String>,
}

impl Emptying {
    /// Deletes what has been in the trash for its full time, unless it is too early to try again.
    ///
    /// # Errors
    /// The ledger cannot be read. What else fails is written into the history, once.
    pub(super) fn run(&mut self, host: &Host, ledger: &Ledger, now: Instant) -> Result<(), LedgerError> {
        let records = ledger.trash()?;
        if records.is_empty() {
            return Ok(());
        }
        witness(host, ledger, &records)?;
        let time = host.now();
        let is_over = records.iter().any(|record| record.until <= time);
        if is_over && self.again.is_none_or(|again| again <= now) {
            self.pause(self.attempt(host), now);
        }
        Ok(())
    }

    /// One attempt: what there is to say of it, or that all is well.
    fn attempt(&self, host: &Host) -> Attempt {
        let request = EmptyRequest { what: TrashChoice::Due, approve: None, execution: Execution::Real };
        let mut attempt = Attempt::default();
        match operation::trash_empty(host, &request) {
            Ok(Outcome::Done(emptied)) => {
                for view in &emptied.what {
                    note(host, Some(&view.instance), "trash", &format!("`{}` was deleted after its time", view.id));
                }
                // What is due and was not found is on a disk that is not there, or was not seen to be there for so long.
                attempt.is_whole = emptied.faults.is_empty() && !emptied.what.is_empty();
                attempt.said.extend(emptied.faults.iter().map(|fault| format!("not deleted: {fault}")));
            }
            Ok(Outcome::Planned { .. }) => {}
            Err(error) => {
                attempt.said.push(format!("the trash cannot be emptied: {}", with_causes(&error)));
            }
        }
        for text in attempt.said.iter().filter(|text| !self.said.contains(*text)) {
            note(host, None, "trash", text);
        }
        attempt
    }

    /// When it is tried again.
    fn pause(&mut self, attempt: Attempt, now: Instant) {
        if attempt.is_whole {
            *self = Self::default();
            return;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.again = Some(now + pause);
        self.said.extend(attempt.said);
    }
}

/// What came of an attempt.
#[derive(Debug, Default)]
struct Attempt {
    is_whole: bool,
    said: Vec<String>,
}

/// Writes a line a day while there is anything in the trash, if nothing else was written.
fn witness(host: &Host, ledger: &Ledger, records: &[TrashRecord]) -> Result<(), LedgerError> {
    let now = host.now();
    let is_late = |newest: Time| now.since(&newest) >= WITNESS;
    if ledger.newest()?.is_none_or(is_late) {
        let first = records.iter().map(|record| &record.until).min();
        let first = first.map_or_else(String::new, |first| format!(", the first until {first} at least"));
        let kept = if records.len() == 1 { "1 tree is".to_owned() } else { format!("{} trees are", records.len()) };
        note(host, None, "trash", &format!("{kept} kept in the trash{first}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_again_after_ever_longer_pauses_of_a_day_at_most() {
        let mut emptying = Emptying::default();
        let start = Instant::now();
        let failed = || Attempt { is_whole: false, said: vec!["not deleted: a file".to_owned()] };
        let mut pauses = Vec::new();
        for _ in 0..40 {
            emptying.pause(failed(), start);
            pauses.push(emptying.again.unwrap().duration_since(start).as_secs() / 60);
        }
        assert_eq!(pauses[..9], [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
        assert!(pauses[9..].iter().all(|pause| *pause == 1440));
        assert_eq!(emptying.said.len(), 1);
        emptying.pause(Attempt { is_whole: true, said: Vec::new() }, start);
        assert_eq!((emptying.again, emptying.failures, emptying.said.len()), (None, 0, 0));
    }
}
