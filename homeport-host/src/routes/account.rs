//! Owns what whoever holds the public sockets says of them: those that it has, and those that it should have and has not.
//! Never asks anybody.

use homeport_router::{ListenAddress, RouteId, RouteStatus};
use serde::{Deserialize, Serialize};

/// What a daemon says of the public addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Every route that is bound, as it is now.
    pub routes: Vec<RouteStatus>,
    /// Those that should be and are not.
    pub unbound: Vec<Unbound>,
}

/// An address that clients should be able to come to and cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbound {
    /// The route.
    pub id: RouteId,
    /// Its address.
    pub address: ListenAddress,
    /// Why it could not be bound when that was last tried: who has it, where that can be told.
    pub why: String,
}

impl Account {
    /// What is said of this route.
    pub fn of(&self, id: &RouteId) -> Option<&RouteStatus> {
        self.routes.iter().find(|status| status.id == *id)
    }

    /// Why this route is not bound, where that is known.
    pub fn why_unbound(&self, id: &RouteId) -> Option<&str> {
        self.unbound.iter().find(|unbound| unbound.id == *id).map(|unbound| unbound.why.as_str())
    }
}
