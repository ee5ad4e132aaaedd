//! Owns what the ledger remembers of an instance. Never says whether it runs: only the engine knows that.

use std::fmt;

use homeport_core::digest::Digest;
use homeport_core::name::{InstanceName, PortId};

use super::time::Time;
use super::word::word_enum;
use crate::engine::ContainerId;

word_enum!(
    /// What the operator wants of an instance; boot and crash are answered by it.
    Desired, "desired state", "`running`, `stopped`",
    {
        /// It is started at boot and after a crash.
        Running = "running",
        /// It stays down until somebody starts it.
        Stopped = "stopped",
    }
);

word_enum!(
    /// The place of a container among those of its instance. Two versions have one each while one takes over from the
    /// other; everywhere else the instance's one container has either.
    Slot, "slot", "`first`, `second`",
    {
        /// The one that an instance begins with.
        First = "first",
        /// The other one.
        Second = "second",
    }
);

impl Slot {
    /// The slot that this one is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// One deployment of a port, as it was last put.
#[derive(Clone, PartialEq)]
pub struct InstanceRecord {
    /// The instance.
    pub name: InstanceName,
    /// The port that it deploys; never changes under one name.
    pub port: PortId,
    /// The port's version.
    pub version: semver::Version,
    /// The image's id: always the same bits.
    pub image: Digest,
    /// What the operator called the image.
    pub reference: String,
    /// The manifest's bytes as they were read from the image.
    pub manifest: Vec<u8>,
    /// What the operator wants.
    pub desired: Desired,
    /// The container that was made for it last, if any.
    pub container: Option<ContainerId>,
    /// The slot of that container, or of the next one.
    pub slot: Slot,
    /// When the instance was made.
    pub created: Time,
    /// When the record was changed last.
    pub changed: Time,
    /// What the operator gave for this instance beside its configuration, for example limits. An object, or `null`.
    pub overrides: serde_json::Value,
}

impl fmt::Debug for InstanceRecord {
    /// Shows the manifest by its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceRecord")
            .field("name", &self.name)
            .field("port", &self.port)
            .field("version", &self.version)
            .field("image", &self.image)
            .field("reference", &self.reference)
            .field("manifest", &format_args!("{} bytes", self.manifest.len()))
            .field("desired", &self.desired)
            .field("container", &self.container)
            .field("slot", &self.slot)
            .field("created", &self.created)
            .field("changed", &self.changed)
            .field("overrides", &self.overrides)
            .finish()
    }
}
