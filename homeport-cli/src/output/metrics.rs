//! Owns the counters of public addresses in the text format that Prometheus and its kin read. Never asks the daemon.

use homeport_host::operation::RouteView;
use homeport_host::routes::{Backend, Datagrams, RefusedBecause, RouteState, RouteStatus};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Render;
use super::page::Page;

/// The counters of every public address.
#[derive(Debug, serde::Serialize)]
pub(crate) struct MetricsReport {
    pub(crate) routes: Vec<RouteView>,
}

/// Which public address.
type Labels = [(&'static str, String); 3];
/// Which public address, and one thing more of it.
type MoreLabels = (Labels, [(&'static str, &'static str); 1]);

const fn reasons(refused: &RefusedBecause) -> [(&'static str, u64); 5] {
    [
        ("closed", refused.closed),
        ("full", refused.full),
        ("source-full", refused.source_full),
        ("too-fast", refused.too_fast),
        ("not-allowed", refused.not_allowed),
    ]
}

const fn fates(counted: &Datagrams) -> [(&'static str, u64); 5] {
    [
        ("received", counted.from_clients),
        ("sent", counted.to_clients),
        ("crowded-out", counted.crowded_out),
        ("unreachable", counted.unreachable),
        ("unsent", counted.unsent),
    ]
}

/// Every state that a route can be in.
const STATES: [&str; 4] = ["held", "running", "closed", "lost"];

/// The state that a route is in; `lost` is one that the daemon does not hold.
const fn state_of(route: &RouteView) -> &'static str {
    match &route.live {
        None => "lost",
        Some(live) => match live.state {
            RouteState::Held => "held",
            RouteState::Running { .. } => "running",
            RouteState::Closed => "closed",
        },
    }
}

impl Render for MetricsReport {
    fn text(&self, page: &mut Page) {
        let mut text = String::new();
        // Writing to a string does not fail.
        encode(&mut text, &self.registry()).ok();
        text.lines().for_each(|line| page.line(line));
    }
}

impl MetricsReport {
    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("homeport_route");
        let mut gauge = |name: &str, help: &str, value: fn(&RouteStatus) -> i64| {
            let family = Family::<Labels, Gauge>::default();
            for (labels, live) in self.held() {
                family.get_or_create(&labels).set(value(live));
            }
            registry.register(name, help, family);
        };
        gauge("open", "Clients that are accepted and not ended", |live| saturated(live.open));
        gauge("waiting", "Clients that are accepted and wait until a place is free", |live| saturated(live.waiting));
        gauge("connected", "Clients that are connected with a container", |live| {
            saturated(live.live.iter().map(|one| one.connections).sum())
        });
        gauge("limit", "How many clients may be open at once", |live| saturated(live.limit));
        let states = Family::<MoreLabels, Gauge>::default();
        for route in &self.routes {
            for state in STATES {
                let value = i64::from(state == state_of(route));
                states.get_or_create(&(labels(route), [("state", state)])).set(value);
            }
        }
        registry.register("state", "Whether the address is in the state, 1 or 0", states);
        let carried = Family::<MoreLabels, Gauge>::default();
        for (labels, live) in self.held() {
            let by = live.carried.as_ref().map_or(Backend::Builtin, |carried| carried.by);
            for backend in Backend::ALL {
                let more = [("backend", backend.as_str())];
                carried.get_or_create(&(labels.clone(), more)).set(i64::from(backend == by));
            }
        }
        registry.register("carried_by", "Whether this carries new clients, 1 or 0", carried);
        let mut counter = |name: &str, help: &str, unit: Option<Unit>, value: fn(&RouteStatus) -> u64| {
            let family = Family::<Labels, Counter>::default();
            for (labels, live) in self.held() {
                family.get_or_create(&labels).inc_by(value(live));
            }
            match unit {
                Some(unit) => registry.register_with_unit(name, help, unit, family),
                None => registry.register(name, help, family),
            }
        };
        counter("accepted", "Clients that were accepted; none of those that nftables carries", None, |live| {
            live.accepted
        });
        let refused = Family::<MoreLabels, Counter>::default();
        for (labels, live) in self.held() {
            for (why, number) in reasons(&live.refused_because) {
                refused.get_or_create(&(labels.clone(), [("why", why)])).inc_by(number);
            }
        }
        let datagrams = Family::<MoreLabels, Counter>::default();
        for (labels, live) in self.held() {
            for (fate, number) in live.datagrams.iter().flat_map(fates) {
                datagrams.get_or_create(&(labels.clone(), [("fate", fate)])).inc_by(number);
            }
        }
        counter("failed", "Clients that were reset because the container was not reached", None, |live| live.failed);
        counter("idle", "Connections that were ended because nothing went over them", None, |live| live.idle);
        counter("received", "What came from clients; nothing of what nftables carries", Some(Unit::Bytes), |live| {
            live.bytes_from_clients
        });
        counter("sent", "What went to clients; nothing of what nftables carries", Some(Unit::Bytes), |live| {
            live.bytes_to_clients
        });
        registry.register("refused", "Clients that were reset before they reached a container, by why", refused);
        registry.register("datagrams", "Datagrams, over UDP, by what became of them", datagrams);
        registry
    }

    fn held(&self) -> impl Iterator<Item = (Labels, &RouteStatus)> {
        self.routes.iter().filter_map(|route| Some((labels(route), route.live.as_ref()?)))
    }
}

fn labels(route: &RouteView) -> Labels {
    [
        ("instance", route.instance.to_string()),
        ("endpoint", route.endpoint.to_string()),
        ("address", route.address.to_string()),
    ]
}

fn saturated(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use homeport_host::routes::{Carried, RouteRules};

    use super::super::{Format, render};
    use super::*;

    #[test]
    fn each_address_has_its_counters_and_exactly_one_state() {
        let text = r#"{"id":{"instance":"alice","endpoint":"ssh"},"address":"*:2222","state":{"kind":"held"},"open":4,"waiting":2,
            "live":[{"generation":2,"container":"0c1d22","connections":1}],"limit":512,"accepted":1200,"refused":3,
            "refused_because":{"closed":2,"full":0,"source_full":0,"too_fast":0,"not_allowed":1},"failed":1,"bytes_from_clients":52000,"bytes_to_clients":7400000,"last_error":null}"#;
        let view = |instance: &str, live| RouteView {
            instance: instance.parse().unwrap(),
            endpoint: "ssh".parse().unwrap(),
            address: "*:2222".parse().unwrap(),
            rules: RouteRules::default(),
            live,
            why_closed: None,
        };
        let live: RouteStatus = serde_json::from_str(text).unwrap();
        let datagrams = Some(Datagrams { from_clients: 70, unreachable: 2, ..Datagrams::default() });
        let carried = Some(Carried { by: Backend::Haproxy, obstacles: Vec::new(), connections: 0, moved: None });
        let names = RouteView {
            address: "*:53/udp".parse().unwrap(),
            ..view("names", Some(RouteStatus { datagrams, carried, ..live.clone() }))
        };
        let report = MetricsReport { routes: vec![view("alice", Some(live)), view("bob", None), names] };
        let text = render(Format::Text, &report).unwrap();
        let labels = |name: &str| format!(r#"instance="{name}",endpoint="ssh",address="*:2222""#);
        for (metric, value) in [
            ("open", 4),
            ("waiting", 2),
            ("connected", 1),
            ("limit", 512),
            ("accepted_total", 1_200),
            ("failed_total", 1),
            ("received_bytes_total", 52_000),
            ("sent_bytes_total", 7_400_000),
        ] {
            let wanted = format!("homeport_route_{metric}{{{}}} {value}", labels("alice"));
            assert!(text.lines().any(|line| line == wanted), "{wanted}\n{text}");
        }
        for (why, value) in [("closed", 2), ("full", 0), ("not-allowed", 1)] {
            let wanted = format!("homeport_route_refused_total{{{},why=\"{why}\"}} {value}", labels("alice"));
            assert!(text.lines().any(|line| line == wanted), "{wanted}\n{text}");
        }
        let of_names = r#"instance="names",endpoint="ssh",address="*:53/udp""#;
        for (labels, backend, value) in [
            (labels("alice").as_str(), "builtin", 1),
            (labels("alice").as_str(), "nftables", 0),
            (of_names, "haproxy", 1),
            (of_names, "builtin", 0),
        ] {
            let wanted = format!("homeport_route_carried_by{{{labels},backend=\"{backend}\"}} {value}");
            assert!(text.lines().any(|line| line == wanted), "{wanted}\n{text}");
        }
        for (fate, value) in [("received", 70), ("sent", 0), ("unreachable", 2)] {
            let wanted = format!("homeport_route_datagrams_total{{{of_names},fate=\"{fate}\"}} {value}");
            assert!(text.lines().any(|line| line == wanted), "{wanted}\n{text}");
        }
        assert!(!text.contains("datagrams_total{instance=\"alice\""), "{text}");
        for (name, now) in [("alice", "held"), ("bob", "lost")] {
            for state in STATES {
                let value = i32::from(state == now);
                let wanted = format!("homeport_route_state{{{},state=\"{state}\"}} {value}", labels(name));
                assert!(text.lines().any(|line| line == wanted), "{wanted}\n{text}");
            }
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
