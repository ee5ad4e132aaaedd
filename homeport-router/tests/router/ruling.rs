//! What an operator allows on a route, changed while it lives.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;

use homeport_router::{Change, NoSuchRoute, RefusedBecause, RouteRules};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::stage::{Backend, PATIENCE, Stage, assert_reset, id};

/// A client that comes from this address.
async fn from(stage: &Stage, source: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::from(source), 0))).unwrap();
    timeout(PATIENCE, socket.connect(stage.address)).await.unwrap().unwrap()
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
    assert_reset(&mut from(&stage, [127, 9, 0, 1]).await).await;
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
        assert_reset(&mut from(&stage, greedy).await).await;
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
    let (mut refused, begun) = (0, std::time::Instant::now());
    for _ in 0..60 {
        let mut stream = from(&stage, [127, 9, 0, 4]).await;
        let end = stream.write_all(b"?").await.and(stream.shutdown().await);
        let mut answer = Vec::new();
        refused += u64::from(end.is_err() || stream.read_to_end(&mut answer).await.is_err());
    }
    let status = stage.status();
    assert_eq!((status.refused_because.too_fast, status.accepted), (refused, 60 - refused));
    // A second's worth at once, and then as many as the time allows.
    let most = 3 + 3 * (begun.elapsed().as_secs() + 1);
    assert!((3..=most).contains(&status.accepted), "{} of 60, at most {most}", status.accepted);
    assert_eq!(stage.reports().len(), 1, "{:?}", stage.reports());
}
