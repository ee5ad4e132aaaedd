//! Owns what is done once a month and may take hours: reading every object of the store, and rehearsing a restore of each
//! instance that has a schedule. In a thread of its own, so that no snapshot waits for it. Never repairs anything.
//!
//! That something was begun is written down before: what fails or is cut off is tried again after a day, and not at once
//! and for ever.

use std::sync::mpsc::{Receiver, RecvTimeoutError};

use homeport_core::name::InstanceName;

use super::due;
use super::serve::say;
use super::timer::{LOOK, PATIENCE, note};
use crate::host::Host;
use crate::ledger::{Ledger, LedgerError, ScheduleRecord, ScheduleState};
use crate::operation::{self, OperationError};
use crate::request::{Depth, SnapshotChoice, SnapshotRef, VerifyRequest};
use crate::run::with_causes;

/// Goes on until `stop` is closed.
pub(super) fn run(host: &Host, stop: &Receiver<()>) {
    let host = host.clone().with_patience(PATIENCE);
    loop {
        match stop.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        if let Err(error) = round(&host) {
            say(&format!("what is due once a month cannot be looked at: {}", with_causes(&error)));
        }
    }
}

/// Does everything that is due, once.
///
/// # Errors
/// The ledger cannot be read. What else fails is written into the history.
pub(super) fn round(host: &Host) -> Result<(), LedgerError> {
    let ledger = Ledger::open(&host.layout)?;
    for schedule in ledger.schedules()? {
        // Before the first snapshot there is nothing to rehearse.
        let is_followed = schedule.state == ScheduleState::Enabled && schedule.last.is_some();
        if is_followed && schedule.rehearsal.as_ref().is_none_or(|last| due::again(last, &host.now())) {
            rehearse(host, &schedule.instance);
        }
    }
    if let Some(store) = ledger.store()? {
        let is_due = match &store.scrub {
            Some(last) => due::again(last, &host.now()),
            None => due::monthly(&store.created, &host.now()),
        };
        if is_due {
            scrub(host);
        }
    }
    Ok(())
}

/// Rehearses a restore of the newest snapshot.
fn rehearse(host: &Host, instance: &InstanceName) {
    let write = |text: String| {
        let rehearsal = Some((host.now(), text));
        operation::schedule_ran(host, instance, |record| ScheduleRecord { rehearsal, ..record })
    };
    if let Err(error) = write(due::BEGUN.to_owned()) {
        return not_written("the rehearsal", &error);
    }
    let choice = SnapshotChoice { instance: instance.clone(), snapshot: SnapshotRef::Latest };
    let text = match operation::snapshot_rehearse(host, &choice) {
        Ok(rehearsed) => format!("{} entries of {} restored and compared", rehearsed.entries, rehearsed.uuid),
        Err(error) => {
            let text = format!("{}: {}", due::FAILED, with_causes(&error));
            note(host, Some(instance), "rehearsal", &text);
            text
        }
    };
    if let Err(error) = write(text) {
        not_written("what came of the rehearsal", &error);
    }
}

/// Reads every object of the store. What came of it is written down by the operation, where it comes to an end.
fn scrub(host: &Host) {
    if let Err(error) = operation::note_scrub(host, due::BEGUN) {
        return not_written("the scrub", &error);
    }
    let request = VerifyRequest { instance: None, snapshot: None, depth: Depth::Full };
    match operation::snapshot_verify(host, &request) {
        Ok(outcome) if outcome.is_whole() => {}
        Ok(outcome) => note(host, None, "scrub", &format!("the store is damaged: {}", outcome.words())),
        Err(error) => {
            let why = with_causes(&error);
            note(host, None, "scrub", &format!("the store cannot be read: {why}"));
            if let Err(error) = operation::note_scrub(host, &format!("{}: {why}", due::FAILED)) {
                not_written("what came of the scrub", &error);
            }
        }
    }
}

/// What cannot be written down is not begun, or is taken for cut off later.
fn not_written(what: &str, error: &OperationError) {
    say(&format!("{what} cannot be written down: {}", with_causes(error)));
}
