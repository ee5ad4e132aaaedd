//! Owns what a person can ask of the host, as values. Never looks anything up.

mod route;
mod snapshot;
mod version;
mod volume;

pub use route::{RouteSetRequest, RuleWish};
pub use snapshot::{
    BeginStoreRequest, Depth, DeviceNodes, DiffRequest, ExportRequest, FilesRequest, GiveUpRequest, PruneRequest,
    PruneWish, RestoreRequest, SnapshotChoice, SnapshotRef, SnapshotRefError, SnapshotRequest, TakeOutRequest,
    VerifyRequest,
};
pub use version::{RollbackRequest, UpgradeRequest, VersionChoice, VersionChoiceError, VersionPrefix};
pub use volume::{
    AdoptRequest, EmptyRequest, Interval, IntervalError, MoveRequest, PurgeRequest, ScheduleRequest, TrashChoice,
    TrashRef, TrashRefError, TrashRestoreRequest,
};

pub use homeport_volumes::snapshot::Policy;
pub use homeport_volumes::tree::TreePath;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use homeport_core::config::Given;
use homeport_core::fault::Advice;
use homeport_core::name::{EndpointName, InstanceName, PortId, VolumeName};
use homeport_core::unit::PortNumber;
use homeport_router::ListenHost;

use crate::engine::{EngineNameError, ImageRef};

/// Which port is meant: by its id, or by an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortRef {
    /// The image `homeport/<id>` that the engine holds.
    Id(PortId),
    /// This image.
    Image(ImageRef),
}

/// A text that names no port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` names no port: wanted a port's id such as `shell`, or an image such as `homeport/shell:1.0.0`")]
pub struct PortRefError {
    /// The text as typed.
    pub found: String,
    /// Why it is not an image either.
    #[source]
    pub source: EngineNameError,
}

impl Advice for PortRefError {
    fn code(&self) -> &'static str {
        "HP-REQ-001"
    }

    fn help(&self) -> Option<String> {
        Some("`docker images` lists the images that the engine holds".to_owned())
    }
}

impl FromStr for PortRef {
    type Err = PortRefError;

    fn from_str(text: &str) -> Result<Self, PortRefError> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => match text.parse() {
                Ok(image) => Ok(Self::Image(image)),
                Err(source) => Err(PortRefError { found: text.to_owned(), source }),
            },
        }
    }
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Image(image) => image.fmt(f),
        }
    }
}

/// The public port that is wanted for an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortChoice {
    /// A free one, picked once and kept.
    Random,
    /// This one or none.
    Fixed(PortNumber),
}

/// What an operator wants of an endpoint's route: `[ADDRESS:]PORT`, `[ADDRESS:]random` or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteWish {
    /// No route at all.
    None,
    /// A route on these addresses of the host.
    On {
        /// The addresses.
        host: ListenHost,
        /// The port.
        port: PortChoice,
    },
}

/// A text that is no wish for a route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a public address: wanted `PORT`, `random`, `ADDRESS:PORT`, `ADDRESS:random` or `none`")]
pub struct RouteWishError(pub String);

impl Advice for RouteWishError {
    fn code(&self) -> &'static str {
        "HP-REQ-002"
    }

    fn help(&self) -> Option<String> {
        Some("for example `--route ssh=2222`, `--route ssh=127.0.0.1:random` or `--route ssh='[::1]:2222'`".to_owned())
    }
}

impl fmt::Display for RouteWish {
    /// What [`FromStr`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::On { host, port: PortChoice::Random } => write!(f, "{host}:random"),
            Self::On { host, port: PortChoice::Fixed(port) } => write!(f, "{host}:{port}"),
        }
    }
}

impl FromStr for RouteWish {
    type Err = RouteWishError;

    fn from_str(text: &str) -> Result<Self, RouteWishError> {
        let wrong = || RouteWishError(text.to_owned());
        if text == "none" {
            return Ok(Self::None);
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("*", text));
        let (choice, number) = if port == "random" {
            (PortChoice::Random, "1".to_owned())
        } else {
            let number: u16 = port.parse().map_err(|_| wrong())?;
            (PortChoice::Fixed(PortNumber::new(number)), port.to_owned())
        };
        let address: homeport_router::ListenAddress = format!("{host}:{number}").parse().map_err(|_| wrong())?;
        Ok(Self::On { host: address.host(), port: choice })
    }
}

/// Asks for a new instance of a port, or confirms one that is there.
#[derive(Debug, Clone)]
pub struct DeployRequest {
    /// Which port.
    pub port: PortRef,
    /// Which versions will do; every one where it is not said.
    pub version: Option<semver::VersionReq>,
    /// The instance's name; the port's id where it is not said.
    pub name: Option<InstanceName>,
    /// Configuration as given.
    pub given: Vec<Given>,
    /// Volumes that are not where HomePort would put them.
    pub volumes: BTreeMap<VolumeName, PathBuf>,
    /// Routes that are not as the manifest proposes.
    pub routes: BTreeMap<EndpointName, RouteWish>,
}

/// Asks for other configuration.
#[derive(Debug, Clone, Default)]
pub struct ConfigRequest {
    /// Keys with new values.
    pub set: Vec<Given>,
    /// Keys that go back to their default.
    pub unset: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_an_id_or_an_image() {
        assert!(matches!("shell".parse(), Ok(PortRef::Id(_))));
        assert!(matches!("homeport/shell:1.0.0".parse(), Ok(PortRef::Image(_))));
        assert!(matches!("a1.b".parse(), Ok(PortRef::Image(_))));
        for bad in ["", "Shell!", "a b", "-x"] {
            assert!(bad.parse::<PortRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_route_wish_is_an_address_and_a_port_or_none() {
        let any = |port| RouteWish::On { host: ListenHost::Any, port };
        assert_eq!("none".parse(), Ok(RouteWish::None));
        assert_eq!("random".parse(), Ok(any(PortChoice::Random)));
        assert_eq!("2222".parse(), Ok(any(PortChoice::Fixed(PortNumber::new(2222)))));
        for good in ["127.0.0.1:2222", "127.0.0.1:random", "[::1]:22", "*:random"] {
            assert!(matches!(good.parse(), Ok(RouteWish::On { .. })), "{good}");
        }
        for bad in ["", "0", "70000", "localhost:22", "127.0.0.1", "127.0.0.1:", "::1:22", "Random", "22:none"] {
            assert!(bad.parse::<RouteWish>().is_err(), "{bad}");
        }
    }
}
