//! Owns what the host tells init about the volumes: the content of `/run/port/volumes.json`.
//! Never checks it: the guard in the sdk does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::VolumeName;
use crate::unit::Format;

/// The directory that must be found at a volume's path. [spec: VOL-20]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedVolume {
    /// The path inside the container, as the manifest declares it.
    pub path: String,
    /// The volume's identity, as its marker on the host has it.
    pub uuid: String,
    /// The format that the data has.
    pub format: Format,
    /// `st_dev` of the directory.
    pub device: u64,
    /// `st_ino` of the directory.
    pub inode: u64,
    /// Whether the host has just made it. An empty directory is initialised only if this is true. [spec: VOL-22]
    pub new: bool,
}

/// Every volume of the instance, by its name in the manifest.
pub type ExpectedVolumes = BTreeMap<VolumeName, ExpectedVolume>;
