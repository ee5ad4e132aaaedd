//! Owns what the ledger remembers of a volume: where it is and what must be found there.
//! Never looks at the disk: the checks of the volumes do.

use std::path::PathBuf;

use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::Format;

use super::time::Time;
use super::word::word_enum;

word_enum!(
    /// Who chose a volume's path.
    Origin, "volume origin", "`default`, `operator`",
    {
        /// HomePort, below its data directory.
        Default = "default",
        /// The operator.
        Operator = "operator",
    }
);

word_enum!(
    /// Whether a volume's directory must be a mount point: without it, the disk is not there.
    MustBeMount, "mount rule", "`yes`, `no`",
    {
        /// A directory that is no mount point is refused.
        Yes = "yes",
        /// It is an ordinary directory.
        No = "no",
    }
);

word_enum!(
    /// Whether a volume was ever in use. Once `Yes`, always `Yes`.
    HasData, "data flag", "`yes`, `no`",
    {
        /// Found blank, it is refused.
        Yes = "yes",
        /// It was made and never used: it may be removed again.
        No = "no",
    }
);

word_enum!(
    /// Whether an instance uses the volume now.
    VolumeState, "volume state", "`attached`, `kept`",
    {
        /// An instance uses it.
        Attached = "attached",
        /// Its instance was removed and the data kept.
        Kept = "kept",
    }
);

/// One volume. Unique by its uuid, by its path, and by port, instance and name together.
///
/// It outlives its instance: removing one never removes the other.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct VolumeRecord {
    /// The volume's identity for its whole life, as its marker has it.
    pub uuid: String,
    /// The instance that it was made for.
    pub instance: InstanceName,
    /// The port that it was made for.
    pub port: PortId,
    /// Its name within the port.
    pub name: VolumeName,
    /// Its directory on the host: absolute, valid UTF-8.
    pub path: PathBuf,
    /// Who chose the path.
    pub origin: Origin,
    /// How its data is laid out.
    pub format: Format,
    /// How often it was taken into use; never goes down, at most 2^63 - 1.
    pub generation: u64,
    /// The identity of the file system that it was made on; a text that only the volumes' checks read.
    pub filesystem: String,
    /// Whether its directory must be a mount point.
    pub must_be_mount: MustBeMount,
    /// Whether it was ever in use.
    pub has_data: HasData,
    /// Whether an instance uses it.
    pub state: VolumeState,
    /// When it was made.
    pub created: Time,
}
