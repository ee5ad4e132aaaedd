//! A holder in a thread, and daemons that the tests play.

use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A holder, whose `Course::Over` ends its thread.
struct Stage {
    dir: tempfile::TempDir,
    thread: JoinHandle<Holder>,
}

/// An address of 127.0.0.0/8 that no other test uses, in this process or in one that runs beside it.
fn own_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, 192 + (high & 31), low, NEXT.fetch_add(1, Ordering::Relaxed)), 2222))
}

impl Stage {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Holder)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut holder = Holder::new(&dir.path().join("holder.sock"), dir.path().join("log")).unwrap();
        change(&mut holder);
        let thread = std::thread::spawn(move || {
            while holder.step().unwrap() == Course::On {}
            holder
        });
        Self { dir, thread }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("holder.sock")
    }

    fn guest(&self) -> Channel {
        Channel::connect(&self.socket()).unwrap()
    }

    /// A daemon that is started again by these words.
    fn daemon(&self, start: &[&str]) -> Channel {
        let channel = self.guest();
        let start = start.iter().map(|word| (*word).to_owned()).collect();
        let pid = std::process::id();
        assert_eq!(ask(&channel, &Ask::Hello { protocol: 7, start }).0, Answer::Hello { protocol: PROTOCOL, pid });
        channel
    }

    /// Ends the holder in the ordinary way.
    fn end(self) {
        assert_eq!(ask(&self.guest(), &Ask::End).0, Answer::Done);
        let holder = self.thread.join().unwrap();
        assert!(holder.held.is_empty() && !holder.path.exists());
    }
}

fn ask(channel: &Channel, ask: &Ask) -> (Answer, Option<OwnedFd>) {
    channel.send(ask, None).unwrap();
    let received = channel.receive().unwrap().unwrap();
    (received.message.unwrap(), received.descriptor)
}

fn keep(channel: &Channel, route: &str, socket: &TcpListener) {
    let address = socket.local_addr().unwrap().to_string();
    channel.send(&Ask::Keep { route: route.to_owned(), address }, Some(socket.as_fd())).unwrap();
    assert_eq!(channel.receive().unwrap().unwrap().message, Some(Answer::Done));
}

/// Every route that the holder has, and its socket.
fn all(channel: &Channel) -> Vec<(String, TcpListener)> {
    let (mut found, mut after) = (Vec::new(), None);
    while let (Answer::Held { route, address }, socket) = ask(channel, &Ask::Next { after }) {
        let socket = TcpListener::from(socket.unwrap());
        assert_eq!(socket.local_addr().unwrap().to_string(), address);
        after = Some(route.clone());
        found.push((route, socket));
    }
    found
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn every_socket_goes_to_the_next_daemon_with_those_who_wait() {
    let stage = Stage::new();
    let addresses = [own_address(), own_address(), own_address()];
    let first = stage.daemon(&[]);
    for (route, address) in ["a/x", "b/x", "c/x"].iter().zip(addresses) {
        keep(&first, route, &TcpListener::bind(address).unwrap());
    }
    assert_eq!(ask(&first, &Ask::LetGo { route: "b/x".to_owned() }).0, Answer::Done);
    assert_eq!(ask(&first, &Ask::LetGo { route: "b/x".to_owned() }).0, Answer::Done, "what is not there is gone");
    // The daemon is killed: its connection ends, and so do its own sockets, which this test has closed already.
    drop(first);
    let waiting = TcpStream::connect(addresses[0]).unwrap();
    let gone = TcpStream::connect(addresses[1]).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::ConnectionRefused);
    let second = stage.daemon(&[]);
    let found = all(&second);
    assert_eq!(found.iter().map(|(route, _)| route.as_str()).collect::<Vec<_>>(), ["a/x", "c/x"]);
    let (_, client) = found[0].1.accept().unwrap();
    assert_eq!(client, waiting.local_addr().unwrap());
    stage.end();
}

#[test]
fn another_socket_of_a_route_takes_the_place_of_the_first() {
    let stage = Stage::new();
    let daemon = stage.daemon(&[]);
    let (before, after) = (own_address(), own_address());
    keep(&daemon, "a/x", &TcpListener::bind(before).unwrap());
    keep(&daemon, "a/x", &TcpListener::bind(after).unwrap());
    assert_eq!(TcpStream::connect(before).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    TcpStream::connect(after).unwrap();
    assert_eq!(all(&daemon).len(), 1);
    stage.end();
    assert_eq!(TcpStream::connect(after).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn what_is_not_understood_or_lacks_its_socket_changes_nothing_and_ends_nothing() {
    let stage = Stage::new();
    let daemon = stage.daemon(&[]);
    let address = own_address();
    keep(&daemon, "a/x", &TcpListener::bind(address).unwrap());
    let nothing = Ask::Keep { route: "a/x".to_owned(), address: address.to_string() };
    assert_eq!(ask(&daemon, &nothing).0, Answer::Unknown);
    daemon.send(&serde_json::json!({"ask": "something of a newer daemon"}), None).unwrap();
    assert_eq!(daemon.receive().unwrap().unwrap().message, Some(Answer::Unknown));
    assert_eq!(all(&daemon).len(), 1);
    // Who only looks is no daemon: that it comes and goes starts none and ends nothing.
    drop(stage.guest());
    assert_eq!(all(&daemon).len(), 1);
    stage.end();
}

#[test]
fn a_daemon_that_is_gone_is_started_again_by_its_own_words_and_one_that_leaves_is_not() {
    let stage = Stage::new();
    let mark = stage.dir.path().join("started");
    let words = ["/bin/touch", mark.to_str().unwrap()];
    let leaving = stage.daemon(&words);
    assert_eq!(ask(&leaving, &Ask::Leave).0, Answer::Done);
    drop(leaving);
    std::thread::sleep(Duration::from_millis(300));
    assert!(!mark.exists(), "the next one comes by itself");
    drop(stage.daemon(&words));
    eventually("the daemon is started", || mark.exists());
    stage.end();
}

#[test]
fn where_no_daemon_works_for_a_minute_clients_are_turned_away_until_one_does() {
    let address = own_address();
    let kept = TcpListener::bind(address).unwrap();
    kept.set_nonblocking(true).unwrap();
    // As after a minute without a daemon.
    let stage = Stage::with(|holder| {
        let now = Instant::now();
        holder.absence = Absence::new(now.checked_sub(Duration::from_mins(2)).unwrap_or(now));
        holder.held.insert("a/x".to_owned(), Kept { address: address.to_string(), socket: kept.into() });
    });
    for _ in 0..3 {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(client.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    }
    let daemon = stage.daemon(&[]);
    let waiting = TcpStream::connect(address).unwrap();
    let found = all(&daemon);
    eventually("it is in the queue", || match found[0].1.accept() {
        Ok((_, client)) => client == waiting.local_addr().unwrap(),
        Err(_) => false,
    });
    stage.end();
}

#[test]
fn datagrams_wait_for_the_next_daemon_for_a_minute_and_are_dropped_then() {
    let address = own_address();
    let kept = UdpSocket::bind(address).unwrap();
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stage = Stage::new();
    let first = stage.daemon(&[]);
    let ask_to_keep = Ask::Keep { route: "a/x".to_owned(), address: format!("{address}/udp") };
    first.send(&ask_to_keep, Some(kept.as_fd())).unwrap();
    assert_eq!(first.receive().unwrap().unwrap().message, Some(Answer::Done));
    drop(kept);
    drop(first);
    client.send_to(b"waits", address).unwrap();
    let second = stage.daemon(&[]);
    let (Answer::Held { address: found, .. }, Some(socket)) = ask(&second, &Ask::Next { after: None }) else {
        panic!("it has the socket")
    };
    assert_eq!(found, format!("{address}/udp"));
    let socket = UdpSocket::from(socket);
    let mut buffer = [0; 16];
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(socket.recv(&mut buffer).unwrap(), 5);
    stage.end();
    // As after a minute without a daemon. Dropping them takes no time of anybody.
    let duplicate = socket.try_clone().unwrap();
    let stage = Stage::with(|holder| {
        let now = Instant::now();
        holder.absence = Absence::new(now.checked_sub(Duration::from_mins(2)).unwrap_or(now));
        holder.held.insert("a/x".to_owned(), Kept { address: format!("{address}/udp"), socket: duplicate.into() });
    });
    for _ in 0..200 {
        client.send_to(b"too late", address).unwrap();
    }
    socket.set_nonblocking(true).unwrap();
    eventually("they are dropped", || socket.peek(&mut [0; 16]).is_err());
    stage.end();
}

#[test]
fn it_ends_where_nobody_could_find_it() {
    let stage = Stage::new();
    let daemon = stage.daemon(&[]);
    let address = own_address();
    keep(&daemon, "a/x", &TcpListener::bind(address).unwrap());
    fs::remove_file(stage.socket()).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    TcpStream::connect(address).unwrap();
    assert!(!stage.thread.is_finished(), "its daemon has it");
    drop(daemon);
    let holder = stage.thread.join().unwrap();
    drop(holder);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}
