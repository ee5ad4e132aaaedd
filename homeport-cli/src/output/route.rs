//! Owns how public addresses are shown: all of them in a table, one with everything that is known, and what goes over them.
//! Never asks the daemon.

use homeport_core::name::InstanceName;
use homeport_core::unit::Bytes;
use homeport_host::operation::{InForce, LifecycleOutcome, RouteRate, RouteSet, RouteView};
use homeport_host::routes::{Backend, Carried, Datagrams, RouteRules, RouteState, RouteStatus};

use super::page::Page;
use super::table::Table;
use super::{Render, daemon, size};

/// Every route.
#[derive(Debug, serde::Serialize)]
pub(crate) struct RoutesReport {
    pub(crate) routes: Vec<RouteView>,
}

impl Render for RoutesReport {
    fn text(&self, page: &mut Page) {
        if self.routes.is_empty() {
            page.line("there are no public addresses");
            return;
        }
        let mut table = Table::new(&["INSTANCE", "ENDPOINT", "ADDRESS", "STATE", "OPEN"]);
        for route in &self.routes {
            let state = route.live.as_ref().map_or_else(|| NOT_HELD.to_owned(), daemon::state);
            table.row([
                route.instance.to_string(),
                route.endpoint.to_string(),
                route.address.to_string(),
                state,
                route.live.as_ref().map(|live| live.open.to_string()).unwrap_or_default(),
            ]);
        }
        table.write(page, "");
        not_held(&self.routes, page);
    }
}

/// Those that the daemon does not hold, and why.
fn not_held(routes: &[RouteView], page: &mut Page) {
    for route in routes.iter().filter(|route| route.live.is_none()) {
        let why = route.why_closed.as_deref().unwrap_or(UNKNOWN);
        page.line(format_args!("`{}/{}` is {NOT_HELD}: {why}", route.instance, route.endpoint));
    }
}

const NOT_HELD: &str = "not held by the daemon";
const UNKNOWN: &str = "it does not say why; its log may";

/// Some routes, with everything that is known of each.
#[derive(Debug, serde::Serialize)]
pub(crate) struct RouteDetails {
    pub(crate) instance: InstanceName,
    pub(crate) routes: Vec<RouteView>,
}

impl Render for RouteDetails {
    fn text(&self, page: &mut Page) {
        if self.routes.is_empty() {
            page.line(format_args!("`{}` has no public address", self.instance));
        }
        for (number, route) in self.routes.iter().enumerate() {
            if number > 0 {
                page.gap();
            }
            page.line(format_args!("`{}/{}` on {}", route.instance, route.endpoint, route.address));
            if let Some(live) = &route.live {
                details(live, page);
                continue;
            }
            page.line(format_args!("  {NOT_HELD}: {}", route.why_closed.as_deref().unwrap_or(UNKNOWN)));
            page.line(format_args!("  is to let in: {}", route.rules));
            page.line(format_args!("  is to be carried by: {}", route.rules.backend));
        }
    }
}

fn details(live: &RouteStatus, page: &mut Page) {
    match &live.state {
        RouteState::Running { target, .. } => page.line(format_args!("  leads to {target}")),
        RouteState::Held | RouteState::Closed => page.line(format_args!("  {}", daemon::state(live))),
    }
    page.line(format_args!("  lets in: {}", live.rules));
    carried(live.rules.backend, live.carried.as_ref(), page);
    page.line(format_args!("  open: {}, of {} at most", live.open, live.limit));
    fewer(&live.rules, live.limit, page);
    for one in &live.live {
        page.line(format_args!("    {} with container {}", one.connections, one.container));
    }
    if live.waiting > 0 {
        page.line(format_args!("  waiting until a place is free: {}", live.waiting));
    }
    page.line(format_args!(
        "  since the daemon began: {} accepted, {} refused, {} failed (container not reached)",
        live.accepted, live.refused, live.failed
    ));
    if live.carried.as_ref().is_some_and(|carried| carried.by == Backend::Nftables) {
        page.line("    clients that nftables carries are in none of these numbers");
    }
    let why = live.refused_because;
    let refused = [
        (why.closed, "because it was closed"),
        (why.full, "because it was full"),
        (why.source_full, "because of too many from one source"),
        (why.too_fast, "because of too many in a second"),
        (why.not_allowed, "because they may not come"),
    ];
    for (number, why) in refused.iter().filter(|(number, _)| *number > 0) {
        page.line(format_args!("    {number} refused {why}"));
    }
    if live.idle > 0 {
        page.line(format_args!("    {} ended because nothing went over them", live.idle));
    }
    let (from, to) = (size(Bytes::new(live.bytes_from_clients)), size(Bytes::new(live.bytes_to_clients)));
    page.line(format_args!("  {from} came from clients, {to} went to them"));
    if let Some(counted) = &live.datagrams {
        datagrams(counted, page);
    }
    if let Some(error) = &live.last_error {
        page.line(format_args!("  {}: {error}", daemon::last_error(live)));
    }
}

/// That fewer may be open than the rules say.
fn fewer(rules: &RouteRules, limit: usize, page: &mut Page) {
    let wished = rules.connections.map_or(0, |wished| usize::try_from(wished.get()).unwrap_or(usize::MAX));
    if wished > limit {
        page.line(format_args!(
            "    {wished} are wished for; the daemon's limit of open files allows no more than {limit} on one address"
        ));
    }
}

/// What carries clients, and why it is not what is wished for.
fn carried(wished: Backend, carried: Option<&Carried>, page: &mut Page) {
    let by = carried.map_or(Backend::Builtin, |carried| carried.by);
    if by == wished {
        page.line(format_args!("  carried by: {by}"));
    } else {
        page.line(format_args!("  carried by: {by}, where {wished} is wished for"));
    }
    let Some(carried) = carried else { return };
    for obstacle in &carried.obstacles {
        page.line(format_args!("    since {obstacle}"));
    }
    if by != wished && carried.obstacles.is_empty() {
        page.line("    since it leads to no container now: whoever waits, or is turned away, is with HomePort itself");
    }
    if carried.connections > 0 {
        let moved = carried.moved.map_or_else(
            || "how much they moved is not counted (`net.netfilter.nf_conntrack_acct`)".to_owned(),
            |moved| {
                let (from, to) = (size(Bytes::new(moved.from_clients)), size(Bytes::new(moved.to_clients)));
                format!("{from} came from their clients, {to} went to them")
            },
        );
        let count = match carried.connections {
            1 => "1 connection goes".to_owned(),
            connections => format!("{connections} connections go"),
        };
        page.line(format_args!("    {count} past HomePort; {moved}"));
    }
}

fn datagrams(counted: &Datagrams, page: &mut Page) {
    let (from, to) = (counted.from_clients, counted.to_clients);
    page.line(format_args!("  datagrams: {from} came from clients, {to} went to them, {} wait", counted.waiting));
    let dropped = [
        (counted.crowded_out, "for lack of room"),
        (counted.unreachable, "because nobody in the container takes them"),
        (counted.unsent, "because they could not be sent"),
    ];
    for (number, why) in dropped.iter().filter(|(number, _)| *number > 0) {
        page.line(format_args!("    {number} dropped {why}"));
    }
}

impl Render for RouteSet {
    fn text(&self, page: &mut Page) {
        let unchanged = if self.outcome == LifecycleOutcome::Unchanged { ", as before" } else { "" };
        page.line(format_args!("`{}/{}` lets in: {}{unchanged}", self.instance, self.endpoint, self.rules));
        if let Some(limit) = self.limit {
            fewer(&self.rules, limit, page);
        }
        match (&self.carried, self.in_force) {
            (_, InForce::Later) => {
                page.line("  the daemon holds no such address now; it goes by this as soon as it does");
            }
            (None, InForce::Now) => {}
            (Some(now), InForce::Now) => {
                carried(self.rules.backend, Some(now), page);
                if now.by == Backend::Nftables {
                    page.line(
                        "  this machine's firewall rules for what comes in do not apply to them; `--allow` and `--deny` do",
                    );
                }
            }
        }
    }
}

/// What goes over each route now.
#[derive(Debug, serde::Serialize)]
pub(crate) struct RatesReport {
    /// The time that the rates are the average of.
    pub(crate) seconds: f64,
    pub(crate) routes: Vec<RouteRate>,
    /// Those over which nothing can go.
    pub(crate) not_held: Vec<RouteView>,
}

impl Render for RatesReport {
    fn text(&self, page: &mut Page) {
        if self.routes.is_empty() {
            page.line("the daemon holds no public address");
            not_held(&self.not_held, page);
            return;
        }
        let mut table =
            Table::new(&["INSTANCE", "ENDPOINT", "ADDRESS", "BY", "OPEN", "WAIT", "NEW/S", "RESET/S", "IN/S", "OUT/S"]);
        for route in &self.routes {
            let unknown = || "?".to_owned();
            table.row([
                route.instance.to_string(),
                route.endpoint.to_string(),
                route.address.to_string(),
                route.carried_by.to_string(),
                route.connected.to_string(),
                route.waiting.to_string(),
                route.accepted.map_or_else(unknown, |rate| format!("{rate:.1}")),
                format!("{:.1}", route.reset),
                route.bytes_from_clients.map_or_else(unknown, bytes),
                route.bytes_to_clients.map_or_else(unknown, bytes),
            ]);
        }
        table.write(page, "");
        if self.routes.iter().any(|route| route.accepted.is_none()) {
            page.line("`?`: what nftables carries is counted by nobody but for the connections that are open");
        }
        not_held(&self.not_held, page);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is neither negative nor near 2^64")]
fn bytes(rate: f64) -> String {
    size(Bytes::new(rate as u64))
}

#[cfg(test)]
mod tests {
    use homeport_host::routes::{ListenAddress, Moved, RouteStatus};

    use super::super::{Format, render};
    use super::*;

    fn live() -> RouteStatus {
        let text = r#"{"id":{"instance":"alice","endpoint":"ssh"},"address":"*:2222","state":{"kind":"running",
            "generation":3,"target":{"container":"4fa6e0","address":"172.18.0.2:2222"}},"open":4,"waiting":1,"live":[
            {"generation":2,"container":"0c1d22","connections":1},{"generation":3,"container":"4fa6e0","connections":2}],
            "limit":512,"rules":{"per_source":4,"deny":["192.0.2.0/24"]},"accepted":1200,"refused":3,"refused_because":{
            "closed":0,"full":2,"source_full":0,"too_fast":0,"not_allowed":1},"failed":1,"idle":5,"bytes_from_clients":52000,"bytes_to_clients":7400000,
            "last_error":"a client was reset: 172.18.0.2:2222 in container 4fa6e0 was not reached in 10 s"}"#;
        serde_json::from_str(text).unwrap()
    }

    fn view(live: Option<RouteStatus>) -> RouteView {
        let (instance, endpoint) = ("alice".parse().unwrap(), "ssh".parse().unwrap());
        let rules = live.as_ref().map(|live| live.rules.clone()).unwrap_or_default();
        let why_closed = live.is_none().then(|| "`*:2222` cannot be listened on: process 7 (`nc`) holds it".to_owned());
        RouteView { instance, endpoint, address: "*:2222".parse().unwrap(), rules, live, why_closed }
    }

    #[test]
    fn everything_that_is_known_of_a_route() {
        let instance: InstanceName = "alice".parse().unwrap();
        let none = RouteDetails { instance: instance.clone(), routes: Vec::new() };
        assert_eq!(render(Format::Text, &none).unwrap(), "`alice` has no public address\n");
        let report = RouteDetails { instance, routes: vec![view(Some(live())), view(None)] };
        insta::assert_snapshot!(render(Format::Text, &report).unwrap(), @r"
        `alice/ssh` on *:2222
          leads to 172.18.0.2:2222 in container 4fa6e0
          lets in: everybody, but 192.0.2.0/24, 4 from one source at once
          carried by: builtin
          open: 4, of 512 at most
            1 with container 0c1d22
            2 with container 4fa6e0
          waiting until a place is free: 1
          since the daemon began: 1200 accepted, 3 refused, 1 failed (container not reached)
            2 refused because it was full
            1 refused because they may not come
            5 ended because nothing went over them
          52.0 kB came from clients, 7.4 MB went to them
          last error: a client was reset: 172.18.0.2:2222 in container 4fa6e0 was not reached in 10 s

        `alice/ssh` on *:2222
          not held by the daemon: `*:2222` cannot be listened on: process 7 (`nc`) holds it
          is to let in: everybody
          is to be carried by: builtin
        ");
    }

    #[test]
    fn what_carries_a_route_and_why_it_is_not_what_is_wished_for() {
        let told = |by, connections, moved, obstacles: &[&str]| {
            let obstacles = obstacles.iter().map(|text| (*text).to_owned()).collect();
            let mut page = Page::default();
            carried(Backend::Nftables, Some(&Carried { by, obstacles, connections, moved }), &mut page);
            page.into_text()
        };
        assert_eq!(told(Backend::Nftables, 0, None, &[]), "  carried by: nftables\n");
        let moved = Some(Moved { from_clients: 1_000, to_clients: 2_000 });
        let text = told(Backend::Nftables, 3, moved, &[]) + &told(Backend::Builtin, 1, None, &["`nft` is gone"]);
        insta::assert_snapshot!(text, @r"
          carried by: nftables
            3 connections go past HomePort; 1.0 kB came from their clients, 2.0 kB went to them
          carried by: builtin, where nftables is wished for
            since `nft` is gone
            1 connection goes past HomePort; how much they moved is not counted (`net.netfilter.nf_conntrack_acct`)
        ");
    }

    #[test]
    fn what_became_of_datagrams_is_told_with_their_route() {
        let datagrams =
            Datagrams { from_clients: 1_000, to_clients: 990, waiting: 3, crowded_out: 4, unreachable: 0, unsent: 1 };
        let address: ListenAddress = "*:53/udp".parse().unwrap();
        let live = RouteStatus { address, datagrams: Some(datagrams), last_error: None, ..live() };
        let instance: InstanceName = "alice".parse().unwrap();
        let report = RouteDetails { instance, routes: vec![RouteView { address, ..view(Some(live)) }] };
        let text = render(Format::Text, &report).unwrap();
        assert!(text.starts_with("`alice/ssh` on *:53/udp\n"), "{text}");
        let told = "  datagrams: 1000 came from clients, 990 went to them, 3 wait
    4 dropped for lack of room
    1 dropped because they could not be sent
";
        assert!(text.ends_with(told), "{text}");
        let json: serde_json::Value = serde_json::from_str(&render(Format::Json, &report).unwrap()).unwrap();
        let route = &json["routes"][0];
        assert_eq!((&route["address"], &route["live"]["datagrams"]["unsent"]), (&"*:53/udp".into(), &1.into()));
    }

    #[test]
    fn what_goes_over_a_route_now() {
        let rate = RouteRate {
            instance: "alice".parse().unwrap(),
            endpoint: "ssh".parse().unwrap(),
            address: "*:2222".parse().unwrap(),
            carried_by: Backend::Haproxy,
            connected: 12,
            waiting: 1,
            accepted: Some(2.25),
            reset: 0.0,
            bytes_from_clients: Some(1_500.9),
            bytes_to_clients: Some(2_000_000.0),
        };
        let (endpoint, carried_by) = ("web".parse().unwrap(), Backend::Nftables);
        let (accepted, bytes_from_clients, bytes_to_clients) = (None, None, None);
        let uncounted =
            RouteRate { endpoint, carried_by, accepted, bytes_from_clients, bytes_to_clients, ..rate.clone() };
        let report = RatesReport { seconds: 2.0, routes: vec![rate, uncounted], not_held: vec![view(None)] };
        insta::assert_snapshot!(render(Format::Text, &report).unwrap(), @r"
        INSTANCE  ENDPOINT  ADDRESS  BY        OPEN  WAIT  NEW/S  RESET/S  IN/S    OUT/S
        alice     ssh       *:2222   haproxy   12    1     2.2    0.0      1.5 kB  2.0 MB
        alice     web       *:2222   nftables  12    1     ?      0.0      ?       ?
        `?`: what nftables carries is counted by nobody but for the connections that are open
        `alice/ssh` is not held by the daemon: `*:2222` cannot be listened on: process 7 (`nc`) holds it
        ");
        let json: serde_json::Value = serde_json::from_str(&render(Format::Json, &report).unwrap()).unwrap();
        assert_eq!((json["seconds"].as_f64(), json["routes"][0]["accepted"].as_f64()), (Some(2.0), Some(2.25)));
    }
}
