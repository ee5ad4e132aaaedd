//! The text of configurations, word for word, and that a real haproxy takes each.

use std::net::TcpListener;
use std::num::NonZeroU32;

use homeport_router::PortRange;

use super::super::program::Program;
use super::*;

fn rules(allow: &[&str], deny: &[&str]) -> RouteRules {
    let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    RouteRules { allow: networks(allow), deny: networks(deny), ..RouteRules::default() }
}

/// From this address.
fn source(own: &str) -> Source {
    Source(Some((own.parse().unwrap(), PortRange::parse_kernel("61000 65535").unwrap())))
}

/// A configuration of each kind, by name.
fn configurations() -> Vec<(&'static str, String)> {
    let id = RouteId { instance: "alice".parse().unwrap(), endpoint: "ssh".parse().unwrap() };
    let limited = RouteRules {
        connections: NonZeroU32::new(40),
        per_source: NonZeroU32::new(4),
        new_per_second: NonZeroU32::new(10),
        idle_seconds: NonZeroU32::new(900),
        ..rules(&["198.51.100.0/24", "2001:db8::/32"], &["198.51.100.128/25", "::/0", "10.0.0.0/8"])
    };
    let rows = [
        ("usual", "*:2222", RouteRules::default(), 512, source("172.18.0.1"), 1),
        ("limited", "192.0.2.1:443", limited, 40, source("172.18.0.1"), 2),
        ("only_ipv4", "*:25", rules(&["10.0.0.0/8"], &[]), 512, Source(None), 3),
        ("only_ipv6", "[::1]:25", rules(&["fd00::/8"], &["fd00:1::/32"]), 512, source("fd00::1"), u32::MAX),
    ];
    let text = |(name, address, rules, limit, source, number): (_, &str, RouteRules, usize, Source, u32)| {
        let address = address.parse().unwrap();
        (name, Config { id: &id, address, rules: &rules, limit, source, number }.to_string())
    };
    rows.into_iter().map(text).collect()
}

#[test]
fn the_text_of_each_configuration_is_as_it_was() {
    for (name, text) in configurations() {
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn the_real_program_takes_each_configuration() {
    let program = Program::find().expect("haproxy is not installed: `cargo xtask setup` does it");
    assert!(program.version().unwrap() >= super::super::program::OLDEST);
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in configurations() {
        std::fs::write(dir.path().join("c.cfg"), text).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        program.check(dir.path(), "c.cfg", socket.into()).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
    std::fs::write(dir.path().join("c.cfg"), "frontend f\n    bind fd@0\n    bend it\n").unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let why = program.check(dir.path(), "c.cfg", socket.into()).unwrap_err();
    assert!(why.starts_with("it refuses its configuration: ") && why.contains("'bend'"), "{why}");
}

#[test]
fn no_list_of_networks_makes_a_line_that_is_cut() {
    // Longer lines than 2,048 bytes are refused.
    let many: Vec<String> = (0..=255).map(|n| format!("2001:db8:{n}::/48")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let id = RouteId { instance: "a".repeat(40).parse().unwrap(), endpoint: "ssh".parse().unwrap() };
    let (address, rules, source) = ("*:1".parse().unwrap(), rules(&many, &many), source("172.18.0.1"));
    let config = Config { id: &id, address, rules: &rules, limit: 1, source, number: 1 };
    assert!(config.to_string().lines().all(|line| line.len() < 200));
}
