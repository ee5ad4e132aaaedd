//! Snapshots: making, showing, verifying, comparing and removing them, and their way out of the store and back.
//!
//! A snapshot holds the store's lock and not the operation lock while it reads, so that an instance can be started again
//! meanwhile; it reads the ledger before and after, and fails where a volume is another one by then. Where both locks are
//! needed, the operation lock comes first.

mod acknowledge;
mod begin_store;
mod create;
mod diff;
mod files;
mod give_up;
mod gone;
mod list;
mod prune;
mod source;
mod transfer;
mod verify;
mod view;

pub use acknowledge::snapshot_acknowledge;
pub use begin_store::{BeginStorePlan, StoreBegun, store_begin};
pub use create::{SnapshotMade, SnapshotWork, snapshot_create};
pub(crate) use create::{make, volumes_for};
pub use diff::{Differences, Differing, VolumeDifferences, snapshot_diff};
pub use files::{ListedFile, ListedKind, snapshot_files};
pub use give_up::{GiveUpPlan, GivenUp, snapshot_give_up};
pub use gone::GoneSnapshot;
pub use list::{SnapshotList, snapshot_list, snapshot_show};
pub use prune::{Forecast, PruneFate, PrunePlan, Pruned, snapshot_prune};
pub use transfer::{Exported, TakenOut, snapshot_export, snapshot_import, snapshot_take_out};
pub(crate) use verify::note_scrub;
pub use verify::{Rehearsed, VerifiedSnapshot, VerifyOutcome, snapshot_rehearse, snapshot_verify};
pub use view::{AlarmView, MarkView, SnapshotView, SnapshotVolumeView};
