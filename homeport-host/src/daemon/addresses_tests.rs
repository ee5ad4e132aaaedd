//! Addresses that go from one daemon to the next by a holder, which is a thread here.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use homeport_router::{Backend, DescriptorLimit, Limits, RouteState};

use super::super::drain;
use super::super::hold::{end_leftover, serve};
use super::super::spawn::Launch;
use super::*;
use crate::accelerator::{Accelerator, Drift, Flows, Front, Offer, Silent};
use crate::engine::sim::SimEngine;
use crate::host::Host;
use crate::routes::SimRoutes;

const PATIENCE: Duration = Duration::from_secs(20);

struct Stage {
    runtime: tokio::runtime::Runtime,
    layout: Layout,
    _dir: tempfile::TempDir,
}

fn own_ip() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 32 + (high & 31), low, NEXT.fetch_add(1, Ordering::Relaxed))
}

fn listen(ip: Ipv4Addr, port: u16) -> ListenAddress {
    ListenAddress::new(ListenHost::Ip(ip.into()), PortNumber::new(port)).unwrap()
}

fn id(endpoint: &str) -> RouteId {
    RouteId { instance: "site".parse().unwrap(), endpoint: endpoint.parse().unwrap() }
}

fn connect(address: ListenAddress) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address.to_string().parse::<SocketAddr>().unwrap())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn is_refused(address: ListenAddress) -> bool {
    connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

impl Stage {
    /// With a holder that listens.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::under(dir.path()).unwrap();
        layout.prepare().unwrap();
        let own = layout.clone();
        std::thread::spawn(move || serve(&own, &Launch::new("/bin/false".into(), Vec::new())).unwrap());
        let end = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(layout.holder_socket())
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            assert!(Instant::now() < end);
            std::thread::yield_now();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, layout, _dir: dir }
    }

    /// A daemon's addresses. A holder that is missing cannot be started here.
    fn daemon(&self) -> Addresses {
        let limits = Limits::within(DescriptorLimit::raise().unwrap()).unwrap();
        let router = Router::new(limits, self.runtime.handle().clone(), |_| {});
        let launch = Launch::new("/bin/false".into(), Vec::new());
        Addresses::new(router, &self.layout).with_holder(Link::new(self.layout.clone(), launch))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        end_leftover(&self.layout).unwrap();
    }
}

#[test]
fn the_next_daemon_has_what_is_still_wanted_with_those_who_wait_and_the_rest_is_closed() {
    let (stage, ip) = (Stage::new(), own_ip());
    let (kept, moved, gone, released) = (listen(ip, 1), listen(ip, 2), listen(ip, 3), listen(ip, 4));
    let first = stage.daemon();
    first.secure().unwrap();
    for (endpoint, address) in [("kept", kept), ("moved", moved), ("gone", gone), ("released", released)] {
        first.reserve(&id(endpoint), address).unwrap();
    }
    stage.runtime.block_on(first.release(&id("released")));
    assert!(is_refused(released), "the holder has let it go");
    // It is killed: nothing is told to anybody.
    drop(first);
    let mut waiting = connect(kept).unwrap();
    waiting.write_all(b"x").unwrap();
    let second = stage.daemon();
    let elsewhere = listen(ip, 5);
    second.take_up(&[(id("kept"), kept), (id("moved"), elsewhere), (id("other"), listen(ip, 6))]);
    let held: Vec<_> = second.bound().into_iter().map(|status| (status.id, status.address, status.state)).collect();
    assert_eq!(held, [(id("kept"), kept, RouteState::Held)]);
    // The threads of the router that is gone may still be closing theirs.
    let end = Instant::now() + PATIENCE;
    while !is_refused(moved) || !is_refused(gone) {
        assert!(Instant::now() < end, "somebody still listens");
        std::thread::yield_now();
    }
    assert_eq!(second.reserve(&id("moved"), elsewhere).unwrap(), Reserved::Bound(elsewhere));
    let container = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::new("c1".parse().unwrap(), container.local_addr().unwrap());
    second.point(&id("kept"), target).unwrap();
    let (mut served, _) = container.accept().unwrap();
    let mut byte = [0];
    served.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"x");
    // And so on: a third one has both.
    drop(second);
    let third = stage.daemon();
    third.take_up(&[(id("kept"), kept), (id("moved"), elsewhere)]);
    assert_eq!(third.bound().len(), 2);
    stage.runtime.block_on(third.give_up());
    assert!(is_refused(kept) && is_refused(elsewhere));
    assert!(!stage.layout.holder_socket().exists(), "the holder has ended as well");
}

/// What an earlier daemon left before the router, which only has these sockets.
#[derive(Debug)]
struct Left(Mutex<Vec<(RouteId, Result<OwnedFd, AcceleratorError>)>>);

impl Accelerator for Left {
    fn backend(&self) -> Backend {
        Backend::Haproxy
    }

    fn offer(&self) -> Offer {
        Offer { lacks: Vec::new(), refuses: |_| Vec::new() }
    }

    fn begin(&self) -> Result<(), AcceleratorError> {
        Ok(())
    }

    fn sockets(&self) -> Vec<(RouteId, Result<OwnedFd, AcceleratorError>)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn apply(&self, _wanted: &[Front]) -> Result<(), AcceleratorError> {
        Ok(())
    }

    fn point(&self, _front: &Front) -> Result<(), AcceleratorError> {
        Ok(())
    }

    fn unpoint(&self, _id: &RouteId) -> Result<(), AcceleratorError> {
        Ok(())
    }

    fn observe(&self) -> Result<Drift, AcceleratorError> {
        Ok(Drift::None)
    }

    fn flows(&self, _silent: Silent) -> Flows {
        Flows::default()
    }

    fn end_flows(&self, _id: &RouteId, _container: &homeport_router::ContainerId) -> Result<usize, AcceleratorError> {
        Ok(0)
    }

    fn give_up(&self) -> Result<(), AcceleratorError> {
        Ok(())
    }
}

#[test]
fn where_no_holder_has_a_socket_what_leads_past_the_router_gives_it_back_and_only_what_is_wanted() {
    let (stage, ip) = (Stage::new(), own_ip());
    let first = stage.daemon();
    first.secure().unwrap();
    first.reserve(&id("both"), listen(ip, 1)).unwrap();
    drop(first);
    let socket = |port: u16| OwnedFd::from(TcpListener::bind((ip, port)).unwrap());
    let (lost, gone, moved) = (socket(2), socket(3), socket(4));
    let failed = AcceleratorError::Failed { backend: Backend::Haproxy, action: "play", why: "told so".to_owned() };
    let left = vec![
        (id("both"), Ok(socket(5))),
        (id("lost"), Ok(lost)),
        (id("gone"), Ok(gone)),
        (id("moved"), Ok(moved)),
        (id("kept"), Err(failed)),
    ];
    let accelerators = Accelerators::new(vec![Arc::new(Left(Mutex::new(left)))]);
    let second = stage.daemon().with_accelerators(accelerators);
    let wanted = [("both", 1), ("lost", 2), ("moved", 14), ("kept", 6)];
    let wanted: Vec<_> = wanted.iter().map(|(endpoint, port)| (id(endpoint), listen(ip, *port))).collect();
    second.take_up(&wanted);
    let held: Vec<_> = second.bound().into_iter().map(|status| (status.id, status.address)).collect();
    assert_eq!(held, wanted[..2]);
    assert!(connect(listen(ip, 2)).is_ok());
    for port in [3, 4, 5] {
        assert_free(ip, port);
    }
    // From here on the holder has it.
    drop(second);
    let third = stage.daemon();
    third.take_up(&wanted);
    assert_eq!(third.bound().len(), 2);
    stage.runtime.block_on(third.give_up());
}

#[test]
fn what_could_not_be_bound_is_told_until_it_is_or_nobody_wants_it() {
    let (stage, ip) = (Stage::new(), own_ip());
    let daemon = stage.daemon();
    daemon.secure().unwrap();
    let of = |endpoint: &str, port| {
        let why = "somebody has it".to_owned();
        Unbound { id: id(endpoint), address: listen(ip, port), wish: crate::routes::Wish::Open, why }
    };
    daemon.set_unbound(vec![of("a", 1), of("b", 2), of("c", 3)]);
    daemon.reserve(&id("a"), listen(ip, 1)).unwrap();
    assert_eq!(daemon.unbound(), [of("b", 2), of("c", 3)]);
    stage.runtime.block_on(daemon.release(&id("b")));
    assert_eq!(daemon.unbound(), [of("c", 3)]);
    daemon.keep_unbound(|one| *one != id("c"));
    assert_eq!(daemon.unbound(), []);
    stage.runtime.block_on(daemon.give_up());
}

/// That nobody has the address. A process that another test starts has every descriptor until it is another program.
fn assert_free(ip: Ipv4Addr, port: u16) {
    let end = Instant::now() + PATIENCE;
    while let Err(error) = UdpSocket::bind((ip, port)) {
        assert!(Instant::now() < end, "{error}");
        std::thread::yield_now();
    }
}

#[test]
fn a_socket_for_datagrams_goes_to_the_next_daemon_with_what_has_come_to_it() {
    let (stage, ip) = (Stage::new(), own_ip());
    let (kept, released) = (listen(ip, 1).over(Transport::Udp), listen(ip, 2).over(Transport::Udp));
    let container = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    container.set_read_timeout(Some(PATIENCE)).unwrap();
    let first = stage.daemon();
    first.secure().unwrap();
    // The number is that of a route for TCP too.
    first.reserve(&id("tcp"), listen(ip, 1)).unwrap();
    first.reserve(&id("kept"), kept).unwrap();
    first.reserve(&id("released"), released).unwrap();
    stage.runtime.block_on(first.release(&id("released")));
    assert_free(ip, 2);
    // It is killed, and reads no more.
    stage.runtime.block_on(first.router().stop_accepting());
    drop(first);
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send_to(b"while nobody is there", (ip, 1)).unwrap();
    let second = stage.daemon();
    second.take_up(&[(id("kept"), kept), (id("tcp"), listen(ip, 1))]);
    let held: Vec<_> = second.bound().into_iter().map(|status| (status.id, status.address)).collect();
    assert_eq!(held, [(id("kept"), kept), (id("tcp"), listen(ip, 1))]);
    let target = Target::new("c1".parse().unwrap(), container.local_addr().unwrap());
    second.point(&id("kept"), target.clone()).unwrap();
    let mut buffer = [0; 64];
    let (length, from) = container.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"while nobody is there");
    // A daemon that gives way: what is still said to its sessions is passed on, and the next one hears the clients.
    stage.runtime.block_on(second.leave());
    let third = stage.daemon();
    third.take_up(&[(id("kept"), kept), (id("tcp"), listen(ip, 1))]);
    third.point(&id("kept"), target).unwrap();
    container.send_to(b"late", from).unwrap();
    assert_eq!(client.recv(&mut buffer).unwrap(), 4);
    client.send_to(b"more", (ip, 1)).unwrap();
    let (length, other) = container.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], other == from), (b"more".as_slice(), false));
    stage.runtime.block_on(third.give_up());
    stage.runtime.block_on(second.router().shut_down());
    assert_free(ip, 1);
}

#[test]
fn an_address_is_had_also_where_no_holder_can_be() {
    let (stage, address) = (Stage::new(), listen(own_ip(), 1));
    end_leftover(&stage.layout).unwrap();
    let daemon = stage.daemon();
    daemon.take_up(&[(id("a"), address)]);
    assert!(daemon.is_unheld());
    let why = daemon.secure().unwrap_err();
    assert!(why.contains("no holder keeps them: it ended at once"), "{why}");
    assert_eq!(daemon.reserve(&id("a"), address).unwrap(), Reserved::Bound(address));
    let _client = connect(address).unwrap();
}

#[test]
fn a_daemon_that_has_left_its_holder_to_another_never_comes_back_to_it() {
    let (stage, address) = (Stage::new(), listen(own_ip(), 1));
    let first = stage.daemon();
    first.secure().unwrap();
    first.reserve(&id("a"), address).unwrap();
    stage.runtime.block_on(first.leave());
    let second = stage.daemon();
    second.take_up(&[(id("a"), address)]);
    assert_eq!(second.bound().len(), 1);
    assert_eq!(first.secure(), Ok(()));
    assert!(!first.is_unheld());
    let _waits = connect(address).unwrap();
    drop(second);
    let third = stage.daemon();
    third.take_up(&[(id("a"), address)]);
    assert_eq!(third.bound().len(), 1, "the holder still has it");
}

#[test]
fn who_was_accepted_and_not_connected_comes_to_where_the_next_daemon_leads_the_route() {
    let (stage, address) = (Stage::new(), listen(own_ip(), 1));
    let first = stage.daemon();
    first.secure().unwrap();
    first.reserve(&id("a"), address).unwrap();
    // Nobody listens there: its container is just being replaced.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    first.point(&id("a"), Target::new("c1".parse().unwrap(), free)).unwrap();
    let mut client = connect(address).unwrap();
    let end = Instant::now() + PATIENCE;
    while first.bound()[0].open == 0 {
        assert!(Instant::now() < end, "the client is not accepted");
        std::thread::sleep(Duration::from_millis(1));
    }
    let (_, listener) = drain::listen(&stage.layout).unwrap();
    stage.runtime.block_on(first.leave());
    let engine = SimEngine::new();
    let sockets = SimRoutes::new(engine.clone(), stage.layout.clone());
    let host = Host::new(stage.layout.clone(), Arc::new(engine), Arc::new(sockets));
    stage.runtime.spawn(drain::Carrier::new(first.router().clone(), host).carry(listener, || true));
    let second = stage.daemon();
    second.take_up(&[(id("a"), address)]);
    assert_eq!(second.told().0[0].open, 1, "it is counted with the route");
    let container = TcpListener::bind("127.0.0.1:0").unwrap();
    second.point(&id("a"), Target::new("c2".parse().unwrap(), container.local_addr().unwrap())).unwrap();
    client.write_all(b"x").unwrap();
    let (mut served, _) = container.accept().unwrap();
    let mut byte = [0];
    served.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"x");
    // A release ends it as it ends the route's own.
    stage.runtime.block_on(second.release(&id("a")));
    assert_eq!(client.read(&mut byte).map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    assert!(is_refused(address));
}
