//! Who is let in that was accepted, and who is not.

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::*;
use crate::gate::GateEvent;
use crate::target::Target;
use crate::test_route::{self, limits_of};

const PATIENCE: Duration = Duration::from_secs(20);

/// An acceptor of a route of one seat that leads to this container.
async fn acceptor(container: &TcpListener) -> Acceptor {
    let route = test_route::route(limits_of(1));
    route.let_happen(GateEvent::Point(Target::new("a".parse().unwrap(), container.local_addr().unwrap())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let accepting = watch::Sender::new(Accepting::Yes).subscribe();
    Acceptor::new(Arc::new(route), Arc::new(listener), accepting, oneshot::channel().0)
}

/// A client, and as the acceptor has it that has just accepted it.
async fn client(acceptor: &Acceptor) -> (TcpStream, TcpStream, SocketAddr) {
    let theirs = TcpStream::connect(acceptor.listener.local_addr().unwrap()).await.unwrap();
    let (ours, from) = acceptor.listener.accept().await.unwrap();
    (theirs, ours, from)
}

#[tokio::test]
async fn who_was_not_as_quick_as_another_waits_for_a_seat_and_who_came_too_late_is_reset() {
    let container = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut acceptor = acceptor(&container).await;
    let seat = acceptor.route.find_seat([192, 0, 2, 1].into()).unwrap();
    let (mut waits, ours, from) = client(&acceptor).await;
    acceptor.admit(ours, from, IfFull::Wait);
    assert_eq!(acceptor.route.seats.waiting(), 1);
    let (mut late, ours, from) = client(&acceptor).await;
    acceptor.admit(ours, from, IfFull::TurnAway);
    let end = timeout(PATIENCE, late.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
    drop(seat);
    let (reached, _) = timeout(PATIENCE, container.accept()).await.unwrap().unwrap();
    reached.try_write(b"x").unwrap();
    assert_eq!(timeout(PATIENCE, waits.read_u8()).await.unwrap().unwrap(), b'x');
    let status = acceptor.route.status().unwrap();
    assert_eq!((status.accepted, status.refused_because.full), (1, 1));
}

#[tokio::test]
async fn who_waits_for_a_seat_is_reset_when_the_route_ends() {
    let container = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut acceptor = acceptor(&container).await;
    let _seat = acceptor.route.find_seat([192, 0, 2, 1].into()).unwrap();
    let mut all = Vec::new();
    for _ in 0..3 {
        let (theirs, ours, from) = client(&acceptor).await;
        acceptor.admit(ours, from, IfFull::Wait);
        all.push(theirs);
    }
    acceptor.connections.shutdown().await;
    for mut theirs in all {
        let end = timeout(PATIENCE, theirs.read_u8()).await.unwrap().unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
    }
    assert_eq!(acceptor.route.seats.waiting(), 0);
}
