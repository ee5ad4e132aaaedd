//! Owns how a snapshot is shown: what its head says, and what the ledger knows of it. Pure.

use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::Bytes;
use homeport_volumes::VolumeUuid;
use homeport_volumes::store::{Consistency, Measure, Reason, Sequence, SnapshotHead, SnapshotUuid};

use crate::ledger::{MarkKind, SnapshotMark, Time};

/// A snapshot that exists.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SnapshotView {
    /// Its identity.
    pub uuid: SnapshotUuid,
    /// Its number in the store.
    pub sequence: Sequence,
    /// When its first entry was looked at.
    pub taken: Time,
    /// The instance.
    pub instance: InstanceName,
    /// The instance's port.
    pub port: PortId,
    /// The port's version.
    pub version: String,
    /// Why it was made.
    pub reason: Reason,
    /// What could write while it was made.
    pub consistency: Consistency,
    /// What a person wrote beside it; of one that was made before something else what that was.
    pub note: Option<String>,
    /// Its volumes.
    pub volumes: Vec<SnapshotVolumeView>,
    /// What has become suspiciously small since the one before it; most have none.
    pub alarms: Vec<AlarmView>,
    /// When an operator has confirmed its alarms, and with which words.
    pub acknowledged: Option<MarkView>,
    /// The last time that it was read again and everything was as it should be, and what was looked at. What was new in
    /// it was read back from the disk when it was made in any case.
    pub verified: Option<MarkView>,
    /// The last time that it was read again and something was not.
    pub damaged: Option<MarkView>,
    /// The last time that it was restored into a scratch place and compared.
    pub rehearsed: Option<MarkView>,
    /// The one before it of the same instance.
    pub parent: Option<SnapshotUuid>,
}

/// One volume in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SnapshotVolumeView {
    /// Its name.
    pub name: VolumeName,
    /// Its identity.
    pub uuid: VolumeUuid,
    /// The format of its data.
    pub format: u32,
    /// How often it had been taken into use.
    pub generation: u64,
    /// How many entries it had.
    pub entries: u64,
    /// The sum of the sizes of its files.
    pub bytes: Bytes,
}

/// A volume that has less than half of what it had.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AlarmView {
    /// The volume.
    pub volume: VolumeName,
    /// What is less.
    pub measure: Measure,
    /// How much there was.
    pub before: u64,
    /// How much there is.
    pub now: u64,
}

/// Something that is known of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MarkView {
    /// Since when.
    pub at: Time,
    /// What was looked at and how, or the operator's words.
    pub note: String,
}

impl SnapshotView {
    /// A snapshot, with what the ledger knows of it.
    pub(crate) fn of(head: &SnapshotHead, marks: &[SnapshotMark]) -> Self {
        let body = &head.body;
        let mark = |kind: MarkKind| {
            let found = marks.iter().find(|mark| mark.snapshot == body.uuid && mark.kind == kind)?;
            Some(MarkView { at: found.at.clone(), note: found.note.clone() })
        };
        let volumes = body.volumes.iter().map(|part| SnapshotVolumeView {
            name: part.name.clone(),
            uuid: part.uuid,
            format: part.format.get(),
            generation: part.generation.get(),
            entries: part.count,
            bytes: Bytes::new(part.bytes),
        });
        let alarms = body.alarms.iter().map(|alarm| AlarmView {
            volume: alarm.volume.clone(),
            measure: alarm.measure,
            before: alarm.before,
            now: alarm.now,
        });
        Self {
            uuid: body.uuid,
            sequence: head.sequence,
            taken: Time::of_unix(body.taken.seconds(), body.taken.nanos()),
            instance: body.instance.clone(),
            port: body.port.clone(),
            version: body.version.clone(),
            reason: body.reason,
            consistency: body.consistency,
            note: body.note.clone(),
            volumes: volumes.collect(),
            alarms: alarms.collect(),
            acknowledged: mark(MarkKind::Acknowledged),
            verified: mark(MarkKind::Verified),
            damaged: mark(MarkKind::Damaged),
            rehearsed: mark(MarkKind::Rehearsed),
            parent: body.parent,
        }
    }

    /// Why it was made, in words. Before a change of version that is what was done then: the store has one word for all of them.
    pub fn why(&self) -> &str {
        match (self.reason, self.note.as_deref()) {
            (Reason::Upgrade, Some(note)) => note,
            (Reason::Upgrade, None) => "before a change of version",
            (reason, _) => reason.as_str(),
        }
    }

    /// Whether it has an alarm that nobody has confirmed. [spec: STO-26]
    pub fn is_alarming(&self) -> bool {
        !self.alarms.is_empty() && self.acknowledged.is_none()
    }
}
