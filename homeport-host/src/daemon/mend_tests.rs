//! What has to be mended of routes, by what the ledger and the router have.

use super::*;
use crate::ledger::{RouteChoice, Time};

const ADDRESS: &str = "127.0.0.1:8080";

fn container(n: u32) -> ContainerId {
    format!("{n:064x}").parse().unwrap()
}

fn record(desired: Desired, container: Option<ContainerId>) -> InstanceRecord {
    let time: Time = "2026-11-23T04:00:00.000Z".parse().unwrap();
    InstanceRecord {
        name: "site".parse().unwrap(),
        port: "web".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        image: format!("sha256:{:064x}", 1).parse().unwrap(),
        reference: "web:1".to_owned(),
        manifest: Vec::new(),
        desired,
        container,
        slot: crate::ledger::Slot::First,
        created: time.clone(),
        changed: time,
        overrides: serde_json::Value::Null,
    }
}

fn route() -> RouteRecord {
    RouteRecord {
        instance: "site".parse().unwrap(),
        endpoint: "http".parse().unwrap(),
        listen: "127.0.0.1".to_owned(),
        port: PortNumber::new(8080),
        choice: RouteChoice::Fixed,
        target_port: PortNumber::new(80),
        transport: Transport::Tcp,
    }
}

fn id() -> RouteId {
    RouteId { instance: "site".parse().unwrap(), endpoint: "http".parse().unwrap() }
}

fn status(state: &serde_json::Value) -> RouteStatus {
    serde_json::from_value(serde_json::json!({
        "id": id(), "address": ADDRESS, "state": state, "open": 0, "live": [], "limit": 1, "accepted": 0, "refused": 0,
        "failed": 0, "bytes_from_clients": 0, "bytes_to_clients": 0, "last_error": null,
    }))
    .unwrap()
}

#[test]
fn the_router_is_brought_to_what_the_ledger_has() {
    let reserve = || Mend::Reserve(id(), ADDRESS.parse().unwrap());
    let point = |n| Mend::Point(id(), container(n), PortNumber::new(80));
    let leads = |n| {
        let target = serde_json::json!({"container": container(n).as_str(), "address": "172.17.0.2:80"});
        Some(serde_json::json!({"kind": "running", "generation": 1, "target": target}))
    };
    let held = || Some(serde_json::json!({"kind": "held"}));
    let closed = || Some(serde_json::json!({"kind": "closed"}));
    let (running, stopped) = (Desired::Running, Desired::Stopped);
    for (what, desired, made, work, state, wanted) in [
        ("not bound", running, Some(1), None, None, vec![reserve(), point(1)]),
        ("not bound, no container", running, None, None, None, vec![reserve()]),
        ("not bound, stopped", stopped, Some(1), None, None, vec![reserve(), Mend::Close(id())]),
        ("not bound, cut off", running, Some(1), Some("restart"), None, vec![reserve()]),
        ("not bound, stop cut off", stopped, Some(1), Some("stop"), None, vec![reserve()]),
        ("not bound, removal cut off", stopped, Some(1), Some("remove"), None, vec![]),
        ("not bound, purge cut off", stopped, Some(1), Some("purge"), None, vec![]),
        ("held", running, Some(1), None, held(), vec![point(1)]),
        ("held by an operation", running, Some(1), Some("restart"), held(), vec![]),
        ("held without a container", running, None, None, held(), vec![]),
        ("closed", running, Some(1), None, closed(), vec![point(1)]),
        ("closed, stopped", stopped, Some(1), None, closed(), vec![]),
        ("leads to another", running, Some(2), None, leads(1), vec![point(2)]),
        ("as it should be", running, Some(1), None, leads(1), vec![]),
    ] {
        let records = BTreeMap::from([(id().instance, record(desired, made.map(container)))]);
        let busy = work.map(|kind: &str| (id().instance, kind.to_owned())).into_iter().collect();
        let status: Vec<_> = state.iter().map(status).collect();
        assert_eq!(compare(&[route()], &records, &busy, &BTreeMap::new(), &status), wanted, "{what}");
    }
}

#[test]
fn a_route_lets_in_what_the_ledger_says_before_it_leads_anywhere() {
    let rules = RouteRules { deny: vec!["192.0.2.0/24".parse().unwrap()], ..RouteRules::default() };
    let records = BTreeMap::from([(id().instance, record(Desired::Running, Some(container(1))))]);
    let plan = |wanted: &BTreeMap<RouteId, RouteRules>, status: &[RouteStatus]| {
        compare(&[route()], &records, &Busy::new(), wanted, status)
    };
    let wanted = BTreeMap::from([(id(), rules.clone())]);
    let (reserve, point) =
        (Mend::Reserve(id(), ADDRESS.parse().unwrap()), Mend::Point(id(), container(1), PortNumber::new(80)));
    assert_eq!(plan(&wanted, &[]), [reserve, Mend::SetRules(id(), rules.clone()), point]);
    let target = serde_json::json!({"container": container(1).as_str(), "address": "172.17.0.2:80"});
    let usual = status(&serde_json::json!({"kind": "running", "generation": 1, "target": target}));
    let as_ruled = RouteStatus { rules: rules.clone(), ..usual.clone() };
    assert_eq!(plan(&wanted, std::slice::from_ref(&usual)), [Mend::SetRules(id(), rules)]);
    assert_eq!(plan(&BTreeMap::new(), std::slice::from_ref(&as_ruled)), [Mend::SetRules(id(), RouteRules::default())]);
    assert_eq!(plan(&wanted, &[as_ruled]), []);
    assert_eq!(plan(&BTreeMap::new(), &[usual]), []);
}

/// What a container expects stands in its own manifest, which its image has as a label: an older version beside a newer one is
/// told in its own way.
#[test]
fn a_container_is_told_of_its_clients_as_its_own_manifest_says() {
    let manifest = |says: &str| {
        format!(
            r#"{{"protocol":"1.0","port":{{"id":"mail","version":"1.0.0","title":"Mail"}},"endpoints":{{
            "smtp":{{"port":25,"protocol":"smtp"{says}}},"dns":{{"port":53,"transport":"udp","protocol":"dns"}}}}}}"#
        )
    };
    let port = PortNumber::new;
    for (says, asked, wanted) in [
        ("", 25, Announcement::None),
        (r#","proxy_protocol":"none""#, 25, Announcement::None),
        (r#","proxy_protocol":"v1""#, 25, Announcement::ProxyV1),
        (r#","proxy_protocol":"v2""#, 25, Announcement::ProxyV2),
        (r#","proxy_protocol":"v2""#, 26, Announcement::None),
    ] {
        let text = manifest(says);
        assert!(manifest::parse(text.as_bytes()).is_ok(), "{text}");
        assert_eq!(announcement(&Labels::new().with(LABEL_MANIFEST, &text), port(asked)), wanted, "{says} {asked}");
    }
    assert_eq!(announcement(&Labels::new(), port(25)), Announcement::None);
    assert_eq!(announcement(&Labels::new().with(LABEL_MANIFEST, "{"), port(25)), Announcement::None);
}
