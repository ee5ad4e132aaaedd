//! Owns what the ledger remembers of each snapshot that was made, so that one which is gone from the store is missed.
//! Never says what is in it: that stands in the store, and nowhere else.

use homeport_core::name::InstanceName;
use homeport_volumes::store::{Sequence, SnapshotUuid};

use super::time::Time;

/// A snapshot that was in the store, and that nobody has removed since. [spec: STO-39]
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SnapshotRecord {
    /// The snapshot.
    pub uuid: SnapshotUuid,
    /// Its number.
    pub sequence: Sequence,
    /// Whose volumes are in it.
    pub instance: InstanceName,
    /// When it was taken.
    pub taken: Time,
}
