//! Owns what a client of an instance's public address meets, by what the daemon says of its routes. Pure; never asks it.

use std::collections::BTreeMap;

use homeport_core::name::EndpointName;
use homeport_router::{RouteId, RouteState, RouteStatus};

use crate::routes::Account;

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
    /// This; `None` where no daemon runs.
    Routes(Option<Account>),
    /// Nothing: it does not answer.
    Nothing,
}

impl Said {
    /// What the daemon says of this route; `None` where it does not hold it.
    pub(super) fn status(&self, id: &RouteId) -> Option<&RouteStatus> {
        match self {
            Self::Routes(account) => account.as_ref()?.of(id),
            Self::Nothing => None,
        }
    }

    /// What a client of this route meets.
    pub(super) fn of(&self, id: &RouteId) -> AddressState {
        match (self, self.status(id).map(|route| &route.state)) {
            (Self::Nothing, _) => AddressState::Unknown,
            (_, Some(RouteState::Running { .. })) => AddressState::Open,
            (_, Some(RouteState::Held)) => AddressState::Waits,
            (_, Some(RouteState::Closed)) => AddressState::TurnedAway,
            (_, None) => AddressState::Closed,
        }
    }

    /// Why nothing listens for this route, where that is known.
    pub(super) fn why_closed(&self, id: &RouteId) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Routes(None) => Some("the daemon does not run".to_owned()),
            Self::Routes(Some(account)) if account.of(id).is_some() => None,
            Self::Routes(Some(account)) => account.why_unbound(id).map(str::to_owned),
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
    use homeport_router::ListenAddress;

    use super::*;
    use crate::routes::{Unbound, Wish};

    fn id(instance: &str, endpoint: &str) -> RouteId {
        RouteId { instance: instance.parse().unwrap(), endpoint: endpoint.parse().unwrap() }
    }

    #[test]
    fn an_address_is_what_the_daemon_says_and_closed_where_it_has_none() {
        let address: ListenAddress = "*:2222".parse().unwrap();
        let route = |endpoint, state| RouteStatus::unused(id("alice", endpoint), address, state, 10);
        let why = "`*:2222` cannot be listened on: process 7 (`nc`) holds it".to_owned();
        let said = Said::Routes(Some(Account {
            routes: vec![route("ssh", RouteState::Held), route("web", RouteState::Closed)],
            unbound: vec![Unbound { id: id("alice", "mail"), address, wish: Wish::Open, why: why.clone() }],
        }));
        let no_daemon = (AddressState::Closed, Some("the daemon does not run".to_owned()));
        for (said, id, wanted, because) in [
            (&said, id("alice", "ssh"), AddressState::Waits, None),
            (&said, id("alice", "web"), AddressState::TurnedAway, None),
            (&said, id("alice", "mail"), AddressState::Closed, Some(why)),
            (&said, id("bob", "ssh"), AddressState::Closed, None),
            (&Said::Routes(None), id("alice", "ssh"), no_daemon.0, no_daemon.1),
            (&Said::Nothing, id("alice", "ssh"), AddressState::Unknown, None),
        ] {
            assert_eq!((said.of(&id), said.why_closed(&id)), (wanted, because), "{id}");
        }
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
