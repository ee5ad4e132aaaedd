//! Snapshots: how a volume is read into a store, compared, kept, and taken out again.

mod ahead;
mod alarm;
mod archive;
mod blame;
mod chunk;
mod compare;
mod diff;
mod error;
mod ingest;
mod policy_text;
mod rehearse;
mod retention;
#[cfg(test)]
mod retention_tests;
mod source_check;
mod subject;
mod take;
mod verified;
mod verify;

pub use alarm::{BYTES_THAT_MATTER, ENTRIES_THAT_MATTER, Extent, alarm_text, alarms};
pub use archive::{Exported, Imported, LeftOut, export, import};
pub use compare::{diff, diff_with_live};
pub use diff::{Change, Compared, Difference};
pub use error::SnapshotError;
pub use ingest::{Calm, Ingested};
pub use policy_text::PolicyError;
pub use rehearse::rehearse;
pub use retention::{AlarmState, Candidate, Fate, Period, Policy, Proof, Protection, Reason, decide};
pub use source_check::{Share, SourceChecked, check_source};
pub use subject::{Mode, Subject};
pub use take::{About, Base, Taken, Taking};
pub use verified::{Level, Looked, Verified};
pub use verify::{Depth, Verification, Verifications, verify, verify_all};

use crate::tree::Timestamp;

/// This moment, by the system's clock.
fn now() -> Timestamp {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    Timestamp::from_kernel(now.tv_sec, u32::try_from(now.tv_nsec).unwrap_or(0))
}
