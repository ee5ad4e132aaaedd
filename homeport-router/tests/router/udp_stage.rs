//! Owns what the tests of datagrams need: a router with one route, containers played by sockets, and clients.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use homeport_core::manifest::Transport;
use homeport_router::{Limits, Report, Reserved, RouteId, RouteStatus, Router, Target};
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{PATIENCE, id, limits, own_address};

/// A router with one reserved route for datagrams.
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
        let (id, address) = (id("names"), own_address());
        let over_udp = address.over(Transport::Udp);
        assert_eq!(router.reserve(&id, over_udp).unwrap(), Reserved::Bound(over_udp));
        Self { router, id, address: address.to_string().parse().unwrap(), reports }
    }

    pub(crate) fn pointed_at(container: &Container) -> Self {
        let stage = Self::new(limits());
        stage.point(container);
        stage
    }

    pub(crate) fn point(&self, container: &Container) {
        self.router.point(&self.id, container.target.clone()).unwrap();
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
            sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn reports(&self) -> Vec<String> {
        self.reports.lock().unwrap().iter().map(Report::to_string).collect()
    }
}

/// A container, played by a socket, and by a task where it answers by itself.
pub(crate) struct Container {
    pub(crate) target: Target,
    pub(crate) socket: Arc<UdpSocket>,
    _task: JoinSet<()>,
}

impl Container {
    async fn start(name: &'static str, at: SocketAddr, answer: Option<&'static str>) -> Self {
        let socket = Arc::new(UdpSocket::bind(at).await.unwrap());
        let target = Target::new(name.parse().unwrap(), socket.local_addr().unwrap());
        let mut task = JoinSet::new();
        if let Some(answer) = answer {
            let socket = Arc::clone(&socket);
            task.spawn(async move {
                let mut buffer = vec![0; 65_536];
                loop {
                    let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                    let text = [answer.as_bytes(), &buffer[..length]].concat();
                    socket.send_to(&text, from).await.unwrap();
                }
            });
        }
        Self { target, socket, _task: task }
    }

    fn anywhere() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    }

    /// Sends back what it gets.
    pub(crate) async fn echo(name: &'static str) -> Self {
        Self::start(name, Self::anywhere(), Some("")).await
    }

    pub(crate) async fn echo_at(name: &'static str, at: SocketAddr) -> Self {
        Self::start(name, at, Some("")).await
    }

    /// Sends back its name, then what it gets.
    pub(crate) async fn named(name: &'static str) -> Self {
        Self::start(name, Self::anywhere(), Some(name)).await
    }

    /// Answers nothing by itself.
    pub(crate) async fn silent(name: &'static str) -> Self {
        Self::start(name, Self::anywhere(), None).await
    }

    /// What it hears next, and from whom.
    pub(crate) async fn next(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; 65_536];
        let (length, from) = timeout(PATIENCE, self.socket.recv_from(&mut buffer)).await.expect("no datagram").unwrap();
        (buffer[..length].to_vec(), from)
    }
}

/// A client with this address that has spoken to nobody yet.
pub(crate) async fn client_at(ip: IpAddr) -> UdpSocket {
    UdpSocket::bind((ip, 0)).await.unwrap()
}

/// A client of this address, that hears nobody else.
pub(crate) async fn client(address: SocketAddr) -> UdpSocket {
    let ip = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { IpAddr::from(std::net::Ipv6Addr::LOCALHOST) };
    let socket = client_at(ip).await;
    socket.connect(address).await.unwrap();
    socket
}

/// What the client is told next.
pub(crate) async fn told(client: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let length = timeout(PATIENCE, client.recv(&mut buffer)).await.expect("no answer").unwrap();
    buffer[..length].to_vec()
}

/// Sends, and returns the answer.
pub(crate) async fn exchange(client: &UdpSocket, text: &[u8]) -> Vec<u8> {
    client.send(text).await.unwrap();
    told(client).await
}

/// The answer to a client that asks once.
pub(crate) async fn ask(address: SocketAddr, text: &[u8]) -> Vec<u8> {
    exchange(&client(address).await, text).await
}
