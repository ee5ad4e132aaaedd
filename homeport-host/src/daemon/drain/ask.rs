//! Owns what is said on the socket of a drainer: one JSON object a line, a request and its answer. The drainer may be of an
//! older HomePort: what is added later must be something that it may refuse.

use homeport_core::name::InstanceName;
use homeport_router::{RouteId, RouteStatus, Target};
use serde::{Deserialize, Serialize};

use crate::engine::ContainerId;
use crate::ledger::Time;

/// What is asked of a drainer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(in crate::daemon) enum Ask {
    /// What have you left?
    Status,
    /// Those who wait for the route go there.
    Point {
        /// The route.
        id: RouteId,
        /// Where it leads.
        target: Target,
    },
    /// Those who are not connected yet wait.
    Hold {
        /// The route.
        id: RouteId,
    },
    /// Those who are not connected yet are turned away.
    Close {
        /// The route.
        id: RouteId,
    },
    /// Everybody who came by this route is reset.
    Release {
        /// The route.
        id: RouteId,
    },
    /// The connections with this container end.
    EndWith {
        /// The instance.
        instance: InstanceName,
        /// The container.
        container: ContainerId,
    },
    /// The connections of this route with other containers than these end.
    EndOthers {
        /// The route.
        id: RouteId,
        /// The containers whose clients stay.
        staying: Vec<ContainerId>,
    },
    /// End, and reset every connection.
    Stop,
}

/// What a drainer answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(super) enum Answer {
    /// It is done.
    Done,
    /// This is left.
    Status(Box<Draining>),
    /// It was not understood; nothing was done.
    Unknown,
}

/// What a daemon still has to do whose place another one has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draining {
    /// Its process id.
    pub pid: u32,
    /// The version of HomePort that it was started with.
    pub version: String,
    /// Since when it accepts nobody.
    pub since: Time,
    /// When it ends in any case.
    pub until: Time,
    /// The routes that its connections came by.
    pub routes: Vec<RouteStatus>,
}

impl Draining {
    /// Everybody whom it has left.
    pub fn clients(&self) -> usize {
        self.routes.iter().map(RouteStatus::clients).sum()
    }
}
