//! Owns what went over public addresses between two looks at them. Pure: it never looks itself.

use std::time::Duration;

use homeport_core::name::{EndpointName, InstanceName};
use homeport_router::{Backend, ListenAddress, RouteStatus};

use super::observe::RouteView;

/// What went over one public address in a second, on the average of the time between two looks. Nobody counts what nftables
/// carries.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RouteRate {
    /// The instance.
    pub instance: InstanceName,
    /// The endpoint.
    pub endpoint: EndpointName,
    /// The public address.
    pub address: ListenAddress,
    /// Clients that are connected with a container.
    pub connected: usize,
    /// Clients that wait for a container.
    pub waiting: usize,
    /// What carries them.
    pub carried_by: Backend,
    /// New clients a second; `None` where nobody counts them.
    pub accepted: Option<f64>,
    /// Clients a second that were reset, because the address is closed or full, or the container cannot be reached.
    pub reset: f64,
    /// Bytes a second that containers were given; `None` where nobody counts them.
    pub bytes_from_clients: Option<f64>,
    /// Bytes a second that clients were given; `None` where nobody counts them.
    pub bytes_to_clients: Option<f64>,
}

/// What went over each public address that the daemon holds now, in the order of the later look.
///
/// A counter that fell began anew, with a daemon that was started in between: everything that it has is of that time.
pub fn rates(before: &[RouteView], after: &[RouteView], between: Duration) -> Vec<RouteRate> {
    after
        .iter()
        .filter_map(|view| {
            let now = view.live.as_ref()?;
            let same = |other: &&RouteView| other.instance == view.instance && other.endpoint == view.endpoint;
            let then = before.iter().find(same).and_then(|other| other.live.as_ref());
            let rate = |counter: fn(&RouteStatus) -> u64| {
                let (then, now) = (then.map_or(0, counter), counter(now));
                per_second(now.checked_sub(then).unwrap_or(now), between)
            };
            let connected = now.live.iter().map(|live| live.connections).sum();
            let carried_by = now.carried.as_ref().map_or(Backend::Builtin, |carried| carried.by);
            let is_counted = carried_by != Backend::Nftables;
            Some(RouteRate {
                carried_by,
                instance: view.instance.clone(),
                endpoint: view.endpoint.clone(),
                address: view.address,
                connected,
                waiting: now.clients().saturating_sub(connected),
                accepted: is_counted.then(|| rate(|status| status.accepted)),
                reset: rate(|status| status.refused.saturating_add(status.failed)),
                bytes_from_clients: is_counted.then(|| rate(|status| status.bytes_from_clients)),
                bytes_to_clients: is_counted.then(|| rate(|status| status.bytes_to_clients)),
            })
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a rate is shown with a few digits")]
fn per_second(count: u64, between: Duration) -> f64 {
    if between.is_zero() { 0.0 } else { count as f64 / between.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use homeport_router::{Carried, LiveConnections, RouteId, RouteRules, RouteState};

    use super::*;

    fn view(name: &str, change: impl FnOnce(&mut RouteStatus)) -> RouteView {
        let (instance, endpoint): (InstanceName, EndpointName) = (name.parse().unwrap(), "ssh".parse().unwrap());
        let address: ListenAddress = "*:2222".parse().unwrap();
        let id = RouteId { instance: instance.clone(), endpoint: endpoint.clone() };
        let mut live = RouteStatus::unused(id, address, RouteState::Held, 512);
        change(&mut live);
        RouteView { instance, endpoint, address, rules: RouteRules::default(), live: Some(live), why_closed: None }
    }

    #[test]
    fn a_rate_is_what_came_between_two_looks_and_all_of_a_counter_that_began_anew() {
        let before = [
            view("a", |status| (status.accepted, status.bytes_to_clients) = (10, 1_000)),
            view("b", |status| status.accepted = 50),
        ];
        let after = [
            view("a", |status| {
                (status.accepted, status.refused, status.failed, status.bytes_to_clients) = (14, 3, 1, 5_000);
            }),
            view("b", |status| status.accepted = 6),
            view("new", |status| status.accepted = 2),
            RouteView { live: None, ..view("gone", |_| {}) },
        ];
        let found = rates(&before, &after, Duration::from_secs(2));
        let shown: Vec<_> = found
            .iter()
            .map(|rate| (rate.instance.as_str(), rate.accepted, rate.reset, rate.bytes_to_clients))
            .collect();
        let wanted = [
            ("a", Some(2.0), 2.0, Some(2_000.0)),
            ("b", Some(3.0), 0.0, Some(0.0)),
            ("new", Some(1.0), 0.0, Some(0.0)),
        ];
        assert_eq!(shown, wanted);
        assert_eq!(rates(&before, &after, Duration::ZERO)[0].accepted, Some(0.0));
        let carried = Carried { by: Backend::Nftables, obstacles: Vec::new(), connections: 0, moved: None };
        let past = view("a", |status| (status.accepted, status.carried) = (9, Some(carried)));
        let [rate] = rates(&before, &[past], Duration::from_secs(1)).try_into().unwrap();
        assert_eq!((rate.carried_by, rate.accepted, rate.bytes_to_clients), (Backend::Nftables, None, None));
    }

    #[test]
    fn a_client_is_connected_or_waits() {
        let after = view("a", |status| {
            let mut gate = Vec::new();
            for (container, connections) in [("old", 2), ("new", 3)] {
                let generation = serde_json::from_str("1").unwrap();
                gate.push(LiveConnections { generation, container: container.parse().unwrap(), connections });
            }
            (status.open, status.live) = (9, gate);
        });
        let [rate] = rates(&[], &[after], Duration::from_secs(1)).try_into().unwrap();
        assert_eq!((rate.connected, rate.waiting), (5, 4));
    }
}
