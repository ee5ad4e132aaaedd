//! Owns which containers that only finish what they began are to be ended now: those whose last client has left, and those
//! whose time is over. Pure.

use std::collections::BTreeSet;

use homeport_core::name::InstanceName;
use homeport_router::RouteStatus;

use crate::ledger::{RetiringRecord, Time};

/// The instances with a container that is to be ended now.
pub(super) fn due(retiring: &[RetiringRecord], routes: &[RouteStatus], now: &Time) -> BTreeSet<InstanceName> {
    let is_over = |record: &&RetiringRecord| is_due(record, routes, now);
    retiring.iter().filter(is_over).map(|record| record.instance.clone()).collect()
}

/// Whether this container is to be ended now.
pub(super) fn is_due(record: &RetiringRecord, routes: &[RouteStatus], now: &Time) -> bool {
    record.until <= *now || clients(record, routes) == 0
}

/// How many clients are connected with the container.
pub(super) fn clients(record: &RetiringRecord, routes: &[RouteStatus]) -> usize {
    let own = routes.iter().filter(|status| status.id.instance == record.instance);
    let live = own.flat_map(|status| &status.live);
    live.filter(|live| live.container.as_str() == record.container.as_str()).map(|live| live.connections).sum()
}

#[cfg(test)]
mod tests {
    use homeport_core::unit::Seconds;
    use homeport_router::{LiveConnections, RouteId, RouteState};
    use homeport_volumes::TxId;

    use super::*;
    use crate::ledger::Slot;

    fn record(container: &str, until: &Time) -> RetiringRecord {
        RetiringRecord {
            container: container.repeat(64).parse().unwrap(),
            instance: "alice".parse().unwrap(),
            slot: Slot::First,
            version: semver::Version::new(1, 0, 0),
            grace: Seconds::new(15),
            bundle: TxId::from_bytes([1; 16]),
            since: until.clone(),
            until: until.clone(),
        }
    }

    fn route(live: &[(&str, usize)]) -> RouteStatus {
        let mut generation = serde_json::Value::from(0);
        let mut live_with = |(container, connections): &(&str, usize)| {
            generation = serde_json::Value::from(generation.as_u64().unwrap() + 1);
            LiveConnections {
                generation: serde_json::from_value(generation.clone()).unwrap(),
                container: container.repeat(64).parse().unwrap(),
                connections: *connections,
            }
        };
        let id = RouteId { instance: "alice".parse().unwrap(), endpoint: "ssh".parse().unwrap() };
        let live = live.iter().map(&mut live_with).collect();
        RouteStatus { live, ..RouteStatus::unused(id, "*:2222".parse().unwrap(), RouteState::Held, 1) }
    }

    #[test]
    fn a_container_retires_with_its_last_client_or_when_its_time_is_over() {
        let now = Time::now();
        let later = now.after(std::time::Duration::from_mins(1));
        let rows = [
            (&later, vec![("a", 2), ("b", 1)], false),
            (&later, vec![("a", 0), ("b", 7)], true),
            (&later, vec![("b", 7)], true),
            (&later, vec![], true),
            (&now, vec![("a", 2)], true),
        ];
        for (until, live, wanted) in rows {
            let found = due(&[record("a", until)], &[route(&live)], &now);
            assert_eq!(!found.is_empty(), wanted, "{live:?} until {until:?}");
        }
    }

    #[test]
    fn clients_of_another_instance_keep_nobody() {
        let now = Time::now();
        let later = now.after(std::time::Duration::from_mins(1));
        let mut other = route(&[("a", 3)]);
        other.id.instance = "bob".parse().unwrap();
        assert_eq!(clients(&record("a", &later), std::slice::from_ref(&other)), 0);
        assert!(is_due(&record("a", &later), &[other], &now));
    }
}
