//! Owns telling what differs between two snapshots, or a snapshot and the present data. Changes nothing.

use homeport_core::name::VolumeName;
use homeport_volumes::store::SnapshotUuid;
use homeport_volumes::tree::TreePath;

use crate::host::Host;
use crate::operation::OperationError;
use crate::request::DiffRequest;

/// What differs.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Differences {
    /// The older side.
    pub from: SnapshotUuid,
    /// The newer side; `None` is the data as it is now.
    pub to: Option<SnapshotUuid>,
    /// Each volume of either side.
    pub volumes: Vec<VolumeDifferences>,
}

/// What differs in one volume.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VolumeDifferences {
    /// The volume.
    pub volume: VolumeName,
    /// Paths that are new.
    pub added: u64,
    /// Paths that are gone.
    pub removed: u64,
    /// Paths that are otherwise than they were.
    pub changed: u64,
    /// Paths that are as they were.
    pub same: u64,
    /// The first of them, at most as many as were asked for, in the order of paths.
    pub listed: Vec<Differing>,
}

/// One path that differs.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Differing {
    /// The path, relative to the volume's data.
    pub path: TreePath,
    /// What became of it.
    pub change: homeport_volumes::snapshot::Change,
}

/// What differs.
pub fn snapshot_diff(host: &Host, request: &DiffRequest) -> Result<Differences, OperationError> {
    let (_, _) = (host, request);
    Err(OperationError::Unbuilt)
}
