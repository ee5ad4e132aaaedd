//! Owns letting a volume be in another directory: where it was moved to already, or where it is renamed to.

use std::path::PathBuf;

use homeport_core::name::{InstanceName, VolumeName};

use super::list::VolumeEntry;
use crate::host::Host;
use crate::operation::{OperationError, Outcome};
use crate::plan::Plan;
use crate::request::MoveRequest;

/// What a move would do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct MovePlan {
    /// The instance.
    pub instance: InstanceName,
    /// The volume.
    pub volume: VolumeName,
    /// Where the ledger has it.
    pub from: PathBuf,
    /// Where it is to be.
    pub to: PathBuf,
    /// Whether it is there already, and only the ledger has to learn it.
    pub is_there: bool,
    /// The steps.
    pub plan: Plan,
}

/// A move that is done.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Moved {
    /// What was planned, and done.
    pub plan: MovePlan,
    /// The volume, as it is known now.
    pub volume: VolumeEntry,
}

/// Lets a volume be somewhere else. Its instance must not run.
pub fn volume_move(host: &Host, request: &MoveRequest) -> Result<Outcome<MovePlan, Moved>, OperationError> {
    let (_, _) = (host, request);
    Err(OperationError::Unbuilt)
}
