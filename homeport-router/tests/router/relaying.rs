//! Another process accepts in front of the router: whom it leaves waiting is accepted here, and whom it hands on comes in like
//! any other.

use std::io::{ErrorKind, Write as _};
use std::net::TcpListener as StdListener;
use std::num::NonZeroU32;
use std::os::fd::AsFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use homeport_router::{Accepts, Announcement, Change, Limits, RouteRules};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{Backend, PATIENCE, Stage, content, id, limits, read_all};

/// A name that no other test uses.
fn own_name() -> UnixAddress {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    UnixAddress::from_abstract_name(format!("homeport-router-{}-{number}", std::process::id())).unwrap()
}

fn relayed(stage: &Stage) -> UnixAddress {
    let name = own_name();
    let listener = StdUnixListener::bind_addr(&name).unwrap();
    assert_eq!(stage.router.relay(&stage.id, listener).unwrap(), Ok(Change::Changed));
    name
}

fn header(client: &str, public: &str) -> Vec<u8> {
    let (client, public) =
        (client.parse::<std::net::SocketAddrV4>().unwrap(), public.parse::<std::net::SocketAddrV4>().unwrap());
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(client.ip().octets());
    header.extend(public.ip().octets());
    header.extend(client.port().to_be_bytes());
    header.extend(public.port().to_be_bytes());
    header
}

/// Hands on a client of this address, which has said so much already.
fn hand_on(name: &UnixAddress, client: &str, said: &[u8]) -> UnixStream {
    let mut stream = StdUnixStream::connect_addr(name).unwrap();
    stream.write_all(&[header(client, "192.0.2.1:22"), said.to_vec()].concat()).unwrap();
    stream.set_nonblocking(true).unwrap();
    UnixStream::from_std(stream).unwrap()
}

/// Ends its data, and reads to the end of the other's.
async fn finish(mut stream: UnixStream) -> Vec<u8> {
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no end").unwrap();
    answer
}

#[tokio::test]
async fn whom_a_proxy_hands_on_is_served_and_told_by_its_own_address() {
    let mut backend = Backend::echo("a");
    backend.target = backend.target.clone().announcing(Announcement::ProxyV1);
    let stage = Stage::pointed_at(&backend);
    let name = relayed(&stage);
    let answer = finish(hand_on(&name, "198.51.100.7:4711", b"hello")).await;
    assert_eq!(answer, b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 22\r\nhello");
    let status = stage.status_when(|status| status.open == 0).await;
    assert_eq!((status.accepted, status.bytes_from_clients), (1, 5));
    // Who comes by the public socket is served as before, and a second way in is not needed.
    assert!(stage.ask(b"x").await.unwrap().ends_with(b"x"));
    let another = StdUnixListener::bind_addr(&own_name()).unwrap();
    assert_eq!(stage.router.relay(&stage.id, another).unwrap(), Ok(Change::Unchanged));
    let nobody = StdUnixListener::bind_addr(&own_name()).unwrap();
    assert!(stage.router.relay(&id("other"), nobody).unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_goes_through_what_a_proxy_hands_on() {
    let backend = Backend::echo("a");
    let stage = Stage::pointed_at(&backend);
    let mut stream = hand_on(&relayed(&stage), "198.51.100.7:1", b"");
    let sent = content(3, 6_000_000);
    let (mut reads, mut writes) = stream.split();
    let mut answer = Vec::new();
    let all_goes = async {
        writes.write_all(&sent).await.unwrap();
        writes.shutdown().await.unwrap();
    };
    let both = async { tokio::join!(all_goes, reads.read_to_end(&mut answer)).1.unwrap() };
    timeout(PATIENCE, both).await.expect("no end");
    assert!(answer == sent, "{} of {} bytes came back", answer.len(), sent.len());
}

#[tokio::test]
async fn whom_a_proxy_hands_on_waits_while_the_route_is_held_and_is_turned_away_when_it_closes() {
    let (stage, backend) = (Stage::new(limits()), Backend::named_echo("b"));
    let name = relayed(&stage);
    let waiting: Vec<UnixStream> = (1..=20).map(|n| hand_on(&name, &format!("198.51.100.{n}:1"), b"x")).collect();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(stage.status().open, 0);
    assert!(stage.router.is_handed_clients(), "nobody counts them, and they are there");
    stage.point(&backend);
    for client in waiting {
        assert_eq!(finish(client).await, b"bx");
    }
    assert!(!stage.router.is_handed_clients());
    stage.router.hold(&stage.id).unwrap();
    let waiting = hand_on(&name, "198.51.100.7:1", b"");
    sleep(Duration::from_millis(50)).await;
    stage.router.close(&stage.id).unwrap();
    assert_eq!(finish(waiting).await, b"");
    assert_eq!(stage.status_when(|status| status.refused == 1).await.refused_because.closed, 1);
}

#[tokio::test]
async fn the_rules_of_the_route_are_for_the_client_and_not_for_the_proxy() {
    let backend = Backend::named_echo("b");
    let stage = Stage::pointed_at(&backend);
    let name = relayed(&stage);
    let rules = RouteRules {
        deny: vec!["198.51.100.0/24".parse().unwrap()],
        per_source: NonZeroU32::new(1),
        ..RouteRules::default()
    };
    stage.router.set_rules(&stage.id, rules).unwrap();
    assert_eq!(finish(hand_on(&name, "198.51.100.7:1", b"")).await, b"");
    let mut stays = hand_on(&name, "203.0.113.7:1", b"");
    timeout(PATIENCE, stays.read_u8()).await.unwrap().unwrap();
    assert_eq!(finish(hand_on(&name, "203.0.113.7:2", b"")).await, b"");
    let because = stage.status_when(|status| status.refused == 2).await.refused_because;
    assert_eq!((because.not_allowed, because.source_full), (1, 1));
    drop(stays);
}

#[tokio::test]
async fn who_is_not_introduced_is_no_client() {
    let backend = Backend::named_echo("b");
    let stage = Stage::pointed_at(&backend);
    let name = relayed(&stage);
    let mut local = header("203.0.113.7:1", "192.0.2.1:2");
    local[12] = 0x20;
    for said in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), local, vec![0; 200], b"\r\n".to_vec()] {
        let mut stream = UnixStream::from_std({
            let stream = StdUnixStream::connect_addr(&name).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .unwrap();
        stream.write_all(&said).await.unwrap();
        let mut answer = Vec::new();
        stream.shutdown().await.unwrap();
        let end = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no end");
        assert!(answer.is_empty() && !end.is_err_and(|error| error.kind() != ErrorKind::ConnectionReset));
    }
    let status = stage.status();
    assert_eq!((status.accepted, status.refused, status.open), (0, 0, 0));
}

#[tokio::test]
async fn a_proxys_way_in_ends_with_the_route_and_so_do_its_clients() {
    let backend = Backend::named_echo("b");
    let stage = Stage::pointed_at(&backend);
    let name = relayed(&stage);
    let mut stream = hand_on(&name, "203.0.113.7:1", b"");
    timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap();
    stage.router.stop_accepting().await;
    assert_eq!(finish(hand_on(&name, "203.0.113.8:1", b"y")).await, b"by", "who was accepted before is served");
    stage.router.release(&stage.id).await;
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("no end").ok();
    assert_eq!(StdUnixStream::connect_addr(&name).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

/// The other process's duplicate of the public socket.
fn duplicate(stage: &Stage) -> StdListener {
    let socket = stage.router.listening()[0].as_fd().try_clone_to_owned().unwrap();
    StdListener::from(socket)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_another_process_accepts_is_left_to_it_and_whom_it_leaves_waiting_is_served() {
    let backend = Backend::named_echo("b");
    // On a busy machine another process does not come to it as soon.
    let stage = Stage::new(Limits { left_waiting: Duration::from_secs(2), ..limits() });
    stage.point(&backend);
    let other = duplicate(&stage);
    assert_eq!(stage.router.accept(&stage.id, Accepts::WhoIsLeft), Ok(Change::Changed));
    assert_eq!(stage.router.accept(&stage.id, Accepts::WhoIsLeft), Ok(Change::Unchanged));
    // It accepts everybody at once, until all have come.
    let have_all_come = Arc::new(AtomicBool::new(false));
    let accepts = tokio::spawn({
        let have_all_come = Arc::clone(&have_all_come);
        async move {
            let mut taken = Vec::new();
            loop {
                let is_last_look = have_all_come.load(Ordering::Relaxed);
                match other.accept() {
                    Ok((stream, _)) => taken.push(stream),
                    Err(_) if is_last_look => break,
                    Err(_) => sleep(Duration::from_millis(1)).await,
                }
            }
            (other, taken.len() as u64)
        }
    });
    let mut clients = Vec::new();
    while clients.len() < 60 {
        clients.push(stage.connect().await);
        sleep(Duration::from_millis(10)).await;
    }
    have_all_come.store(true, Ordering::Relaxed);
    let (other, taken) = accepts.await.unwrap();
    assert_eq!(stage.status().accepted + taken, 60);
    assert!(taken >= 50, "only {taken} of 60 were left to the other process");
    // It accepts nobody any more.
    let before = Instant::now();
    let mut left: Vec<TcpStream> = Vec::new();
    for _ in 0..100 {
        left.push(stage.connect().await);
    }
    for mut client in left {
        client.shutdown().await.unwrap();
        assert_eq!(read_all(&mut client).await.unwrap(), b"b");
    }
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
    // And everybody is accepted at once where that was said.
    assert_eq!(stage.router.accept(&stage.id, Accepts::Everybody), Ok(Change::Changed));
    assert_eq!(stage.ask(b"z").await.unwrap(), b"bz");
    drop(other);
}

/// On a busy machine the router sees both at once: that another process accepts from now on, and a client that may have come after
/// that. With one thread, it always does here.
#[tokio::test]
async fn whom_it_sees_together_with_another_process_that_takes_over_is_left_to_that() {
    let backend = Backend::named_echo("b");
    let stage = Stage::new(Limits { left_waiting: PATIENCE, ..limits() });
    stage.point(&backend);
    let other = duplicate(&stage);
    let (mut rings, mut bell) = UnixStream::pair().unwrap();
    for round in 1..=30 {
        assert_eq!(stage.ask(b"z").await.unwrap(), b"bz");
        bell.write_all(b"x").await.unwrap();
        let client = std::net::TcpStream::connect(stage.address).unwrap();
        // What is said next is said before the router runs again.
        assert_eq!(rings.read(&mut [0; 2]).await.unwrap(), 1, "a short read: the next one waits again");
        stage.router.accept(&stage.id, Accepts::WhoIsLeft).unwrap();
        sleep(Duration::from_millis(20)).await;
        assert_eq!(stage.status().accepted, round);
        drop((client, other.accept().unwrap()));
        stage.router.accept(&stage.id, Accepts::Everybody).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_left_waiting_by_another_process_waits_while_the_route_is_held() {
    let (stage, backend) = (Stage::new(limits()), Backend::named_echo("b"));
    let _other = duplicate(&stage);
    stage.router.accept(&stage.id, Accepts::WhoIsLeft).unwrap();
    let mut client = stage.connect().await;
    sleep(Duration::from_millis(400)).await;
    assert_eq!(stage.status().accepted, 0);
    stage.point(&backend);
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut client).await.unwrap(), b"b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_there_are_seats_are_served_one_after_the_other() {
    let backend = Backend::named_echo("b");
    let few = Limits { connections_per_route: 3, ..limits() };
    let stage = Stage::new(few);
    let name = relayed(&stage);
    let waiting: Vec<UnixStream> = (1..=200).map(|n| hand_on(&name, &format!("198.51.100.{n}:1"), b"x")).collect();
    stage.point(&backend);
    let each = waiting.into_iter().map(|client| tokio::spawn(finish(client)));
    for client in each.collect::<Vec<_>>() {
        assert_eq!(client.await.unwrap(), b"bx");
    }
    // One that keeps its seat makes the others wait for so long only.
    let mut stay = Vec::new();
    for n in 1..=3 {
        let mut client = hand_on(&name, &format!("198.51.100.{n}:2"), b"");
        timeout(PATIENCE, client.read_u8()).await.unwrap().unwrap();
        stay.push(client);
    }
    assert_eq!(finish(hand_on(&name, "198.51.100.9:1", b"")).await, b"");
    let status = stage.status();
    assert_eq!((status.accepted, status.refused_because.full), (203, 1));
}

#[tokio::test]
async fn who_waits_for_a_seat_waits_on_while_the_route_is_held() {
    let backend = Backend::named_echo("b");
    let stage = Stage::new(Limits { connections_per_route: 1, ..limits() });
    stage.point(&backend);
    let name = relayed(&stage);
    let mut stays = hand_on(&name, "198.51.100.1:1", b"");
    timeout(PATIENCE, stays.read_u8()).await.unwrap().unwrap();
    let waiting: Vec<UnixStream> = (2..=4).map(|n| hand_on(&name, &format!("198.51.100.{n}:1"), b"x")).collect();
    stage.status_when(|status| status.waiting == 3).await;
    stage.router.hold(&stage.id).unwrap();
    // Longer than anybody waits for a seat.
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!((stage.status().refused, stage.status().open, stage.status().waiting), (0, 1, 3));
    stage.point(&backend);
    let each: Vec<_> = waiting.into_iter().map(|client| tokio::spawn(finish(client))).collect();
    assert_eq!(finish(stays).await, b"");
    for client in each {
        assert_eq!(client.await.unwrap(), b"bx");
    }
    assert_eq!(stage.status().refused, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_there_are_seats_are_left_waiting_and_served_one_after_the_other() {
    let backend = Backend::named_echo("b");
    let stage = Stage::new(Limits { connections_per_route: 3, ..limits() });
    stage.point(&backend);
    let _other = duplicate(&stage);
    stage.router.accept(&stage.id, Accepts::WhoIsLeft).unwrap();
    let mut clients = Vec::new();
    for _ in 0..60 {
        clients.push(stage.connect().await);
    }
    let each = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            client.shutdown().await.unwrap();
            read_all(&mut client).await
        })
    });
    for client in each.collect::<Vec<_>>() {
        assert_eq!(client.await.unwrap().unwrap(), b"b");
    }
    assert_eq!(stage.status().refused, 0);
}

#[tokio::test]
async fn who_comes_by_the_public_socket_after_a_proxys_client_took_the_last_seat_waits_for_one() {
    let backend = Backend::named_echo("b");
    let stage = Stage::new(Limits { connections_per_route: 1, ..limits() });
    stage.point(&backend);
    let name = relayed(&stage);
    // There was a seat when the router began to wait for the next client.
    sleep(Duration::from_millis(50)).await;
    let mut stays = hand_on(&name, "198.51.100.1:1", b"");
    timeout(PATIENCE, stays.read_u8()).await.unwrap().unwrap();
    let mut client = stage.connect().await;
    client.shutdown().await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!((stage.status().refused, stage.status().open), (0, 1));
    assert_eq!(finish(stays).await, b"");
    assert_eq!(read_all(&mut client).await.unwrap(), b"b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_a_proxy_hands_on_gets_a_seat_though_many_wait_at_the_public_socket() {
    let backend = Backend::start("b", |mut stream| async move {
        sleep(Duration::from_millis(30)).await;
        stream.write_all(b"b").await
    });
    let stage = Arc::new(Stage::new(Limits { connections_per_route: 2, ..limits() }));
    stage.point(&backend);
    let name = relayed(&stage);
    let is_over = Arc::new(AtomicBool::new(false));
    let others = (0..8).map(|_| {
        let (stage, is_over) = (Arc::clone(&stage), Arc::clone(&is_over));
        tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(stage.ask(b"").await.unwrap(), b"b");
            }
        })
    });
    let others: Vec<_> = others.collect();
    stage.status_when(|status| status.accepted > 8).await;
    // The others go on until all of these were served.
    for n in 1..=10 {
        assert_eq!(finish(hand_on(&name, &format!("198.51.100.{n}:1"), b"")).await, b"b");
    }
    is_over.store(true, Ordering::Relaxed);
    for other in others {
        other.await.unwrap();
    }
    assert_eq!(stage.status().refused, 0);
}
