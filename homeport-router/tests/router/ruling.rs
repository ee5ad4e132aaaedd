//! What an operator allows on a route, changed while it lives.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use homeport_router::{AccessLog, Change, NoSuchRoute, RefusedBecause, RouteRules, RouteState};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::stage::{Backend, PATIENCE, Stage, assert_reset, id};

/// A client that comes from this address.
async fn from(stage: &Stage, source: [u8; 4]) -> TcpStream {
    try_from(stage, source).await.unwrap()
}

async fn try_from(stage: &Stage, source: [u8; 4]) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::from(source), 0)))?;
    timeout(PATIENCE, socket.connect(stage.address)).await.unwrap()
}

/// Passes if a client from this address is reset: while it connects or right after, as the race goes.
async fn assert_turned_away(stage: &Stage, source: [u8; 4]) {
    match try_from(stage, source).await {
        Ok(mut stream) => assert_reset(&mut stream).await,
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
    }
}

/// Passes if the client is connected with the container.
async fn assert_served(stream: &mut TcpStream) {
    let exchange = async {
        stream.write_all(b"?").await.unwrap();
        stream.read_u8().await.unwrap()
    };
    assert_eq!(timeout(PATIENCE, exchange).await.unwrap(), b'?');
}

fn allow(networks: &[&str]) -> RouteRules {
    RouteRules { allow: networks.iter().map(|net| net.parse().unwrap()).collect(), ..RouteRules::default() }
}

#[tokio::test]
async fn who_may_not_come_is_reset_and_counted_and_who_is_connected_stays() {
    let backend = Backend::echo("a");
    let stage = Stage::pointed_at(&backend);
    let mut early = from(&stage, [127, 9, 0, 1]).await;
    assert_served(&mut early).await;
    assert_eq!(stage.router.set_rules(&stage.id, allow(&["127.8.0.0/16"])), Ok(Change::Changed));
    assert_eq!(stage.router.set_rules(&stage.id, allow(&["127.8.0.0/16"])), Ok(Change::Unchanged));
    assert_turned_away(&stage, [127, 9, 0, 1]).await;
    assert_served(&mut from(&stage, [127, 8, 0, 1]).await).await;
    assert_served(&mut early).await;
    let status = stage.status();
    assert_eq!(status.refused_because, RefusedBecause { not_allowed: 1, ..RefusedBecause::default() });
    assert_eq!((status.refused, status.rules), (1, allow(&["127.8.0.0/16"])));
    assert_eq!(stage.reports(), Vec::<String>::new(), "whoever scans ports is no news");
    stage.router.set_rules(&stage.id, RouteRules::default()).unwrap();
    assert_served(&mut from(&stage, [127, 9, 0, 1]).await).await;
    assert_eq!(stage.router.set_rules(&id("other"), RouteRules::default()), Err(NoSuchRoute(id("other"))));
}

#[tokio::test]
async fn one_source_cannot_take_the_seats_of_another_and_is_said_once() {
    let backend = Backend::echo("a");
    let stage = Stage::pointed_at(&backend);
    let rules = RouteRules { per_source: NonZeroU32::new(2), ..RouteRules::default() };
    stage.router.set_rules(&stage.id, rules).unwrap();
    let greedy = [127, 9, 0, 2];
    let (mut one, mut two) = (from(&stage, greedy).await, from(&stage, greedy).await);
    assert_served(&mut one).await;
    assert_served(&mut two).await;
    for _ in 0..20 {
        assert_turned_away(&stage, greedy).await;
    }
    assert_served(&mut from(&stage, [127, 9, 0, 3]).await).await;
    assert_eq!(stage.status().refused_because.source_full, 20);
    let said = stage.reports();
    assert!(said.len() == 1 && said[0].contains("from 127.9.0.2: it has 2 connections"), "{said:?}");
    drop(one);
    stage.status_when(|status| status.open == 1).await;
    assert_served(&mut from(&stage, greedy).await).await;
}

#[tokio::test]
async fn a_lower_limit_ends_nobody_and_a_higher_one_lets_more_in() {
    let backend = Backend::echo("a");
    let stage = Stage::pointed_at(&backend);
    let at_once = |number| RouteRules { connections: NonZeroU32::new(number), ..RouteRules::default() };
    let mut early = Vec::new();
    for _ in 0..3 {
        early.push(stage.connect().await);
        assert_served(early.last_mut().unwrap()).await;
    }
    stage.router.set_rules(&stage.id, at_once(2)).unwrap();
    assert_eq!(stage.status().limit, 2);
    stage.assert_refuses().await;
    for stream in &mut early {
        assert_served(stream).await;
    }
    stage.router.set_rules(&stage.id, at_once(4)).unwrap();
    let mut fourth = stage.connect().await;
    assert_served(&mut fourth).await;
    stage.assert_refuses().await;
    assert_eq!(stage.status().refused_because.full, 2);
}

#[tokio::test]
async fn those_too_many_in_a_second_are_reset_and_said_once() {
    let backend = Backend::echo("a");
    let stage = Stage::pointed_at(&backend);
    let rules = RouteRules { new_per_second: NonZeroU32::new(3), ..RouteRules::default() };
    stage.router.set_rules(&stage.id, rules).unwrap();
    let (mut refused, begun) = (0, Instant::now());
    for _ in 0..60 {
        let asked = async {
            let mut stream = try_from(&stage, [127, 9, 0, 4]).await?;
            stream.write_all(b"?").await?;
            stream.shutdown().await?;
            stream.read_to_end(&mut Vec::new()).await
        };
        refused += u64::from(asked.await.is_err());
    }
    let status = stage.status();
    assert_eq!((status.refused_because.too_fast, status.accepted), (refused, 60 - refused));
    // A second's worth at once, and then as many as the time allows.
    let most = 3 + 3 * (begun.elapsed().as_secs() + 1);
    assert!((3..=most).contains(&status.accepted), "{} of 60, at most {most}", status.accepted);
    assert_eq!(stage.reports().len(), 1, "{:?}", stage.reports());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_over_which_nothing_goes_is_ended_and_a_busy_one_lives_on() {
    let backend = Backend::echo("a");
    let stage = Stage::pointed_at(&backend);
    let (mut idle, mut busy) = (stage.connect().await, stage.connect().await);
    assert_served(&mut idle).await;
    assert_served(&mut busy).await;
    // They are connected before anybody says how long they may be idle.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    stage
        .router
        .set_rules(&stage.id, RouteRules { idle_seconds: NonZeroU32::new(1), ..RouteRules::default() })
        .unwrap();
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        assert_served(&mut busy).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stage.status().idle, 1);
    assert_reset(&mut idle).await;
    stage.router.set_rules(&stage.id, RouteRules::default()).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_served(&mut busy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_wait_no_longer_than_they_are_let_however_often_the_hold_is_renewed() {
    let backend = Backend::echo("a");
    let stage = Stage::pointed_at(&backend);
    let rules = RouteRules { hold_seconds: NonZeroU32::new(1), ..RouteRules::default() };
    stage.router.hold(&stage.id).unwrap();
    let mut waiting = stage.connect().await;
    stage.router.set_rules(&stage.id, rules).unwrap();
    let begun = Instant::now();
    let renewed = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stage.router.hold(&stage.id).unwrap();
        }
    };
    tokio::select! {
        () = assert_reset(&mut waiting) => {}
        () = renewed => {}
    }
    assert!(begun.elapsed() > Duration::from_millis(500), "{:?}", begun.elapsed());
    stage.router.hold(&stage.id).unwrap();
    assert_eq!(stage.status().state, RouteState::Closed, "until there is a target again");
    stage.assert_refuses().await;
    assert_eq!(stage.reports(), ["route `web/ssh` was held for 1 s without a target: clients are reset"]);
    stage.point(&backend);
    assert_served(&mut stage.connect().await).await;
    stage.router.hold(&stage.id).unwrap();
    assert_eq!(stage.status().state, RouteState::Held, "another hold has its own time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_connection_leaves_one_line_where_that_is_asked_for() {
    let backend = Backend::echo("a");
    let stage = Stage::pointed_at(&backend);
    let mut before = stage.connect().await;
    assert_served(&mut before).await;
    stage.router.set_rules(&stage.id, RouteRules { log: AccessLog::On, ..RouteRules::default() }).unwrap();
    stage.ask(b"hello").await.unwrap();
    let mut cut = from(&stage, [127, 9, 0, 5]).await;
    assert_served(&mut cut).await;
    let client = cut.local_addr().unwrap();
    stage.router.end_connections(&stage.id, &backend.target.container).unwrap();
    assert_reset(&mut cut).await;
    stage.router.close(&stage.id).unwrap();
    stage.assert_refuses().await;
    stage.status_when(|status| status.open == 0).await;
    let lines = stage.reports();
    assert_eq!(lines.len(), 2, "one that was open before, and one that never came in, leave none: {lines:?}");
    assert!(lines[0].starts_with("access route=web/ssh client=127.") && lines[0].contains(" container=a seconds=0."));
    assert!(lines[0].ends_with(" in=5 out=5 end=closed"), "{lines:?}");
    assert!(lines[1].contains(&format!(" client={client} ")), "{lines:?}");
    assert!(lines[1].ends_with(" in=1 out=1 end=container-ended"), "{lines:?}");
}
