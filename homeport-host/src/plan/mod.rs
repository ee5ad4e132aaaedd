//! Plans: what an operation would do, as values that can be shown before anything is done.
//! Pure: what is known comes in, steps come out.

mod blueprint;
mod kind;
mod sequence;
mod sequence_data;
mod sequence_version;
mod step;
mod step_text;

pub use blueprint::{Blueprint, RoutePlan, VolumePlan, VolumeWay};
pub use kind::{Course, Kind};
pub use sequence::{deploy, reconfigure, remove, restart, start, stop};
pub use sequence_data::{
    Around, Now, Replacing, adopt, change, empty, purge, put_back, restore, settle, settle_adoption, undo,
};
pub use sequence_version::{
    Going, Gone, Manner, Migrating, MigrationStep, change_version, put_away, retire, retire_first,
};
pub use step::{
    AdoptedDirectory, ChangeWay, ChangedVolume, CheckedPort, Clients, ListenHostText, MigratedTree, Migrator,
    PurgedVolume, Step, TrashHome, TrashedTree, Writing,
};

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
