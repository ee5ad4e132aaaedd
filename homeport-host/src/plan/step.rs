//! Owns the steps of operations as values: what a journal holds, so that each can be undone by whoever comes after a crash.
//! Never carries a step out, and never holds a secret: the journal is not the place for one.

use std::fmt;
use std::path::PathBuf;

use homeport_core::name::{EndpointName, VolumeName};
use homeport_core::unit::{PortNumber, Seconds};
use homeport_router::ListenHost;
use homeport_volumes::VolumeUuid;
use serde::{Deserialize, Serialize};

/// One step. Every step can be repeated and can be undone more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Makes a volume that was never there. Undone only where nothing is in it: data is never removed.
    MakeVolume {
        /// The volume.
        volume: VolumeName,
        /// Where.
        path: PathBuf,
        /// Its identity.
        uuid: VolumeUuid,
        /// Owner, group and mode that the operator's directory had; `None` where the place is HomePort's own.
        before: Option<(u32, u32, u32)>,
    },
    /// Writes the instance, its configuration and volumes to the ledger.
    Record,
    /// Writes other configuration to the ledger. Always the last step: nothing has to take it back.
    Reconfigure,
    /// Makes the network of this HomePort, where it is missing.
    EnsureNetwork,
    /// Binds the public address of an endpoint.
    ReserveRoute {
        /// The endpoint.
        endpoint: EndpointName,
        /// The addresses of the host.
        host: ListenHostText,
        /// The ports that will do, the best first.
        ports: Vec<PortNumber>,
    },
    /// Lets the clients of every route wait.
    HoldRoutes,
    /// Turns the clients of every route away.
    CloseRoutes,
    /// Stops the container, where it runs.
    StopContainer {
        /// How long it may take by itself.
        grace: Seconds,
    },
    /// Removes a container that is stopped, with its logs.
    RemoveOldContainer,
    /// Writes what the container finds in `/run/port`.
    PrepareRunDir,
    /// Takes the volumes into use: their generation goes up, and what was checked is mounted for the engine.
    UseVolumes,
    /// Makes the container.
    CreateContainer,
    /// Starts the container, and checks that it sees what was checked.
    StartContainer,
    /// Waits until the port says that it is ready.
    AwaitReady {
        /// How long it may take.
        within: Seconds,
    },
    /// Leads a route to the container.
    PointRoute {
        /// The endpoint.
        endpoint: EndpointName,
    },
    /// Proves that the public address answers.
    ProbeRoute {
        /// The endpoint.
        endpoint: EndpointName,
    },
    /// Notes that the instance is to run.
    WantRunning,
    /// Notes that the instance is not to run.
    WantStopped,
    /// Lets go of the volumes' mounts; their data stays where it is.
    ReleaseVolumes,
    /// Removes what was in `/run/port`.
    RemoveRunDir,
    /// Gives the public addresses up.
    ReleaseRoutes,
    /// Removes the network and the place of mounts, where nothing of this HomePort needs them any more.
    RemoveNetwork,
    /// Takes the instance out of the ledger; its volumes stay, and stay known.
    Forget,
}

/// An address to listen on as the journal writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenHostText(pub ListenHost);

impl Serialize for ListenHostText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ListenHostText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address: Result<homeport_router::ListenAddress, _> = format!("{text}:1").parse();
        address.map(|address| Self(address.host())).map_err(serde::de::Error::custom)
    }
}

impl Step {
    /// Whether the step does nothing but write to the ledger, so that it can be one with the end of its operation.
    pub const fn is_commit(&self) -> bool {
        matches!(self, Self::WantRunning | Self::Reconfigure | Self::Forget)
    }

    /// The step's name in the journal.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MakeVolume { .. } => "make_volume",
            Self::Record => "record",
            Self::Reconfigure => "reconfigure",
            Self::EnsureNetwork => "ensure_network",
            Self::ReserveRoute { .. } => "reserve_route",
            Self::HoldRoutes => "hold_routes",
            Self::CloseRoutes => "close_routes",
            Self::StopContainer { .. } => "stop_container",
            Self::RemoveOldContainer => "remove_old_container",
            Self::PrepareRunDir => "prepare_run_dir",
            Self::UseVolumes => "use_volumes",
            Self::CreateContainer => "create_container",
            Self::StartContainer => "start_container",
            Self::AwaitReady { .. } => "await_ready",
            Self::PointRoute { .. } => "point_route",
            Self::ProbeRoute { .. } => "probe_route",
            Self::WantRunning => "want_running",
            Self::WantStopped => "want_stopped",
            Self::ReleaseVolumes => "release_volumes",
            Self::RemoveRunDir => "remove_run_dir",
            Self::ReleaseRoutes => "release_routes",
            Self::RemoveNetwork => "remove_network",
            Self::Forget => "forget",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeVolume { volume, path, .. } => write!(f, "make volume `{volume}` at `{}`", path.display()),
            Self::Record => f.write_str("write the instance to the ledger"),
            Self::Reconfigure => f.write_str("write the configuration to the ledger"),
            Self::EnsureNetwork => f.write_str("see to the network"),
            Self::ReserveRoute { endpoint, host, ports } => match ports.as_slice() {
                [port] => write!(f, "reserve `{}:{port}` for `{endpoint}`", host.0),
                _ => write!(f, "reserve a free port on `{}` for `{endpoint}`", host.0),
            },
            Self::HoldRoutes => f.write_str("let clients wait"),
            Self::CloseRoutes => f.write_str("turn clients away"),
            Self::StopContainer { .. } => f.write_str("stop the container"),
            Self::RemoveOldContainer => f.write_str("remove the stopped container"),
            Self::PrepareRunDir => f.write_str("write configuration for the container"),
            Self::UseVolumes => f.write_str("check and mount the volumes"),
            Self::CreateContainer => f.write_str("create the container"),
            Self::StartContainer => f.write_str("start the container"),
            Self::AwaitReady { within } => write!(f, "wait until the port is ready (at most {within} s)"),
            Self::PointRoute { endpoint } => write!(f, "lead clients of `{endpoint}` to the container"),
            Self::ProbeRoute { endpoint } => write!(f, "try the public address of `{endpoint}`"),
            Self::WantRunning => f.write_str("note that it is to run"),
            Self::WantStopped => f.write_str("note that it is not to run"),
            Self::ReleaseVolumes => f.write_str("let go of the volumes' mounts"),
            Self::RemoveRunDir => f.write_str("remove the container's configuration"),
            Self::ReleaseRoutes => f.write_str("give the public addresses up"),
            Self::RemoveNetwork => f.write_str("remove the network if nothing needs it"),
            Self::Forget => f.write_str("take the instance out of the ledger"),
        }
    }
}
