//! Owns what the ledger remembers of the version that an instance had before: enough to go back to it.
//! Never says whether the engine still holds its image.

use std::collections::BTreeMap;
use std::fmt;

use homeport_core::digest::Digest;
use homeport_core::name::{InstanceName, VolumeName};
use homeport_core::unit::Format;
use homeport_volumes::TxId;
use homeport_volumes::store::SnapshotUuid;

use super::route::RouteRecord;
use super::time::Time;

/// The version that an instance had before the present one. There is one at a time: going back makes the version that
/// one came from the former one.
#[derive(Clone, PartialEq, Eq)]
pub struct FormerRecord {
    /// The instance.
    pub instance: InstanceName,
    /// That version.
    pub version: semver::Version,
    /// Its image's id.
    pub image: Digest,
    /// What the operator called the image.
    pub reference: String,
    /// The manifest's bytes as they were read from the image.
    pub manifest: Vec<u8>,
    /// The format that each volume had when that version left it.
    pub formats: BTreeMap<VolumeName, Format>,
    /// The addresses of endpoints that only that version has. They are given up with its last client, and are asked for
    /// again.
    pub routes: Vec<RouteRecord>,
    /// The snapshot that was made before the change; `None` where there was no volume.
    pub snapshot: Option<SnapshotUuid>,
    /// The change, as the trash knows it: what it took out is there under this bundle.
    pub bundle: TxId,
    /// When it took place.
    pub until: Time,
}

impl fmt::Debug for FormerRecord {
    /// Shows the manifest by its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormerRecord")
            .field("instance", &self.instance)
            .field("version", &self.version)
            .field("image", &self.image)
            .field("manifest", &format_args!("{} bytes", self.manifest.len()))
            .field("formats", &self.formats)
            .field("snapshot", &self.snapshot)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
