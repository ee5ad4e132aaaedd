//! What a person can ask about what comes in on a public address.

use std::num::NonZeroU32;

use homeport_core::name::{EndpointName, InstanceName};
use homeport_router::{AccessLog, Backend, SourceAddress};
use ipnet::IpNet;

/// What is wished for of one rule of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleWish<T> {
    /// It stays as it is.
    Keep,
    /// It is as if nobody had ever said anything.
    Usual,
    /// It is this.
    Is(T),
}

/// Other rules for one endpoint's public address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSetRequest {
    /// The instance.
    pub instance: InstanceName,
    /// The endpoint.
    pub endpoint: EndpointName,
    /// Connections at once.
    pub connections: RuleWish<NonZeroU32>,
    /// Connections at once from one source.
    pub per_source: RuleWish<NonZeroU32>,
    /// New connections a second.
    pub new_per_second: RuleWish<NonZeroU32>,
    /// Who may come.
    pub allow: RuleWish<Vec<IpNet>>,
    /// Who may not.
    pub deny: RuleWish<Vec<IpNet>>,
    /// After how many seconds without a byte a connection is ended.
    pub idle_seconds: RuleWish<NonZeroU32>,
    /// How many seconds clients wait at most while a container is replaced.
    pub hold_seconds: RuleWish<NonZeroU32>,
    /// From which address containers are dialled.
    pub source: RuleWish<SourceAddress>,
    /// Whether connections leave a line in the daemon's log.
    pub log: RuleWish<AccessLog>,
    /// What carries them.
    pub backend: RuleWish<Backend>,
}
