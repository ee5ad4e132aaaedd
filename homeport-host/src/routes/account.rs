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

/// What an address should be bound for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Clients should be able to come to it.
    #[default]
    Open,
    /// Nobody else should have it while its instance is stopped.
    Reserved,
}

/// An address that should be bound and cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbound {
    /// The route.
    pub id: RouteId,
    /// Its address.
    pub address: ListenAddress,
    /// What for.
    #[serde(default)]
    pub wish: Wish,
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
