//! Snapshots: how a volume is read into a store, compared, kept, and taken out again.

mod ahead;
mod alarm;
mod chunk;
mod diff;
mod retention;
#[cfg(test)]
mod retention_tests;

pub use alarm::{BYTES_THAT_MATTER, ENTRIES_THAT_MATTER, Extent, Measure, Shrunk, alarms};
pub use diff::{Change, Compared, Difference};
pub use retention::{Alarm, Candidate, Fate, Period, Policy, Proof, Protection, Reason, decide};
