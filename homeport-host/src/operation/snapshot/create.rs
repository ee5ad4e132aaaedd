//! Owns making a snapshot of an instance as it is.

use homeport_core::name::VolumeName;
use homeport_core::unit::Bytes;
use homeport_volumes::tree::TreePath;

use super::view::SnapshotView;
use crate::host::Host;
use crate::operation::OperationError;
use crate::request::SnapshotRequest;

/// A snapshot that was made.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SnapshotMade {
    /// The snapshot.
    pub snapshot: SnapshotView,
    /// What making it took.
    pub work: SnapshotWork,
    /// Files that changed each time they were read: which bytes of which moment are in it is not known. [spec: STO-23]
    pub unstable: Vec<(VolumeName, TreePath)>,
    /// What a person should know: alarms, hooks that failed, volumes that are no part of it.
    pub warnings: Vec<String>,
}

/// What making a snapshot took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct SnapshotWork {
    /// Files that were read.
    pub files_read: u64,
    /// Bytes that were read.
    pub bytes_read: Bytes,
    /// Entries that were taken as unchanged.
    pub unchanged: u64,
    /// Entries that vanished while they were looked at; a running port's only. [spec: STO-23]
    pub vanished: u64,
    /// Bytes that the store has grown by, all of them read back from the disk and compared.
    pub bytes_stored: Bytes,
    /// How long it took.
    pub milliseconds: u64,
}

/// Makes a snapshot, verified as [STO-10] and [STO-21] want. A running instance goes on; its hooks `freeze` and `thaw` are
/// run around it.
pub fn snapshot_create(host: &Host, request: &SnapshotRequest) -> Result<SnapshotMade, OperationError> {
    let (_, _) = (host, request);
    Err(OperationError::Unbuilt)
}
