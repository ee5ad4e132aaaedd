//! What a connection costs, counted exactly: system calls, descriptors, memory, and no failure among thousands. The router
//! is alone in a process of its own; clients and container are here.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{Forwarder, Traced};

/// Far more than any step needs.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many short connections are counted over.
const SHORT: usize = 400;
/// How many idle ones.
const IDLE: usize = 1_000;
/// What 10,000 idle connections may take of the router's memory; sockets are the kernel's.
const MIB_OF_10_000: f64 = 25.0;
/// What one connection of 64 bytes there and back may call, its share of waits included.
const CALLS: f64 = 28.0;

/// A container whose connections are served by threads.
fn container(serve: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (serve, stream) = (serve.clone(), stream.unwrap());
            thread::spawn(move || serve(stream).unwrap_or(()));
        }
    });
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Answers 64 bytes with 64, until the client ends.
fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut bytes = [0; 64];
    while stream.read_exact(&mut bytes).is_ok() {
        stream.write_all(&bytes)?;
    }
    Ok(())
}

fn short(address: SocketAddr, seed: usize) {
    let mut stream = connect(address);
    let sent = [u8::try_from(seed % 251).unwrap(); 64];
    stream.write_all(&sent).unwrap();
    let mut got = [0; 64];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got, sent, "connection {seed}");
    stream.shutdown(Shutdown::Write).unwrap();
    // The container's end, passed on: the router is done with the connection, or about to be.
    assert_eq!(stream.read(&mut got).unwrap(), 0);
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "some thousand calls")]
fn a_short_connection_costs_few_system_calls_and_none_fails() {
    let forwarder = Forwarder::start(container(answer));
    short(forwarder.address(), 0);
    let traced = Traced::attach(&forwarder);
    (0..SHORT).for_each(|seed| short(forwarder.address(), seed));
    let calls = traced.end();
    // The standard library looks at each descriptor before it closes it, where it is built to look for mistakes.
    let looks = if cfg!(debug_assertions) { calls.of("fcntl").min(2 * SHORT) } else { 0 };
    let each = (calls.total() - looks) as f64 / SHORT as f64;
    println!("{each:.2} system calls a connection");
    assert!(each <= CALLS, "{each:.2} system calls a connection: wanted at most {CALLS}\n{calls}");
    assert!(each > 15.0, "a connection cannot do with {each:.2} system calls: they were not counted\n{calls}");
    for absent in ["futex", "pipe2", "splice", "clock_gettime", "mmap"] {
        assert!(calls.of(absent) < SHORT / 20, "{absent}: {}", calls.of(absent));
    }
    let status = forwarder.end();
    assert_eq!((status.accepted, status.refused, status.failed, status.open), (SHORT as u64 + 1, 0, 0, 0));
    assert_eq!(status.bytes_to_clients, (SHORT as u64 + 1) * 64);
    assert_eq!(status.last_error, None);
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "some thousand KiB")]
fn an_idle_connection_costs_two_descriptors_and_no_buffer() {
    let forwarder = Forwarder::start(container(answer));
    // What the first connections make for all of them is made: threads, the buffer, the table of descriptors.
    let warm: Vec<_> = (0..50).map(|_| used_once(forwarder.address())).collect();
    let before = (forwarder.descriptors(), forwarder.memory_kib());
    let idle: Vec<_> = (0..IDLE).map(|_| used_once(forwarder.address())).collect();
    let after = (forwarder.descriptors(), forwarder.memory_kib());
    assert_eq!(after.0 - before.0, 2 * IDLE, "descriptors of {IDLE} idle connections");
    let mib = (after.1 - before.1) as f64 / 1024.0 * 10_000.0 / IDLE as f64;
    println!("{mib:.1} MiB for 10,000 idle connections");
    assert!(mib <= MIB_OF_10_000, "{mib:.1} MiB for 10,000 idle connections: wanted at most {MIB_OF_10_000}");
    drop((warm, idle));
    let gone = Instant::now() + PATIENCE;
    while forwarder.descriptors() > before.0 - 2 * 50 {
        assert!(Instant::now() < gone, "{} descriptors are left", forwarder.descriptors());
        thread::sleep(Duration::from_millis(10));
    }
    let status = forwarder.end();
    assert_eq!((status.accepted, status.refused, status.failed, status.open), (IDLE as u64 + 50, 0, 0, 0));
}

/// The timers of the open connections with this address as their own (2) or their peer's (3), as the kernel tells them.
fn timers(field: usize, address: SocketAddr) -> Vec<String> {
    let IpAddr::V4(ip) = address.ip() else { panic!("{address}") };
    let wanted = format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let open = fields.filter(|fields| fields.get(field - 1) == Some(&wanted.as_str()) && fields[3] == "01");
    open.map(|fields| fields[5][..2].to_owned()).collect()
}

#[test]
fn a_connection_that_lives_on_has_both_its_peers_probed() {
    const KEEPALIVE: &str = "02";
    let target = container(answer);
    let forwarder = Forwarder::start(target);
    let held: Vec<_> = (0..3).map(|_| used_once(forwarder.address())).collect();
    let until = Instant::now() + PATIENCE;
    // Nothing is under way: any timer that there is probes. The container's end is among neither.
    for (field, address) in [(2, forwarder.address()), (3, target)] {
        while timers(field, address) != [KEEPALIVE; 3] {
            assert!(Instant::now() < until, "{address}: {:?}", timers(field, address));
            thread::sleep(Duration::from_millis(50));
        }
    }
    drop(held);
    assert_eq!(forwarder.end().failed, 0);
}

/// A connection over which something went, there and back, and nothing since.
fn used_once(address: SocketAddr) -> TcpStream {
    let mut stream = connect(address);
    let mut bytes = [7; 64];
    stream.write_all(&bytes).unwrap();
    stream.read_exact(&mut bytes).unwrap();
    stream
}

#[test]
fn bulk_is_moved_by_the_kernel_and_leaves_no_pipe_with_an_idle_connection() {
    const BULK: usize = 64 << 20;
    let forwarder = Forwarder::start(container(|mut stream| {
        let piece = vec![5; 1 << 20];
        for _ in 0..BULK >> 20 {
            stream.write_all(&piece)?;
        }
        // Idle from here on, until the client goes.
        stream.read(&mut [0]).map(drop)
    }));
    let before = forwarder.descriptors();
    let traced = Traced::attach(&forwarder);
    let mut client = connect(forwarder.address());
    let (mut left, mut piece) = (BULK, vec![0; 1 << 18]);
    while left > 0 {
        let count = client.read(&mut piece).unwrap();
        assert!(count > 0 && piece[..count].iter().all(|byte| *byte == 5), "{left} bytes are missing");
        left -= count;
    }
    let calls = traced.end();
    let (moved, copied) = (calls.of("splice"), calls.of("read") + calls.of("sendto"));
    assert!(moved > 10 && copied < moved + 40, "{moved} through pipes, {copied} copied\n{calls}");
    // One descriptor pair of the connection, and at most the few pipes that are kept for the next transfer.
    let pipes = (forwarder.descriptors() - before).checked_sub(2).unwrap();
    assert!(pipes.is_multiple_of(2) && pipes <= 8, "{pipes} descriptors of pipes while nothing moves");
    assert_eq!(forwarder.pipes_that_hold_something(), 0);
    drop(client);
    assert_eq!(forwarder.end().bytes_to_clients, BULK as u64);
}
