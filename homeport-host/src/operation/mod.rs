//! Operations: what a person can ask for, each from its request to its outcome.
//!
//! Each takes the lock, brings to an end what was cut off, looks at everything that there is to know, plans, and runs.
//! Never writes to a terminal.

mod address;
mod config;
mod consent;
mod daemon;
mod data_error;
mod deploy;
mod enter;
mod error;
mod find;
mod held;
mod lifecycle;
mod notice;
mod observe;
mod outcome;
mod place;
mod purge;
mod remove;
mod replace;
mod restore;
mod retire;
mod route_set;
mod schedule;
mod snapshot;
mod survey;
mod traffic;
mod trash;
mod version;
mod volume;

pub use homeport_volumes::snapshot::{Change, LeftOut};
pub use homeport_volumes::store::Measure;

pub use address::AddressState;
pub use config::{ConfigView, Reconfigured, ValueOrigin, config_change, config_view};
pub use daemon::restart_daemon;
pub use data_error::DataError;
pub use deploy::{DeployOutcome, DeployPlan, Deployed, deploy, plan_deploy};
pub(crate) use enter::append_event;
pub use enter::resume_cut_off;
pub use error::OperationError;
pub use lifecycle::{LifecycleOutcome, Running, restart, start, start_again, stop};
pub use observe::{
    FormerView, InstanceView, RetiringView, RouteView, UnfinishedView, VolumeView, container_of, list, port_info,
    routes, routes_of, status,
};
pub use outcome::Outcome;
pub use purge::{LostVolume, PurgePlan, PurgeVolume, Purged, purge};
pub use remove::{Execution, Removed, remove};
pub use restore::{RestorePlan, RestoreVolume, Restored, snapshot_restore};
pub use retire::retire;
pub use route_set::{InForce, RouteSet, route_set};
pub(crate) use schedule::schedule_ran;
pub use schedule::{ScheduleList, ScheduleView, schedule_list, schedule_set, schedule_unset};
pub use snapshot::{
    AlarmView, BeginStorePlan, Differences, Differing, Exported, Forecast, GiveUpPlan, GivenUp, GoneSnapshot,
    ListedFile, ListedKind, MarkView, PruneFate, PrunePlan, Pruned, Rehearsed, SnapshotList, SnapshotMade,
    SnapshotView, SnapshotVolumeView, SnapshotWork, StoreBegun, TakenOut, VerifiedSnapshot, VerifyOutcome,
    VolumeDifferences, snapshot_acknowledge, snapshot_create, snapshot_diff, snapshot_export, snapshot_files,
    snapshot_give_up, snapshot_import, snapshot_list, snapshot_prune, snapshot_rehearse, snapshot_show,
    snapshot_take_out, snapshot_verify, store_begin,
};
pub(crate) use snapshot::{make, note_scrub};
pub use traffic::{RouteRate, rates};
pub use trash::{
    Emptied, EmptyPlan, InnerTree, PutBack, PutBackPlan, TrashList, TrashView, TreeView, trash_empty, trash_list,
    trash_restore,
};
pub use version::{
    AlreadyThere, ChangeView, ClientsView, EndedHow, EndedOperation, HistoryLine, MigrationView, MigrationWay,
    Repaired, SetBackView, Upgraded, VersionChanged, VersionPlan, WayBackView, history, repair, rollback, upgrade,
};
pub use volume::{
    AdoptPlan, Adopted, CheckedVolume, MovePlan, Moved, OwnerRule, VolumeEntry, volume_adopt, volume_check,
    volume_list, volume_move,
};
