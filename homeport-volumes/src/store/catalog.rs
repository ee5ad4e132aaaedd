//! Owns the list of snapshots: those that exist, and the files that should be snapshots and are not.
//! Never changes anything.

use super::head::{HeadFault, SnapshotHead};
use super::identity::{Sequence, SnapshotUuid};

/// What is in `snapshots/`. [spec: STO-21]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// The snapshots that exist, the oldest first.
    pub snapshots: Vec<SnapshotHead>,
    /// The other files, by name, and why they are no snapshots.
    pub damaged: Vec<(String, HeadFault)>,
}

impl Catalog {
    /// The snapshot with this identity.
    pub fn find(&self, uuid: &SnapshotUuid) -> Option<&SnapshotHead> {
        self.snapshots.iter().find(|head| head.body.uuid == *uuid)
    }

    /// The highest number of a snapshot that is there.
    pub fn highest(&self) -> Option<Sequence> {
        self.snapshots.last().map(|head| head.sequence)
    }
}
