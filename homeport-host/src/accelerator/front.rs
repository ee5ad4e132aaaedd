//! Owns what is said between the daemon and an accelerator, as plain values. Never decides or acts.

use homeport_core::manifest::Transport;
use homeport_router::{Announcement, ContainerId, ListenAddress, Moved, RouteId, RouteRules, Target};

use super::error::AcceleratorError;

/// A route that is led past the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// The route.
    pub id: RouteId,
    /// What carries the bytes.
    pub transport: Transport,
    /// Its public address, on which the router listens.
    pub address: ListenAddress,
    /// Where its new clients are led.
    pub target: Target,
    /// Who may come. Whoever may not is left to the router, which refuses and counts.
    pub rules: RouteRules,
}

/// What a route asks of the backend that its rules name.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its rules.
    pub rules: &'a RouteRules,
    /// Its public address; `None` where it has none now.
    pub address: Option<ListenAddress>,
    /// How its container is told who its clients are.
    pub announcement: Announcement,
}

/// The connections of a route with one container that go past the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The route.
    pub id: RouteId,
    /// The container.
    pub container: ContainerId,
    /// How many are live.
    pub connections: usize,
    /// What they moved so far; `None` where that is not counted.
    pub moved: Option<Moved>,
}

/// What becomes of those, when connections are counted, that did not answer when they were asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silent {
    /// They are asked again, and waited for.
    Asked,
    /// They are passed over, and their connections are missing.
    Passed,
}

/// The connections that go past the router, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flows {
    /// Those that are.
    pub known: Vec<Flow>,
    /// Why others are not: there may be any number of them.
    pub missing: Vec<AcceleratorError>,
}

impl Flows {
    /// Both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.known.extend(other.known);
        self.missing.extend(other.missing);
        self
    }
}

impl From<Result<Vec<Flow>, AcceleratorError>> for Flows {
    fn from(counted: Result<Vec<Flow>, AcceleratorError>) -> Self {
        match counted {
            Ok(known) => Self { known, missing: Vec::new() },
            Err(error) => Self { known: Vec::new(), missing: vec![error] },
        }
    }
}

/// What came of looking at what was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// It is as it was made.
    None,
    /// It has to be made again, as it has to from time to time: nothing to tell anybody.
    Due,
    /// Somebody changed it. In words, for the log.
    Found(String),
    /// It is, but clients of these routes who were led past the router get no answer.
    Silent(Vec<RouteId>),
}
