//! Owns what can be wrong with a request to the router, and what to do next. Never decides anything.

use std::io;

use homeport_core::fault::Advice;
use homeport_core::manifest::Transport;

use crate::address::ListenAddress;
use crate::descriptors::DescriptorLimit;
use crate::holder::Holder;
use crate::route_id::RouteId;

/// Why an address could not be reserved. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// The route holds another address already.
    #[error("route `{id}` listens on `{held}` already: wanted `{wanted}`")]
    OtherAddress {
        /// The route.
        id: RouteId,
        /// The address that it holds.
        held: ListenAddress,
        /// The address that was asked for.
        wanted: ListenAddress,
    },
    /// Another route of this router holds the address, or one that overlaps it.
    #[error("`{address}` cannot be listened on: route `{holder}` holds `{held}`")]
    HeldByRoute {
        /// The address that was asked for.
        address: ListenAddress,
        /// The route that is in the way.
        holder: RouteId,
        /// The address of that route.
        held: ListenAddress,
    },
    /// A process of this machine holds the address.
    #[error("`{address}` cannot be listened on: {} holds it", named(holder.as_ref()))]
    InUse {
        /// The address that was asked for.
        address: ListenAddress,
        /// The process; `None` if it could not be found.
        holder: Option<Holder>,
    },
    /// The machine has no such address.
    #[error("`{address}` cannot be listened on: no network interface of this machine has that address")]
    NotAvailable {
        /// The address that was asked for.
        address: ListenAddress,
    },
    /// The port is a privileged one and the process lacks the privilege.
    #[error("`{address}` cannot be listened on: this process may not use privileged ports")]
    NotPermitted {
        /// The address that was asked for.
        address: ListenAddress,
    },
    /// The kernel refused for another reason.
    #[error("`{address}` cannot be listened on")]
    Refused {
        /// The address that was asked for.
        address: ListenAddress,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Every candidate for a random port was taken.
    #[error("no free port was found for route `{id}`: each of {tried} candidates is in use")]
    NoFreePort {
        /// The route.
        id: RouteId,
        /// How many candidates were tried.
        tried: usize,
    },
    /// A socket that was handed over is not one of the address.
    #[error("the socket that was handed over for `{address}` {found}")]
    NotItsSocket {
        /// The address that it was to have.
        address: ListenAddress,
        /// What it does instead.
        found: String,
    },
    /// The router has been shut down.
    #[error("route `{id}` cannot be made: the router has been shut down")]
    ShutDown {
        /// The route.
        id: RouteId,
    },
}

fn named(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "a process that could not be found".to_owned(), Holder::to_string)
}

impl Advice for ReserveError {
    fn code(&self) -> &'static str {
        match self {
            Self::OtherAddress { .. } => "HP-RTR-001",
            Self::HeldByRoute { .. } => "HP-RTR-002",
            Self::InUse { .. } => "HP-RTR-003",
            Self::NotAvailable { .. } => "HP-RTR-004",
            Self::NotPermitted { .. } => "HP-RTR-005",
            Self::Refused { .. } => "HP-RTR-006",
            Self::NoFreePort { .. } => "HP-RTR-007",
            Self::ShutDown { .. } => "HP-RTR-008",
            Self::NotItsSocket { .. } => "HP-RTR-009",
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::OtherAddress { id, .. } => Some(format!("Release route `{id}` before it is given another address.")),
            Self::HeldByRoute { holder, .. } => {
                Some(format!("Choose another port, or remove instance `{}` first.", holder.instance))
            }
            Self::InUse { holder: Some(holder), .. } => Some(format!("Stop {holder}, or choose another port.")),
            Self::InUse { address, holder: None } => {
                let (kind, port) = (if address.transport() == Transport::Udp { "u" } else { "t" }, address.port());
                Some(format!("Find it with `ss -l{kind}np 'sport = :{port}'` as root, or choose another port."))
            }
            Self::NotAvailable { .. } => {
                Some("List this machine's addresses with `ip address`, or use `*` for all of them.".to_owned())
            }
            Self::NotPermitted { .. } => Some(
                "Run the daemon as root or with CAP_NET_BIND_SERVICE, or choose a port of 1024 or above.".to_owned(),
            ),
            Self::NoFreePort { .. } => Some("Widen the range for random ports, or name a port.".to_owned()),
            Self::Refused { .. } | Self::NotItsSocket { .. } | Self::ShutDown { .. } => None,
        }
    }
}

/// There is no route of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no route `{0}`")]
pub struct NoSuchRoute(pub RouteId);

impl Advice for NoSuchRoute {
    fn code(&self) -> &'static str {
        "HP-RTR-010"
    }

    fn help(&self) -> Option<String> {
        Some("Start the instance, or look at the routes with `homeport route list`.".to_owned())
    }
}

/// The process may open too few descriptors for a router.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found} open files are too few for the router: wanted at least {wanted}")]
pub struct TooFewDescriptors {
    /// The limit of the process.
    pub found: DescriptorLimit,
    /// The least that makes sense.
    pub wanted: DescriptorLimit,
}

impl Advice for TooFewDescriptors {
    fn code(&self) -> &'static str {
        "HP-RTR-011"
    }

    fn help(&self) -> Option<String> {
        Some("Raise the daemon's limit of open files (`LimitNOFILE=` of its service, or `ulimit -n`).".to_owned())
    }
}
