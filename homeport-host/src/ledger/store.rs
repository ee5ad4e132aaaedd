//! Owns what the ledger remembers of the store of snapshots: which one it is and where it must be.
//! Never looks at the disk.

use std::path::PathBuf;

use homeport_volumes::store::StoreUuid;

use super::time::Time;

/// The one store of this root. Once known it is never replaced by another: a store that is missing is a loss, which an
/// operator has to say before a new one is begun.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoreRecord {
    /// Its identity, as its `store.json` has it.
    pub uuid: StoreUuid,
    /// Its directory: absolute, valid UTF-8.
    pub path: PathBuf,
    /// When it was made.
    pub created: Time,
    /// When reading and comparing every object of it was last begun or ended, and what came of it in words.
    pub scrub: Option<(Time, String)>,
}
