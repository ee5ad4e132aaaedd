//! Owns why a snapshot was not taken. Never decides anything.

use homeport_core::name::InstanceName;
use homeport_volumes::VolumeError;
use homeport_volumes::snapshot::SnapshotError;
use homeport_volumes::store::StoreError;

use crate::engine::EngineError;
use crate::ledger::LedgerError;
use crate::run::StepError;
use crate::store::OpenError;

/// Why a snapshot was not taken. The store has no snapshot more than before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A volume could not be read in full.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A volume is not what is known.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The engine cannot be asked.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What the ledger has of a volume cannot be used.
    #[error(transparent)]
    Step(Box<StepError>),
    /// A volume became another one, or was taken into use, while it was read.
    #[error("`{instance}` changed while its volumes were read: {what}")]
    Changed {
        /// The instance.
        instance: InstanceName,
        /// What changed, in words.
        what: String,
    },
}

impl From<OpenError> for TakeError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => error.into(),
            OpenError::Ledger(error) => error.into(),
            OpenError::Layout(error) => StepError::Layout(error).into(),
        }
    }
}

impl From<StepError> for TakeError {
    fn from(error: StepError) -> Self {
        Self::Step(Box::new(error))
    }
}
