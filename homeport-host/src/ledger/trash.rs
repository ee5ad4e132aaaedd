//! Owns what the ledger remembers of data in the trash. Never looks at the disk: the note beside each tree says the same.

use std::path::PathBuf;

use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::Bytes;
use homeport_volumes::store::SnapshotUuid;
use homeport_volumes::{TxId, VolumeUuid};

use super::time::Time;
use super::volume::VolumeRecord;
use super::word::word_enum;

word_enum!(
    /// Why something is in the trash.
    TrashReason, "reason in the trash", "`purge`, `restore`, `undo`, `upgrade`",
    {
        /// The volume was purged: it is no volume of its instance any more.
        Purge = "purge",
        /// A restore put another tree in its place.
        Restore = "restore",
        /// A restore was taken back, and this is what it had put there.
        Undo = "undo",
        /// Another version of the port got a migrated copy, and this is what it was copied from.
        Upgrade = "upgrade",
    }
);

/// One tree in the trash. What was put there by one command has one `bundle` and is taken out together.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TrashRecord {
    /// The transaction that put it there; the name of its directory.
    pub tx: TxId,
    /// The command that put it there, for all of its trees: what a person names.
    pub bundle: TxId,
    /// Why it is there.
    pub reason: TrashReason,
    /// The volume that it was the data of.
    pub volume: VolumeUuid,
    /// That volume's instance.
    pub instance: InstanceName,
    /// That instance's port.
    pub port: PortId,
    /// The volume's name.
    pub name: VolumeName,
    /// The volume's directory, from where it was taken: absolute, valid UTF-8.
    pub path: PathBuf,
    /// What the ledger had of a volume that was purged; `None` for a tree whose volume lives on.
    pub record: Option<VolumeRecord>,
    /// The snapshot that was made before, of the same data.
    pub snapshot: Option<SnapshotUuid>,
    /// How many entries it has.
    pub entries: u64,
    /// The sum of the sizes of its files.
    pub bytes: Bytes,
    /// Since when it is there.
    pub since: Time,
    /// Until when it is kept at least, unless an operator approves otherwise. [spec: STO-32]
    pub until: Time,
}
