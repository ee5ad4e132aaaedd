//! Owns the writes that the ledger refuses because of what it holds. Nothing of a refused write is left.

use std::path::PathBuf;

use homeport_core::fault::Advice;
use homeport_core::manifest::Transport;
use homeport_core::name::{EndpointName, InstanceName, PortId, VolumeName};
use homeport_core::unit::PortNumber;
use homeport_volumes::store::StoreUuid;

use super::id::OperationId;
use super::operation::OperationState;
use super::step::StepState;

/// A write that contradicts the ledger. The ledger is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is an unfinished operation.
    #[error("operation {id} (`{kind}` of `{instance}`) is not finished")]
    OperationOpen {
        /// The unfinished operation.
        id: OperationId,
        /// What it does.
        kind: String,
        /// The instance that it works on.
        instance: InstanceName,
    },
    /// There is no such operation.
    #[error("the ledger has no operation {0}")]
    UnknownOperation(OperationId),
    /// The operation has no such step.
    #[error("operation {operation} has no step {index}")]
    UnknownStep {
        /// The operation.
        operation: OperationId,
        /// The step that was named.
        index: u32,
    },
    /// The step cannot come to that state.
    #[error("step {index} (`{name}`) of operation {operation} is {from} and cannot become {to}")]
    StepOrder {
        /// The operation.
        operation: OperationId,
        /// The step.
        index: u32,
        /// What the step does.
        name: String,
        /// How it stands.
        from: StepState,
        /// How it would have stood.
        to: StepState,
    },
    /// The operation has ended and its end cannot become another.
    #[error("operation {operation} is {from} and cannot become {to}")]
    Ended {
        /// The operation.
        operation: OperationId,
        /// How it ended.
        from: OperationState,
        /// How it would have ended.
        to: OperationState,
    },
    /// The operation has a step that does not agree with its end.
    #[error("operation {operation} cannot be {to}: its step {index} (`{name}`) is {state}")]
    Unsettled {
        /// The operation.
        operation: OperationId,
        /// How it would have ended.
        to: OperationState,
        /// The first such step.
        index: u32,
        /// What the step does.
        name: String,
        /// How it stands.
        state: StepState,
    },
    /// There is no such instance.
    #[error("the ledger has no instance `{0}`")]
    UnknownInstance(InstanceName),
    /// The instance deploys another port.
    #[error("instance `{instance}` is of port `{found}`, not of `{wanted}`")]
    OtherPort {
        /// The instance.
        instance: InstanceName,
        /// The port that it deploys.
        found: PortId,
        /// The port that was put.
        wanted: PortId,
    },
    /// There is no such volume.
    #[error("the ledger has no volume {0}")]
    UnknownVolume(String),
    /// The path is another volume's.
    #[error("`{}` already belongs to volume `{volume}` of instance `{instance}`", path.display())]
    PathTaken {
        /// The path.
        path: PathBuf,
        /// The instance of the volume that has it.
        instance: InstanceName,
        /// The volume that has it.
        volume: VolumeName,
    },
    /// Port, instance and name already have a volume of another uuid.
    #[error("volume `{volume}` of instance `{instance}` (port `{port}`) is {found}, not {wanted}")]
    VolumeTaken {
        /// The port.
        port: PortId,
        /// The instance.
        instance: InstanceName,
        /// The volume's name.
        volume: VolumeName,
        /// The uuid that the ledger has.
        found: String,
        /// The uuid that was put.
        wanted: String,
    },
    /// The uuid is the volume of another port, instance or name.
    #[error("volume {uuid} is `{volume}` of instance `{instance}` (port `{port}`) and cannot become another")]
    VolumeIsOther {
        /// The uuid.
        uuid: String,
        /// The port that it is of.
        port: PortId,
        /// The instance that it is of.
        instance: InstanceName,
        /// The name that it has.
        volume: VolumeName,
    },
    /// The generation would go down.
    #[error("generation of volume {uuid} cannot go back: found {found}, wanted {wanted}")]
    GenerationBack {
        /// The volume.
        uuid: String,
        /// The generation that the ledger has.
        found: u64,
        /// The generation that was put.
        wanted: u64,
    },
    /// The volume was in use and the write would forget that.
    #[error("volume {uuid} (`{volume}` of instance `{instance}`) has data and cannot be forgotten or called blank")]
    VolumeHasData {
        /// The uuid.
        uuid: String,
        /// The instance that it is of.
        instance: InstanceName,
        /// The name that it has.
        volume: VolumeName,
    },
    /// The public port is leased to another endpoint.
    #[error("public port `{listen}:{port}{}` is leased by endpoint `{endpoint}` of instance `{instance}`", over(*transport))]
    PortTaken {
        /// The address of the route that has it, which may cover the one that was put.
        listen: String,
        /// The port.
        port: PortNumber,
        /// What carries the bytes.
        transport: Transport,
        /// The instance that has it.
        instance: InstanceName,
        /// The endpoint that has it.
        endpoint: EndpointName,
    },
    /// Another store is known: none ever takes its place by itself.
    #[error("the store of this HomePort is {found} at `{}`, not {wanted}", path.display())]
    OtherStore {
        /// The store that is known.
        found: StoreUuid,
        /// Where it is.
        path: PathBuf,
        /// The store that was put.
        wanted: StoreUuid,
    },
    /// The approval was used since it was looked at.
    #[error("the approval was used already, or is not known any more")]
    ApprovalGone,
    /// The value has no form in the ledger.
    #[error("{what} cannot be stored: found `{found}`, wanted {wanted}")]
    Unstorable {
        /// What the value would have been, for example `path of volume home`.
        what: &'static str,
        /// The value, as far as it can be shown.
        found: String,
        /// The rule in words.
        wanted: &'static str,
    },
}

/// What an address is written with where it is not one of TCP.
const fn over(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "",
        Transport::Udp => "/udp",
    }
}

impl Advice for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::OperationOpen { .. } => "HP-LED-020",
            Self::UnknownOperation(_) => "HP-LED-021",
            Self::UnknownStep { .. } => "HP-LED-022",
            Self::StepOrder { .. } => "HP-LED-023",
            Self::Ended { .. } => "HP-LED-024",
            Self::Unsettled { .. } => "HP-LED-025",
            Self::UnknownInstance(_) => "HP-LED-026",
            Self::OtherPort { .. } => "HP-LED-027",
            Self::UnknownVolume(_) => "HP-LED-028",
            Self::PathTaken { .. } => "HP-LED-029",
            Self::VolumeTaken { .. } => "HP-LED-030",
            Self::VolumeIsOther { .. } => "HP-LED-031",
            Self::GenerationBack { .. } => "HP-LED-032",
            Self::VolumeHasData { .. } => "HP-LED-033",
            Self::PortTaken { .. } => "HP-LED-034",
            Self::Unstorable { .. } => "HP-LED-035",
            Self::OtherStore { .. } => "HP-LED-036",
            Self::ApprovalGone => "HP-LED-037",
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::OperationOpen { instance, .. } => {
                format!("The next command for `{instance}` finishes or undoes it first; run it again.")
            }
            Self::UnknownInstance(_) => "`homeport list` shows the instances that there are.".to_owned(),
            Self::OtherPort { instance, .. } => {
                format!("Give the new instance another name, or remove `{instance}` first; its data is kept.")
            }
            Self::PathTaken { instance, volume, .. } => {
                format!(
                    "Give another directory; two volumes never share one. `{volume}` of `{instance}` keeps its own."
                )
            }
            Self::VolumeTaken { .. } | Self::VolumeIsOther { .. } => {
                "Another disk or directory stands where the known volume should be: mount the right one.".to_owned()
            }
            Self::GenerationBack { .. } => {
                "This is an old copy of the volume: mount the one that was in use last.".to_owned()
            }
            Self::PortTaken { instance, .. } => {
                format!("Choose another public port, or remove the route of `{instance}` first.")
            }
            Self::VolumeHasData { .. } => "The data stays where it is; only `purge` gives a volume up.".to_owned(),
            Self::Unstorable { .. } => "Give a value of the wanted form.".to_owned(),
            Self::ApprovalGone => "Run the command with `--dry-run` for another one.".to_owned(),
            Self::OtherStore { path, .. } => {
                format!(
                    "Mount or put back the store that was in use, at `{}`; its snapshots are in no other.",
                    path.display()
                )
            }
            Self::UnknownOperation(_)
            | Self::UnknownStep { .. }
            | Self::StepOrder { .. }
            | Self::Ended { .. }
            | Self::Unsettled { .. }
            | Self::UnknownVolume(_) => return None,
        };
        Some(help)
    }
}
