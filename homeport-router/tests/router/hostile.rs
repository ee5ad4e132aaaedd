//! Clients and containers that mean harm, or act as if: nothing of theirs is left, other routes serve on, and what is said is said
//! once.

use std::future::ready;
use std::time::Duration;

use homeport_router::Limits;
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::stage::{Backend, PATIENCE, Stage, ask, id, limits, own_address, socket_address};

/// How many of them come.
const MANY: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_resets_leaves_nothing_open_and_is_no_news() {
    let backend = Backend::echo("c1");
    let stage = Stage::pointed_at(&backend);
    for n in 0..MANY {
        let mut client = stage.connect().await;
        if n % 2 == 0 {
            client.write_all(b"never mind").await.unwrap();
        }
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    }
    assert_eq!(stage.ask(b"hello").await.unwrap(), b"hello");
    let status = stage.status_when(|status| status.open == 0).await;
    assert_eq!((status.refused, status.failed, status.last_error), (0, 0, None));
    assert_eq!(stage.reports(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_ends_each_connection_at_once_leaves_nothing_open_and_is_no_news() {
    let hasty = Backend::start("c1", |stream| {
        drop(stream);
        ready(Ok(()))
    });
    let stage = Stage::pointed_at(&hasty);
    for _ in 0..MANY {
        // The end, or a reset where the request had come by then: an answer it is not.
        assert!(stage.ask(b"hello").await.map_or(true, |answer| answer.is_empty()));
    }
    let status = stage.status_when(|status| status.open == 0).await;
    assert_eq!((status.accepted, status.refused, status.failed), (MANY as u64, 0, 0));
    assert_eq!(stage.reports(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_never_answers_takes_the_seats_of_its_own_route_only_and_is_said_once() {
    let (mute, echo) = (Backend::start("c1", never_answers), Backend::echo("c2"));
    let stage = Stage::new(Limits { connections_per_route: 8, ..limits() });
    stage.point(&mute);
    let (other, address) = (id("mail"), own_address());
    stage.router.reserve(&other, address).unwrap();
    stage.router.point(&other, echo.target.clone()).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let mut client = stage.connect().await;
        client.write_all(b"anybody there?").await.unwrap();
        waiting.push(client);
    }
    stage.status_when(|status| status.open == 8).await;
    let address = socket_address(address);
    for _ in 0..30 {
        stage.assert_refuses().await;
        assert_eq!(timeout(PATIENCE, ask(address, b"hello")).await.unwrap().unwrap(), b"hello");
    }
    assert_eq!(stage.reports(), ["route `web/ssh` resets new clients: it has 8 connections already"]);
    for client in &waiting {
        SockRef::from(client).set_linger(Some(Duration::ZERO)).unwrap();
    }
    drop(waiting);
    stage.status_when(|status| status.open == 0).await;
}

/// Takes the connection and what comes over it, and says nothing.
async fn never_answers(stream: TcpStream) -> std::io::Result<()> {
    loop {
        sleep(PATIENCE).await;
        stream.readable().await?;
    }
}
