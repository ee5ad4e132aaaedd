//! Owns what the ledger remembers of a restore that is done, as long as no later snapshot says more. Never decides what
//! follows from it.

use homeport_core::unit::Bytes;
use homeport_volumes::VolumeUuid;
use homeport_volumes::store::{Sequence, SnapshotUuid};

use super::time::Time;

/// What a volume was put back to, by a restore or its undo. A volume has one: that of the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredRecord {
    /// The volume.
    pub volume: VolumeUuid,
    /// The snapshot that has what it was put back to.
    pub snapshot: Option<SnapshotUuid>,
    /// The newest snapshot of the store at that moment: of what came later, this record says nothing.
    pub newest: Option<Sequence>,
    /// How many entries it had then, its own directory counted.
    pub entries: u64,
    /// The sum of the sizes of its files.
    pub bytes: Bytes,
    /// When that was.
    pub at: Time,
}
