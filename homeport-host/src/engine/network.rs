//! Owns the description of a network of containers. Never a firewall: what reaches the host is not decided here.

use super::label::Labels;
use super::name::NetworkName;

/// Whether containers on the same network can reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerTraffic {
    /// They can.
    Allowed,
    /// They cannot; the host still reaches each of them.
    Blocked,
}

/// Whether containers on a network can reach beyond the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// They can, through the host's address.
    Outside,
    /// They cannot; they still reach what listens on the host's bridge addresses (measured).
    HostOnly,
}

/// A bridge network as HomePort wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name, unique among those that HomePort makes.
    pub name: NetworkName,
    /// Labels by which it is found again.
    pub labels: Labels,
    /// Whether its containers reach each other.
    pub peers: PeerTraffic,
    /// Whether they reach beyond the host.
    pub reach: Reach,
}
