//! Owns what every test needs: a router with one route, a haproxy in front of it, and containers played by tasks.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;
use homeport_host::accelerator::{Accelerator as _, Drift, Front, Haproxy, Silent, Total};
use homeport_host::layout::Layout;
use homeport_router::{
    Announcement, Backend, DescriptorLimit, Limits, ListenAddress, ListenHost, RefusedBecause, RouteId, RouteRules,
    RouteState, Router, Target,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, sleep, timeout};

/// What any single step may take; far more than it needs, so that only a hang ends in it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An address of 127.0.0.0/8 that no other test uses, in this process or in one that runs beside it.
pub(crate) fn own_ip() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let next = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 128 + (high & 63), low, next[3])
}

pub(crate) fn own_address() -> ListenAddress {
    ListenAddress::new(ListenHost::Ip(own_ip().into()), PortNumber::new(2222)).unwrap()
}

/// A router's route with a haproxy in front of it, once it is led.
pub(crate) struct Stage {
    pub(crate) router: Router,
    pub(crate) haproxy: Arc<Haproxy>,
    pub(crate) layout: Layout,
    pub(crate) id: RouteId,
    pub(crate) listen: ListenAddress,
    pub(crate) address: SocketAddr,
    rules: RouteRules,
    pub(crate) dir: Option<tempfile::TempDir>,
}

impl Stage {
    /// A route on this address, with these rules, that a haproxy carries once it leads somewhere. Its router leaves everybody
    /// to the haproxy, however busy the machine is.
    pub(crate) fn new(listen: ListenAddress, rules: RouteRules) -> Self {
        Self::with(listen, rules, Limits { left_waiting: PATIENCE, ..limits() })
    }

    /// One that leads to the container, with the usual router: it takes in whom the haproxy leaves waiting.
    pub(crate) fn watched_over(container: &Container) -> Self {
        let stage = Self::with(own_address(), RouteRules::default(), limits());
        stage.point(container);
        stage
    }

    fn with(listen: ListenAddress, rules: RouteRules, limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::under(dir.path()).unwrap();
        layout.prepare().unwrap();
        let router = router(limits);
        let id = RouteId { instance: "web".parse().unwrap(), endpoint: "ssh".parse().unwrap() };
        router.reserve(&id, listen).unwrap();
        let rules = RouteRules { backend: Backend::Haproxy, ..rules };
        router.set_rules(&id, rules.clone()).unwrap();
        let haproxy = Arc::new(Haproxy::new(&layout));
        haproxy.stand_before(&router);
        haproxy.begin().unwrap();
        let ip = match listen.host() {
            ListenHost::Any => Ipv4Addr::LOCALHOST.into(),
            ListenHost::Ip(ip) => ip,
        };
        let address = SocketAddr::new(ip, listen.port().get());
        Self { router, haproxy, layout, id, listen, address, rules, dir: Some(dir) }
    }

    /// One that leads to the container.
    pub(crate) fn leading_to(container: &Container) -> Self {
        let stage = Self::new(own_address(), RouteRules::default());
        stage.point(container);
        stage
    }

    /// The daemon's part of what is asked of a route: the router first, then what is in front of it.
    pub(crate) fn point(&self, container: &Container) {
        self.router.point(&self.id, container.target.clone()).unwrap();
        self.follow();
    }

    pub(crate) fn hold(&self) {
        self.router.hold(&self.id).unwrap();
        self.follow();
    }

    pub(crate) fn close(&self) {
        self.router.close(&self.id).unwrap();
        self.follow();
    }

    pub(crate) fn set_rules(&mut self, rules: RouteRules) {
        self.router.set_rules(&self.id, rules.clone()).unwrap();
        self.rules = rules;
        self.follow();
    }

    /// Other rules, for the haproxy to keep.
    pub(crate) fn rule(&mut self, rules: RouteRules) {
        self.set_rules(RouteRules { backend: Backend::Haproxy, ..rules });
    }

    /// What the haproxies of the route have counted by now.
    pub(crate) fn total(&self) -> Total {
        block_in_place(|| self.haproxy.flows(Silent::Asked));
        self.haproxy.totals().into_iter().map(|(_, total)| total).next().unwrap()
    }

    pub(crate) fn refused(&self) -> RefusedBecause {
        self.total().refused
    }

    /// The same place with another daemon in it; this one gives nothing up.
    pub(crate) fn succeeded_by(&mut self, router: Router, haproxy: Arc<Haproxy>) -> Self {
        let (layout, id, rules) = (self.layout.clone(), self.id.clone(), self.rules.clone());
        Self { router, haproxy, layout, id, listen: self.listen, address: self.address, rules, dir: self.dir.take() }
    }

    pub(crate) fn carry_by(&mut self, backend: Backend) {
        let rules = RouteRules { backend, ..self.rules.clone() };
        self.set_rules(rules);
    }

    /// What is led past the router as the route is now.
    pub(crate) fn fronts(&self) -> Vec<Front> {
        let status = self.router.status().into_iter().find(|status| status.id == self.id);
        let Some(status) = status.filter(|status| status.rules.backend == Backend::Haproxy) else { return Vec::new() };
        let RouteState::Running { target, .. } = status.state else { return Vec::new() };
        let transport = Transport::Tcp;
        vec![Front { id: status.id, transport, address: status.address, target, rules: status.rules }]
    }

    pub(crate) fn follow(&self) {
        block_in_place(|| match self.fronts().first() {
            Some(front) => self.haproxy.point(front).unwrap(),
            None => self.haproxy.unpoint(&self.id).unwrap(),
        });
    }

    /// What the daemon does once a second.
    pub(crate) fn look(&self) -> Drift {
        block_in_place(|| {
            let drift = self.haproxy.observe().unwrap();
            if drift != Drift::None {
                // What cannot be made yet is left to the router, and tried again.
                self.haproxy.apply(&self.fronts()).ok();
            }
            drift
        })
    }

    /// The connections of each container that go past the router.
    pub(crate) fn flows(&self) -> Vec<(String, usize)> {
        let flows = block_in_place(|| self.haproxy.flows(Silent::Asked));
        assert!(flows.missing.is_empty(), "{flows:?}");
        let mut all: Vec<_> =
            flows.known.into_iter().map(|flow| (flow.container.to_string(), flow.connections)).collect();
        all.sort();
        all
    }

    /// Waits for these connections of each container that go past the router.
    pub(crate) async fn flows_when(&self, wanted: &[(&str, usize)]) {
        let found = self.flows_within(PATIENCE, wanted).await;
        assert_eq!(found, Ok(()), "wanted {wanted:?}; the router has {:?}", self.router.status());
    }

    /// Waits so long for these; what there is instead.
    pub(crate) async fn flows_within(
        &self,
        limit: Duration,
        wanted: &[(&str, usize)],
    ) -> Result<(), Vec<(String, usize)>> {
        let until = Instant::now() + limit;
        loop {
            let found = self.flows();
            if found.iter().map(|(name, count)| (name.as_str(), *count)).eq(wanted.iter().copied()) {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(found);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the router accepts nobody any more, and returns how many it has accepted.
    pub(crate) async fn accepted_in_the_end(&self) -> u64 {
        let until = Instant::now() + PATIENCE;
        let mut accepted = self.router.status()[0].accepted;
        loop {
            sleep(Duration::from_millis(200)).await;
            match std::mem::replace(&mut accepted, self.router.status()[0].accepted) {
                before if before == accepted => return accepted,
                before => assert!(Instant::now() < until, "the router goes on: {before}, then {accepted}"),
            }
        }
    }

    /// Waits until so many are connected with a container, whichever way they came.
    pub(crate) async fn connected_when(&self, wanted: usize) {
        let until = Instant::now() + PATIENCE;
        loop {
            let flows: usize = self.flows().iter().map(|(_, count)| count).sum();
            let live: usize = self.router.status()[0].live.iter().map(|live| live.connections).sum();
            if flows + live == wanted {
                return;
            }
            assert!(Instant::now() < until, "{flows} past the router and {live} through it, wanted {wanted}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The processes in front of the route, found by who has its directory as its own.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let is_own = |pid: i32| {
            std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(self.layout.haproxy_dir()))
        };
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let mut pids: Vec<i32> = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        pids.retain(|pid| is_own(*pid));
        pids
    }

    /// Waits, with what the daemon does, until there are so many processes.
    pub(crate) async fn processes_when(&self, wanted: usize) {
        let until = Instant::now() + PATIENCE;
        while self.processes().len() != wanted {
            assert!(Instant::now() < until, "{:?}, wanted {wanted}", self.processes());
            sleep(Duration::from_millis(50)).await;
            self.look();
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        timeout(PATIENCE, TcpStream::connect(self.address)).await.unwrap().unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A test that fails leaves no process behind either. One whose place was taken has nothing.
        if self.dir.is_some() {
            self.haproxy.give_up().ok();
        }
    }
}

pub(crate) fn limits() -> Limits {
    Limits::within(DescriptorLimit::raise().unwrap()).unwrap()
}

pub(crate) fn router(limits: Limits) -> Router {
    Router::new(limits, Handle::current(), |_| {})
}

/// Who a client is served by, and that its words come back: `None` where the connection was refused, cut off or made to wait
/// for longer than a client waits.
pub(crate) async fn ask(address: SocketAddr, from: Option<IpAddr>) -> io::Result<String> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let exchange = async {
        let mut stream = socket.connect(address).await?;
        stream.write_all(b"ping").await?;
        stream.shutdown().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let name = answer.strip_suffix("ping").ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(name.to_owned())
    };
    timeout(Duration::from_secs(15), exchange).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// A container, played by a task that serves each connection with a task of its own; all end when it is dropped.
pub(crate) struct Container {
    pub(crate) target: Target,
    tasks: JoinSet<()>,
}

impl Container {
    /// One that says its name, then what it is told.
    pub(crate) fn start(name: &'static str) -> Self {
        Self::start_at(name, SocketAddr::new(own_ip().into(), 22))
    }

    pub(crate) fn start_at(name: &'static str, address: SocketAddr) -> Self {
        let mut container = Self::of(Target::new(name.parse().unwrap(), address));
        container.tasks.spawn(serve(listen(address), name));
        container
    }

    /// One that something else plays.
    pub(crate) fn of(target: Target) -> Self {
        Self { target, tasks: JoinSet::new() }
    }

    /// Ends, with its connections; nobody listens any more when this returns.
    pub(crate) async fn die(mut self) {
        self.tasks.shutdown().await;
    }

    pub(crate) fn announcing(mut self, announcement: Announcement) -> Self {
        self.target = self.target.announcing(announcement);
        self
    }
}

async fn serve(listener: TcpListener, name: &'static str) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((mut stream, _)) = accepted else { continue };
                connections.spawn(async move {
                    let echo = async {
                        stream.write_all(name.as_bytes()).await?;
                        let (mut reads, mut writes) = stream.split();
                        tokio::io::copy(&mut reads, &mut writes).await?;
                        writes.shutdown().await
                    };
                    echo.await.unwrap_or(());
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

pub(crate) fn listen(address: SocketAddr) -> TcpListener {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(1024).unwrap()
}
