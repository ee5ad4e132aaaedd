//! What can be typed after `homeport`, and the values in it.

mod cli;
mod keep;
mod route;
#[cfg(test)]
mod tests;
mod value;
mod version;

pub(crate) use cli::{Cli, Command, ConfigAction, DaemonAction, DeployArgs, ExecArgs, Global, LogsArgs, PortAction};
pub(crate) use keep::{Consent, PurgeArgs, ScheduleAction, SnapshotAction, TrashAction, VolumeAction, Which};
pub(crate) use route::{RouteAction, RouteSetArgs, TopArgs};
pub(crate) use value::{FileValue, ValueSource};
pub(crate) use version::{HistoryArgs, RollbackArgs, UpgradeArgs};
