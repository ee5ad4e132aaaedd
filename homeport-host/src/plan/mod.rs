//! Plans: what an operation would do, as values that can be shown before anything is done.
//! Pure: what is known comes in, steps come out.

mod blueprint;
mod kind;
mod sequence;
mod step;

pub use blueprint::{Blueprint, RoutePlan, VolumePlan, VolumeWay};
pub use kind::{Course, Kind};
pub use sequence::{deploy, reconfigure, remove, restart, start, stop};
pub use step::{ListenHostText, Step};

use homeport_core::name::InstanceName;

/// What an operation would do, in order.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Plan {
    /// What is done.
    pub kind: Kind,
    /// To which instance.
    pub instance: InstanceName,
    /// The steps.
    pub steps: Vec<Step>,
}
