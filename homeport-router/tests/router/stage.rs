//! Owns what every test needs: a router with one route, containers played by tasks, and clients that say how it went.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use homeport_core::unit::PortNumber;
use homeport_router::{
    DescriptorLimit, Limits, ListenAddress, ListenHost, Report, Reserved, RouteId, RouteStatus, Router, Target,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// What any single step may take; far more than it needs, so that only a hang ends in it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An address of 127.0.0.0/8 that no other test uses, in this process or in one that runs beside it.
pub(crate) fn own_ip() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let next = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 64 + (high & 63), low, next[3])
}

pub(crate) fn own_address() -> ListenAddress {
    ListenAddress::new(ListenHost::Ip(own_ip().into()), PortNumber::new(2222)).unwrap()
}

pub(crate) fn id(instance: &str) -> RouteId {
    RouteId { instance: instance.parse().unwrap(), endpoint: "ssh".parse().unwrap() }
}

pub(crate) fn socket_address(address: ListenAddress) -> SocketAddr {
    address.to_string().parse().unwrap()
}

pub(crate) fn limits() -> Limits {
    Limits::within(DescriptorLimit::current()).unwrap()
}

/// A router with one reserved route.
pub(crate) struct Stage {
    pub(crate) router: Router,
    pub(crate) id: RouteId,
    pub(crate) address: SocketAddr,
    reports: Arc<Mutex<Vec<Report>>>,
}

impl Stage {
    pub(crate) fn new(limits: Limits) -> Self {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&reports);
        let router = Router::new(limits, Handle::current(), move |report| sink.lock().unwrap().push(report.clone()));
        let (id, address) = (id("web"), own_address());
        assert_eq!(router.reserve(&id, address).unwrap(), Reserved::Bound(address));
        Self { router, id, address: socket_address(address), reports }
    }

    pub(crate) fn pointed_at(backend: &Backend) -> Self {
        let stage = Self::new(limits());
        stage.point(backend);
        stage
    }

    pub(crate) fn point(&self, backend: &Backend) {
        self.router.point(&self.id, backend.target.clone()).unwrap();
    }

    pub(crate) fn status(&self) -> RouteStatus {
        self.router.status().into_iter().find(|status| status.id == self.id).unwrap()
    }

    pub(crate) async fn status_when(&self, wanted: impl Fn(&RouteStatus) -> bool) -> RouteStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < until, "the wanted status did not come: {status:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn reports(&self) -> Vec<String> {
        self.reports.lock().unwrap().iter().map(Report::to_string).collect()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        timeout(PATIENCE, TcpStream::connect(self.address)).await.unwrap().unwrap()
    }

    /// Connects, sends the request and its end, and reads the answer to its end.
    pub(crate) async fn ask(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        ask(self.address, request).await
    }

    /// Passes if a client is reset: while it connects or right after, as the race goes.
    pub(crate) async fn assert_refuses(&self) {
        assert_eq!(self.ask(b"").await.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset));
    }
}

pub(crate) async fn ask(address: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let (mut reads, mut writes) = stream.split();
        let mut answer = Vec::new();
        let request_then_end = async {
            writes.write_all(request).await?;
            writes.shutdown().await
        };
        let (sent, received) = tokio::join!(request_then_end, reads.read_to_end(&mut answer));
        received?;
        sent?;
        Ok(answer)
    };
    timeout(PATIENCE, exchange).await.expect("the exchange hangs")
}

/// Reads to the end; panics when it does not come in time.
pub(crate) async fn read_all(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("no end of data and no reset").map(|_| bytes)
}

/// Passes if the peer has reset the stream.
pub(crate) async fn assert_reset(stream: &mut TcpStream) {
    let found = read_all(stream).await;
    assert_eq!(found.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset));
}

/// Bytes that repeat with no period of a power of two, different for each seed.
pub(crate) fn content(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 7 + seed * 13 + at / 251) % 251).unwrap()).collect()
}

/// A container, played by a task that serves each connection with a task of its own; all end when it is dropped.
pub(crate) struct Backend {
    pub(crate) target: Target,
    _tasks: JoinSet<()>,
}

impl Backend {
    /// A container whose connections are served by `serve`.
    pub(crate) fn start<F>(name: &str, serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self::start_at(name, "127.0.0.1:0".parse().unwrap(), serve)
    }

    pub(crate) fn start_at<F>(name: &str, address: SocketAddr, serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = listen(address);
        let target = Target::new(name.parse().unwrap(), listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (stream, _) = accepted.unwrap();
                        let served = serve(stream);
                        connections.spawn(async move { served.await.unwrap_or(()) });
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self { target, _tasks: tasks }
    }

    /// Sends back what it gets, and the end after the client's end.
    pub(crate) fn echo(name: &str) -> Self {
        Self::start(name, echo)
    }

    /// Sends its name, then what the client sends.
    pub(crate) fn named_echo(name: &'static str) -> Self {
        Self::start(name, move |stream| named_echo(name, stream))
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(1024).unwrap()
}

pub(crate) async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let (mut reads, mut writes) = stream.split();
    tokio::io::copy(&mut reads, &mut writes).await?;
    writes.shutdown().await
}

pub(crate) async fn named_echo(name: &'static str, mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(name.as_bytes()).await?;
    echo(stream).await
}
