//! Routes that the kernel leads past the router, in networks of the test's own: a host with a client beside it and containers behind
//! it. Needs root, `nft`, `iptables` and `ip`.

mod network;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use homeport_core::manifest::Transport;
use homeport_router::{Backend, ListenAddress, RouteId, RouteRules, RouteState, Target};

use self::network::{CLIENT_V4, Container, HOST_V4, HOST_V6, Network, PATIENCE, Side};
use crate::accelerator::{Accelerator as _, Accelerators, Nftables, Silent};

const PORT: u16 = 2222;

fn id() -> RouteId {
    RouteId { instance: "site".parse().unwrap(), endpoint: "e".parse().unwrap() }
}

fn everywhere() -> ListenAddress {
    format!("*:{PORT}").parse().unwrap()
}

fn by(backend: Backend) -> RouteRules {
    RouteRules { backend, ..RouteRules::default() }
}

/// What carries the route, and why it is not what is wished for.
fn carried(network: &Network) -> (Backend, Vec<String>) {
    let told = network.addresses().told().0.remove(0).carried.unwrap_or_default();
    (told.by, told.obstacles)
}

/// A network whose route leads to this container by the kernel.
fn led_to(container: Container) -> Network {
    let network = Network::new();
    network.start(container);
    network.addresses().reserve(&id(), everywhere()).unwrap();
    network.addresses().set_rules(&id(), by(Backend::Nftables)).unwrap();
    network.addresses().point(&id(), container.target()).unwrap();
    assert_eq!(carried(&network), (Backend::Nftables, vec![]));
    network
}

fn v4() -> SocketAddr {
    (HOST_V4, PORT).into()
}

fn v6() -> SocketAddr {
    (HOST_V6, PORT).into()
}

#[test]
fn a_client_is_led_by_the_kernel_and_the_container_sees_who_it_is() {
    let network = led_to(Container::V4(2));
    assert_eq!(network.ask(Side::Client, v4()).unwrap(), format!("2 {CLIENT_V4}"));
    // The same route by IPv6, which this container does not have: through the router.
    assert_eq!(network.ask(Side::Client, v6()).unwrap(), "2 172.18.0.1");
    network.end();
}

#[test]
fn a_container_with_an_ipv6_address_is_led_to_by_that() {
    let network = led_to(Container::V6(2));
    assert_eq!(network.ask(Side::Client, v6()).unwrap(), "2 2001:db8:9::2");
    assert_eq!(network.ask(Side::Client, v4()).unwrap(), "2 fd00:18::1");
    network.end();
}

/// Which of the paths of a client are the kernel's, and which are left to the router since an answer would not come back.
#[test]
fn every_path_works_and_those_whose_answer_would_not_come_back_are_the_routers() {
    let network = led_to(Container::V4(2));
    network.start(Container::V4(3));
    let local = |text: &str| -> SocketAddr { format!("{text}:{PORT}").parse().unwrap() };
    for (side, to, wanted) in [
        (Side::Client, v4(), format!("2 {CLIENT_V4}")),
        (Side::Host, v4(), format!("2 {HOST_V4}")),
        (Side::Host, local("127.0.0.1"), "2 172.18.0.1".to_owned()),
        (Side::Host, local("[::1]"), "2 172.18.0.1".to_owned()),
        // Beside the container, and the container itself.
        (Side::Container(3), v4(), "2 172.18.0.1".to_owned()),
        (Side::Container(2), v4(), "2 172.18.0.1".to_owned()),
        (Side::Container(2), local("172.18.0.1"), "2 172.18.0.1".to_owned()),
    ] {
        assert_eq!(network.ask(side, to).unwrap_or_else(|error| format!("{error}")), wanted, "{side:?} to {to}");
    }
    // What the host only forwards is none of its own.
    let beyond = network.ask(Side::Client, (std::net::Ipv4Addr::new(172, 18, 0, 3), PORT).into());
    assert_eq!(beyond.map_err(|error| error.kind()), Err(ErrorKind::ConnectionRefused));
    network.end();
}

#[test]
fn who_may_not_come_is_left_to_the_router_which_refuses_and_counts() {
    let network = led_to(Container::V4(2));
    let rules = RouteRules { deny: vec!["10.9.0.0/24".parse().unwrap()], ..by(Backend::Nftables) };
    network.addresses().set_rules(&id(), rules).unwrap();
    let refused = network.ask(Side::Client, v4()).map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::ConnectionReset));
    assert_eq!(network.addresses().bound()[0].refused_because.not_allowed, 1);
    let rules = RouteRules { allow: vec!["10.9.0.2/32".parse().unwrap()], ..by(Backend::Nftables) };
    network.addresses().set_rules(&id(), rules).unwrap();
    assert_eq!(network.ask(Side::Client, v4()).unwrap(), format!("2 {CLIENT_V4}"));
    // This machine is let in by the router, whatever the rules say.
    assert_eq!(network.ask(Side::Host, v4()).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(network.ask(Side::Host, format!("127.0.0.1:{PORT}").parse().unwrap()).unwrap(), "2 172.18.0.1");
    network.end();
}

#[test]
fn once_a_hold_returned_nobody_is_led_to_the_earlier_container() {
    let network = led_to(Container::V4(2));
    network.start(Container::V4(3));
    let mut stays = network.connect(Side::Client, v4()).unwrap();
    for round in 0..8 {
        let (from, to) = if round % 2 == 0 { (2, 3) } else { (3, 2) };
        let clients = network.crowd(Side::Client, v4());
        std::thread::sleep(Duration::from_millis(50));
        network.addresses().hold(&id()).unwrap();
        let held = Instant::now();
        std::thread::sleep(Duration::from_millis(100));
        network.addresses().point(&id(), Container::V4(to).target()).unwrap();
        let pointed = Instant::now();
        std::thread::sleep(Duration::from_millis(50));
        let served = clients.stop();
        assert!(served.iter().any(|one| one.began > pointed), "nobody came after the switch");
        for one in served {
            let by = one.answer.as_ref().unwrap_or_else(|error| panic!("round {round}: {error}"));
            let late = one.began > held;
            assert!(!late || by.starts_with(&format!("{to} ")), "round {round}: {by} after a hold of {from}");
        }
    }
    assert_eq!(stays.exchange("still here").unwrap(), "still here");
    assert!(network.addresses().told().0[0].live.iter().any(|live| live.container.as_str() == "c2"));
    network.end();
}

#[test]
fn a_backend_is_changed_live_without_a_failed_connection() {
    let network = led_to(Container::V4(2));
    let mut stays = network.connect(Side::Client, v4()).unwrap();
    let clients = network.crowd(Side::Client, v4());
    let mut through_router = Vec::new();
    for round in 0..20 {
        let backend = if round % 2 == 0 { Backend::Builtin } else { Backend::Nftables };
        network.addresses().set_rules(&id(), by(backend)).unwrap();
        if backend.is_builtin() {
            through_router.push(network.connect(Side::Client, v4()).unwrap());
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    let served = clients.stop();
    let failed: Vec<_> = served.iter().filter_map(|one| one.answer.as_ref().err()).collect();
    assert!(failed.is_empty() && served.len() > 100, "{} of {}: {failed:?}", failed.len(), served.len());
    for stream in std::iter::once(&mut stays).chain(&mut through_router) {
        assert_eq!(stream.exchange("still here").unwrap(), "still here");
    }
    let both = |source: &str| served.iter().any(|one| one.answer.as_ref().is_ok_and(|by| by.ends_with(source)));
    assert!(both(CLIENT_V4) && both("172.18.0.1"), "each backend carried some");
    network.end();
}

#[test]
fn a_flushed_ruleset_fails_nobody_and_is_made_again() {
    for (container, to) in [(Container::V4(2), v4()), (Container::V6(2), v6())] {
        let network = led_to(container);
        let by_kernel = network.ask(Side::Client, to).unwrap();
        let mut stays = network.connect(Side::Client, to).unwrap();
        let clients = network.crowd(Side::Client, to);
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(50));
            network.host("nft flush ruleset");
            // Nothing else on this machine asks for connections to be tracked, and it goes on all the same.
            for _ in 0..10 {
                assert_eq!(stays.exchange("still here").unwrap(), "still here");
                std::thread::sleep(Duration::from_millis(5));
            }
            network.addresses().look_after_fronts();
            assert!(network.host("nft list tables").contains(&format!("{}\n", network.table())));
        }
        network.host(&format!("nft flush chain inet {} lead", network.table()));
        network.addresses().look_after_fronts();
        assert!(network.host(&format!("nft list chain inet {} lead", network.table())).contains("dnat ip6"));
        let served = clients.stop();
        let failed: Vec<_> = served.iter().filter_map(|one| one.answer.as_ref().err()).collect();
        assert!(failed.is_empty(), "{} of {}: {failed:?}", failed.len(), served.len());
        assert_eq!(stays.exchange("still here").unwrap(), "still here");
        assert_eq!(network.ask(Side::Client, to).unwrap(), by_kernel);
        network.end();
    }
}

#[test]
fn a_container_that_died_takes_its_clients_with_it() {
    let network = led_to(Container::V4(2));
    let mut client = network.connect(Side::Client, v4()).unwrap();
    let counted = || network.addresses().told().0.remove(0);
    assert_eq!((counted().open, counted().carried.unwrap().connections), (1, 1));
    network.cut_off(2);
    network.addresses().hold(&id()).unwrap();
    network.addresses().end_others(&id(), &[]);
    let ended = client.exchange("are you there").map_err(|error| error.kind());
    assert_eq!(ended, Err(ErrorKind::ConnectionReset));
    assert_eq!((counted().open, counted().state), (0, RouteState::Held));
    network.end();
}

/// A container of this network where nobody listens, as where it has died a moment ago.
fn deaf(container: Container) -> Target {
    let mut target = container.target();
    target.address.set_port(9);
    target
}

#[test]
fn a_client_is_not_refused_where_nobody_listens_and_waits_with_the_router() {
    let families = [
        (Container::V4(2), Container::V4(3), v4(), "3 172.18.0.1"),
        (Container::V6(2), Container::V6(3), v6(), "3 fd00:18::1"),
    ];
    for (first, next, to, by_router) in families {
        let network = led_to(first);
        network.start(next);
        let by_kernel = network.ask(Side::Client, to).unwrap().replacen('2', "3", 1);
        for side in [Side::Client, Side::Host] {
            network.addresses().point(&id(), deaf(first)).unwrap();
            assert_eq!(carried(&network), (Backend::Nftables, vec![]));
            let waits = network.asking(side, to);
            std::thread::sleep(Duration::from_millis(1_500));
            assert!(!waits.is_finished(), "{side:?}: {:?}", waits.join());
            network.addresses().point(&id(), next.target()).unwrap();
            assert_eq!(waits.join().unwrap().unwrap(), by_router, "{side:?}");
            assert_eq!(network.ask(Side::Client, to).unwrap(), by_kernel, "{side:?}: others are led at once");
        }
        network.end();
    }
}

#[test]
fn who_comes_by_another_way_to_where_nobody_listens_is_refused() {
    let network = led_to(Container::V4(2));
    network.addresses().point(&id(), deaf(Container::V4(2))).unwrap();
    network.host(
        "nft add table ip other; nft add chain ip other c '{ type nat hook prerouting priority -100; }'; \
         nft add rule ip other c tcp dport 8022 dnat to 172.18.0.2:9",
    );
    let refused = network.ask(Side::Client, (HOST_V4, 8022).into()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    network.end();
}

#[test]
fn a_route_that_is_released_leads_nobody_and_its_connections_end() {
    let network = led_to(Container::V4(2));
    let mut client = network.connect(Side::Client, v4()).unwrap();
    network.release(&id());
    assert_eq!(client.exchange("are you there").map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    assert_eq!(network.ask(Side::Client, v4()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    network.end();
}

#[test]
fn datagrams_go_to_the_next_container_once_a_switch_returned() {
    let network = Network::new();
    network.start(Container::V4(2));
    network.start(Container::V4(3));
    let (addresses, udp) = (network.addresses(), everywhere().over(Transport::Udp));
    addresses.reserve(&id(), udp).unwrap();
    addresses.set_rules(&id(), by(Backend::Nftables)).unwrap();
    addresses.point(&id(), Container::V4(2).target()).unwrap();
    assert_eq!(carried(&network), (Backend::Nftables, vec![]));
    let socket = network.datagrams(Side::Client, v4());
    assert_eq!(socket.ask("hello").unwrap(), "2 hello");
    assert_eq!(network.addresses().bound()[0].bytes_from_clients, 0, "nothing came to the router");
    addresses.point(&id(), Container::V4(3).target()).unwrap();
    assert_eq!(socket.ask("hello").unwrap(), "3 hello");
    let live = |network: &Network| {
        let status = network.addresses().told().0.remove(0);
        status.live.iter().map(|live| live.container.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(live(&network), ["c3"]);
    // Whoever sends on is the router's from the next datagram on, and stays so; who comes then is the kernel's.
    let by_router = || network.addresses().bound()[0].bytes_from_clients;
    addresses.set_rules(&id(), by(Backend::Builtin)).unwrap();
    assert_eq!(socket.ask("hello").unwrap(), "3 hello");
    let once = by_router();
    addresses.set_rules(&id(), by(Backend::Nftables)).unwrap();
    assert_eq!(socket.ask("hello").unwrap(), "3 hello");
    let twice = by_router();
    assert!(0 < once && once < twice, "{once} {twice}");
    assert_eq!(network.datagrams(Side::Client, v4()).ask("hello").unwrap(), "3 hello");
    assert_eq!(by_router(), twice);
    network.end();
}

#[test]
fn what_a_daemon_left_that_was_killed_leads_nowhere_for_the_next_and_its_connections_are_known() {
    let network = led_to(Container::V4(2));
    let mut stays = network.connect(Side::Client, v4()).unwrap();
    // The table works without the daemon, and the next one knows whose connections there are.
    let next = network.another();
    assert_eq!(network.ask(Side::Client, v4()).unwrap(), format!("2 {CLIENT_V4}"));
    next.begin().unwrap();
    assert_eq!(network.ask(Side::Client, v4()).unwrap(), "2 172.18.0.1", "left to the router");
    // Those who came and went are over as soon as both sides said so.
    let end = Instant::now() + PATIENCE;
    let flows = loop {
        let flows = next.flows(Silent::Asked).known;
        assert_eq!(flows.iter().map(|flow| (&flow.id, flow.container.as_str())).collect::<Vec<_>>(), [(&id(), "c2")]);
        if flows[0].connections == 1 {
            break flows;
        }
        assert!(Instant::now() < end, "{flows:?}");
    };
    assert_eq!(stays.exchange("still here").unwrap(), "still here");
    assert_eq!(next.end_flows(&id(), &flows[0].container).unwrap(), 1);
    assert_eq!(stays.exchange("gone").map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    Accelerators::new(vec![std::sync::Arc::new(next)]).end_leftover().unwrap();
    assert!(!network.host("nft list tables").contains(&format!("{}\n", network.table())));
    network.end();
}

#[test]
fn where_docker_forwards_nothing_a_passage_is_made_and_taken_away() {
    let network = Network::new();
    network.start(Container::V4(2));
    network.host(
        "iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -A FORWARD -j DOCKER-USER; \
         iptables -A FORWARD -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; \
         iptables -A FORWARD -i br0 -j ACCEPT; iptables -P FORWARD DROP",
    );
    let before = network.host("iptables -S");
    network.addresses().reserve(&id(), everywhere()).unwrap();
    network.addresses().set_rules(&id(), by(Backend::Nftables)).unwrap();
    network.addresses().point(&id(), Container::V4(2).target()).unwrap();
    assert_eq!(network.ask(Side::Client, v4()).unwrap(), format!("2 {CLIENT_V4}"));
    network.host("iptables -F DOCKER-USER; iptables -A DOCKER-USER -j RETURN");
    network.addresses().look_after_fronts();
    assert_eq!(network.ask(Side::Client, v4()).unwrap(), format!("2 {CLIENT_V4}"));
    network.give_up();
    assert_eq!(network.host("iptables -S"), before);
    network.end();
}

/// A firewall that nobody knows of: the client that found it out is served as well.
#[test]
fn a_client_that_gets_no_answer_from_the_container_is_served_by_the_router() {
    let network = led_to(Container::V4(2));
    network.host("nft 'add table ip wall; add chain ip wall f { type filter hook forward priority 0; policy drop; }'");
    let client = network.asking(Side::Client, v4());
    let end = Instant::now() + PATIENCE;
    while carried(&network).0 == Backend::Nftables {
        assert!(Instant::now() < end, "it is not noticed");
        network.addresses().look_after_fronts();
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(client.join().unwrap().unwrap(), "2 172.18.0.1");
    assert!(carried(&network).1[0].contains("got no answer"));
    network.end();
}

/// Whoever was led an hour ago may be led to a stranger by now: without a daemon, nobody is led for longer than half a minute.
#[test]
fn an_element_that_nobody_makes_again_leads_nobody_any_more() {
    let network = led_to(Container::V4(2));
    std::thread::sleep(Duration::from_secs(31));
    assert_eq!(network.ask(Side::Client, v4()).unwrap(), "2 172.18.0.1");
    network.addresses().look_after_fronts();
    assert_eq!(network.ask(Side::Client, v4()).unwrap(), format!("2 {CLIENT_V4}"));
    network.end();
}

#[test]
fn what_is_missing_on_a_machine_is_said_and_the_router_carries_clients() {
    let network = Network::new();
    network.start(Container::V4(2));
    network.host("sysctl -qw net.ipv4.ip_forward=0");
    let nft = Nftables::new(std::path::Path::new("/a/state"));
    let said: Vec<String> = nft.offer().lacks.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["`nftables` needs a kernel that forwards: `net.ipv4.ip_forward` is 0"]);
    network.addresses().reserve(&id(), everywhere()).unwrap();
    network.addresses().set_rules(&id(), by(Backend::Nftables)).unwrap();
    network.addresses().point(&id(), Container::V4(2).target()).unwrap();
    assert_eq!(carried(&network), (Backend::Builtin, said));
    assert_eq!(network.ask(Side::Client, v4()).unwrap(), "2 172.18.0.1");
    assert!(!network.host("nft list tables").contains("homeport"), "looking makes nothing");
    let end = Instant::now() + PATIENCE;
    network.host("sysctl -qw net.ipv4.ip_forward=1");
    while carried(&network).0 != Backend::Nftables {
        assert!(Instant::now() < end, "it is not looked again");
        network.addresses().look_after_fronts();
        std::thread::sleep(Duration::from_millis(200));
    }
    network.end();
}
