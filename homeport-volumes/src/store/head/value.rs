//! Owns a snapshot as a value: what was copied, when, how, and of what it consists. Never reads or writes bytes.

use homeport_core::digest::Digest;
use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::Format;

use crate::identity::{Generation, RootId, VolumeUuid};
use crate::owner::Owner;
use crate::store::identity::{EntriesId, ObjectId, Sequence, SnapshotUuid};
use crate::tree::Timestamp;

/// A snapshot that exists. [spec: STO-20]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotHead {
    /// The how manieth of its store; given by the writer.
    pub sequence: Sequence,
    /// Everything else.
    pub body: SnapshotBody,
}

/// A snapshot without its place in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotBody {
    /// The snapshot's own identity.
    pub uuid: SnapshotUuid,
    /// When the first entry was looked at.
    pub taken: Timestamp,
    /// The HomePort that made it.
    pub root: RootId,
    /// The instance.
    pub instance: InstanceName,
    /// Its port.
    pub port: PortId,
    /// The port's version.
    pub version: String,
    /// The image's id, where there was one.
    pub image: Option<Digest>,
    /// The port's manifest, where it was kept.
    pub manifest: Option<ObjectId>,
    /// What the operator set, and the public addresses, as a JSON object, where it was kept.
    pub configuration: Option<ObjectId>,
    /// Why it was made.
    pub reason: Reason,
    /// What the copy is worth.
    pub consistency: Consistency,
    /// What a person wrote beside it; `None` rather than empty.
    pub note: Option<String>,
    /// The volumes, each name once.
    pub volumes: Vec<VolumePart>,
    /// What is much smaller than in the snapshot before. [spec: STO-26]
    pub alarms: Vec<Alarm>,
    /// The snapshot before it of the same instance.
    pub parent: Option<SnapshotUuid>,
}

/// One volume in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePart {
    /// Its name in the port's manifest.
    pub name: VolumeName,
    /// Which volume it was.
    pub uuid: VolumeUuid,
    /// How its data is laid out.
    pub format: Format,
    /// Its generation when it was read.
    pub generation: Generation,
    /// Owner and mode of `data/`.
    pub owner: Owner,
    /// What was in it.
    pub entries: EntriesId,
    /// How many entries those are, as their `end` line says.
    pub count: u64,
    /// The sum of the sizes of its regular files, as the `end` line says.
    pub bytes: u64,
}

/// A volume that has fewer than half as many entries or bytes as in the snapshot before. [spec: STO-26]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The volume, as it was called in the snapshot before; it may be missing in this one.
    pub volume: VolumeName,
    /// What there is less of.
    pub measure: Measure,
    /// How much there was.
    pub before: u64,
    /// How much there is.
    pub now: u64,
}

/// Declares an enum of words that stand in a snapshot's file.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the file.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            /// What the word stands for.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(
    /// Why a snapshot was made.
    Reason,
    /// A person asked for it.
    Manual = "manual",
    /// A schedule did.
    Scheduled = "scheduled",
    /// Before a restore replaced the data.
    Restore = "restore",
    /// Before a change of version, up, down or back; the note says which.
    Upgrade = "upgrade",
    /// Before a volume moved.
    Move = "move",
    /// It came from another store.
    Imported = "imported",
);

words!(
    /// What nothing could write while the volumes were read. [spec: STO-22]
    Consistency,
    /// Nothing ran that could write.
    Stopped = "stopped",
    /// The port's own `freeze` held it still.
    Frozen = "frozen",
    /// Each file is as it was at one moment, different files maybe at different moments.
    Running = "running",
);

words!(
    /// What an alarm counts.
    Measure,
    /// Entries.
    Entries = "entries",
    /// Bytes of regular files.
    Bytes = "bytes",
);

impl SnapshotBody {
    /// The objects that the snapshot names itself, beside those that its entries name.
    pub fn objects(&self) -> impl Iterator<Item = ObjectId> {
        self.manifest.into_iter().chain(self.configuration)
    }

    /// The part of one volume.
    pub fn volume(&self, name: &VolumeName) -> Option<&VolumePart> {
        self.volumes.iter().find(|part| part.name == *name)
    }
}

impl SnapshotHead {
    /// The name of the file. [spec: STO-20]
    pub fn file_name(&self) -> String {
        format!("{}-{}.snapshot", self.sequence, self.body.uuid)
    }
}
