//! Owns taking something out of the trash: a purged volume comes back to its place, a restore is taken back.

use homeport_core::name::InstanceName;
use homeport_volumes::TxId;
use homeport_volumes::store::SnapshotUuid;

use super::list::TrashView;
use crate::host::Host;
use crate::operation::lifecycle::Running;
use crate::operation::{OperationError, Outcome};
use crate::plan::Plan;
use crate::request::TrashRestoreRequest;

/// What taking something out would do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PutBackPlan {
    /// What is taken out.
    pub what: TrashView,
    /// What a person should know: what was written since the restore goes to the trash, for example.
    pub warnings: Vec<String>,
    /// The steps.
    pub plan: Plan,
}

/// What was taken out.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PutBack {
    /// What was taken out, and is not in the trash any more.
    pub what: TrashView,
    /// The instance that has it again, or whose removed volumes these are.
    pub instance: InstanceName,
    /// Where a restore was taken back: the snapshot of what was there until now.
    pub before: Option<SnapshotUuid>,
    /// Where a restore was taken back: what was there until now is in the trash under this id.
    pub undo: Option<TxId>,
    /// The instance, where it runs again.
    pub running: Option<Running>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Takes something out of the trash again. Needs no approval: nothing is lost by it.
pub fn trash_restore(
    host: &Host,
    request: &TrashRestoreRequest,
) -> Result<Outcome<PutBackPlan, PutBack>, OperationError> {
    let (_, _) = (host, request);
    Err(OperationError::Unbuilt)
}
