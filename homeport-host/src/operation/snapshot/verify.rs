//! Owns verifying snapshots, rehearsing a restore, and what the ledger remembers of both.

use homeport_core::fault::Fault;
use homeport_core::unit::Bytes;
use homeport_volumes::store::SnapshotUuid;

use crate::host::Host;
use crate::ledger::Time;
use crate::operation::OperationError;
use crate::request::{Depth, SnapshotChoice, VerifyRequest};

/// What a verification found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VerifyOutcome {
    /// The snapshots that were looked at, and whether each is whole.
    pub snapshots: Vec<VerifiedSnapshot>,
    /// How much was looked at.
    pub depth: Depth,
    /// The objects that were read and compared; with `Quick` those that were looked up.
    pub objects: u64,
    /// Their bytes.
    pub bytes: Bytes,
    /// When it ended.
    pub at: Time,
    /// What is wrong with the store beside the snapshots: damaged heads, packs.
    pub faults: Vec<Fault>,
}

/// One snapshot that was verified.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VerifiedSnapshot {
    /// The snapshot.
    pub uuid: SnapshotUuid,
    /// What is wrong with it; empty where it is whole.
    pub faults: Vec<Fault>,
}

impl VerifyOutcome {
    /// Whether everything that was looked at is as it should be.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty() && self.snapshots.iter().all(|one| one.faults.is_empty())
    }
}

/// A rehearsal that succeeded: the snapshot can be restored.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Rehearsed {
    /// The snapshot.
    pub uuid: SnapshotUuid,
    /// Entries that were restored and compared with the snapshot, in every byte and attribute.
    pub entries: u64,
    /// The bytes of their files.
    pub bytes: Bytes,
    /// How long it took.
    pub milliseconds: u64,
}

/// Reads snapshots again. That something is damaged is an outcome, not an error; it is remembered in the ledger.
pub fn snapshot_verify(host: &Host, request: &VerifyRequest) -> Result<VerifyOutcome, OperationError> {
    let (_, _) = (host, request);
    Err(OperationError::Unbuilt)
}

/// Restores a snapshot into HomePort's scratch place, compares it in full, and takes it away again.
pub fn snapshot_rehearse(host: &Host, which: &SnapshotChoice) -> Result<Rehearsed, OperationError> {
    let (_, _) = (host, which);
    Err(OperationError::Unbuilt)
}
