//! Owns how steps are called, in the journal and for people, and which are one with the end of their operation. Pure.

use std::fmt;

use super::step::{ChangeWay, ChangedVolume, Clients, Step};

impl Step {
    /// Whether the step does nothing but write to the ledger, so that it can be one with the end of its operation.
    pub const fn is_commit(&self) -> bool {
        matches!(
            self,
            Self::WantRunning
                | Self::Reconfigure
                | Self::Forget
                | Self::KeepReplaced
                | Self::ForgetPurged { .. }
                | Self::RecordPutBack { .. }
                | Self::ForgetTrash { .. }
                | Self::RecordVolume
                | Self::TakeOver { .. }
        )
    }

    /// The step's name in the journal.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MakeVolume { .. } => "make_volume",
            Self::Record => "record",
            Self::Reconfigure => "reconfigure",
            Self::EnsureNetwork => "ensure_network",
            Self::ReserveRoute { .. } => "reserve_route",
            Self::HoldRoutes => "hold_routes",
            Self::CloseRoutes => "close_routes",
            Self::StopContainer { .. } => "stop_container",
            Self::RemoveOldContainer => "remove_old_container",
            Self::PrepareRunDir => "prepare_run_dir",
            Self::UseVolumes => "use_volumes",
            Self::CreateContainer => "create_container",
            Self::StartContainer => "start_container",
            Self::AwaitReady { .. } => "await_ready",
            Self::PointRoute { .. } => "point_route",
            Self::ProbeRoute { .. } => "probe_route",
            Self::WantRunning => "want_running",
            Self::WantStopped => "want_stopped",
            Self::ReleaseVolumes => "release_volumes",
            Self::RemoveRunDir => "remove_run_dir",
            Self::ReleaseRoutes => "release_routes",
            Self::RemoveNetwork => "remove_network",
            Self::Forget => "forget",
            Self::ReadAhead { .. } => "read_ahead",
            Self::SnapshotPresent { .. } => "snapshot_present",
            Self::BuildTree { .. } => "build_tree",
            Self::StageTrashed { .. } => "stage_trashed",
            Self::ExchangeTree { .. } => "exchange_tree",
            Self::PostRestore { .. } => "post_restore",
            Self::KeepReplaced => "keep_replaced",
            Self::SettleTree { .. } => "settle_tree",
            Self::PurgeVolume(_) => "purge_volume",
            Self::ForgetPurged { .. } => "forget_purged",
            Self::PutBackVolume(_) => "put_back_volume",
            Self::RecordPutBack { .. } => "record_put_back",
            Self::EmptyTree(_) => "empty_tree",
            Self::ForgetTrash { .. } => "forget_trash",
            Self::AdoptDirectory(_) => "adopt_directory",
            Self::ChangeVolume(_) => "change_volume",
            Self::RecordVolume => "record_volume",
            Self::SettleAdoption(_) => "settle_adoption",
            Self::TakeSlot { .. } => "take_slot",
            Self::CheckPort(_) => "check_port",
            Self::CopyTree { .. } => "copy_tree",
            Self::MigrateTree(_) => "migrate_tree",
            Self::QuitContainer { .. } => "quit_container",
            Self::Soak { .. } => "soak",
            Self::TakeOver { .. } => "take_over",
            Self::ReleaseRoute { .. } => "release_route",
            Self::CloseRoute { .. } => "close_route",
            Self::RetireContainer { .. } => "retire_container",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeVolume { volume, path, .. } => write!(f, "make volume `{volume}` at `{}`", path.display()),
            Self::Record => f.write_str("write the instance to the ledger"),
            Self::Reconfigure => f.write_str("write the configuration to the ledger"),
            Self::EnsureNetwork => f.write_str("see to the network"),
            Self::ReserveRoute { endpoint, host, ports } => match ports.as_slice() {
                [port] => write!(f, "reserve `{}:{port}` for `{endpoint}`", host.0),
                _ => write!(f, "reserve a free port on `{}` for `{endpoint}`", host.0),
            },
            Self::HoldRoutes => f.write_str("let clients wait"),
            Self::CloseRoutes => f.write_str("turn clients away"),
            Self::StopContainer { .. } => f.write_str("stop the container"),
            Self::RemoveOldContainer => f.write_str("remove the stopped container"),
            Self::PrepareRunDir => f.write_str("write configuration for the container"),
            Self::UseVolumes => f.write_str("check and mount the volumes"),
            Self::CreateContainer => f.write_str("create the container"),
            Self::StartContainer => f.write_str("start the container"),
            Self::AwaitReady { within } => write!(f, "wait until the port is ready (at most {within} s)"),
            Self::PointRoute { endpoint } => write!(f, "lead clients of `{endpoint}` to the container"),
            Self::ProbeRoute { endpoint } => write!(f, "try the public address of `{endpoint}`"),
            Self::WantRunning => f.write_str("note that it is to run"),
            Self::WantStopped => f.write_str("note that it is not to run"),
            Self::ReleaseVolumes => f.write_str("let go of the volumes' mounts"),
            Self::RemoveRunDir => f.write_str("remove the container's configuration"),
            Self::ReleaseRoutes => f.write_str("give the public addresses up"),
            Self::RemoveNetwork => f.write_str("remove the network if nothing needs it"),
            Self::Forget => f.write_str("take the instance out of the ledger"),
            Self::ReadAhead { .. } => f.write_str("read what is there now into the store, while it goes on"),
            Self::SnapshotPresent { .. } => f.write_str("make a snapshot of what is there now"),
            Self::BuildTree { volume, .. } => write!(f, "build what `{volume}` was, and compare every byte"),
            Self::StageTrashed { volume, .. } => write!(f, "take what `{volume}` was out of the trash"),
            Self::ExchangeTree { volume, .. } => write!(f, "put it in the place of what `{volume}` is"),
            Self::PostRestore { command, .. } => write!(f, "run the port's command `{command}`"),
            Self::KeepReplaced => f.write_str("note what was taken out"),
            Self::SettleTree { volume, .. } => write!(f, "put what `{volume}` was until now into the trash"),
            Self::PurgeVolume(volume) => write!(f, "put volume `{}` into the trash", volume.volume),
            Self::ForgetPurged { .. } => f.write_str("give the volumes up in the ledger"),
            Self::PutBackVolume(tree) => {
                write!(f, "take volume `{}` out of the trash, to `{}`", tree.volume, tree.path.display())
            }
            Self::RecordPutBack { .. } => f.write_str("note that the volumes are there again"),
            Self::EmptyTree(tree) => write!(f, "delete what is in the trash of volume `{}`", tree.volume),
            Self::ForgetTrash { .. } => f.write_str("note that it is gone"),
            Self::AdoptDirectory(adopted) => {
                write!(f, "make `{}` the volume `{}`", adopted.path.display(), adopted.volume)
            }
            Self::ChangeVolume(ChangedVolume { volume, from, to, way, .. }) => match way {
                ChangeWay::Rename => {
                    write!(f, "move volume `{volume}` from `{}` to `{}`", from.display(), to.display())
                }
                ChangeWay::Found => write!(f, "have the volume at `{}` say that it is `{volume}`", to.display()),
            },
            Self::RecordVolume => f.write_str("write the volume to the ledger"),
            Self::SettleAdoption(adopted) => write!(f, "forget what `{}` was before", adopted.path.display()),
            Self::TakeSlot { clients: Clients::Served, .. } => f.write_str("leave the present container as it is"),
            Self::TakeSlot { clients: Clients::Wait, .. } => f.write_str("make room for another container"),
            Self::CheckPort(checked) if checked.copies.is_empty() => {
                f.write_str("ask the new version what it finds wrong")
            }
            Self::CheckPort(_) => f.write_str("ask the new version what it finds wrong in the migrated copies"),
            Self::CopyTree { volume, .. } => write!(f, "copy `{volume}` from the snapshot, and compare every byte"),
            Self::MigrateTree(step) => write!(
                f,
                "migrate the copy of `{}` from format {} to {} (at most {} s)",
                step.volume, step.from, step.to, step.within
            ),
            Self::QuitContainer { .. } => f.write_str("stop the present container"),
            Self::Soak { within } => write!(f, "look whether it goes on working, for {within} s"),
            Self::TakeOver { .. } => f.write_str("note the version"),
            Self::ReleaseRoute { endpoint } => write!(f, "give the public address of `{endpoint}` up"),
            Self::CloseRoute { endpoint } => write!(f, "turn new clients of `{endpoint}` away"),
            Self::RetireContainer { .. } => f.write_str("end the container of the version from before"),
        }
    }
}
