//! Owns setting, showing and taking away the schedule of an instance. Never runs one: the daemon does.

use homeport_core::name::InstanceName;
use homeport_core::unit::Seconds;
use homeport_volumes::snapshot::Policy;

use crate::host::Host;
use crate::ledger::{ScheduleState, Time};
use crate::operation::{LifecycleOutcome, OperationError};
use crate::request::ScheduleRequest;

/// Every schedule, and the store's own rounds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ScheduleList {
    /// By instance.
    pub schedules: Vec<ScheduleView>,
    /// When every object of the store was read last, and what came of it.
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
    /// How many were due and not taken, since the daemon did not run.
    pub missed: u32,
    /// When a restore was rehearsed last, and what came of it.
    pub rehearsal: Option<(Time, String)>,
}

/// Sets the schedule of an instance: the first snapshot is due at once. The policy is the consent to what it removes.
pub fn schedule_set(
    host: &Host,
    request: &ScheduleRequest,
) -> Result<(LifecycleOutcome, ScheduleView), OperationError> {
    let (_, _) = (host, request);
    Err(OperationError::Unbuilt)
}

/// Takes the schedule of an instance away; its snapshots stay.
pub fn schedule_unset(host: &Host, instance: &InstanceName) -> Result<LifecycleOutcome, OperationError> {
    let (_, _) = (host, instance);
    Err(OperationError::Unbuilt)
}

/// Every schedule.
pub fn schedule_list(host: &Host) -> Result<ScheduleList, OperationError> {
    let _ = host;
    Err(OperationError::Unbuilt)
}
