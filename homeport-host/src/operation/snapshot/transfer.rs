//! Owns the way of a snapshot out of the store into an operator's file or directory, and back in.

use std::path::{Path, PathBuf};

use homeport_core::name::VolumeName;
use homeport_core::unit::Bytes;
use homeport_volumes::store::SnapshotUuid;
use homeport_volumes::tree::TreePath;

use super::view::SnapshotView;
use crate::host::Host;
use crate::operation::OperationError;
use crate::request::{ExportRequest, TakeOutRequest};

/// A snapshot that is in a file now.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Exported {
    /// The snapshot.
    pub uuid: SnapshotUuid,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: Bytes,
    /// Paths that tar programs cannot make: they are only in the entries, and HomePort restores them. [spec: STO-34]
    pub only_in_entries: Vec<(VolumeName, TreePath)>,
}

/// A part of a snapshot that was taken out.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TakenOut {
    /// The snapshot.
    pub uuid: SnapshotUuid,
    /// The volume.
    pub volume: VolumeName,
    /// What was taken.
    pub path: TreePath,
    /// Where it is.
    pub to: PathBuf,
    /// How many entries it has.
    pub entries: u64,
    /// The bytes of its files.
    pub bytes: Bytes,
}

/// Writes a snapshot into one tar file.
pub fn snapshot_export(host: &Host, request: &ExportRequest) -> Result<Exported, OperationError> {
    let (_, _) = (host, request);
    Err(OperationError::Unbuilt)
}

/// Reads a snapshot from a file that `snapshot_export` wrote into the store, with every byte compared.
pub fn snapshot_import(host: &Host, from: &Path) -> Result<SnapshotView, OperationError> {
    let (_, _) = (host, from);
    Err(OperationError::Unbuilt)
}

/// Takes one file or directory out of a snapshot, to a new place. No volume is touched.
pub fn snapshot_take_out(host: &Host, request: &TakeOutRequest) -> Result<TakenOut, OperationError> {
    let (_, _) = (host, request);
    Err(OperationError::Unbuilt)
}
