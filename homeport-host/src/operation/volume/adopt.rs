//! Owns taking up a directory of a person's, or a volume of another HomePort or instance, as a volume. With consent; no
//! file of the person's is changed.

use std::path::PathBuf;

use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::Bytes;

use super::list::VolumeEntry;
use crate::host::Host;
use crate::operation::{OperationError, Outcome};
use crate::plan::Plan;
use crate::request::AdoptRequest;

/// What an adoption would do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AdoptPlan {
    /// The instance that is to have it.
    pub instance: InstanceName,
    /// Its port.
    pub port: PortId,
    /// The volume's name.
    pub volume: VolumeName,
    /// The directory.
    pub path: PathBuf,
    /// What is there, in words: a plain directory, a volume of another instance, an older copy.
    pub found: String,
    /// How many entries it has.
    pub entries: u64,
    /// The bytes of their files.
    pub bytes: Bytes,
    /// The steps.
    pub plan: Plan,
}

/// An adoption that is done.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Adopted {
    /// What was planned, and done.
    pub plan: AdoptPlan,
    /// The volume, which waits for its instance: `homeport deploy PORT --name INSTANCE` takes it.
    pub volume: VolumeEntry,
}

/// Makes a directory a volume of an instance that is to be deployed.
pub fn volume_adopt(host: &Host, request: &AdoptRequest) -> Result<Outcome<AdoptPlan, Adopted>, OperationError> {
    let (_, _) = (host, request);
    Err(OperationError::Unbuilt)
}
