//! Owns networks for one test: a host with a router and a daemon's addresses, a client beside it, containers behind it, each in a
//! network namespace of its own. A thread that enters one has it, and so have its threads and processes.

use std::cell::RefCell;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use homeport_router::{DescriptorLimit, Limits, RouteId, Router, Target};

use crate::accelerator::{Accelerators, Nftables};
use crate::daemon::addresses::Addresses;
use crate::layout::Layout;
use crate::namespace::Namespace;

/// What any step may take; far more than it needs.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
pub(super) const HOST_V4: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(super) const HOST_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 1);
pub(super) const CLIENT_V4: &str = "10.9.0.2";
/// The port inside containers.
const INSIDE: u16 = 22;
const CLIENTS: usize = 6;
const PAUSE: Duration = Duration::from_millis(10);

/// From where something is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Host,
    Container(u8),
}

/// A container by its number, and which address of it is led to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Container {
    V4(u8),
    V6(u8),
}

impl Container {
    fn number(self) -> u8 {
        let (Self::V4(n) | Self::V6(n)) = self;
        n
    }

    pub(super) fn target(self) -> Target {
        let ip: IpAddr = match self {
            Self::V4(n) => Ipv4Addr::new(172, 18, 0, n).into(),
            Self::V6(n) => Ipv6Addr::new(0xfd00, 0x18, 0, 0, 0, 0, 0, n.into()).into(),
        };
        Target::new(format!("c{}", self.number()).parse().unwrap(), SocketAddr::new(ip, INSIDE))
    }
}

/// Everything of one test.
pub(super) struct Network {
    host: Namespace,
    client: Namespace,
    containers: RefCell<Vec<(u8, Namespace)>>,
    addresses: Addresses,
    runtime: tokio::runtime::Runtime,
    layout: Layout,
    table: String,
    _dir: tempfile::TempDir,
}

impl Network {
    /// The calling thread is in the host's network from then on.
    pub(super) fn new() -> Self {
        let (host, client) = (Namespace::new(), Namespace::new());
        host.does(&format!("ip link add eth0 type veth peer name eth0 netns {}", client.id()));
        host.does(
            "ip addr add 10.9.0.1/24 dev eth0; ip addr add 2001:db8:9::1/64 dev eth0 nodad; ip link set eth0 up; \
             ip link add br0 type bridge; ip addr add 172.18.0.1/16 dev br0; ip addr add fd00:18::1/64 dev br0 nodad; \
             ip link set br0 up; sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
        );
        client.does(
            "ip addr add 10.9.0.2/24 dev eth0; ip addr add 2001:db8:9::2/64 dev eth0 nodad; ip link set eth0 up; \
             ip route add default via 10.9.0.1; ip -6 route add default via 2001:db8:9::1",
        );
        host.enter();
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::under(dir.path()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let limits = Limits::within(DescriptorLimit::raise().unwrap()).unwrap();
        let router = Router::new(limits, runtime.handle().clone(), |_| {});
        let table = Nftables::new(layout.state_dir()).table().to_owned();
        let addresses = Addresses::new(router, &layout).with_accelerators(Accelerators::of(&layout));
        let containers = RefCell::default();
        Self { host, client, containers, addresses, runtime, layout, table, _dir: dir }
    }

    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The name of the table.
    pub(super) fn table(&self) -> &str {
        &self.table
    }

    /// Another one of this HomePort, which knows nothing of the first.
    pub(super) fn another(&self) -> Nftables {
        Nftables::new(self.layout.state_dir())
    }

    /// A container that says its number and who its client is, and then returns what it gets; datagrams with its number.
    pub(super) fn start(&self, container: Container) {
        let n = container.number();
        let namespace = Namespace::new();
        self.host(&format!(
            "ip link add c{n} type veth peer name eth0 netns {}; ip link set c{n} master br0 up",
            namespace.id()
        ));
        namespace.does(&format!(
            "ip addr add 172.18.0.{n}/16 dev eth0; ip addr add fd00:18::{n:x}/64 dev eth0 nodad; ip link set eth0 up; \
             ip route add default via 172.18.0.1; ip -6 route add default via fd00:18::1"
        ));
        namespace.on_thread(|| {
            let tcp = TcpListener::bind((Ipv6Addr::UNSPECIFIED, INSIDE)).unwrap();
            std::thread::spawn(move || tcp.incoming().flatten().for_each(|stream| drop(serve(n, stream))));
            let udp = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, INSIDE)).unwrap();
            std::thread::spawn(move || {
                let mut bytes = [0; 512];
                while let Ok((length, from)) = udp.recv_from(&mut bytes) {
                    let answer = [format!("{n} ").as_bytes(), &bytes[..length]].concat();
                    udp.send_to(&answer, from).ok();
                }
            });
        });
        self.containers.borrow_mut().push((n, namespace));
    }

    /// Nothing gets to the container any more, and nothing from there.
    pub(super) fn cut_off(&self, n: u8) {
        self.host(&format!("ip link set c{n} down"));
    }

    /// A command on the host.
    pub(super) fn host(&self, script: &str) -> String {
        self.host.does(script)
    }

    fn on<T: Send>(&self, side: Side, work: impl FnOnce() -> T + Send) -> T {
        match side {
            Side::Client => self.client.on_thread(work),
            Side::Host => self.host.on_thread(work),
            Side::Container(n) => {
                let containers = self.containers.borrow();
                let (_, namespace) = containers.iter().find(|(number, _)| *number == n).unwrap();
                namespace.on_thread(work)
            }
        }
    }

    /// Who serves a client that comes now, and as whom it sees it.
    pub(super) fn ask(&self, side: Side, to: SocketAddr) -> io::Result<String> {
        self.on(side, || connect(to)).map(|stream| stream.said)
    }

    /// The same, for a client that may wait for long.
    pub(super) fn asking(&self, side: Side, to: SocketAddr) -> JoinHandle<io::Result<String>> {
        self.on(side, || std::thread::spawn(move || connect(to).map(|stream| stream.said)))
    }

    /// A client that stays.
    pub(super) fn connect(&self, side: Side, to: SocketAddr) -> io::Result<Stream> {
        self.on(side, || connect(to))
    }

    /// Clients that come and go, some hundred a second.
    pub(super) fn crowd(&self, side: Side, to: SocketAddr) -> Crowd {
        let stop = Arc::new(AtomicBool::new(false));
        let start = || {
            let client = || {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || {
                    let mut served = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let began = Instant::now();
                        let answer = connect(to).and_then(|mut stream| {
                            let said = stream.said.clone();
                            stream.exchange("a short exchange").map(|_| said)
                        });
                        served.push(Served { began, answer });
                        std::thread::sleep(PAUSE);
                    }
                    served
                })
            };
            (0..CLIENTS).map(|_| client()).collect()
        };
        let threads = self.on(side, start);
        Crowd { stop, threads }
    }

    /// A socket from which datagrams go there.
    pub(super) fn datagrams(&self, side: Side, to: SocketAddr) -> Datagrams {
        Datagrams(self.on(side, || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            socket.connect(to).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        }))
    }

    pub(super) fn release(&self, id: &RouteId) {
        self.runtime.block_on(self.addresses.release(id));
    }

    /// As a daemon does that is told to end.
    pub(super) fn give_up(&self) {
        self.runtime.block_on(self.addresses.give_up());
    }

    /// Ends everything, and looks that nothing is left.
    pub(super) fn end(self) {
        self.give_up();
        let left = self.host("nft list tables; iptables -S 2>/dev/null; ip6tables -S 2>/dev/null");
        assert!(!left.contains("homeport"), "{left}");
    }
}

/// One connection of a client.
pub(super) struct Stream {
    stream: BufReader<TcpStream>,
    /// What the container said first.
    pub(super) said: String,
}

fn connect(to: SocketAddr) -> io::Result<Stream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut stream = Stream { stream: BufReader::new(stream), said: String::new() };
    stream.said = stream.line()?;
    Ok(stream)
}

impl Stream {
    /// Sends a line and gets one.
    pub(super) fn exchange(&mut self, text: &str) -> io::Result<String> {
        self.stream.get_mut().write_all(format!("{text}\n").as_bytes())?;
        self.line()
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

fn serve(n: u8, stream: TcpStream) -> io::Result<()> {
    let peer = stream.peer_addr()?.ip().to_canonical();
    let mut writer = stream.try_clone()?;
    writer.write_all(format!("{n} {peer}\n").as_bytes())?;
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if writer.write_all(format!("{line}\n").as_bytes()).is_err() {
                break;
            }
        }
    });
    Ok(())
}

/// How one client of many fared.
pub(super) struct Served {
    pub(super) began: Instant,
    pub(super) answer: io::Result<String>,
}

/// Clients that go on until they are told to stop.
pub(super) struct Crowd {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Served>>>,
}

impl Crowd {
    pub(super) fn stop(self) -> Vec<Served> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    }
}

/// A client that sends datagrams.
pub(super) struct Datagrams(UdpSocket);

impl Datagrams {
    pub(super) fn ask(&self, text: &str) -> io::Result<String> {
        self.0.send(text.as_bytes())?;
        let mut bytes = [0; 512];
        let length = self.0.recv(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }
}
