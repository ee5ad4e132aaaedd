//! What HomePort knows: instances, configuration, volumes, routes, operations and history, in one SQLite file.
//! Never looks at the engine or a disk to see whether it is so.
//!
//! Anybody may ask ([`Ledger`]); only the holder of the operation lock may write ([`LedgerWriter`]). Every write is one
//! transaction that is on the disk (write-ahead log, full sync) when its call returns, and asking twice for the same
//! change is fine. A process that is killed at any instant leaves whole writes only.
//!
//! ```text
//! OperationLock --open--> LedgerWriter --begin_operation--> OperationId
//!                              |  step_begun(0)  act  step_done(0)  step_begun(1) ...
//!                              `--finish_operation(done | undone | stuck)
//! ```
//!
//! What outlives what: an instance's configuration, routes, schedule and former version go with it; its volumes, its snapshots and what is
//! in the trash never do, and history stays.

mod approval;
mod change;
mod error;
mod event;
mod file;
mod former;
mod id;
mod instance;
mod instance_config;
mod older;
mod operation;
mod read;
mod read_kept;
mod read_time;
mod refusal;
mod restored;
mod retiring;
mod route;
mod route_rules;
mod row;
mod schedule;
mod schema;
mod snapshot_mark;
mod snapshot_record;
mod step;
mod store;
mod time;
mod trash;
mod volume;
mod word;
mod write_approval;
mod write_event;
mod write_former;
mod write_instance;
mod write_operation;
mod write_route;
mod write_schedule;
mod write_store;
mod write_trash;
mod write_volume;
mod writer;

pub use approval::ApprovalRecord;
pub use change::Change;
pub use error::LedgerError;
pub use event::EventRecord;
pub use former::FormerRecord;
pub use id::{OperationId, RootId};
pub use instance::{Desired, InstanceRecord, Slot};
pub use instance_config::InstanceConfig;
pub use operation::{NewOperation, OperationEnd, OperationRecord, OperationState};
pub use read::Ledger;
pub use refusal::Refusal;
pub use restored::RestoredRecord;
pub use retiring::RetiringRecord;
pub use route::{RouteChoice, RouteRecord};
pub(crate) use schema::NEWEST as NEWEST_SCHEMA;

pub use schedule::{ScheduleRecord, ScheduleState};
pub use snapshot_mark::{MarkKind, SnapshotMark};
pub use snapshot_record::SnapshotRecord;
pub use step::{NewStep, StepRecord, StepState};
pub use store::StoreRecord;
pub use time::{Time, TimeError};
pub use trash::{TrashReason, TrashRecord};
pub use volume::{HasData, MustBeMount, Origin, VolumeRecord, VolumeState};
pub use word::WordError;
pub use writer::LedgerWriter;

#[cfg(test)]
mod tests;
