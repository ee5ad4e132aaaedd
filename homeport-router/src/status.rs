//! Owns what a route looks like from outside: plain values that cross the daemon's control socket.

use homeport_core::manifest::Transport;

use crate::address::ListenAddress;
use crate::backend::Carried;
use crate::gate::Generation;
use crate::route_id::RouteId;
use crate::rules::{RefusedBecause, RouteRules};
use crate::target::{ContainerId, Target};

/// What happens to the clients of a route.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RouteState {
    /// They wait: the route was never pointed, or a container is being replaced.
    Held,
    /// They are connected with the target.
    Running {
        /// Counts the targets of this route.
        generation: Generation,
        /// The target.
        target: Target,
    },
    /// They are reset: the instance was stopped, or the route was held for too long.
    Closed,
}

/// The connections of a route with one container.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LiveConnections {
    /// Which target of the route it was.
    pub generation: Generation,
    /// The container.
    pub container: ContainerId,
    /// How many are live.
    pub connections: usize,
}

/// The datagrams of a route over UDP. None is ever sent twice, and none is kept that its container was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Datagrams {
    /// Those that containers were sent.
    pub from_clients: u64,
    /// Those that clients were sent.
    pub to_clients: u64,
    /// Those that wait now, since the route is held; they count as open too.
    pub waiting: usize,
    /// Those that were dropped because too many waited, or because their session had to make room for another one.
    pub crowded_out: u64,
    /// Those of which the kernel said that their container does not take them.
    pub unreachable: u64,
    /// Those that the kernel did not take, for lack of room or of a way there.
    pub unsent: u64,
}

/// A route as it was at one moment. The numbers count from the reservation on and are not of one instant.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RouteStatus {
    /// The route.
    pub id: RouteId,
    /// The public address.
    pub address: ListenAddress,
    /// What happens to its clients.
    pub state: RouteState,
    /// Clients that were let in and have not ended: connected ones, and those that wait for a connection to the target. Over UDP a
    /// session is a client, and so is each datagram that waits.
    pub open: usize,
    /// Clients that are accepted and wait until a place is free; none of them is open. Whoever waits in the kernel's queue is not known.
    #[serde(default)]
    pub waiting: usize,
    /// Connected ones by container, the earliest target first; containers that are being replaced are among them.
    pub live: Vec<LiveConnections>,
    /// How many may be open at once.
    pub limit: usize,
    /// What an operator allows.
    #[serde(default, skip_serializing_if = "RouteRules::are_usual")]
    pub rules: RouteRules,
    /// Clients accepted to be forwarded.
    pub accepted: u64,
    /// Clients reset because the route was closed, or closed while they waited, or had no room for them, or because they may
    /// not come.
    pub refused: u64,
    /// Those by why.
    #[serde(default)]
    pub refused_because: RefusedBecause,
    /// Clients reset because the target could not be reached within the limit.
    pub failed: u64,
    /// Connections that were ended because nothing went over them for as long as the rules let them be idle.
    #[serde(default)]
    pub idle: u64,
    /// Bytes that targets were given.
    pub bytes_from_clients: u64,
    /// Bytes that clients were given.
    pub bytes_to_clients: u64,
    /// What became of single datagrams; `None` over TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datagrams: Option<Datagrams>,
    /// The last thing that went wrong; stays when it is past.
    pub last_error: Option<String>,
    /// How long ago that was, when this was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_seconds_ago: Option<u64>,
    /// What carries its clients, where another backend than the router is wished for or has connections of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<Carried>,
}

impl RouteStatus {
    /// Everybody who was accepted and has not ended: those who are open, and those who wait until a place is free.
    pub fn clients(&self) -> usize {
        self.open + self.waiting
    }

    /// A route that no client has come to yet, for whoever plays a router.
    pub fn unused(id: RouteId, address: ListenAddress, state: RouteState, limit: usize) -> Self {
        Self {
            id,
            address,
            state,
            open: 0,
            waiting: 0,
            live: Vec::new(),
            limit,
            rules: RouteRules::default(),
            accepted: 0,
            refused: 0,
            refused_because: RefusedBecause::default(),
            failed: 0,
            idle: 0,
            bytes_from_clients: 0,
            bytes_to_clients: 0,
            datagrams: (address.transport() == Transport::Udp).then(Datagrams::default),
            last_error: None,
            last_error_seconds_ago: None,
            carried: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Admission, Gate, GateEvent};

    #[test]
    fn a_status_crosses_the_control_socket_unchanged() {
        let target = Target::new("c1".parse().unwrap(), "172.17.0.2:22".parse().unwrap());
        let mut gate = Gate::fresh();
        gate.apply(GateEvent::Point(target.clone()));
        let Admission::Forward(generation, _) = gate.admission() else { panic!("not pointed") };
        let status = RouteStatus {
            id: RouteId { instance: "web".parse().unwrap(), endpoint: "ssh".parse().unwrap() },
            address: "*:2222".parse().unwrap(),
            state: RouteState::Running { generation, target: target.clone() },
            open: 3,
            waiting: 1,
            live: vec![LiveConnections { generation, container: target.container, connections: 2 }],
            limit: 512,
            rules: RouteRules::default(),
            accepted: 10,
            refused: 1,
            refused_because: RefusedBecause { too_fast: 1, ..RefusedBecause::default() },
            failed: 0,
            idle: 2,
            bytes_from_clients: 5,
            bytes_to_clients: u64::MAX,
            datagrams: None,
            last_error: None,
            last_error_seconds_ago: None,
            carried: None,
        };
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "id": {"instance": "web", "endpoint": "ssh"},
                "address": "*:2222",
                "state": {
                    "kind": "running",
                    "generation": 1,
                    "target": {"container": "c1", "address": "172.17.0.2:22"},
                },
                "open": 3,
                "waiting": 1,
                "live": [{"generation": 1, "container": "c1", "connections": 2}],
                "limit": 512,
                "accepted": 10,
                "refused": 1,
                "refused_because": {"closed": 0, "full": 0, "source_full": 0, "too_fast": 1, "not_allowed": 0},
                "failed": 0,
                "idle": 2,
                "bytes_from_clients": 5,
                "bytes_to_clients": u64::MAX,
                "last_error": null,
            })
        );
        assert_eq!(serde_json::from_value::<RouteStatus>(json).unwrap(), status);
        let datagrams = Some(Datagrams { from_clients: 7, unsent: 1, ..Datagrams::default() });
        let status = RouteStatus { address: "*:53/udp".parse().unwrap(), datagrams, ..status };
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(
            (&json["address"], &json["datagrams"]),
            (
                &serde_json::json!("*:53/udp"),
                &serde_json::json!({
                    "from_clients": 7, "to_clients": 0, "waiting": 0, "crowded_out": 0, "unreachable": 0, "unsent": 1,
                })
            )
        );
        assert_eq!(serde_json::from_value::<RouteStatus>(json).unwrap(), status);
        assert_eq!(serde_json::to_value(RouteState::Held).unwrap(), serde_json::json!({"kind": "held"}));
    }
}
