//! Owns showing the snapshots that there are. Never changes anything, needs no lock.

use homeport_core::name::InstanceName;

use super::view::SnapshotView;
use crate::host::Host;
use crate::operation::OperationError;
use crate::request::SnapshotChoice;

/// The snapshots of one instance, or of all.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SnapshotList {
    /// Those that exist, oldest first.
    pub snapshots: Vec<SnapshotView>,
    /// Files that should be snapshots and are not, whatever instance they were of: name, and what is wrong.
    pub damaged: Vec<(String, String)>,
}

/// The snapshots of an instance, removed ones too, or of all with `None`. Before the first snapshot there are none.
pub fn snapshot_list(host: &Host, instance: Option<&InstanceName>) -> Result<SnapshotList, OperationError> {
    let (_, _) = (host, instance);
    Err(OperationError::Unbuilt)
}

/// One snapshot.
pub fn snapshot_show(host: &Host, which: &SnapshotChoice) -> Result<SnapshotView, OperationError> {
    let (_, _) = (host, which);
    Err(OperationError::Unbuilt)
}
