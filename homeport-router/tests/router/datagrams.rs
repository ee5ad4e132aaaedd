//! Datagrams: whose goes where, from which address the answer comes, and what becomes of them while nobody can have them.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdSocket};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;
use homeport_router::{
    AccessLog, Change, Datagrams, DescriptorLimit, Limits, ListenAddress, ListenHost, RefusedBecause, Reserved,
    RouteRules, RouteState, Router, Target,
};
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{PATIENCE, id, limits, own_ip};
use crate::udp_stage::{Container, Stage, ask, client, client_at, exchange, told};

/// Long enough for a datagram on one machine to have come.
const NEVER: Duration = Duration::from_millis(200);

async fn hears_nothing(socket: &UdpSocket) {
    let heard = timeout(NEVER, socket.recv(&mut [0; 2048])).await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_gets_its_own_answers_and_nobody_elses() {
    let container = Container::echo("c1").await;
    let limits = Limits::within(DescriptorLimit::raise().unwrap()).unwrap();
    let stage = Stage::new(Limits { connections_per_route: 1_000, ..limits });
    stage.point(&container);
    let (mut clients, mut kept) = (JoinSet::new(), Vec::new());
    for n in 0..1_000_u32 {
        let address = stage.address;
        clients.spawn(async move {
            let client = client(address).await;
            for round in 0..3_u32 {
                let text = format!("{n} in round {round}");
                assert_eq!(exchange(&client, text.as_bytes()).await, text.as_bytes());
            }
            // Kept open: who has the same port next is the same client.
            client
        });
        // As many at once as the kernel of any machine has room for.
        while n % 100 == 99
            && let Some(client) = clients.join_next().await
        {
            kept.push(client.unwrap());
        }
    }
    let status = stage.status();
    assert_eq!((status.accepted, status.open, status.failed, status.refused), (1_000, 1_000, 0, 0));
    let counted = Datagrams { from_clients: 3_000, to_clients: 3_000, ..Datagrams::default() };
    assert_eq!((status.datagrams, status.last_error), (Some(counted), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_who_ask_once_never_use_up_the_seats() {
    let container = Container::echo("c1").await;
    let stage = Stage::new(Limits { connections_per_route: 4, ..limits() });
    stage.point(&container);
    for n in 0..50_u8 {
        assert_eq!(ask(stage.address, &[n]).await, [n]);
    }
    let status = stage.status();
    assert_eq!((status.accepted, status.open, status.refused), (50, 4, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_of_every_size_go_there_and_back_unchanged() {
    let container = Container::echo("c1").await;
    let stage = Stage::pointed_at(&container);
    let client = client(stage.address).await;
    let mut bytes = 0;
    for length in [0, 1, 512, 1_472, 1_473, 9_000, 65_507] {
        let sent: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
        assert_eq!(exchange(&client, &sent).await, sent, "{length} bytes");
        bytes += u64::try_from(length).unwrap();
    }
    let status = stage.status_when(|status| status.bytes_to_clients == bytes).await;
    assert_eq!((status.bytes_from_clients, status.open, status.accepted), (bytes, 1, 1));
    let counted = Datagrams { from_clients: 7, to_clients: 7, ..Datagrams::default() };
    assert_eq!(status.datagrams, Some(counted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_hears_each_client_from_an_address_of_its_own_and_may_answer_much_and_late() {
    let container = Container::silent("c1").await;
    let stage = Stage::pointed_at(&container);
    let clients = [client(stage.address).await, client(stage.address).await];
    let mut from = Vec::new();
    for client in &clients {
        client.send(b"hello").await.unwrap();
        from.push(container.next().await.1);
    }
    assert_ne!(from[0], from[1]);
    // Later, in another order, and more than was asked for.
    for n in 0..100_u8 {
        container.socket.send_to(&[n], from[1]).await.unwrap();
    }
    container.socket.send_to(b"one", from[0]).await.unwrap();
    for n in 0..100_u8 {
        assert_eq!(told(&clients[1]).await, [n]);
    }
    assert_eq!(told(&clients[0]).await, b"one");
    // Who is not the container is not heard, though it knows where to send.
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    stranger.send_to(b"not me", from[0]).await.unwrap();
    hears_nothing(&clients[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_comes_from_the_address_that_was_written_to() {
    let container = Container::echo("c1").await;
    let router = Router::new(limits(), Handle::current(), |_| {});
    // All addresses of both families, and all of IPv4, which 127.0.0.0/8 has many of.
    for (endpoint, host) in [("both", "*"), ("four", "0.0.0.0"), ("six", "[::]")] {
        let free = StdSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let route = homeport_router::RouteId { endpoint: endpoint.parse().unwrap(), ..id("web") };
        let address: ListenAddress = format!("{host}:{free}/udp").parse().unwrap();
        assert_eq!(router.reserve(&route, address).unwrap(), Reserved::Bound(address));
        router.point(&route, container.target.clone()).unwrap();
        let addresses: Vec<IpAddr> = match host {
            "*" => vec![own_ip().into(), own_ip().into(), Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            "0.0.0.0" => vec![own_ip().into(), own_ip().into()],
            _ => vec![Ipv6Addr::LOCALHOST.into()],
        };
        // One socket of the client, so that it has a session for each address that it writes to.
        let sockets = [client_at(Ipv4Addr::LOCALHOST.into()).await, client_at(Ipv6Addr::LOCALHOST.into()).await];
        for to in &addresses {
            let socket = &sockets[usize::from(to.is_ipv6())];
            socket.send_to(to.to_string().as_bytes(), (*to, free)).await.unwrap();
        }
        let mut heard = BTreeSet::new();
        for to in &addresses {
            let socket = &sockets[usize::from(to.is_ipv6())];
            let mut buffer = [0; 100];
            let (length, from) = timeout(PATIENCE, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
            let asked: IpAddr = std::str::from_utf8(&buffer[..length]).unwrap().parse().unwrap();
            assert_eq!(from, SocketAddr::new(asked, free), "{address}");
            heard.insert(asked);
        }
        assert_eq!(heard, addresses.iter().copied().collect(), "{address}");
        assert_eq!(router.status().iter().find(|one| one.id == route).unwrap().open, addresses.len());
    }
    router.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ipv6_clients_are_served_on_their_own_address() {
    let container = Container::echo("c1").await;
    let router = Router::new(limits(), Handle::current(), |_| {});
    let free = StdSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let address: ListenAddress = format!("{free}/udp").parse().unwrap();
    router.reserve(&id("web"), address).unwrap();
    router.point(&id("web"), container.target.clone()).unwrap();
    assert_eq!(ask(free, b"six").await, b"six");
}

#[tokio::test]
async fn an_address_is_one_of_tcp_or_of_udp_and_both_can_be_had() {
    let router = Router::new(limits(), Handle::current(), |_| {});
    let (ip, port) = (own_ip(), PortNumber::new(2053));
    let tcp = ListenAddress::new(ListenHost::Ip(ip.into()), port).unwrap();
    let udp = tcp.over(Transport::Udp);
    assert_eq!(router.reserve(&id("web"), tcp).unwrap(), Reserved::Bound(tcp));
    assert_eq!(router.reserve(&id("names"), udp).unwrap(), Reserved::Bound(udp));
    let taken = router.reserve(&id("more"), udp).unwrap_err();
    assert_eq!(taken.to_string(), format!("`{udp}` cannot be listened on: route `names/ssh` holds `{udp}`"));
    // Another process of this machine, which this one is too.
    let held = StdSocket::bind((own_ip(), 2053)).unwrap();
    let other: ListenAddress = format!("{}/udp", held.local_addr().unwrap()).parse().unwrap();
    let taken = router.reserve(&id("more"), other).unwrap_err().to_string();
    assert!(taken.contains(&format!("(process {}) holds it", std::process::id())), "{taken}");
    let host = ListenHost::Ip(held.local_addr().unwrap().ip());
    let ports = [2053, 2054].map(PortNumber::new);
    let found = router.reserve_random(&id("more"), host, Transport::Udp, ports).unwrap().address();
    assert_eq!((found.port().get(), found.transport()), (2054, Transport::Udp));
    assert_eq!(router.release(&id("names")).await, Change::Changed);
    StdSocket::bind((ip, 2053)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_moves_who_was_not_answered_lately_and_leaves_who_is_in_a_conversation() {
    let (old, new) = (Container::silent("c1").await, Container::named("c2").await);
    let stage = Stage::pointed_at(&old);
    let (talking, waiting) = (client(stage.address).await, client(stage.address).await);
    for client in [&talking, &waiting] {
        client.send(b"hello").await.unwrap();
    }
    let (of_talking, other) = (old.next().await.1, old.next().await.1);
    assert_ne!(of_talking, other);
    old.socket.send_to(b"yes?", of_talking).await.unwrap();
    // Whose session it was is known by who hears it.
    let (mut one, mut other) = ([0; 9], [0; 9]);
    let heard = async {
        tokio::select! {
            heard = talking.peek(&mut one) => heard.map(|_| true),
            heard = waiting.peek(&mut other) => heard.map(|_| false),
        }
    };
    let is_first = timeout(PATIENCE, heard).await.unwrap().unwrap();
    let (talking, waiting) = if is_first { (talking, waiting) } else { (waiting, talking) };
    assert_eq!(told(&talking).await, b"yes?");
    stage.point(&new);
    talking.send(b"still you").await.unwrap();
    assert_eq!(old.next().await, (b"still you".to_vec(), of_talking));
    assert_eq!(exchange(&waiting, b"!").await, b"c2!");
    assert_eq!(ask(stage.address, b"?").await, b"c2?", "who is new comes to the new one");
    let status = stage.status();
    let live: Vec<_> = status.live.iter().map(|live| (live.container.as_str(), live.connections)).collect();
    assert_eq!(live, [("c1", 1), ("c2", 2)]);
    // The container from before ends: what it had is closed at once, and goes on with the new one.
    assert_eq!(stage.router.end_connections(&stage.id, &old.target.container).unwrap(), 1);
    stage.status_when(|status| status.live.len() == 1).await;
    assert_eq!(exchange(&talking, b"!").await, b"c2!");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_while_the_route_is_held_is_sent_on_in_its_order() {
    let container = Container::silent("c1").await;
    let stage = Stage::new(limits());
    let client = client(stage.address).await;
    for n in 0..50_u8 {
        client.send(&[n]).await.unwrap();
    }
    let status = stage.status_when(|status| status.open == 50).await;
    assert_eq!((status.state, status.datagrams.unwrap().waiting, status.accepted), (RouteState::Held, 50, 0));
    stage.point(&container);
    for n in 0..50_u8 {
        assert_eq!(container.next().await.0, [n]);
    }
    let status = stage.status_when(|status| status.datagrams.unwrap().waiting == 0).await;
    assert_eq!((status.open, status.accepted), (1, 1));
    // While it is held again, who is in a conversation goes on with it, as a connection does.
    client.send(b"a").await.unwrap();
    let from = container.next().await.1;
    container.socket.send_to(b"b", from).await.unwrap();
    assert_eq!(told(&client).await, b"b");
    stage.router.hold(&stage.id).unwrap();
    client.send(b"c").await.unwrap();
    assert_eq!(container.next().await, (b"c".to_vec(), from));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_too_much_waits_the_earliest_are_dropped_and_counted() {
    let container = Container::silent("c1").await;
    let stage = Stage::new(limits());
    let client = client(stage.address).await;
    for n in 0..100_u8 {
        client.send(&[n]).await.unwrap();
    }
    let status = stage.status_when(|status| status.datagrams.unwrap().crowded_out == 36).await;
    assert_eq!(status.datagrams.unwrap().waiting, 64, "what one source may have");
    stage.point(&container);
    assert_eq!(container.next().await.0, [36]);
    for n in 37..100_u8 {
        assert_eq!(container.next().await.0, [n]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_held_for_too_long_or_comes_to_a_closed_route_is_dropped_and_counted() {
    let container = Container::echo("c1").await;
    let stage = Stage::new(Limits { hold_limit: Duration::from_millis(300), ..limits() });
    let client = client(stage.address).await;
    client.send(b"1").await.unwrap();
    client.send(b"2").await.unwrap();
    let status = stage.status_when(|status| status.state == RouteState::Closed && status.refused == 2).await;
    assert_eq!((status.open, status.refused_because.closed), (0, 2));
    client.send(b"3").await.unwrap();
    stage.status_when(|status| status.refused == 3).await;
    hears_nothing(&client).await;
    stage.point(&container);
    assert_eq!(exchange(&client, b"4").await, b"4");
    // One that is closed leaves who is in a conversation alone, until its container ends.
    stage.router.close(&stage.id).unwrap();
    assert_eq!(exchange(&client, b"5").await, b"5");
    assert_eq!(stage.router.end_connections(&stage.id, &container.target.container).unwrap(), 1);
    stage.status_when(|status| status.open == 0).await;
    client.send(b"6").await.unwrap();
    hears_nothing(&client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_starts_again_in_its_place_is_reached_by_the_next_datagram() {
    let container = Container::echo("c1").await;
    let stage = Stage::pointed_at(&container);
    let client = client(stage.address).await;
    assert_eq!(exchange(&client, b"before").await, b"before");
    let place = container.target.address;
    drop(container);
    // The port is free as soon as its task has ended.
    let until = Instant::now() + PATIENCE;
    while let Err(error) = StdSocket::bind(place) {
        assert!(Instant::now() < until, "{error}");
        sleep(Duration::from_millis(5)).await;
    }
    for n in 0..10 {
        client.send(b"nobody is there").await.unwrap();
        stage.status_when(|status| status.datagrams.unwrap().unreachable > n / 2).await;
    }
    stage.status_when(|status| status.datagrams.unwrap().from_clients == 11).await;
    let again = Container::echo_at("c1", place).await;
    assert_eq!(again.target.address, place);
    assert_eq!(exchange(&client, b"after").await, b"after");
    let status = stage.status();
    assert_eq!((status.failed, status.open, status.accepted), (0, 1, 1), "the session is the same");
    let reports = stage.reports();
    assert_eq!(reports.len(), 2, "said once when it began and once when it was over: {reports:?}");
    assert!(reports[0].contains("does not reach") && reports[1].contains("again"), "{reports:?}");
}

/// The answer to a client that nobody was before: it has an address of its own.
async fn ask_once(address: SocketAddr, text: &[u8]) -> Vec<u8> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, a, b, c] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let client = client_at(Ipv4Addr::new(127, 16 + (a & 15), b, c).into()).await;
    client.connect(address).await.unwrap();
    exchange(&client, text).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_under_load_loses_no_datagram_and_counts_from_its_return() {
    let containers = [Container::named("c1").await, Container::named("c2").await];
    let stage = Stage::pointed_at(&containers[0]);
    let served = Arc::new(AtomicUsize::new(0));
    let (mut clients, stop) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..8 {
        let (address, served, stop) = (stage.address, Arc::clone(&served), Arc::clone(&stop));
        clients.spawn(async move {
            while stop.load(Ordering::Relaxed) == 0 {
                let answer = ask_once(address, b"!").await;
                assert!(answer == b"c1!" || answer == b"c2!", "{answer:?}");
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for round in 1..=40 {
        let container = &containers[round % 2];
        stage.point(container);
        let name = container.target.container.as_str();
        assert_eq!(ask_once(stage.address, b"?").await, format!("{name}?").as_bytes(), "{round}");
        sleep(Duration::from_millis(10)).await;
    }
    stop.store(1, Ordering::Relaxed);
    while clients.join_next().await.transpose().unwrap().is_some() {}
    assert!(served.load(Ordering::Relaxed) > 100, "{served:?}");
    let status = stage.status();
    assert_eq!((status.refused, status.failed), (0, 0));
    assert!(status.open <= 512, "many more have come: {}", status.open);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_with_a_gap_loses_no_datagram() {
    let old = Container::named("c1").await;
    let stage = Stage::pointed_at(&old);
    assert_eq!(ask(stage.address, b"?").await, b"c1?");
    stage.router.hold(&stage.id).unwrap();
    let clients: JoinSet<_> = (0..20)
        .map(|_| {
            let address = stage.address;
            async move { ask(address, b"!").await }
        })
        .collect();
    stage.status_when(|status| status.datagrams.unwrap().waiting == 20).await;
    stage.router.end_connections(&stage.id, &old.target.container).unwrap();
    drop(old);
    let new = Container::named("c2").await;
    stage.point(&new);
    for answer in clients.join_all().await {
        assert_eq!(answer, b"c2!");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_rules_hold_for_sessions_as_for_connections() {
    let container = Container::silent("c1").await;
    let stage = Stage::pointed_at(&container);
    let from = |ip: [u8; 4]| {
        let address = stage.address;
        async move {
            let socket = client_at(IpAddr::from(ip)).await;
            socket.connect(address).await.unwrap();
            socket
        }
    };
    let answer = |text: &'static [u8]| {
        let container = &container;
        async move {
            let (heard, from) = container.next().await;
            assert_eq!(heard, text);
            container.socket.send_to(b"ok", from).await.unwrap();
        }
    };
    // Only those from there, also while the route is held.
    let rules = RouteRules { allow: vec!["127.8.0.0/16".parse().unwrap()], ..RouteRules::default() };
    stage.router.set_rules(&stage.id, rules).unwrap();
    from([127, 9, 0, 1]).await.send(b"no").await.unwrap();
    stage.status_when(|status| status.refused_because.not_allowed == 1).await;
    stage.router.hold(&stage.id).unwrap();
    from([127, 9, 0, 1]).await.send(b"no").await.unwrap();
    stage.status_when(|status| status.refused_because.not_allowed == 2).await;
    assert_eq!(stage.status().datagrams.unwrap().waiting, 0);
    let allowed = from([127, 8, 0, 1]).await;
    allowed.send(b"yes").await.unwrap();
    stage.status_when(|status| status.open == 1).await;
    stage.point(&container);
    answer(b"yes").await;
    assert_eq!(told(&allowed).await, b"ok");
    // At once: who is in a conversation keeps its seat, and a question that was answered gives its own up.
    let rules = RouteRules { connections: NonZeroU32::new(2), ..RouteRules::default() };
    stage.router.set_rules(&stage.id, rules).unwrap();
    allowed.send(b"more").await.unwrap();
    answer(b"more").await;
    assert_eq!(told(&allowed).await, b"ok");
    for n in 0..5 {
        let asks = from([127, 9, 0, 10 + n]).await;
        asks.send(b"once").await.unwrap();
        answer(b"once").await;
        assert_eq!(told(&asks).await, b"ok");
    }
    let second = from([127, 9, 0, 20]).await;
    for text in [b"one", b"two"] {
        second.send(text).await.unwrap();
        answer(text).await;
        assert_eq!(told(&second).await, b"ok");
    }
    assert_eq!((stage.status().open, stage.status().refused_because.full), (2, 0));
    from([127, 9, 0, 21]).await.send(b"no").await.unwrap();
    let status = stage.status_when(|status| status.refused_because.full == 1).await;
    assert_eq!(status.refused_because, RefusedBecause { not_allowed: 2, full: 1, ..RefusedBecause::default() });
    allowed.send(b"still").await.unwrap();
    answer(b"still").await;
    // A second: what comes beyond it is dropped, and who has a session is not concerned.
    let rules = RouteRules { new_per_second: NonZeroU32::new(1), ..RouteRules::default() };
    stage.router.set_rules(&stage.id, rules).unwrap();
    for n in 0..10 {
        from([127, 9, 0, 30 + n]).await.send(b"new").await.unwrap();
    }
    let status = stage.status_when(|status| status.refused_because.too_fast >= 7).await;
    assert!(status.accepted < 15, "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_may_be_idle_for_as_long_as_the_rules_say_and_leaves_a_line_where_they_want_one() {
    let container = Container::named("c1").await;
    let stage = Stage::pointed_at(&container);
    let rules = RouteRules { idle_seconds: NonZeroU32::new(1), log: AccessLog::On, ..RouteRules::default() };
    stage.router.set_rules(&stage.id, rules).unwrap();
    let client = client(stage.address).await;
    let begun = Instant::now();
    assert_eq!(exchange(&client, b"12").await, b"c112");
    assert_eq!(exchange(&client, b"3").await, b"c13");
    let status = stage.status_when(|status| status.open == 0).await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!((status.idle, status.accepted), (1, 1));
    let said = stage.reports();
    let line = format!("access route=names/ssh client={} container=c1 ", client.local_addr().unwrap());
    assert!(said.len() == 1 && said[0].starts_with(&line) && said[0].ends_with(" in=3 out=7 end=idle"), "{said:?}");
    // One whose clients have waited for as long as they may drops what comes.
    let rules = RouteRules { hold_seconds: NonZeroU32::new(1), ..RouteRules::default() };
    stage.router.set_rules(&stage.id, rules).unwrap();
    stage.router.hold(&stage.id).unwrap();
    client.send(b"waits").await.unwrap();
    stage.status_when(|status| status.open == 1).await;
    stage.status_when(|status| status.state == RouteState::Closed && status.refused_because.closed == 1).await;
}

#[tokio::test]
async fn sessions_are_over_by_the_clock() {
    let container = Container::silent("c1").await;
    let stage = Stage::pointed_at(&container);
    let (asks, talks) = (client(stage.address).await, client(stage.address).await);
    talks.send(b"hello").await.unwrap();
    let from = container.next().await.1;
    container.socket.send_to(b"yes?", from).await.unwrap();
    assert_eq!(told(&talks).await, b"yes?");
    talks.send(b"well").await.unwrap();
    assert_eq!(container.next().await.1, from);
    asks.send(b"anybody?").await.unwrap();
    container.next().await;
    assert_eq!(stage.status().open, 2);
    tokio::time::pause();
    let after = |seconds| {
        let stage = &stage;
        async move {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            stage.status().open
        }
    };
    assert_eq!(after(28).await, 2);
    assert_eq!(after(4).await, 1, "what was never answered is over after half a minute");
    assert_eq!(after(140).await, 1);
    assert_eq!(after(12).await, 0, "a conversation after three minutes");
    tokio::time::resume();
    container.socket.send_to(b"too late", from).await.unwrap();
    hears_nothing(&talks).await;
    talks.send(b"again").await.unwrap();
    assert_ne!(container.next().await.1, from, "it is another session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_released_route_has_no_socket_and_no_session_left() {
    let container = Container::silent("c1").await;
    let stage = Stage::pointed_at(&container);
    let client = client(stage.address).await;
    client.send(b"hello").await.unwrap();
    let from = container.next().await.1;
    assert_eq!(stage.router.release(&stage.id).await, Change::Changed);
    let bound: io::Result<StdSocket> = StdSocket::bind(stage.address);
    bound.expect("the address is free at once");
    // Nobody is at the other end of the session any more: the kernel says so to the container.
    let connected = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    connected.connect(from).await.unwrap();
    connected.send(b"?").await.unwrap();
    let told = timeout(PATIENCE, connected.recv(&mut [0; 10])).await.unwrap().unwrap_err();
    assert_eq!(told.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_router_takes_the_socket_up_and_the_first_passes_on_what_is_still_said() {
    let (container, next_container) = (Container::silent("c1").await, Container::named("c2").await);
    let stage = Stage::pointed_at(&container);
    let address: ListenAddress = format!("{}/udp", stage.address).parse().unwrap();
    let client = client(stage.address).await;
    client.send(b"before").await.unwrap();
    let from = container.next().await.1;
    let socket = {
        let listening = stage.router.listening();
        assert_eq!((listening.len(), listening[0].address), (1, address));
        std::os::fd::AsFd::as_fd(&listening[0]).try_clone_to_owned().unwrap()
    };
    timeout(PATIENCE, stage.router.stop_accepting()).await.unwrap();
    assert!(stage.router.listening().is_empty());
    // Nobody reads now: what comes stays in the kernel for the next one.
    client.send(b"between").await.unwrap();
    sleep(NEVER).await;
    assert_eq!(stage.status().datagrams.unwrap().from_clients, 1);
    let next = Router::new(limits(), Handle::current(), |_| {});
    assert_eq!(next.adopt(&stage.id, address, socket).unwrap(), Reserved::Bound(address));
    next.point(&stage.id, next_container.target.clone()).unwrap();
    assert_eq!(told(&client).await, b"c2between");
    container.socket.send_to(b"late", from).await.unwrap();
    assert_eq!(told(&client).await, b"late", "an answer that was under way");
    assert_eq!(exchange(&client, b"!").await, b"c2!");
    assert_eq!(stage.router.end_connections(&stage.id, &container.target.container).unwrap(), 1);
    stage.status_when(|status| status.open == 0).await;
    // The first router has closed it, and so the address can be had as soon as the second gives it up.
    next.release(&stage.id).await;
    let until = Instant::now() + PATIENCE;
    while let Err(error) = StdSocket::bind(stage.address) {
        assert!(Instant::now() < until, "{error}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_sent_on_by_who_has_taken_it_in() {
    let container = Container::named("c1").await;
    let stage = Stage::new(limits());
    let client = client(stage.address).await;
    client.send(b"?").await.unwrap();
    stage.status_when(|status| status.open == 1).await;
    let _kept = stage.router.listening();
    timeout(PATIENCE, stage.router.stop_accepting()).await.unwrap();
    stage.point(&container);
    assert_eq!(told(&client).await, b"c1?");
}

#[tokio::test]
async fn a_socket_that_is_not_the_addresses_is_not_taken_up() {
    let router = Router::new(limits(), Handle::current(), |_| {});
    let ip = own_ip();
    let address: ListenAddress = format!("{ip}:2053/udp").parse().unwrap();
    let elsewhere = StdSocket::bind((ip, 2054)).unwrap();
    let of_one = StdSocket::bind((ip, 2055)).unwrap();
    of_one.connect((ip, 2054)).unwrap();
    let stream = std::net::TcpListener::bind((ip, 2053)).unwrap();
    let rows: [(std::os::fd::OwnedFd, String); 3] = [
        (elsewhere.into(), format!("takes datagrams on `{ip}:2054`")),
        (of_one.into(), format!("takes datagrams of one peer alone on `{ip}:2055`")),
        (stream.into(), "takes no datagrams".to_owned()),
    ];
    for (socket, found) in rows {
        let error = router.adopt(&id("web"), address, socket).unwrap_err();
        assert_eq!(error.to_string(), format!("the socket that was handed over for `{address}` {found}"));
    }
    assert_eq!(router.reserve(&id("web"), address).unwrap(), Reserved::Bound(address));
    let target = Target::new("c1".parse().unwrap(), "127.0.0.1:9".parse().unwrap());
    assert_eq!(router.point(&id("web"), target).unwrap(), Change::Changed);
}
