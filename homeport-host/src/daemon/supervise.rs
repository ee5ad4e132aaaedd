//! Owns whether an instance is started again: by what its init's exit code says, with pauses that grow, and not at all
//! where that was decided and nobody has done anything since.
//! Pure: the time comes in, and what was seen of the ledger and the engine. [spec: ENT-26]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use homeport_core::entrypoint::{ExitStatus, Retry};
use homeport_core::name::InstanceName;

use crate::engine::{ContainerId, ExitFacts, MemoryEnd};
use crate::ledger::{InstanceRecord, Time};

/// After this many failures without a good time between them nothing is tried any more.
const MOST_FAILURES: u32 = 5;
/// The longest pause.
const LONGEST: Duration = Duration::from_mins(1);
/// An instance that ran for this long counts as good again.
const GOOD: Duration = Duration::from_mins(10);

/// What the ledger had of an instance at a moment. Every operation that replaces its container or changes what is wanted
/// of it changes this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// When the record was changed last.
    pub(super) changed: Time,
    /// The container that was made last.
    pub(super) container: Option<ContainerId>,
}

impl From<&InstanceRecord> for Mark {
    fn from(record: &InstanceRecord) -> Self {
        Self { changed: record.changed.clone(), container: record.container.clone() }
    }
}

/// How an instance that should run was found not to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Down<'a> {
    /// Its container ended.
    Ended(&'a ExitFacts),
    /// Its container is not there any more, or was never started.
    Gone,
    /// It has none: an operation that failed, or was cut off, took it away.
    Without,
}

/// What came of starting an instance.
#[derive(Debug)]
pub(super) enum Tried {
    /// It runs.
    Up,
    /// There was nothing to start: somebody else did something about it.
    Needless,
    /// Its container was started and failed; how it ended, where it did.
    Failed(Option<ExitFacts>),
    /// It was not begun, for a reason that is not the port's; when to try again.
    PutOff(Duration),
}

/// What is done about an instance that does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is started again after this pause.
    Again(Duration),
    /// It is left alone until somebody does something; why.
    Leave(String),
    /// What was decided before still holds.
    AsDecided,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// Nothing is due.
    Calm,
    /// It is started at this moment.
    Due(Instant),
    /// It is being started.
    Starting,
    /// Nothing is done until its mark changes.
    Left,
}

#[derive(Debug)]
struct Entry {
    mark: Mark,
    stand: Stand,
    failures: u32,
    failed: Instant,
}

/// What is remembered of instances that ended, and what was decided about each.
#[derive(Debug, Default)]
pub(super) struct Supervisor(BTreeMap<InstanceName, Entry>);

impl Supervisor {
    /// The instance runs: what was decided about it is past, while its failures still count.
    pub(super) fn runs(&mut self, name: &InstanceName, mark: &Mark) {
        self.forgive_where_changed(name, mark);
        if let Some(entry) = self.0.get_mut(name).filter(|entry| entry.stand != Stand::Starting) {
            entry.stand = Stand::Calm;
        }
    }

    /// The instance does not run and should. The same end counts once, however often it is seen.
    pub(super) fn down(&mut self, name: &InstanceName, mark: &Mark, how: Down<'_>, now: Instant) -> Decision {
        self.forgive_where_changed(name, mark);
        let fresh = || Entry { mark: mark.clone(), stand: Stand::Calm, failures: 0, failed: now };
        let entry = self.0.entry(name.clone()).or_insert_with(fresh);
        match (entry.stand, how) {
            (Stand::Due(_) | Stand::Starting | Stand::Left, _) => Decision::AsDecided,
            (Stand::Calm, Down::Ended(exit)) => entry.count(Some(exit), now),
            (Stand::Calm, Down::Gone) => entry.count(None, now),
            (Stand::Calm, Down::Without) => {
                entry.stand = Stand::Due(now);
                Decision::Again(Duration::ZERO)
            }
        }
    }

    /// A start that was due is over; `mark` is what the ledger has since, `None` where the instance is gone.
    pub(super) fn tried(&mut self, name: &InstanceName, mark: Option<Mark>, tried: &Tried, now: Instant) -> Decision {
        let (Some(mark), Some(entry)) = (mark, self.0.get_mut(name)) else {
            self.0.remove(name);
            return Decision::AsDecided;
        };
        entry.mark = mark;
        match tried {
            Tried::Up => entry.stand = Stand::Calm,
            Tried::Needless => {
                self.0.remove(name);
            }
            Tried::Failed(exit) => return entry.count(exit.as_ref(), now),
            Tried::PutOff(pause) => {
                entry.stand = Stand::Due(now + *pause);
                return Decision::Again(*pause);
            }
        }
        Decision::AsDecided
    }

    /// What came of a start cannot be told: it is tried again then, uncounted.
    pub(super) fn put_off(&mut self, name: &InstanceName, until: Instant) {
        if let Some(entry) = self.0.get_mut(name) {
            entry.stand = Stand::Due(until);
        }
    }

    /// The instances that are to be started now, each with the container that ended. They count as being started.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(InstanceName, Option<ContainerId>)> {
        let due = self.0.iter_mut().filter(|(_, entry)| matches!(entry.stand, Stand::Due(at) if at <= now));
        due.map(|(name, entry)| {
            entry.stand = Stand::Starting;
            (name.clone(), entry.mark.container.clone())
        })
        .collect()
    }

    /// When the next instance is to be started.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let at = |entry: &Entry| if let Stand::Due(at) = entry.stand { Some(at) } else { None };
        self.0.values().filter_map(at).min()
    }

    /// Whether the instance is left alone.
    pub(super) fn is_left(&self, name: &InstanceName) -> bool {
        self.0.get(name).is_some_and(|entry| entry.stand == Stand::Left)
    }

    /// Forgets every instance but those that should run, and those that are being started.
    pub(super) fn keep_only(&mut self, wanted: &BTreeSet<InstanceName>) {
        self.0.retain(|name, entry| wanted.contains(name) || entry.stand == Stand::Starting);
    }

    /// Somebody did something about the instance: it has a clean sheet. What its own start changes is not that.
    fn forgive_where_changed(&mut self, name: &InstanceName, mark: &Mark) {
        if self.0.get(name).is_some_and(|entry| entry.mark != *mark && entry.stand != Stand::Starting) {
            self.0.remove(name);
        }
    }
}

impl Entry {
    fn count(&mut self, exit: Option<&ExitFacts>, now: Instant) -> Decision {
        if now.saturating_duration_since(self.failed) > GOOD {
            self.failures = 0;
        }
        (self.failures, self.failed) = (self.failures.saturating_add(1), now);
        let decision = decide(exit, self.failures);
        self.stand = match decision {
            Decision::Again(pause) => Stand::Due(now + pause),
            Decision::Leave(_) | Decision::AsDecided => Stand::Left,
        };
        decision
    }
}

fn decide(exit: Option<&ExitFacts>, failures: u32) -> Decision {
    let pause = Duration::from_secs(1 << failures.saturating_sub(1).min(6)).min(LONGEST);
    let known = exit.and_then(|exit| u8::try_from(exit.code.get()).ok()).and_then(ExitStatus::from_code);
    let why = || exit.map_or_else(|| "it could not be started".to_owned(), crate::run::exit_meaning);
    let enough_memory = exit.is_none_or(|exit| exit.memory == MemoryEnd::Enough);
    match known.map(|status| (status, status.retry())) {
        // What should run and was stopped by somebody else than HomePort is started again.
        Some((ExitStatus::Done | ExitStatus::KilledAtStop, _)) | None => {}
        Some((_, Retry::Never | Retry::Config)) if enough_memory => return Decision::Leave(why()),
        Some((_, Retry::Space)) => return Decision::Again(LONGEST),
        Some(_) => {}
    }
    if failures > MOST_FAILURES {
        Decision::Leave(format!("{} for the {failures}th time in a row", why()))
    } else {
        Decision::Again(pause)
    }
}

#[cfg(test)]
#[path = "supervise_tests.rs"]
mod tests;
