//! Owns setting, showing and taking away the schedule of an instance. Never runs one: the daemon does.

use homeport_core::fault::Fault;
use homeport_core::name::InstanceName;
use homeport_core::unit::Seconds;
use homeport_volumes::snapshot::Policy;

use crate::host::Host;
use crate::ledger::{Change, Ledger, ScheduleRecord, ScheduleState, Time};
use crate::operation::enter::{as_root, known, locked};
use crate::operation::{LifecycleOutcome, OperationError};
use crate::request::ScheduleRequest;

/// Every schedule, and the store's own rounds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ScheduleList {
    /// By instance.
    pub schedules: Vec<ScheduleView>,
    /// When reading every object of the store was begun or ended last, and what came of it.
    pub scrub: Option<(Time, String)>,
}

/// One schedule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ScheduleView {
    /// The instance.
    pub instance: InstanceName,
    /// The time between two snapshots.
    pub every_seconds: Seconds,
    /// What is kept of them; `None` is everything.
    pub keep: Option<Policy>,
    /// Whether it is followed.
    pub state: ScheduleState,
    /// When the next one is due.
    pub next: Time,
    /// When the last one was taken or failed, and what came of it.
    pub last: Option<(Time, String)>,
    /// How many were due and not taken before the last one: the machine or the daemon did not run, or others took too long.
    pub missed: u32,
    /// When a rehearsal of a restore was begun or ended last, and what came of it.
    pub rehearsal: Option<(Time, String)>,
}

impl ScheduleView {
    pub(crate) fn of(record: ScheduleRecord) -> Self {
        Self {
            instance: record.instance,
            every_seconds: record.every,
            keep: record.keep.parse().ok(),
            state: record.state,
            next: record.next,
            last: record.last,
            missed: record.missed,
            rehearsal: record.rehearsal,
        }
    }
}

/// Sets the schedule of an instance: the first snapshot is due at once. The policy is the consent to what it removes.
pub fn schedule_set(
    host: &Host,
    request: &ScheduleRequest,
) -> Result<(LifecycleOutcome, ScheduleView), OperationError> {
    as_root()?;
    if request.keep.is_some_and(|keep| keep == Policy::default()) {
        let fault = Fault::new("HP-SCH-001", "keep", "the policy keeps nothing at all")
            .expected("at least one word, such as `daily=7`")
            .remedy("leave `--keep` out to keep everything");
        return Err(OperationError::Refused {
            what: format!("schedule of `{}`", request.instance),
            faults: vec![fault],
        });
    }
    locked(host, &format!("schedule set {}", request.instance), |writer, _| {
        known(writer, &request.instance)?;
        let former = writer.schedule(&request.instance)?;
        let keep = request.keep.map(|keep| keep.to_string()).unwrap_or_default();
        let is_same = |former: &ScheduleRecord| {
            former.every == request.every.seconds() && former.keep == keep && former.state == ScheduleState::Enabled
        };
        if let Some(former) = former.clone().filter(is_same) {
            return Ok((LifecycleOutcome::Unchanged, ScheduleView::of(former)));
        }
        let record = ScheduleRecord {
            instance: request.instance.clone(),
            every: request.every.seconds(),
            keep,
            state: ScheduleState::Enabled,
            next: host.now(),
            last: former.as_ref().and_then(|former| former.last.clone()),
            missed: 0,
            rehearsal: former.and_then(|former| former.rehearsal),
        };
        writer.put_schedule(&record)?;
        Ok((LifecycleOutcome::Changed, ScheduleView::of(record)))
    })
}

/// Takes the schedule of an instance away; its snapshots stay.
pub fn schedule_unset(host: &Host, instance: &InstanceName) -> Result<LifecycleOutcome, OperationError> {
    as_root()?;
    locked(host, &format!("schedule unset {instance}"), |writer, _| {
        known(writer, instance)?;
        Ok(match writer.remove_schedule(instance)? {
            Change::Changed => LifecycleOutcome::Changed,
            Change::Unchanged => LifecycleOutcome::Unchanged,
        })
    })
}

/// Every schedule.
pub fn schedule_list(host: &Host) -> Result<ScheduleList, OperationError> {
    let ledger = Ledger::open(&host.layout)?;
    ledger.at_one_moment(|ledger| {
        Ok(ScheduleList {
            schedules: ledger.schedules()?.into_iter().map(ScheduleView::of).collect(),
            scrub: ledger.store()?.and_then(|store| store.scrub),
        })
    })
}

/// Writes down what came of a run, if the schedule is still there.
pub(crate) fn schedule_ran(
    host: &Host,
    instance: &InstanceName,
    change: impl FnOnce(ScheduleRecord) -> ScheduleRecord,
) -> Result<(), OperationError> {
    locked(host, &format!("schedule of {instance}"), |writer, _| {
        if let Some(record) = writer.schedule(instance)? {
            writer.put_schedule(&change(record))?;
        }
        Ok(())
    })
}
