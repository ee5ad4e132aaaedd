//! Owns what a volume is known to have had when it was last looked at in full, or put back: what its present extent is
//! compared with. Pure.

use homeport_core::name::VolumeName;
use homeport_core::unit::Bytes;
use homeport_volumes::Counted;
use homeport_volumes::snapshot::Extent;
use homeport_volumes::store::SnapshotHead;

use crate::ledger::{MarkKind, RestoredRecord, SnapshotMark, VolumeRecord};

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

/// What a volume had at its newest snapshot that no alarm is open about, or when it was put back after that; `None` where
/// nothing says so. `snapshots` are in the order in which they were made. [spec: VOL-36]
///
/// What was made after a snapshot with an open alarm about the volume counts for nothing either: nobody has confirmed it.
pub(crate) fn counted(
    snapshots: &[SnapshotHead],
    marks: &[SnapshotMark],
    restored: &[RestoredRecord],
    volume: &VolumeRecord,
) -> Option<Counted> {
    let put_back = restored.iter().find(|record| record.volume.to_string() == volume.uuid);
    let is_later = |head: &&SnapshotHead| put_back.is_none_or(|record| Some(head.sequence) > record.newest);
    let is_confirmed = |head: &SnapshotHead| {
        marks.iter().any(|mark| mark.snapshot == head.body.uuid && mark.kind == MarkKind::Acknowledged)
    };
    let is_open =
        |head: &SnapshotHead| head.body.alarms.iter().any(|alarm| alarm.volume == volume.name) && !is_confirmed(head);
    let own = snapshots.iter().filter(|head| head.body.instance == volume.instance);
    let trusted = own.filter(is_later).take_while(|head| !is_open(head));
    let parts = trusted.filter_map(|head| head.body.volumes.iter().find(|part| part.uuid.to_string() == volume.uuid));
    match parts.last() {
        Some(part) => Some(Counted { entries: part.count, bytes: Bytes::new(part.bytes) }),
        None => put_back.map(|record| Counted { entries: record.entries, bytes: record.bytes }),
    }
}

fn extent(record: &RestoredRecord) -> Extent {
    Extent { entries: record.entries, bytes: record.bytes.get() }
}
