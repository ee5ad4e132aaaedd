//! Owns putting an instance's volumes back to what they were in a snapshot. What was there goes to the trash, after a
//! snapshot of it was made. [spec: STO-31, STO-32]

use std::path::PathBuf;

use homeport_core::name::{InstanceName, VolumeName};
use homeport_core::unit::Bytes;
use homeport_volumes::TxId;
use homeport_volumes::store::SnapshotUuid;

use super::lifecycle::Running;
use super::snapshot::SnapshotView;
use super::{OperationError, Outcome};
use crate::host::Host;
use crate::ledger::Time;
use crate::plan::Plan;
use crate::request::RestoreRequest;

/// What a restore would do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RestorePlan {
    /// The snapshot.
    pub snapshot: SnapshotView,
    /// The volumes that are put back.
    pub volumes: Vec<RestoreVolume>,
    /// Why it needs an approval; `None` where it needs none.
    pub needs_approval: Option<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The steps.
    pub plan: Plan,
}

/// One volume that is put back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RestoreVolume {
    /// The volume.
    pub name: VolumeName,
    /// Its directory.
    pub path: PathBuf,
    /// How many entries the snapshot has of it.
    pub entries: u64,
    /// The bytes of their files.
    pub bytes: Bytes,
}

/// A restore that is done.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Restored {
    /// The instance.
    pub instance: InstanceName,
    /// What was restored.
    pub snapshot: SnapshotUuid,
    /// The volumes that were put back.
    pub volumes: Vec<RestoreVolume>,
    /// The snapshot of what was there before.
    pub before: SnapshotUuid,
    /// What was there before is in the trash under this id: `homeport trash restore ID` takes the restore back.
    pub undo: TxId,
    /// Until when that is kept at least.
    pub kept_until: Time,
    /// The instance, where it runs again.
    pub running: Option<Running>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Puts volumes back to what they were in a snapshot. A running instance is stopped and started; where it does not get
/// ready with the restored data, what was there before is back, and the error says why.
pub fn snapshot_restore(
    host: &Host,
    request: &RestoreRequest,
) -> Result<Outcome<RestorePlan, Restored>, OperationError> {
    let (_, _) = (host, request);
    Err(OperationError::Unbuilt)
}
