//! Owns why a step failed, why an operation failed, and what is left then. "The way back failed too" is a value of its own.
//! Never decides what to do about it.

use std::io;
use std::path::PathBuf;

use homeport_core::fault::{Advice, Fault};
use homeport_core::name::{CommandName, InstanceName, VolumeName};
use homeport_core::unit::{Bytes, Format, Seconds};
use homeport_volumes::VolumeError;
use homeport_volumes::restore::RestoreError;
use homeport_volumes::snapshot::SnapshotError;
use homeport_volumes::store::StoreError;
use homeport_volumes::trash::TrashError;

use super::evidence::Evidence;
use crate::container::ContainerError;
use crate::engine::EngineError;
use crate::layout::LayoutError;
use crate::ledger::LedgerError;
use crate::plan::{Kind, Step};
use crate::probe::ProbeError;
use crate::routes::RoutesError;
use crate::rundir::RunDirError;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The engine did not do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A route could not be had.
    #[error(transparent)]
    Routes(#[from] RoutesError),
    /// A volume could not be made, checked or mounted.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The ledger could not be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// What the container finds in `/run/port` could not be written.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The container cannot be described.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The public address does not answer.
    #[error("the public address of `{endpoint}` does not work")]
    Probe {
        /// The endpoint.
        endpoint: String,
        /// Why.
        #[source]
        source: ProbeError,
    },
    /// The store of snapshots cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// HomePort's own directories cannot be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// No snapshot could be made of what is there.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// What is there changed while it was read.
    #[error("`{instance}` changed while its volumes were read: {what}")]
    Changed {
        /// The instance.
        instance: InstanceName,
        /// What changed, in words.
        what: String,
    },
    /// A volume's data could not be replaced.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Something could not be put into the trash, taken out or deleted.
    #[error(transparent)]
    Trash(#[from] TrashError),
    /// A command of the port did not succeed.
    #[error("the port's command `{command}` did not succeed: {how}")]
    Hook {
        /// The command.
        command: CommandName,
        /// How it ended.
        how: String,
    },
    /// Something of the operating system failed.
    #[error("failed to {action}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// There is no room for the way back.
    #[error("cannot set {wanted} bytes aside in `{}` for the way back", place.display())]
    NoRoom {
        /// Where.
        place: PathBuf,
        /// How much.
        wanted: Bytes,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The port ended before it was ready.
    #[error("the port ended before it was ready: {how}")]
    Ended {
        /// How.
        how: String,
    },
    /// The port was killed for want of memory.
    #[error("the port ran out of memory: {how}, its limit is {limit} bytes")]
    OutOfMemory {
        /// The limit.
        limit: Bytes,
        /// How it ended.
        how: String,
    },
    /// The port did not get ready in time.
    #[error("the port was not ready after {within} s{}", said.as_ref().map(|text| format!("; it last said: {text}")).unwrap_or_default())]
    NotReady {
        /// The time that its manifest gives it.
        within: Seconds,
        /// What it last said of itself.
        said: Option<String>,
    },
    /// The container is gone.
    #[error("the container vanished while it was started")]
    Vanished,
    /// The container sees another directory than the one that was checked.
    #[error("the container sees another directory as volume `{volume}` than the one that was checked: {found}")]
    OtherMount {
        /// The volume.
        volume: VolumeName,
        /// What it sees.
        found: String,
    },
    /// The version that is to be finds something wrong with what there is.
    #[error("the new version finds something wrong: {how}")]
    Unfit {
        /// How its look ended.
        how: String,
    },
    /// A step of a migration did not succeed.
    #[error("the migration of the copy of `{volume}` from format {from} to {to} did not succeed: {how}")]
    Migration {
        /// The volume.
        volume: VolumeName,
        /// The format before.
        from: Format,
        /// The format that was wanted.
        to: Format,
        /// How the step ended.
        how: String,
    },
    /// The port did not get done in time with something that it was asked for.
    #[error("the port's `{what}` was not done after {within} s")]
    TooSlow {
        /// The phase.
        what: &'static str,
        /// The time that it has.
        within: Seconds,
    },
    /// The port did not go on working.
    #[error("the port did not go on working: {how}")]
    Faltered {
        /// What was seen.
        how: String,
    },
    /// A step needs what an earlier one would have made.
    #[error("step `{step}` has nothing to work on: {missing}")]
    OutOfOrder {
        /// The step.
        step: &'static str,
        /// What is missing.
        missing: &'static str,
    },
    /// Steps of an operation that was cut off could not be taken back.
    #[error("not taken back: {what}")]
    NotTakenBack {
        /// Which, and why.
        what: String,
    },
    /// A test made the step fail.
    #[error("a simulated fault")]
    Simulated,
    /// A test made the process die. Return at once and touch nothing more.
    #[error("the simulated process died")]
    Died,
}

impl From<crate::taking::TakeError> for StepError {
    fn from(error: crate::taking::TakeError) -> Self {
        use crate::taking::TakeError;
        match error {
            TakeError::Store(error) => error.into(),
            TakeError::Snapshot(error) => error.into(),
            TakeError::Volume(error) => error.into(),
            TakeError::Ledger(error) => error.into(),
            TakeError::Engine(error) => error.into(),
            TakeError::Step(error) => *error,
            TakeError::Changed { instance, what } => Self::Changed { instance, what },
        }
    }
}

impl From<crate::store::OpenError> for StepError {
    fn from(error: crate::store::OpenError) -> Self {
        use crate::store::OpenError;
        match error {
            OpenError::Store(error) => error.into(),
            OpenError::Ledger(error) => error.into(),
            OpenError::Layout(error) => error.into(),
        }
    }
}

impl StepError {
    /// Whether the simulated process is dead: nothing may be done any more.
    pub(crate) fn is_death(&self) -> bool {
        matches!(self, Self::Died | Self::Engine(EngineError::Died { .. }) | Self::Routes(RoutesError::Died))
    }

    /// Whether it may be the version of the port that is at fault: the container was made and started as planned, and does not do
    /// what the port is for.
    pub(crate) const fn may_be_the_ports(&self) -> bool {
        matches!(
            self,
            Self::Ended { .. }
                | Self::OutOfMemory { .. }
                | Self::NotReady { .. }
                | Self::Probe { .. }
                | Self::Vanished
                | Self::Faltered { .. }
        )
    }

    /// Whether the engine may still be at what it was asked for.
    pub(crate) const fn leaves_open(&self) -> bool {
        matches!(self, Self::Engine(error) if error.is_uncertain())
    }
}

impl Advice for StepError {
    fn code(&self) -> &'static str {
        match self {
            Self::Engine(error) => error.code(),
            Self::Routes(error) => error.code(),
            Self::Volume(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::RunDir(error) => error.code(),
            Self::Container(_) => "HP-OPN-001",
            Self::Probe { .. } => "HP-OPN-002",
            Self::Store(error) => error.code(),
            Self::Layout(error) => error.code(),
            Self::Snapshot(error) => error.code(),
            Self::Changed { .. } => "HP-DAT-006",
            Self::Restore(error) => error.code(),
            Self::Trash(error) => error.code(),
            Self::Hook { .. } => "HP-OPN-015",
            Self::Io { .. } => "HP-OPN-003",
            Self::Ended { .. } => "HP-OPN-004",
            Self::OutOfMemory { .. } => "HP-OPN-005",
            Self::NotReady { .. } => "HP-OPN-006",
            Self::Vanished => "HP-OPN-007",
            Self::OtherMount { .. } => "HP-OPN-008",
            Self::OutOfOrder { .. } => "HP-OPN-009",
            Self::NotTakenBack { .. } => "HP-OPN-010",
            Self::Unfit { .. } => "HP-OPN-030",
            Self::Migration { .. } => "HP-OPN-031",
            Self::TooSlow { .. } => "HP-OPN-032",
            Self::Faltered { .. } => "HP-OPN-033",
            Self::NoRoom { .. } => "HP-OPN-034",
            Self::Simulated | Self::Died => "HP-OPN-099",
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Engine(error) => error.help(),
            Self::Routes(error) => error.help(),
            Self::Volume(error) => error.help(),
            Self::Ledger(error) => error.help(),
            Self::RunDir(error) => error.help(),
            Self::Store(error) => error.help(),
            Self::Layout(error) => error.help(),
            Self::Snapshot(error) => error.help(),
            Self::Changed { .. } => Some("repeat the command".to_owned()),
            Self::Restore(error) => error.help(),
            Self::Trash(error) => error.help(),
            Self::Container(_) => Some("use a version of the port that does without it".to_owned()),
            Self::Probe { .. } => {
                Some("look at `homeport daemon status` and at the firewall of this machine".to_owned())
            }
            Self::Hook { .. } | Self::Ended { .. } => {
                Some("what the port reported stands above; correct it and repeat the command".to_owned())
            }
            Self::OutOfMemory { .. } => Some(
                "the port needs more memory than its manifest allows (`resources.memory_recommended_bytes`)".to_owned(),
            ),
            Self::Unfit { .. } => Some(
                "what the new version reported stands above; nothing was changed: correct it and repeat the command"
                    .to_owned(),
            ),
            Self::Migration { .. } => Some(
                "only a copy was migrated, and the data is as it was; what the port reported stands above and is for its \
                 author"
                    .to_owned(),
            ),
            Self::TooSlow { what: "migrate", .. } => Some(
                "only a copy was migrated, and the data is as it was; its log stands above, and the time is `max_seconds` of \
                 this step in the port's manifest (`migrations`)"
                    .to_owned(),
            ),
            Self::TooSlow { what, within } => Some(format!(
                "the data is as it was; its log stands above, and every port has {within} s for its `{what}`"
            )),
            Self::Faltered { .. } => {
                Some("the version from before is back; the log of the new one stands above".to_owned())
            }
            Self::NoRoom { place, .. } => Some(format!(
                "nothing was changed; make room on the file system of `{}` and repeat the command",
                place.display()
            )),
            Self::NotReady { .. } => {
                Some("its log stands above; the time is `health.ready_seconds` of the port's manifest".to_owned())
            }
            Self::OtherMount { .. } => {
                Some("something was mounted or moved meanwhile: look at it, then repeat the command".to_owned())
            }
            Self::Vanished => {
                Some("something else removed it: look at `docker ps -a`, then repeat the command".to_owned())
            }
            Self::Io { .. } | Self::OutOfOrder { .. } | Self::NotTakenBack { .. } | Self::Simulated | Self::Died => {
                None
            }
        }
    }

    fn faults(&self) -> &[Fault] {
        self.all_faults()
    }
}

impl StepError {
    /// Every single fault behind the error, where it stands for several.
    fn all_faults(&self) -> &[Fault] {
        match self {
            Self::Volume(error) => error.faults(),
            Self::Store(error) => error.faults(),
            Self::Snapshot(error) => error.faults(),
            Self::Restore(error) => error.faults(),
            Self::Trash(error) => error.faults(),
            _ => &[],
        }
    }
}

/// A volume that a failed deploy made and that was not removed, because something is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptVolume {
    /// The volume.
    pub volume: VolumeName,
    /// Where it is.
    pub path: PathBuf,
}

/// Why an operation failed, and what is left.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A step failed; everything that was done was taken back.
    #[error("{kind} of `{instance}` failed: could not {step}")]
    Undone {
        /// What was asked for.
        kind: Kind,
        /// Of which instance.
        instance: InstanceName,
        /// The step that failed.
        step: Box<Step>,
        /// Why.
        #[source]
        cause: Box<StepError>,
        /// What the container left behind.
        evidence: Box<Evidence>,
        /// Volumes that were made and hold something.
        kept: Vec<KeptVolume>,
    },
    /// A step failed, and so did taking back what was done: nothing else is done to the instance before that works.
    #[error("{kind} of `{instance}` failed: could not {step}; taking it back failed too")]
    Stuck {
        /// What was asked for.
        kind: Kind,
        /// Of which instance.
        instance: InstanceName,
        /// The step that failed.
        step: Box<Step>,
        /// Why.
        #[source]
        cause: Box<StepError>,
        /// What could not be taken back, and why.
        left: Vec<String>,
        /// What the container left behind.
        evidence: Box<Evidence>,
    },
    /// A step failed of an operation that is finished by the next command.
    #[error("{kind} of `{instance}` is not finished: could not {step}")]
    Unfinished {
        /// What was asked for.
        kind: Kind,
        /// Of which instance.
        instance: InstanceName,
        /// The step that failed.
        step: Box<Step>,
        /// Why.
        #[source]
        cause: Box<StepError>,
    },
    /// The journal could not be written.
    #[error("{kind} of `{instance}` could not be written to the journal")]
    Journal {
        /// What was asked for.
        kind: Kind,
        /// Of which instance.
        instance: InstanceName,
        /// Why.
        #[source]
        source: LedgerError,
    },
    /// The simulated process died.
    #[error("the simulated process died during {kind} of `{instance}`")]
    Died {
        /// What was asked for.
        kind: Kind,
        /// Of which instance.
        instance: InstanceName,
    },
}

impl Advice for RunError {
    fn code(&self) -> &'static str {
        match self {
            Self::Undone { cause, .. } | Self::Unfinished { cause, .. } => cause.code(),
            Self::Stuck { .. } => "HP-OPN-010",
            Self::Journal { source, .. } => source.code(),
            Self::Died { .. } => "HP-OPN-099",
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Undone { cause, .. } => cause.help(),
            Self::Stuck { instance, .. } => Some(format!(
                "mend what is named above; the next command for `{instance}` tries again to take it back, and refuses until that works"
            )),
            Self::Unfinished { cause, .. } => {
                Some(cause.help().unwrap_or_else(|| "the next command finishes it".to_owned()))
            }
            Self::Journal { source, .. } => source.help(),
            Self::Died { .. } => None,
        }
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Undone { cause, .. } | Self::Stuck { cause, .. } | Self::Unfinished { cause, .. } => cause.faults(),
            Self::Journal { .. } | Self::Died { .. } => &[],
        }
    }
}
