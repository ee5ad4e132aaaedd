//! Owns what the ledger remembers of an instance's periodic snapshots. Never reads a clock and never takes one.

use homeport_core::name::InstanceName;
use homeport_core::unit::Seconds;

use super::time::Time;
use super::word::word_enum;

word_enum!(
    /// Whether a schedule is followed.
    ScheduleState, "state of a schedule", "`enabled`, `paused`",
    {
        /// Snapshots are taken when they are due.
        Enabled = "enabled",
        /// Nothing is done until somebody enables it again.
        Paused = "paused",
    }
);

/// The periodic snapshots of one instance. It goes with its instance; the snapshots stay.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ScheduleRecord {
    /// The instance.
    pub instance: InstanceName,
    /// The time between two snapshots; never 0.
    pub every: Seconds,
    /// What is kept, as the retention policy is written; empty keeps everything.
    pub keep: String,
    /// Whether it is followed.
    pub state: ScheduleState,
    /// When the next one is due.
    pub next: Time,
    /// When the last one was taken or failed, and what came of it in words.
    pub last: Option<(Time, String)>,
    /// How many were due and not taken since the last one that was.
    pub missed: u32,
    /// When a rehearsal of a restore was last begun or ended, and what came of it in words.
    pub rehearsal: Option<(Time, String)>,
}
