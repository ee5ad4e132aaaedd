//! Owns the process that has nothing but a router, and what is seen of it from outside: calls, descriptors, memory.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use homeport_core::manifest::Transport;
use homeport_router::{DescriptorLimit, Limits, ListenAddress, RouteId, RouteStatus, Router, Target, runtime};
use rustix::process::{Pid, Signal, kill_process};

/// Says to the process that it is the router, and where it leads; and that it leads there over UDP.
const TARGET: &str = "HOMEPORT_ROUTER_TARGET";
const DATAGRAMS: &str = "HOMEPORT_ROUTER_DATAGRAMS";
/// What it says once it listens, before the address; and before its status at the end.
const READY: &str = "listens: ";
const STATUS: &str = "status: ";
const PATIENCE: Duration = Duration::from_secs(20);

/// A router with one route, in a process of its own.
pub(crate) struct Forwarder {
    child: Child,
    says: BufReader<ChildStdout>,
    hears: Option<ChildStdin>,
    address: SocketAddr,
}

impl Forwarder {
    pub(crate) fn start(target: SocketAddr) -> Self {
        Self::start_with(target, &[])
    }

    /// One with a route over UDP.
    pub(crate) fn start_for_datagrams(target: SocketAddr) -> Self {
        Self::start_with(target, &[(DATAGRAMS, "1")])
    }

    fn start_with(target: SocketAddr, more: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::the_process_forwards_until_its_input_ends", "--nocapture", "--test-threads=1"])
            .env(TARGET, target.to_string())
            .envs(more.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap());
        let hears = child.stdin.take();
        let address = said(&mut says, READY).parse().unwrap();
        Self { child, says, hears, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does this while it does nothing, so that it finds everything at once that came meanwhile.
    pub(crate) fn while_stopped(&self, work: impl FnOnce()) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        let until = Instant::now() + PATIENCE;
        // Whoever is traced stops for a moment at each call too.
        let mut seen = 0;
        while seen < 5 {
            seen = if self.is_stopped() { seen + 1 } else { 0 };
            assert!(Instant::now() < until, "it does not stop");
            std::thread::sleep(Duration::from_millis(2));
        }
        work();
        kill_process(pid, Signal::CONT).unwrap();
    }

    /// Whether all its threads are stopped.
    fn is_stopped(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let is_stopped = |stat: &str| stat.contains(") T ") || stat.contains(") t ");
        threads
            .flatten()
            .all(|thread| fs::read_to_string(thread.path().join("stat")).is_ok_and(|stat| is_stopped(&stat)))
    }

    /// Its open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// The memory that nobody shares with it. Its code, which this process has as well, is not what a connection costs.
    pub(crate) fn memory_kib(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// How many of its pipes for transfers have something in them. Its own input and output are not among them.
    pub(crate) fn pipes_that_hold_something(&self) -> usize {
        let fds = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().map(|entry| entry.unwrap().path());
        let of_transfers = |path: &std::path::PathBuf| {
            let number: u32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            number > 2 && fs::read_link(path).is_ok_and(|link| link.to_string_lossy().starts_with("pipe:"))
        };
        // Opened anew: both ends of an idle pipe are in the process, and a reader that finds nothing sees it as blocked.
        let holds = |path: &std::path::PathBuf| {
            let mut file = fs::OpenOptions::new().read(true).open(path).unwrap();
            let flags = rustix::fs::fcntl_getfl(&file).unwrap() | rustix::fs::OFlags::NONBLOCK;
            rustix::fs::fcntl_setfl(&file, flags).unwrap();
            file.read(&mut [0]).is_ok_and(|count| count > 0)
        };
        fds.filter(of_transfers).filter(holds).count()
    }

    /// Tells it to end, and returns what it saw.
    pub(crate) fn end(mut self) -> RouteStatus {
        self.hears = None;
        let status = serde_json::from_str(&said(&mut self.says, STATUS)).unwrap();
        assert!(self.child.wait().unwrap().success());
        status
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.child.kill().unwrap_or(());
        drop(self.child.wait());
    }
}

/// The rest of the line that begins so; what else the process says is passed over.
fn said(says: &mut impl std::io::BufRead, start: &str) -> String {
    for line in says.lines() {
        let line = line.unwrap();
        if let Some(at) = line.find(start) {
            return line[at + start.len()..].to_owned();
        }
    }
    panic!("the process ended without saying `{start}`");
}

/// Is the process of [`Forwarder`]; otherwise there is nothing to do.
#[test]
fn the_process_forwards_until_its_input_ends() {
    let Ok(target) = std::env::var(TARGET) else { return };
    let limits = Limits::within(DescriptorLimit::raise().unwrap()).unwrap();
    let limits = Limits { connections_per_route: limits.connections, ..limits };
    let runtime = runtime().unwrap();
    let router = Router::new(limits, runtime.handle().clone(), |report| eprintln!("{report}"));
    let id = RouteId { instance: "web".parse().unwrap(), endpoint: "http".parse().unwrap() };
    // An address of 127.0.0.0/8 that no run of a test beside this one uses.
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let address: ListenAddress = format!("127.{}.{low}.1:2222", 128 + (high & 63)).parse().unwrap();
    let is_udp = std::env::var_os(DATAGRAMS).is_some();
    let transport = if is_udp { Transport::Udp } else { Transport::Tcp };
    router.reserve(&id, address.over(transport)).unwrap();
    router.point(&id, Target::new("c1".parse().unwrap(), target.parse().unwrap())).unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "\n{READY}{address}").unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let until = Instant::now() + PATIENCE;
    // A session is open until its time is over; a connection until its client has gone.
    while !is_udp && router.status()[0].open > 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = serde_json::to_string(&router.status()[0]).unwrap();
    writeln!(out, "\n{STATUS}{status}").unwrap();
    runtime.block_on(router.shut_down());
}

/// `strace` on a [`Forwarder`], counting.
pub(crate) struct Traced {
    strace: Child,
    says: BufReader<std::process::ChildStderr>,
}

/// How often each call was made.
pub(crate) struct Calls(BTreeMap<String, usize>);

impl Traced {
    /// Counts from here on.
    pub(crate) fn attach(forwarder: &Forwarder) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-c", "-U", "calls,name", "-p", &forwarder.child.id().to_string()]);
        let mut strace = strace.stderr(Stdio::piped()).spawn().expect("`strace` is needed");
        let says = BufReader::new(strace.stderr.take().unwrap());
        let mut traced = Self { strace, says };
        let attached = said(&mut traced.says, "strace: Process ");
        assert!(attached.contains("attached"), "{attached}");
        traced
    }

    /// Ends the counting.
    pub(crate) fn end(mut self) -> Calls {
        // What the last connection still does is counted as well.
        std::thread::sleep(Duration::from_millis(100));
        let pid = Pid::from_raw(self.strace.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let mut text = String::new();
        self.says.read_to_string(&mut text).unwrap();
        self.strace.wait().unwrap();
        let calls = text.lines().filter_map(|line| {
            let (count, name) = line.trim().split_once(' ')?;
            Some((name.trim().to_owned(), count.parse().ok()?)).filter(|(name, _)| name != "total")
        });
        let calls = Calls(calls.collect());
        assert!(!calls.0.is_empty(), "strace counted nothing: {text}");
        calls
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.strace.kill().unwrap_or(());
        drop(self.strace.wait());
    }
}

impl Calls {
    pub(crate) fn total(&self) -> usize {
        self.0.values().sum()
    }

    pub(crate) fn of(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or(0)
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, count)| writeln!(f, "{count:>8} {name}"))
    }
}
