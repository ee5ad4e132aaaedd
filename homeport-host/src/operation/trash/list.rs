//! Owns showing what is in the trash: what is on the disks, and what the ledger knows of it. Changes nothing.

use std::path::PathBuf;

use homeport_core::fault::Fault;
use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::Bytes;
use homeport_volumes::TxId;
use homeport_volumes::store::SnapshotUuid;

use crate::host::Host;
use crate::ledger::{Time, TrashReason};
use crate::operation::OperationError;

/// What is in the trash.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TrashList {
    /// What was put there, by the command that did, oldest first.
    pub bundles: Vec<TrashView>,
    /// What is there and cannot be named, and what should be there and is not. It is left as it is.
    pub faults: Vec<Fault>,
}

/// What one command put into the trash.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TrashView {
    /// Its id: `homeport trash restore ID` takes it out again.
    pub id: TxId,
    /// Why it is there.
    pub reason: TrashReason,
    /// The instance that it is of.
    pub instance: InstanceName,
    /// The instance's port.
    pub port: PortId,
    /// Since when.
    pub since: Time,
    /// Until when it is kept at least.
    pub until: Option<Time>,
    /// The snapshot that was made of the same data before.
    pub snapshot: Option<SnapshotUuid>,
    /// Its trees, one a volume.
    pub trees: Vec<TreeView>,
}

/// One volume's data in the trash.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TreeView {
    /// Its own id.
    pub tx: TxId,
    /// The volume that it was the data of.
    pub volume: VolumeName,
    /// That volume's identity.
    pub uuid: String,
    /// Where it was.
    pub path: PathBuf,
    /// How many entries it has, where they were counted.
    pub entries: Option<u64>,
    /// The bytes of their files, where they were counted.
    pub bytes: Option<Bytes>,
}

/// What is in the trash.
pub fn trash_list(host: &Host) -> Result<TrashList, OperationError> {
    let _ = host;
    Err(OperationError::Unbuilt)
}
