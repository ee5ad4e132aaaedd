//! `homeport snapshot`.

use std::os::unix::ffi::OsStrExt as _;

use homeport_host::operation::{
    snapshot_acknowledge, snapshot_create, snapshot_diff, snapshot_export, snapshot_import, snapshot_list,
    snapshot_prune, snapshot_rehearse, snapshot_restore, snapshot_show, snapshot_take_out, snapshot_verify,
};
use homeport_host::request::{
    Depth, DeviceNodes, DiffRequest, ExportRequest, Policy, PruneRequest, PruneWish, RestoreRequest, SnapshotChoice,
    SnapshotRef, SnapshotRequest, TakeOutRequest, TreePath, VerifyRequest,
};

use super::consent::tell;
use crate::args::{SnapshotAction, Which};
use crate::context::{Context, absolute};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Acknowledged;

impl From<Which> for SnapshotChoice {
    fn from(which: Which) -> Self {
        Self { instance: which.name, snapshot: which.snapshot }
    }
}

pub(super) fn run(context: &Context, action: SnapshotAction) -> Result<Exit, Failure> {
    let host = context.host()?;
    match action {
        SnapshotAction::Create { name, note } => {
            let made = snapshot_create(&host, &SnapshotRequest { instance: name, note })?;
            context.print(&made)?;
        }
        SnapshotAction::List { name } => {
            context.print(&snapshot_list(&host, name.as_ref())?)?;
        }
        SnapshotAction::Show(which) => context.print(&snapshot_show(&host, &which.into())?)?,
        SnapshotAction::Verify { name, snapshot, quick } => {
            let depth = if quick { Depth::Quick } else { Depth::Full };
            let found = snapshot_verify(&host, &VerifyRequest { instance: name, snapshot, depth })?;
            let exit = if found.is_whole() { Exit::Done } else { Exit::Host };
            context.print(&found)?;
            return Ok(exit);
        }
        SnapshotAction::Diff { name, from, to, limit } => {
            let request = DiffRequest { instance: name, from, to, limit };
            context.print(&snapshot_diff(&host, &request)?)?;
        }
        SnapshotAction::Restore { which, volume, devices, consent } => {
            let request = RestoreRequest {
                which: which.into(),
                volumes: volume.into_iter().collect(),
                devices: if devices { DeviceNodes::Make } else { DeviceNodes::Refuse },
                execution: consent.execution(),
                approve: consent.approve,
            };
            return tell(context, &snapshot_restore(&host, &request)?);
        }
        SnapshotAction::Extract { name, snapshot, volume, path, to } => {
            let path = tree_path(&path)?;
            let which = SnapshotChoice { instance: name, snapshot };
            let request = TakeOutRequest { which, volume, path, to: absolute(to)? };
            context.print(&snapshot_take_out(&host, &request)?)?;
        }
        SnapshotAction::Prune { name, snapshots, keep, consent } => {
            let what = wish(snapshots, keep);
            let execution = consent.execution();
            let request = PruneRequest { instance: name, what, execution, approve: consent.approve };
            return tell(context, &snapshot_prune(&host, &request)?);
        }
        SnapshotAction::Export { name, snapshot, file } => {
            let which = SnapshotChoice { instance: name, snapshot };
            let request = ExportRequest { which, to: absolute(file)? };
            context.print(&snapshot_export(&host, &request)?)?;
        }
        SnapshotAction::Import { file } => {
            context.print(&snapshot_import(&host, &absolute(file)?)?)?;
        }
        SnapshotAction::Rehearse(which) => context.print(&snapshot_rehearse(&host, &which.into())?)?,
        SnapshotAction::Acknowledge { name, snapshot, note } => {
            let (instance, which) = (name.clone(), SnapshotChoice { instance: name, snapshot });
            let outcome = snapshot_acknowledge(&host, &which, &note)?;
            context.print(&Acknowledged { outcome, instance })?;
        }
    }
    Ok(Exit::Done)
}

/// The path in a volume, as bytes.
fn tree_path(text: &std::ffi::OsStr) -> Result<TreePath, Failure> {
    TreePath::from_bytes(text.as_bytes()).map_err(|error| Failure::Usage {
        message: format!("`{}` is no path in a volume: {error}", text.display()),
        help: "name it from the volume's top, for example `mail/inbox`; `.` is all of it",
    })
}

/// What is to be pruned.
fn wish(snapshots: Vec<SnapshotRef>, keep: Option<Policy>) -> PruneWish {
    match keep {
        Some(policy) => PruneWish::ByPolicy(policy),
        None if snapshots.is_empty() => PruneWish::BySchedule,
        None => PruneWish::Named(snapshots),
    }
}
