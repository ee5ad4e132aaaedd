//! Owns what the kernel's address translation can do for a route, and whether this machine can do it. Never changes anything.

use std::fs;

use homeport_router::{AccessLog, Backend, ListenHost, RouteRules};

use super::command::{find, run};
use super::ruleset::{Known, whole};
use super::table::TableName;
use crate::accelerator::{Asked, Obstacle, Offer};

const BACKEND: Backend = Backend::Nftables;
const FORWARDS: &str = "net.ipv4.ip_forward";

/// What it has to offer, as this machine is now.
pub(super) fn offer(table: &TableName) -> Offer {
    let mut lacks = Vec::new();
    if find("nft").is_none() {
        lacks.push(Obstacle::NoProgram { backend: BACKEND, program: "nft", package: "nftables" });
    } else if let Err(why) = run("nft", &["-c", "-f", "-"], &whole(table, &[], &Known::new())) {
        // A transaction that the kernel looks at and does not carry out.
        lacks.push(Obstacle::NotAble { backend: BACKEND, why });
    }
    if !is_on(FORWARDS) {
        lacks.push(Obstacle::NotForwarding { backend: BACKEND, setting: FORWARDS });
    }
    Offer { lacks, refuses }
}

/// Whether a setting of the kernel is other than 0.
pub(super) fn is_on(setting: &str) -> bool {
    let path = format!("/proc/sys/{}", setting.replace('.', "/"));
    fs::read_to_string(path).is_ok_and(|text| text.trim() != "0")
}

/// What it cannot do for a route. Numbers are counted by the router, past which it leads.
fn refuses(asked: &Asked<'_>) -> Vec<Obstacle> {
    let backend = BACKEND;
    // Each rule that there is has to be named here, with whether it can be kept.
    let RouteRules {
        connections,
        per_source,
        new_per_second,
        idle_seconds,
        log,
        allow: _,
        deny: _,
        // The router holds clients.
        hold_seconds: _,
        // Who is led is seen as who it is.
        source: _,
        backend: _,
    } = asked.rules;
    let rules = [
        (connections.is_some(), "--connections"),
        (per_source.is_some(), "--per-source"),
        (new_per_second.is_some(), "--new-per-second"),
        (idle_seconds.is_some(), "--idle"),
        (*log == AccessLog::On, "--log"),
    ];
    let unkept = rules.into_iter().filter(|(is_there, _)| *is_there);
    let unkept = unkept.map(|(_, option)| Obstacle::NotKept { backend, option });
    let announced = (!asked.announcement.is_none()).then_some(Obstacle::Announced { backend });
    let is_loopback = |host| matches!(host, ListenHost::Ip(ip) if ip.is_loopback());
    let loopback = asked.address.filter(|address| is_loopback(address.host()));
    unkept.chain(announced).chain(loopback.map(|address| Obstacle::Loopback { backend, address })).collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use homeport_router::{Announcement, SourceAddress};

    use super::*;

    #[test]
    fn what_it_cannot_do_for_a_route_is_said_all_at_once() {
        let some = NonZeroU32::new(4);
        let rules = RouteRules {
            connections: some,
            per_source: some,
            new_per_second: some,
            idle_seconds: some,
            hold_seconds: some,
            log: AccessLog::On,
            source: SourceAddress::Client,
            allow: vec!["10.0.0.0/8".parse().unwrap()],
            deny: vec!["10.1.0.0/16".parse().unwrap()],
            backend: BACKEND,
        };
        let address = Some("127.0.0.1:2222".parse().unwrap());
        let asked = Asked { rules: &rules, address, announcement: Announcement::ProxyV1 };
        let said: Vec<String> = refuses(&asked).iter().map(Obstacle::to_string).collect();
        insta::assert_snapshot!(said.join("\n"), @r"
        `nftables` cannot keep `--connections`
        `nftables` cannot keep `--per-source`
        `nftables` cannot keep `--new-per-second`
        `nftables` cannot keep `--idle`
        `nftables` cannot keep `--log`
        `nftables` cannot tell a container who its clients are, and the port wants that (`proxy_protocol`)
        `nftables` cannot lead clients from `127.0.0.1:2222`, which only this machine itself reaches
        ");
        let plain = RouteRules {
            connections: None,
            per_source: None,
            new_per_second: None,
            idle_seconds: None,
            log: AccessLog::Off,
            ..rules
        };
        let asked = Asked { rules: &plain, address: Some("*:2222".parse().unwrap()), announcement: Announcement::None };
        assert_eq!(refuses(&asked), vec![]);
    }

    #[test]
    fn a_setting_of_the_kernel_is_read_by_its_name() {
        assert!(is_on("kernel.pid_max") && !is_on("net.ipv4.no_such_setting"));
    }
}
