//! Owns what a volume is known to have had when it was last looked at in full, or put back: what its present extent is
//! compared with. Pure.

use homeport_core::name::VolumeName;
use homeport_volumes::snapshot::Extent;
use homeport_volumes::store::SnapshotHead;

use crate::ledger::{RestoredRecord, VolumeRecord};

/// What volumes were put back to after `parent`, their newest snapshot, was made. [spec: STO-26]
pub(super) fn put_back_since(
    parent: Option<&SnapshotHead>,
    restored: &[RestoredRecord],
    volumes: &[VolumeRecord],
) -> Vec<(VolumeName, Extent)> {
    let newest = parent.map(|head| head.sequence);
    let later = restored.iter().filter(|record| record.newest >= newest);
    let named = later.filter_map(|record| {
        let volume = volumes.iter().find(|volume| volume.uuid == record.volume.to_string())?;
        Some((volume.name.clone(), extent(record)))
    });
    named.collect()
}

fn extent(record: &RestoredRecord) -> Extent {
    Extent { entries: record.entries, bytes: record.bytes.get() }
}
