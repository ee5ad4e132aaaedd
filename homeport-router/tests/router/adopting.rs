//! Sockets that pass from one router to the next, as from a daemon to the one that takes its place.

use std::io::ErrorKind;
use std::net::{TcpListener as StdListener, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use homeport_core::fault::Advice as _;
use homeport_router::{Change, Limits, ListenAddress, ReserveError, Reserved, RouteState, Router};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::stage::{
    Backend, PATIENCE, Stage, ask, assert_reset, id, limits, own_address, own_ip, read_all, socket_address,
};

fn next_router() -> Router {
    Router::new(limits(), Handle::current(), |_| {})
}

fn listen(stage: &Stage) -> ListenAddress {
    stage.address.to_string().parse().unwrap()
}

/// What another process would have of the route's socket.
fn duplicate(router: &Router) -> OwnedFd {
    let listening = router.listening();
    assert_eq!(listening.len(), 1);
    listening[0].as_fd().try_clone_to_owned().unwrap()
}

async fn exchange(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut answer = vec![0; text.len()];
    let exchange = async {
        stream.write_all(text).await?;
        stream.read_exact(&mut answer).await
    };
    timeout(PATIENCE, exchange).await.expect("the exchange hangs")?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_in_the_queue_is_served_by_the_router_that_takes_the_socket_up() {
    let (stage, backend) = (Stage::new(limits()), Backend::echo("c1"));
    let mut waiting = stage.connect().await;
    waiting.write_all(b"first").await.unwrap();
    let socket = duplicate(&stage.router);
    stage.router.stop_accepting().await;
    // Nobody has it for now but the duplicate.
    let mut later = stage.connect().await;
    let (next, address) = (next_router(), listen(&stage));
    assert_eq!(next.adopt(&stage.id, address, socket).unwrap(), Reserved::Bound(address));
    assert_eq!(next.status()[0].state, RouteState::Held);
    next.point(&stage.id, backend.target.clone()).unwrap();
    assert_eq!(exchange(&mut later, b"later").await.unwrap(), b"later");
    waiting.shutdown().await.unwrap();
    assert_eq!(read_all(&mut waiting).await.unwrap(), b"first");
    assert_eq!(stage.status().accepted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_carried_on_by_the_router_that_has_stopped_accepting() {
    let backend = Backend::echo("c1");
    let stage = Stage::pointed_at(&backend);
    let mut live = stage.connect().await;
    assert_eq!(exchange(&mut live, b"before").await.unwrap(), b"before");
    let socket = duplicate(&stage.router);
    timeout(PATIENCE, stage.router.stop_accepting()).await.unwrap();
    assert!(stage.router.listening().is_empty());
    assert_eq!(exchange(&mut live, b"after").await.unwrap(), b"after");
    let refused = stage.router.reserve(&id("other"), own_address()).unwrap_err();
    assert!(matches!(refused, ReserveError::ShutDown { .. }), "{refused}");
    drop(socket);
    assert_eq!(ask(stage.address, b"").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(stage.router.end_connections(&stage.id, &backend.target.container).unwrap(), 1);
    assert_reset(&mut live).await;
    stage.status_when(|status| status.open == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_accepted_and_not_connected_goes_by_the_route_as_it_is_led_later() {
    // The first target is not there, so that clients are accepted and cannot be connected.
    let gone = Backend::echo("c1");
    let (target, next) = (gone.target.clone(), Backend::echo("c2"));
    drop(gone);
    let stage = Stage::new(limits());
    stage.router.point(&stage.id, target).unwrap();
    let mut client = stage.connect().await;
    stage.status_when(|status| status.open == 1 && status.live.is_empty()).await;
    let _socket = duplicate(&stage.router);
    timeout(PATIENCE, stage.router.stop_accepting()).await.unwrap();
    stage.router.hold(&stage.id).unwrap();
    sleep(Duration::from_millis(50)).await;
    stage.point(&next);
    assert_eq!(exchange(&mut client, b"served").await.unwrap(), b"served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_ends_also_where_no_more_clients_are_accepted() {
    let gone = Backend::echo("c1");
    let target = gone.target.clone();
    drop(gone);
    let stage = Stage::new(Limits { hold_limit: Duration::from_millis(200), ..limits() });
    stage.router.point(&stage.id, target).unwrap();
    let mut client = stage.connect().await;
    stage.status_when(|status| status.open == 1).await;
    stage.router.hold(&stage.id).unwrap();
    timeout(PATIENCE, stage.router.stop_accepting()).await.unwrap();
    assert_reset(&mut client).await;
    stage.status_when(|status| status.open == 0 && status.state == RouteState::Closed).await;
}

#[tokio::test]
async fn a_socket_that_is_not_the_addresses_is_refused_and_nothing_is_left() {
    let (router, address, ip) = (next_router(), own_address(), own_ip());
    let elsewhere = StdListener::bind((ip, 2301)).unwrap();
    let connected = std::net::TcpStream::connect((ip, 2301)).unwrap();
    let datagrams = UdpSocket::bind((ip, 2301)).unwrap();
    let rows: [(OwnedFd, String); 3] = [
        (elsewhere.into(), format!("listens on `{ip}:2301`")),
        (connected.into(), "is not listening for TCP".to_owned()),
        (datagrams.into(), "is not listening for TCP".to_owned()),
    ];
    for (socket, found) in rows {
        let error = router.adopt(&id("web"), address, socket).unwrap_err();
        assert_eq!(error.code(), "HP-RTR-009");
        assert_eq!(error.to_string(), format!("the socket that was handed over for `{address}` {found}"));
        assert!(router.status().is_empty() && router.listening().is_empty());
    }
    assert_eq!(router.reserve(&id("web"), address).unwrap(), Reserved::Bound(address));
}

#[tokio::test]
async fn a_route_that_has_the_address_keeps_its_own_socket() {
    let stage = Stage::new(limits());
    let before = stage.router.listening()[0].number;
    let other = StdListener::bind(socket_address(own_address())).unwrap();
    let address = listen(&stage);
    assert_eq!(stage.router.adopt(&stage.id, address, other.into()).unwrap(), Reserved::Unchanged(address));
    assert_eq!(stage.router.listening()[0].number, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listens_on_a_released_address_though_a_duplicate_of_the_socket_is_open() {
    let stage = Stage::new(limits());
    let mut waiting = stage.connect().await;
    let kept = duplicate(&stage.router);
    assert_eq!(stage.router.release(&stage.id).await, Change::Changed);
    assert_reset(&mut waiting).await;
    assert_eq!(ask(stage.address, b"").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let address = listen(&stage);
    let error = next_router().adopt(&stage.id, address, kept.try_clone().unwrap()).unwrap_err();
    assert!(matches!(error, ReserveError::NotItsSocket { .. }), "one that was let go is never taken up: {error}");
    let number = {
        assert_eq!(stage.router.reserve(&stage.id, address).unwrap(), Reserved::Bound(address));
        stage.router.listening()[0].number
    };
    stage.router.release(&stage.id).await;
    stage.router.reserve(&stage.id, address).unwrap();
    assert_ne!(stage.router.listening()[0].number, number, "the same address again is another socket");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_is_dropped_ends_no_listening_of_others() {
    let stage = Stage::new(limits());
    let (kept, address, route) = (duplicate(&stage.router), listen(&stage), stage.id.clone());
    let socket = stage.address;
    drop(stage);
    sleep(Duration::from_millis(50)).await;
    let mut client = timeout(PATIENCE, TcpStream::connect(socket)).await.unwrap().unwrap();
    let (next, backend) = (next_router(), Backend::echo("c1"));
    next.adopt(&route, address, kept).unwrap();
    next.point(&route, backend.target.clone()).unwrap();
    assert_eq!(exchange(&mut client, b"here").await.unwrap(), b"here");
}
