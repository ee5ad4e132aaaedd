//! Owns what is done by the clock: snapshots that are due, pruning by the policy that was set with them, a rehearsal and a
//! scrub a month, emptying the trash after its time, and thawing what a dead process left frozen.
//!
//! One thread looks every half minute and does one thing after the other. Never decides what may be removed: the
//! operations do, as for the command line.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use homeport_core::name::InstanceName;
use homeport_volumes::store::Reason;

use super::due::{self, Due};
use super::serve::say;
use crate::host::Host;
use crate::ledger::{EventRecord, Ledger, LedgerError, ScheduleRecord, Time};
use crate::operation::{self, Execution, OperationError, Outcome};
use crate::request::{
    Depth, EmptyRequest, PruneRequest, PruneWish, SnapshotChoice, SnapshotRef, TrashChoice, VerifyRequest,
};
use crate::run::with_causes;
use crate::taking::thaw_forgotten;

/// How often it looks.
const LOOK: Duration = Duration::from_secs(30);
/// How long it waits for operations and snapshots of others.
const PATIENCE: Duration = Duration::from_mins(1);

/// Goes on until `stop` is closed.
pub(super) fn run(host: &Host, stop: &Receiver<()>) {
    let host = host.clone().with_patience(PATIENCE);
    loop {
        match stop.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        if let Err(error) = do_what_is_due(&host) {
            say(&format!("the schedules cannot be looked at: {}", with_causes(&error)));
        }
    }
}

/// Does everything that is due by the clock, once: what the daemon does every half minute.
///
/// # Errors
/// The ledger cannot be read. What else fails is written into the history.
pub fn do_what_is_due(host: &Host) -> Result<(), LedgerError> {
    let ledger = Ledger::open(&host.layout)?;
    thaw(host, &ledger);
    for schedule in ledger.schedules()? {
        if let Some(found) = due::snapshot(&schedule, &host.now()) {
            snapshot(host, &schedule, found);
        }
    }
    if let Some(store) = ledger.store()?
        && due::monthly(store.scrub.as_ref().map_or(&store.created, |(at, _)| at), &host.now())
    {
        scrub(host);
    }
    let is_over = |until: &Time| *until <= host.now();
    if ledger.trash()?.iter().any(|record| is_over(&record.until)) {
        empty(host);
    }
    Ok(())
}

/// One snapshot that is due, and what follows from it.
fn snapshot(host: &Host, schedule: &ScheduleRecord, due: Due) {
    let name = schedule.instance.clone();
    if due.missed > 0 {
        let text = match due.missed {
            1 => "1 snapshot was due and not taken".to_owned(),
            missed => format!("{missed} snapshots were due and not taken"),
        };
        note(host, Some(&name), "schedule", &text);
    }
    let made = operation::make(host, &name, Reason::Scheduled, None);
    let (text, failed) = match made {
        Ok(made) => {
            let mut text = format!("snapshot {:#}", made.snapshot.sequence);
            for warning in &made.warnings {
                text = format!("{text}; {warning}");
            }
            let pruned = prune(host, schedule).err().map(|error| with_causes(&error));
            let text = pruned.iter().fold(text, |text, error| format!("{text}; nothing was pruned: {error}"));
            (text, pruned.is_some())
        }
        Err(error) => (format!("failed: {}", with_causes(&error)), true),
    };
    if failed {
        note(host, Some(&name), "schedule", &text);
    }
    let rehearsal = rehearse(host, schedule);
    let next = due.next(schedule, &host.now(), text.starts_with("failed"));
    let written = operation::schedule_ran(host, &name, |record| ScheduleRecord {
        next,
        last: Some((host.now(), text)),
        missed: due.missed,
        rehearsal: rehearsal.or(record.rehearsal.clone()),
        ..record
    });
    if let Err(error) = written {
        say(&format!("what came of the schedule of `{name}` cannot be written: {}", with_causes(&error)));
    }
}

/// Removes what the policy of the schedule does not keep.
fn prune(host: &Host, schedule: &ScheduleRecord) -> Result<(), OperationError> {
    if schedule.keep.is_empty() {
        return Ok(());
    }
    let (instance, what) = (schedule.instance.clone(), PruneWish::BySchedule);
    let request = PruneRequest { instance, what, approve: None, execution: Execution::Real };
    operation::snapshot_prune(host, &request).map(|_| ())
}

/// Rehearses a restore of the newest snapshot, once a month; what came of it.
fn rehearse(host: &Host, schedule: &ScheduleRecord) -> Option<(Time, String)> {
    let last = schedule.rehearsal.as_ref().map(|(at, _)| at);
    if last.is_some_and(|last| !due::monthly(last, &host.now())) {
        return None;
    }
    let choice = SnapshotChoice { instance: schedule.instance.clone(), snapshot: SnapshotRef::Latest };
    let text = match operation::snapshot_rehearse(host, &choice) {
        Ok(rehearsed) => format!("{} entries of {} restored and compared", rehearsed.entries, rehearsed.uuid),
        Err(error) => {
            let text = format!("failed: {}", with_causes(&error));
            note(host, Some(&schedule.instance), "rehearsal", &text);
            text
        }
    };
    Some((host.now(), text))
}

/// Reads every object of the store, once a month.
fn scrub(host: &Host) {
    let request = VerifyRequest { instance: None, snapshot: None, depth: Depth::Full };
    match operation::snapshot_verify(host, &request) {
        Ok(outcome) if outcome.is_whole() => {}
        Ok(outcome) => note(host, None, "scrub", &format!("the store is damaged: {}", outcome.words())),
        Err(error) => note(host, None, "scrub", &format!("the store cannot be read: {}", with_causes(&error))),
    }
}

/// Deletes what has been in the trash for its full time. [spec: STO-32]
fn empty(host: &Host) {
    let request = EmptyRequest { what: TrashChoice::Due, approve: None, execution: Execution::Real };
    match operation::trash_empty(host, &request) {
        Ok(Outcome::Done(emptied)) => {
            for view in &emptied.what {
                note(host, Some(&view.instance), "trash", &format!("`{}` was deleted after its time", view.id));
            }
            for fault in &emptied.faults {
                note(host, None, "trash", &format!("not deleted: {fault}"));
            }
        }
        Ok(Outcome::Planned { .. }) => {}
        Err(error) => note(host, None, "trash", &format!("the trash cannot be emptied: {}", with_causes(&error))),
    }
}

/// Lets ports go on that a process which died has left standing still. Whoever freezes holds the store's lock.
fn thaw(host: &Host, ledger: &Ledger) {
    let Ok(Some(store)) = crate::store::open(ledger) else { return };
    let Ok(_nobody_freezes) = store.writer(Duration::ZERO, &mut |_| {}) else { return };
    for (name, why) in thaw_forgotten(host, ledger) {
        note(host, Some(&name), "thaw", &format!("it may stand still: {why}; restart it if it does"));
    }
}

/// Writes something down where everybody finds it, and says it.
fn note(host: &Host, instance: Option<&InstanceName>, kind: &str, text: &str) {
    let about = instance.map_or_else(|| "the store".to_owned(), |name| format!("`{name}`"));
    say(&format!("{kind}: {about}: {text}"));
    let event = EventRecord {
        time: host.now(),
        instance: instance.cloned(),
        operation: None,
        kind: kind.to_owned(),
        text: homeport_core::text::clip(text, 1000),
    };
    if let Err(error) = operation::append_event(host, &event) {
        say(&format!("the history does not say so: {}", with_causes(&error)));
    }
}
