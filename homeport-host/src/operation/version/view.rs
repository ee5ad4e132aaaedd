//! Owns what is told of a change of version before and after it: values for text and JSON. Pure.

use homeport_core::digest::Digest;
use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::{Bytes, Format, Seconds};
use homeport_core::upgrade::Direction;
use homeport_volumes::TxId;
use homeport_volumes::store::{Sequence, SnapshotUuid};

use crate::ledger::Time;
use crate::operation::lifecycle::Running;
use crate::plan::Plan;

/// What a change of version would do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VersionPlan {
    /// The instance.
    pub instance: InstanceName,
    /// Its port.
    pub port: PortId,
    /// The version that there is.
    pub from: semver::Version,
    /// The version that is to be.
    pub to: semver::Version,
    /// The image that is to be.
    pub image: Digest,
    /// What that is called; its id where it was named by that, and where it has no name.
    pub reference: String,
    /// Whether that is a newer one.
    pub direction: Direction,
    /// What the other version changes for the people who use it.
    pub changes: Vec<ChangeView>,
    /// What the port's author wants them to know.
    pub notes: Vec<String>,
    /// What becomes of the configuration, where anything does.
    pub configuration: Vec<String>,
    /// The volumes whose data becomes another.
    pub migrations: Vec<MigrationView>,
    /// The snapshot that data is set back to, where any is.
    pub set_back: Option<SetBackView>,
    /// The volumes of which a snapshot is made before.
    pub snapshot: Vec<VolumeName>,
    /// What clients notice.
    pub clients: ClientsView,
    /// How one gets back.
    pub way_back: WayBackView,
    /// Why it needs an approval; `None` where it needs none.
    pub needs_approval: Option<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The same for two plans exactly if they would do the same.
    pub hash: Digest,
    /// The steps.
    pub plan: Plan,
}

/// One difference between the two versions.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ChangeView {
    /// The rule of the specification that it falls under.
    pub rule: &'static str,
    /// What kind of version it asks for.
    pub asks_for: &'static str,
    /// What it is, in words.
    pub text: String,
}

/// One volume whose data becomes another.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MigrationView {
    /// The volume.
    pub volume: VolumeName,
    /// The format that there is.
    pub from: Format,
    /// The format that is to be.
    pub to: Format,
    /// How it gets there.
    pub way: MigrationWay,
    /// What is copied.
    pub bytes: Bytes,
    /// How many entries that is.
    pub entries: u64,
    /// What is there now: what was written to it since a snapshot that it is set back to is not in the copy.
    pub present_bytes: Bytes,
    /// How many entries that is.
    pub present_entries: u64,
    /// The room that it needs on the volume's disk, beside what is there.
    pub needs: Bytes,
    /// How long its steps may take at most, beside the copying.
    pub within: Seconds,
}

/// The snapshot that data is set back to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SetBackView {
    /// The how manieth of its store.
    pub sequence: Sequence,
    /// Its identity.
    pub uuid: SnapshotUuid,
    /// When it was made: what was written later is not in it.
    pub taken: Time,
    /// The version of the port that had written what is in it.
    pub version: String,
}

/// How data becomes that of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MigrationWay {
    /// By the steps of the version that is to be.
    StepsOfNext,
    /// By the steps of the version that there is.
    StepsOfPresent,
    /// It is set back to a snapshot.
    Snapshot,
}

/// What clients notice of a change of version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ClientsView {
    /// New ones come to the new version; those that are connected stay with the one from before.
    Overlap {
        /// For at most so long.
        linger: Seconds,
    },
    /// They wait, and those that are connected are disconnected.
    Wait,
    /// There are none: the instance is stopped, and stays so.
    None,
}

/// How one gets back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum WayBackView {
    /// With everything that was written meanwhile.
    Reversible,
    /// To the snapshot that is made before; what was written since is in a snapshot of its own then, and in the trash. A
    /// further way back leads to it.
    Snapshot {
        /// The volumes that lose what was written since.
        volumes: Vec<VolumeName>,
        /// The volumes that are in no snapshot, and lose everything.
        everything: Vec<VolumeName>,
    },
}

/// What came of an upgrade.
#[derive(Debug, Clone)]
pub enum Upgraded {
    /// The instance has another version.
    Changed(Box<VersionChanged>),
    /// There was nothing to do, and nothing was changed.
    Unchanged(AlreadyThere),
}

/// An instance that has the version already that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AlreadyThere {
    /// The instance.
    pub instance: InstanceName,
    /// The version that it has.
    pub version: semver::Version,
    /// Whether that one was named; otherwise the engine holds no higher one.
    pub named: bool,
}

/// A change of version that is done.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VersionChanged {
    /// The instance.
    pub instance: InstanceName,
    /// The version from before.
    pub from: semver::Version,
    /// The version that there is.
    pub to: semver::Version,
    /// The snapshot that was made before; `None` where there is nothing to make one of.
    pub snapshot: Option<SnapshotUuid>,
    /// What was taken out is in the trash under this id; `None` where nothing was.
    pub trash: Option<TxId>,
    /// Until when clients of the version from before may stay, where any may.
    pub lingers_until: Option<Time>,
    /// How one gets back.
    pub way_back: WayBackView,
    /// What runs; `None` where the instance is stopped.
    pub running: Option<Running>,
    /// What a person should know.
    pub warnings: Vec<String>,
}
