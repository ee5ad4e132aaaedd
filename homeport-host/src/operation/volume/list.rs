//! Owns showing every volume that is known, and checking them. Changes nothing but a volume's probe file.

use std::path::PathBuf;

use homeport_core::fault::Fault;
use homeport_core::name::{InstanceName, PortId, VolumeName};

use crate::host::Host;
use crate::ledger::{HasData, Origin, Time, VolumeState};
use crate::operation::OperationError;

/// A volume that the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct VolumeEntry {
    /// The instance that it is of.
    pub instance: InstanceName,
    /// The instance's port.
    pub port: PortId,
    /// Its name.
    pub name: VolumeName,
    /// Its identity.
    pub uuid: String,
    /// Where it is.
    pub path: PathBuf,
    /// Who chose the path.
    pub origin: Origin,
    /// The format of its data.
    pub format: u32,
    /// How often it was taken into use.
    pub generation: u64,
    /// Whether it ever held data.
    pub has_data: HasData,
    /// Whether an instance uses it.
    pub state: VolumeState,
    /// When it was made.
    pub created: Time,
}

/// What a check of one volume found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CheckedVolume {
    /// The volume.
    pub volume: VolumeEntry,
    /// Everything that is wrong with it; empty where it is safe to use.
    pub faults: Vec<Fault>,
}

/// Every volume, by instance and name, or those of one instance.
pub fn volume_list(host: &Host, instance: Option<&InstanceName>) -> Result<Vec<VolumeEntry>, OperationError> {
    let (_, _) = (host, instance);
    Err(OperationError::Unbuilt)
}

/// Checks the volumes of one instance, or all, as a start would. A volume that its own container uses is no fault.
pub fn volume_check(
    host: &Host,
    instance: Option<&InstanceName>,
    volume: Option<&VolumeName>,
) -> Result<Vec<CheckedVolume>, OperationError> {
    let (_, _, _) = (host, instance, volume);
    Err(OperationError::Unbuilt)
}
