//! Owns the question: which volume is wanted where, and what the host remembers of it. Never looks at a disk.

use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::{Bytes, Format, Inodes};

use crate::filesystem::FsIdentity;
use crate::identity::{Generation, RootId, VolumeUuid};
use crate::marker::Marker;
use crate::owner::Owner;
use crate::path::VolumePath;

/// Who chose the place of a volume. [spec: VOL-18]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// HomePort, below its own data root, which has to exist: what is missing between it and the volume is made.
    Default {
        /// The data root.
        data_root: VolumePath,
    },
    /// A person: the directory has to exist, because a typo must never become a new, empty volume.
    Operator,
}

/// What the volume is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To write to.
    ReadWrite,
    /// Only to look, as the phase `check` does: a read-only or full disk is no fault then.
    ReadOnly,
    /// Only to read, beside whoever uses it, as a snapshot does; see [`check_readable`](crate::check_readable).
    Shared,
}

/// What must be free before a start. [spec: VOL-30]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// Bytes that an ordinary user can still write.
    pub bytes: Bytes,
    /// Inodes that an ordinary user can still use.
    pub inodes: Inodes,
}

/// Another directory that this volume must not overlap with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// What it is, for messages: `volume home of bob-shell`, `the engine's own data`.
    pub label: String,
    /// Where it is.
    pub path: VolumePath,
    /// Its identity, if it is a volume.
    pub uuid: Option<VolumeUuid>,
}

/// One volume as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// This HomePort.
    pub root: RootId,
    /// The port of the instance.
    pub port: PortId,
    /// The instance.
    pub instance: InstanceName,
    /// The volume's name in the manifest.
    pub volume: VolumeName,
    /// Who chose the path.
    pub origin: Origin,
    /// Where the volume is, or is to be made.
    pub path: VolumePath,
    /// The format that the image writes, and the newest that it works with.
    pub format: Format,
    /// The oldest format that the image works with as it is; at most `format`.
    pub min_format: Format,
    /// Owner and mode that `data/` has to have.
    pub owner: Owner,
    /// What must be free.
    pub reserve: Reserve,
    /// What the volume is wanted for.
    pub access: Access,
    /// What holds the volume now and must not, in words (`container homeport-bob`). Only the caller knows it: a
    /// container cannot hold the lock, so the ledger and the engine are asked. `None` also where sharing is allowed.
    pub in_use_by: Option<String>,
    /// Processes in containers that may hold the volume, for example the old version beside the new one.
    pub tolerated: Vec<u32>,
    /// The other volumes that the host knows, and HomePort's and the engine's own directories. The data root is not
    /// among them.
    pub neighbours: Vec<Neighbour>,
}

/// Whether data is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// There was data once: an empty directory is a loss.
    Data,
    /// It was in use, and may be blank all the same: a restore of nothing, for example. It is never new again.
    Past,
    /// Never anything.
    Nothing,
}

/// What was counted in a volume when it was last looked at in full: at its newest snapshot that no alarm is open about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Entries, `data/` itself among them.
    pub entries: u64,
    /// The sum of the sizes of regular files.
    pub bytes: Bytes,
}

/// What the ledger has about the volume. It is written there only after the volume was made. [spec: VOL-18]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its identity.
    pub uuid: VolumeUuid,
    /// Its generation when it was last taken into use.
    pub generation: Generation,
    /// The file system that it was made on.
    pub fs: FsIdentity,
    /// The mount point that this file system had; `None` for `/`.
    pub must_be_mount: Option<VolumePath>,
    /// Whether it ever held data.
    pub data: Remembered,
    /// Where it is.
    pub path: VolumePath,
    /// What it held, where a snapshot says so.
    pub counted: Option<Counted>,
}

impl Known {
    /// What the ledger is to remember of a volume with this marker at `path`: after it was made, and when the ledger is
    /// rebuilt from the markers.
    pub fn of(marker: &Marker, path: VolumePath, data: Remembered) -> Self {
        Self {
            uuid: marker.uuid,
            generation: marker.generation,
            fs: marker.fs.clone(),
            must_be_mount: marker.must_be_mount.clone(),
            data,
            path,
            counted: None,
        }
    }
}
