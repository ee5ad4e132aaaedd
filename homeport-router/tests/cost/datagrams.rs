//! What a datagram costs where many have come: system calls, descriptors and memory of a session.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use crate::process::{Forwarder, Traced};

const PATIENCE: Duration = Duration::from_secs(20);
/// How many datagrams come at once. All fit into what any kernel keeps of a socket that asks for no more.
const AT_ONCE: usize = 128;
/// How often they come.
const ROUNDS: usize = 10;
/// What a datagram may call on its way there, and its answer on its way back, where one client has sent all.
const CALLS_OF_ONE_CLIENT: f64 = 0.35;
/// The same where each has a client of its own, and so a socket of its own to the container.
const CALLS_OF_MANY_CLIENTS: f64 = 2.4;
/// What 10,000 sessions may take of the router's memory; sockets are the kernel's.
const MIB_OF_10_000: f64 = 20.0;

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// What the container hears, and from whom.
type Came = Vec<(Vec<u8>, SocketAddr)>;

fn take(container: &UdpSocket, count: usize) -> Came {
    let mut buffer = [0; 100];
    let mut next = || {
        let (length, from) = container.recv_from(&mut buffer).unwrap();
        (buffer[..length].to_vec(), from)
    };
    (0..count).map(|_| next()).collect()
}

fn send_back(container: &UdpSocket, came: &Came) {
    for (bytes, from) in came {
        assert_eq!(container.send_to(bytes, from).unwrap(), bytes.len());
    }
}

fn hear(client: &UdpSocket, wanted: &[u8]) {
    let mut buffer = [0; 100];
    let length = client.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], wanted);
}

/// The calls for each datagram and its answer, where `AT_ONCE` of these clients come at once.
#[expect(clippy::cast_precision_loss, reason = "some thousand calls")]
fn calls_of(clients: &[UdpSocket]) -> f64 {
    let container = socket();
    let forwarder = Forwarder::start_for_datagrams(container.local_addr().unwrap());
    for client in clients {
        client.connect(forwarder.address()).unwrap();
        client.send(b"begins").unwrap();
        send_back(&container, &take(&container, 1));
        hear(client, b"begins");
    }
    let each = AT_ONCE / clients.len();
    let round = |of: usize| {
        let text = |n: usize| format!("{of}: {n:>59}").into_bytes();
        forwarder.while_stopped(|| {
            for client in clients {
                (0..each).for_each(|n| assert_eq!(client.send(&text(n)).unwrap(), text(n).len()));
            }
        });
        let came = take(&container, AT_ONCE);
        // And so do the answers.
        forwarder.while_stopped(|| send_back(&container, &came));
        for client in clients {
            (0..each).for_each(|n| hear(client, &text(n)));
        }
    };
    round(0);
    let traced = Traced::attach(&forwarder);
    (1..=ROUNDS).for_each(round);
    let calls = traced.end();
    assert!(calls.of("recvmmsg") > 0 && calls.of("sendmmsg") > 0, "{calls}");
    let each = calls.total() as f64 / (AT_ONCE * ROUNDS) as f64;
    println!("{each:.2} system calls a datagram and its answer, {} clients\n{calls}", clients.len());
    let status = forwarder.end();
    let sent = (AT_ONCE * (ROUNDS + 1) + clients.len()) as u64;
    let datagrams = status.datagrams.unwrap();
    assert_eq!((datagrams.from_clients, datagrams.to_clients), (sent, sent));
    assert_eq!((datagrams.crowded_out, datagrams.unreachable, datagrams.unsent, status.refused), (0, 0, 0, 0));
    assert_eq!((status.accepted, status.last_error), (clients.len() as u64, None));
    each
}

#[test]
fn datagrams_of_one_client_that_come_at_once_are_moved_many_with_a_call() {
    let each = calls_of(&[socket()]);
    assert!(each <= CALLS_OF_ONE_CLIENT, "{each:.2} calls: wanted at most {CALLS_OF_ONE_CLIENT}");
}

#[test]
fn datagrams_of_many_clients_cost_their_own_socket_each_and_little_else() {
    let clients: Vec<UdpSocket> = (0..AT_ONCE).map(|_| socket()).collect();
    let each = calls_of(&clients);
    assert!(each <= CALLS_OF_MANY_CLIENTS, "{each:.2} calls: wanted at most {CALLS_OF_MANY_CLIENTS}");
    assert!(each > 1.9, "each has a socket that is written to and read: {each:.2} calls were not all counted");
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "some thousand KiB")]
fn a_session_costs_one_descriptor_and_no_buffer() {
    const SESSIONS: usize = 1_000;
    let container = socket();
    let target = container.local_addr().unwrap();
    let forwarder = Forwarder::start_for_datagrams(target);
    let begin = || {
        let client = socket();
        client.connect(forwarder.address()).unwrap();
        client.send(b"begins").unwrap();
        client
    };
    let warm: Vec<_> = (0..50).map(|_| begin()).collect();
    thread::sleep(Duration::from_millis(200));
    let before = (forwarder.descriptors(), forwarder.memory_kib());
    let mut sessions = Vec::new();
    for n in 0..SESSIONS {
        sessions.push(begin());
        if n % 50 == 49 {
            thread::sleep(Duration::from_millis(20));
        }
    }
    let until = std::time::Instant::now() + PATIENCE;
    while forwarder.descriptors() < before.0 + SESSIONS {
        assert!(std::time::Instant::now() < until, "{} descriptors", forwarder.descriptors());
        thread::sleep(Duration::from_millis(10));
    }
    let after = (forwarder.descriptors(), forwarder.memory_kib());
    assert_eq!(after.0 - before.0, SESSIONS, "descriptors of {SESSIONS} sessions");
    let mib = (after.1 - before.1) as f64 / 1024.0 * 10_000.0 / SESSIONS as f64;
    println!("{mib:.1} MiB for 10,000 sessions");
    assert!(mib <= MIB_OF_10_000, "{mib:.1} MiB for 10,000 sessions: wanted at most {MIB_OF_10_000}");
    drop((warm, sessions));
    let status = forwarder.end();
    assert_eq!((status.accepted, status.refused, status.failed), (SESSIONS as u64 + 50, 0, 0));
}
