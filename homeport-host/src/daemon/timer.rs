//! Owns what is done by the clock and soon: snapshots that are due, pruning by the policy that was set with them, emptying
//! the trash after its time, and thawing what a dead process left frozen.
//!
//! One thread looks every half minute and does one thing after the other; what may take hours is `upkeep`'s. Never decides
//! what may be removed: the operations do, as for the command line.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use homeport_core::name::InstanceName;
use homeport_volumes::store::Reason;

use super::due::{self, Due};
use super::emptying::Emptying;
use super::ran::Ran;
use super::serve::say;
use crate::host::Host;
use crate::ledger::{EventRecord, Ledger, LedgerError, ScheduleRecord, Time};
use crate::operation::{self, Execution, OperationError};
use crate::request::{PruneRequest, PruneWish};
use crate::run::with_causes;
use crate::taking::thaw_forgotten;

/// How often it looks.
pub(super) const LOOK: Duration = Duration::from_secs(30);
/// How long it waits for operations and snapshots of others.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// Goes on until `stop` is closed.
pub(super) fn run(host: &Host, stop: &Receiver<()>) {
    let mut timer = Timer::new(host.clone().with_patience(PATIENCE));
    loop {
        match stop.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        if let Err(error) = timer.round() {
            say(&format!("the schedules cannot be looked at: {}", with_causes(&error)));
        }
    }
}

/// Does what is due by the clock, and remembers what it could not write down.
#[derive(Debug)]
pub struct Timer {
    host: Host,
    /// What came of runs, where the ledger could not be written.
    unwritten: BTreeMap<InstanceName, Ran>,
    /// What was said of ports that cannot be thawed.
    said: BTreeMap<InstanceName, String>,
    /// What came of emptying the trash.
    emptying: Emptying,
}

impl Timer {
    /// For this host.
    pub fn new(host: Host) -> Self {
        Self { host, unwritten: BTreeMap::new(), said: BTreeMap::new(), emptying: Emptying::default() }
    }

    /// Does everything that is due, once: what the daemon does every half minute.
    ///
    /// # Errors
    /// The ledger cannot be read. What else fails is written into the history.
    pub fn round(&mut self) -> Result<(), LedgerError> {
        self.round_at(Instant::now())
    }

    /// The same at this moment by the clock that nobody sets.
    pub(super) fn round_at(&mut self, now: Instant) -> Result<(), LedgerError> {
        let ledger = Ledger::open(&self.host.layout)?;
        self.thaw(&ledger);
        self.write_down();
        for schedule in ledger.schedules()? {
            let unwritten = self.unwritten.get(&schedule.instance);
            let present = unwritten.map_or_else(|| schedule.clone(), |ran| ran.onto(schedule.clone()));
            if let Some(found) = due::snapshot(&present, &self.host.now()) {
                let (next, last) = snapshot(&self.host, &present, found);
                let ran = Ran::of(&schedule, next, last, found.missed);
                self.unwritten.insert(schedule.instance, ran);
                self.write_down();
            }
        }
        self.emptying.run(&self.host, &ledger, now)
    }

    /// What came of emptying the trash.
    pub(super) const fn emptying(&mut self) -> &mut Emptying {
        &mut self.emptying
    }

    /// Writes what came of runs into the ledger. What cannot be written now is kept in mind, so that nothing is done twice.
    fn write_down(&mut self) {
        let host = &self.host;
        self.unwritten.retain(|name, ran| match operation::schedule_ran(host, name, |record| ran.onto(record)) {
            Ok(()) => false,
            Err(error) => {
                say(&format!("what came of the schedule of `{name}` cannot be written yet: {}", with_causes(&error)));
                true
            }
        });
    }

    /// Lets ports go on that a process which died has left standing still. Whoever freezes holds the store's lock.
    fn thaw(&mut self, ledger: &Ledger) {
        let Ok(Some(store)) = crate::store::open(ledger) else { return };
        let Ok(nobody_freezes) = store.writer(Duration::ZERO, &mut |_| {}) else { return };
        let failed: BTreeMap<InstanceName, String> = thaw_forgotten(&self.host, ledger).into_iter().collect();
        // The history needs the operation lock, which is taken before the store's and never after it.
        drop(nobody_freezes);
        for (name, why) in failed.iter().filter(|(name, why)| self.said.get(*name) != Some(*why)) {
            note(&self.host, Some(name), "thaw", &format!("it may stand still: {why}; restart it if it does"));
        }
        self.said = failed;
    }
}

/// One snapshot that is due: when the next one is, and what came of this one.
fn snapshot(host: &Host, schedule: &ScheduleRecord, due: Due) -> (Time, (Time, String)) {
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
    let now = host.now();
    let next = due.next(schedule, &now, text.starts_with("failed"));
    (next, (now, text))
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

/// Writes something down where everybody finds it, and says it.
pub(super) fn note(host: &Host, instance: Option<&InstanceName>, kind: &str, text: &str) {
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
