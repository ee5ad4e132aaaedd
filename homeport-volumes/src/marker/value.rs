//! Owns the marker as a value. Never reads or writes bytes.

use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::Format;

use crate::filesystem::FsIdentity;
use crate::identity::{Generation, RootId, UnixSeconds, VolumeUuid};
use crate::owner::Owner;
use crate::path::VolumePath;

/// The version of the marker's own form. A reader refuses what is newer than itself, and a writer writes
/// [`MarkerVersion::CURRENT`] only and never over a marker that is newer. [spec: VOL-11]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct MarkerVersion(u32);

impl MarkerVersion {
    /// The version that this build writes, and the newest that it reads.
    pub const CURRENT: Self = Self(1);

    /// The version with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The bare number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl std::fmt::Display for MarkerVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a volume says about itself. [spec: VOL-8]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The HomePort that made the volume.
    pub root: RootId,
    /// The port whose data it is.
    pub port: PortId,
    /// The instance whose data it is.
    pub instance: InstanceName,
    /// The volume's name in the port's manifest.
    pub volume: VolumeName,
    /// The volume's identity.
    pub uuid: VolumeUuid,
    /// How the data is laid out.
    pub format: Format,
    /// How often the volume was taken into use.
    pub generation: Generation,
    /// The file system that it was made on.
    pub fs: FsIdentity,
    /// The mount point that its file system had; `None` where that was `/`.
    pub must_be_mount: Option<VolumePath>,
    /// Owner and mode of `data/` when it was made.
    pub owner: Owner,
    /// When the volume was made.
    pub created: UnixSeconds,
}
