//! Owns what a client of an instance's public address meets, by what the daemon says of its routes. Pure; never asks it.

use std::collections::BTreeMap;

use homeport_core::name::{EndpointName, InstanceName};
use homeport_router::{RouteState, RouteStatus};

/// What a client of a public address meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressState {
    /// It is led to a container.
    Open,
    /// It waits.
    Waits,
    /// It is turned away: the instance is stopped, or clients have waited for too long.
    TurnedAway,
    /// Nothing listens there: no daemon runs, or the daemon does not have the address.
    Closed,
    /// The daemon does not answer.
    Unknown,
}

/// What the daemon says of routes.
#[derive(Debug)]
pub(super) enum Said {
    /// These are all that there are; none where no daemon runs.
    Routes(Vec<RouteStatus>),
    /// Nothing: it does not answer.
    Nothing,
}

impl Said {
    /// What a client of this endpoint meets.
    pub(super) fn of(&self, instance: &InstanceName, endpoint: &EndpointName) -> AddressState {
        let Self::Routes(routes) = self else { return AddressState::Unknown };
        let found = routes.iter().find(|route| route.id.instance == *instance && route.id.endpoint == *endpoint);
        match found.map(|route| &route.state) {
            Some(RouteState::Running { .. }) => AddressState::Open,
            Some(RouteState::Held) => AddressState::Waits,
            Some(RouteState::Closed) => AddressState::TurnedAway,
            None => AddressState::Closed,
        }
    }
}

/// The state of an instance that runs, with what keeps clients from it: one that nobody reaches is not said to be ready and no
/// more. That clients wait is said of an instance by its operation.
pub(super) fn reached(state: String, addresses: &BTreeMap<EndpointName, AddressState>) -> String {
    let unreached: Vec<String> = addresses
        .iter()
        .filter_map(|(endpoint, address)| match address {
            AddressState::Open | AddressState::Waits => None,
            AddressState::TurnedAway => Some(format!("`{endpoint}` turns clients away")),
            AddressState::Closed => Some(format!("`{endpoint}` is closed")),
            AddressState::Unknown => Some(format!("whether `{endpoint}` is open is not known")),
        })
        .collect();
    if unreached.is_empty() { state } else { format!("{state}, but {}", unreached.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(endpoint: &str, state: RouteState) -> RouteStatus {
        let id = homeport_router::RouteId { instance: "alice".parse().unwrap(), endpoint: endpoint.parse().unwrap() };
        RouteStatus::unused(id, "*:2222".parse().unwrap(), state, 10)
    }

    #[test]
    fn an_address_is_what_the_daemon_says_and_closed_where_it_has_none() {
        let said = Said::Routes(vec![route("ssh", RouteState::Held), route("web", RouteState::Closed)]);
        let of = |said: &Said, instance: &str, endpoint: &str| {
            said.of(&instance.parse().unwrap(), &endpoint.parse().unwrap())
        };
        assert_eq!(of(&said, "alice", "ssh"), AddressState::Waits);
        assert_eq!(of(&said, "alice", "web"), AddressState::TurnedAway);
        assert_eq!(of(&said, "bob", "ssh"), AddressState::Closed, "of another instance");
        assert_eq!(of(&Said::Routes(Vec::new()), "alice", "ssh"), AddressState::Closed, "no daemon runs");
        assert_eq!(of(&Said::Nothing, "alice", "ssh"), AddressState::Unknown);
    }

    #[test]
    fn what_nobody_reaches_is_not_said_to_be_ready_and_no_more() {
        let told = |addresses: &[(&str, AddressState)]| {
            let addresses = addresses.iter().map(|(name, state)| (name.parse().unwrap(), *state)).collect();
            reached("ready".to_owned(), &addresses)
        };
        assert_eq!(told(&[]), "ready");
        assert_eq!(told(&[("ssh", AddressState::Open), ("web", AddressState::Waits)]), "ready");
        assert_eq!(told(&[("ssh", AddressState::Closed), ("web", AddressState::Open)]), "ready, but `ssh` is closed");
        assert_eq!(
            told(&[("ssh", AddressState::TurnedAway), ("web", AddressState::Unknown)]),
            "ready, but `ssh` turns clients away, whether `web` is open is not known"
        );
    }
}
