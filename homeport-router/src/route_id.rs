//! Owns the name of a route: which endpoint of which instance it serves. Never says where it listens or leads.

use std::fmt;

use homeport_core::name::{EndpointName, InstanceName};

/// Names a route; there is at most one for each endpoint of an instance.
///
/// Routes are found by this name and never by their address, so an address that changes hands cannot mix two up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteId {
    /// The instance that is served.
    pub instance: InstanceName,
    /// The endpoint of the instance's port.
    pub endpoint: EndpointName,
}

impl fmt::Display for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.instance, self.endpoint)
    }
}
