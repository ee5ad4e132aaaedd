//! Owns what is said on the daemon's control socket: one JSON object a line, a request and its answer.
//! Only root may connect; nothing here is meant for other programs, and it may change with every version.

use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;
use homeport_router::{RouteId, RouteRules, RouteStatus};
use serde::{Deserialize, Serialize};

use super::drain::Draining;
use crate::engine::ContainerId;
use crate::ledger::NEWEST_SCHEMA;
use crate::plan::ListenHostText;
use crate::routes::Unbound;

/// The most bytes of one line.
pub(super) const LINE_LIMIT: usize = 1 << 20;

/// What is asked of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Who are you, and how are the routes?
    Status,
    /// Bind the first of these ports that is free.
    Reserve {
        /// The route.
        id: RouteId,
        /// The addresses of the host.
        host: ListenHostText,
        /// What carries the bytes.
        transport: Transport,
        /// The ports that will do.
        ports: Vec<PortNumber>,
    },
    /// Lead the route to this container.
    Point {
        /// The route.
        id: RouteId,
        /// The container.
        container: ContainerId,
        /// The port inside it.
        port: PortNumber,
    },
    /// Let clients wait.
    Hold {
        /// The route.
        id: RouteId,
    },
    /// Turn clients away.
    Close {
        /// The route.
        id: RouteId,
        /// The containers whose clients stay connected.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        staying: Vec<ContainerId>,
    },
    /// Let in what these rules say.
    SetRules {
        /// The route.
        id: RouteId,
        /// The rules.
        rules: RouteRules,
    },
    /// Give the address up.
    Release {
        /// The route.
        id: RouteId,
    },
    /// End, and close every socket.
    Stop,
    /// Give your place to me: leave the sockets to the holder, and only carry on what you have.
    HandOver,
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It is done.
    Done,
    /// This port is bound.
    Reserved {
        /// The port.
        port: PortNumber,
    },
    /// This is how things are.
    Status(Box<DaemonStatus>),
    /// It was not done, and nothing was changed.
    Refused(Refusal),
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The stable code.
    pub code: String,
    /// What is wrong, with its causes.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
}

/// How the daemon is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Its process id.
    pub pid: u32,
    /// The version of HomePort that it was started with.
    pub version: String,
    /// The newest schema of the ledger that it can read; one that does not say so knows the first.
    #[serde(default = "first_schema")]
    pub ledger: i64,
    /// Since when it runs.
    pub since: crate::ledger::Time,
    /// Every route, with the connections that drainers have of it.
    pub routes: Vec<RouteStatus>,
    /// Those that it should have and has not; it tries again every few seconds.
    #[serde(default)]
    pub unbound: Vec<Unbound>,
    /// Daemons from before that carry on the connections they had.
    #[serde(default)]
    pub draining: Vec<Draining>,
}

const fn first_schema() -> i64 {
    1
}

impl DaemonStatus {
    /// Whether it is of an older HomePort, which cannot read what this one writes.
    pub fn is_outdated(&self) -> bool {
        self.ledger < NEWEST_SCHEMA
    }
}
