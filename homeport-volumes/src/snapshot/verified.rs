//! Owns the words for what was proven of a snapshot: what, when and how. Never proves anything.

use std::fmt;

use crate::store::SnapshotUuid;
use crate::tree::Timestamp;

/// What was proven of a snapshot, when, and how. There is no "verified" without these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The snapshot.
    pub snapshot: SnapshotUuid,
    /// How far it was looked at.
    pub level: Level,
    /// When that ended.
    pub at: Timestamp,
    /// What was looked at.
    pub extent: Looked,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looked {
    /// Entries.
    pub entries: u64,
    /// Different objects.
    pub objects: u64,
    /// Bytes of those objects that were read; 0 where only their presence was looked at.
    pub bytes: u64,
}

/// How a snapshot was looked at, each level more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All entries were read and compared with their names, and an index names every object.
    Presence,
    /// All objects that were new were read back from the disk and compared when the snapshot was made.
    ReadBack,
    /// Every object was read and compared with its name.
    Objects,
    /// The snapshot was restored into a scratch place, and every byte and attribute compared.
    Rehearsed,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, level, at, extent: Looked { entries, objects, bytes } } = self;
        let seconds = at.seconds();
        match level {
            Level::Presence => write!(
                f,
                "snapshot {snapshot}: its {entries} entries were read and are right, and all {objects} objects that they \
                 name are listed in the store; the objects themselves were not read (at {seconds})"
            ),
            Level::ReadBack => write!(
                f,
                "snapshot {snapshot}: its {entries} entries and the {objects} objects that were new ({bytes} bytes) were \
                 read back from the disk when it was made; objects that were there before were not read again (at \
                 {seconds})"
            ),
            Level::Objects => write!(
                f,
                "snapshot {snapshot}: its {entries} entries and every one of its {objects} objects ({bytes} bytes) were \
                 read from the store and are right (at {seconds})"
            ),
            Level::Rehearsed => write!(
                f,
                "snapshot {snapshot}: all {entries} entries ({bytes} bytes) were restored into a scratch place, and every \
                 byte and attribute is right (at {seconds})"
            ),
        }
    }
}
