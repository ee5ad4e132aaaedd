//! Owns removing snapshots: what may go is decided by rules that no policy and no approval can change. [spec: STO-27]

use homeport_core::name::InstanceName;
use homeport_core::unit::Bytes;
use homeport_volumes::store::{Sequence, SnapshotUuid};

use crate::host::Host;
use crate::ledger::Time;
use crate::operation::{OperationError, Outcome};
use crate::request::PruneRequest;

/// What a prune would remove and keep.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PrunePlan {
    /// The instance.
    pub instance: InstanceName,
    /// Every snapshot of it, newest first.
    pub snapshots: Vec<PruneFate>,
}

/// What becomes of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PruneFate {
    /// The snapshot.
    pub uuid: SnapshotUuid,
    /// Its number.
    pub sequence: Sequence,
    /// When it was taken.
    pub taken: Time,
    /// Why it is kept; empty where it goes.
    pub kept_because: Vec<String>,
}

impl PrunePlan {
    /// The snapshots that go.
    pub fn removed(&self) -> impl Iterator<Item = &PruneFate> {
        self.snapshots.iter().filter(|fate| fate.kept_because.is_empty())
    }
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Pruned {
    /// What was planned, and done.
    pub plan: PrunePlan,
    /// Bytes of packs and entries that no snapshot needs any more. They are unlinked seven days later. [spec: STO-29]
    pub bytes_set_aside: Bytes,
    /// Bytes that were unlinked now, of what was set aside seven days ago or earlier.
    pub bytes_freed: Bytes,
}

/// Removes snapshots, and collects what no snapshot needs.
pub fn snapshot_prune(host: &Host, request: &PruneRequest) -> Result<Outcome<PrunePlan, Pruned>, OperationError> {
    let (_, _) = (host, request);
    Err(OperationError::Unbuilt)
}
