//! Owns giving volumes up: with consent, their data goes to the trash. [spec: VOL-24]

use std::path::PathBuf;

use homeport_core::name::{InstanceName, VolumeName};
use homeport_core::unit::Bytes;
use homeport_volumes::TxId;

use super::{OperationError, Outcome};
use crate::host::Host;
use crate::ledger::Time;
use crate::plan::Plan;
use crate::request::PurgeRequest;

/// What a purge would do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PurgePlan {
    /// The instance.
    pub instance: InstanceName,
    /// Whether the instance itself is there and goes too.
    pub instance_goes: bool,
    /// The volumes that go to the trash.
    pub volumes: Vec<PurgeVolume>,
    /// How many snapshots there are of the instance; they stay.
    pub snapshots: usize,
    /// The steps.
    pub plan: Plan,
}

/// One volume that goes to the trash.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PurgeVolume {
    /// The volume.
    pub name: VolumeName,
    /// Its identity.
    pub uuid: String,
    /// Its directory.
    pub path: PathBuf,
    /// How often it was taken into use.
    pub generation: u64,
    /// How many entries it has.
    pub entries: u64,
    /// The bytes of their files.
    pub bytes: Bytes,
    /// When anything in it was changed last.
    pub newest: Option<Time>,
}

/// A purge that is done.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Purged {
    /// What was planned, and done.
    pub plan: PurgePlan,
    /// What went is in the trash under this id: `homeport trash restore ID` brings it back.
    pub trash: TxId,
    /// Until when it is kept at least.
    pub kept_until: Time,
}

/// Gives an instance and its volumes up, or volumes that an instance left.
pub fn purge(host: &Host, request: &PurgeRequest) -> Result<Outcome<PurgePlan, Purged>, OperationError> {
    let (_, _) = (host, request);
    Err(OperationError::Unbuilt)
}
