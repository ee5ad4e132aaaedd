//! Owns what the router has to say while it runs, each once per occasion. Never writes it anywhere.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::route_id::RouteId;
use crate::target::Target;
use crate::visit::Visit;

/// Something that whoever looks after the machine should hear of.
///
/// Each is said when it begins and not again before it has ended, however many clients it strikes; but [`Report::Visited`], for
/// every connection of a route whose rules ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Report {
    /// Clients cannot be accepted for lack of descriptors or memory; they wait in the kernel meanwhile.
    AcceptPaused {
        /// The route whose clients wait.
        route: RouteId,
        /// What the kernel said.
        cause: String,
    },
    /// Clients are accepted again.
    AcceptResumed {
        /// The route.
        route: RouteId,
    },
    /// The route has as many connections as it may; clients are reset.
    AtLimit {
        /// The route.
        route: RouteId,
        /// Its connections.
        connections: usize,
    },
    /// All routes together have as many connections as the process can open; this route's clients are reset.
    RouterAtLimit {
        /// The route.
        route: RouteId,
        /// The connections of all routes.
        connections: usize,
    },
    /// A source has as many connections as one may; further clients from there are reset. Said at most every ten minutes.
    SourceAtLimit {
        /// The route.
        route: RouteId,
        /// The first such source.
        source: String,
        /// Its connections.
        connections: usize,
    },
    /// More clients came in a second than may; those too many are reset. Said at most every ten minutes.
    TooFast {
        /// The route.
        route: RouteId,
        /// How many may come.
        a_second: u32,
    },
    /// The target cannot be reached; clients wait for it up to the connect limit.
    Unreachable {
        /// The route.
        route: RouteId,
        /// The target.
        target: Target,
        /// What the kernel said.
        cause: String,
    },
    /// The target can be reached again.
    Reachable {
        /// The route.
        route: RouteId,
        /// The target.
        target: Target,
    },
    /// A connection has ended.
    Visited(Visit),
    /// The route was held for too long and has closed: its clients are reset.
    HoldExpired {
        /// The route.
        route: RouteId,
        /// How long it was held.
        after: Duration,
    },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AcceptPaused { route, cause } => write!(f, "route `{route}` cannot accept clients for now: {cause}"),
            Self::AcceptResumed { route } => write!(f, "route `{route}` accepts clients again"),
            Self::AtLimit { route, connections } => {
                write!(f, "route `{route}` resets new clients: it has {connections} connections already")
            }
            Self::RouterAtLimit { route, connections } => {
                write!(f, "route `{route}` resets new clients: all routes together have {connections} connections")
            }
            Self::SourceAtLimit { route, source, connections } => {
                write!(f, "route `{route}` resets new clients from {source}: it has {connections} connections already")
            }
            Self::TooFast { route, a_second } => {
                write!(f, "route `{route}` resets new clients: more than {a_second} came in a second")
            }
            Self::Unreachable { route, target, cause } => {
                write!(f, "route `{route}` does not reach {target}: {cause}")
            }
            Self::Reachable { route, target } => write!(f, "route `{route}` reaches {target} again"),
            Self::Visited(visit) => visit.fmt(f),
            Self::HoldExpired { route, after } => {
                write!(f, "route `{route}` was held for {} s without a target: clients are reset", after.as_secs())
            }
        }
    }
}

/// Where reports go.
#[derive(Clone)]
pub(crate) struct Reports(Arc<dyn Fn(&Report) + Send + Sync>);

impl Reports {
    pub(crate) fn new(sink: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    pub(crate) fn say(&self, report: &Report) {
        (self.0)(report);
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reports")
    }
}
