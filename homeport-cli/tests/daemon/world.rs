//! Owns one HomePort for one test: a root of its own with an instance that runs, the engine that the test plays, and the command.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use homeport_core::digest::Digest;
use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;
use homeport_host::layout::Layout;
use homeport_host::ledger::{Desired, InstanceRecord, Ledger, LedgerWriter, RouteChoice, RouteRecord, Slot, Time};
use homeport_host::oplock::{OperationLock, Wait};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::engine::Engine;

/// What any step may take; far more than it needs, so that only a hang ends in it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The port inside containers.
const INSIDE: u16 = 2022;

/// One HomePort with the instance `site`, whose endpoint `http` has a public address.
pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) engine: Engine,
    pub(crate) address: SocketAddr,
    ip: [u8; 3],
}

/// The id of the n-th container.
pub(crate) fn container(n: u8) -> String {
    format!("{n:02x}").repeat(32)
}

impl World {
    /// With container 1.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        // Addresses of 127.0.0.0/8 that no other test uses, in this process or in one that runs beside it.
        let ip = [224 + (high & 15), low, NEXT.fetch_add(1, Ordering::Relaxed) * 8];
        let dir = tempfile::Builder::new().prefix("hpt-").tempdir_in("/var/tmp").unwrap();
        let engine = Engine::listen(&dir.path().join("engine.sock"));
        let world = Self { dir, engine, address: (Ipv4Addr::new(127, ip[0], ip[1], ip[2]), 2222).into(), ip };
        world.layout().prepare().unwrap();
        world.engine.label("io.homeport.instance", "site");
        world.run_container(1);
        world.write(|writer| {
            let root = writer.create_root(&Time::now()).unwrap();
            world.engine.label("io.homeport.root", &root.to_string());
            writer.put_instance(&record(&container(1))).unwrap();
            let route = RouteRecord {
                instance: "site".parse().unwrap(),
                endpoint: "http".parse().unwrap(),
                listen: world.address.ip().to_string(),
                port: PortNumber::new(world.address.port()),
                choice: RouteChoice::Fixed,
                target_port: PortNumber::new(INSIDE),
                transport: Transport::Tcp,
            };
            writer.put_route(&route).unwrap();
        });
        world
    }

    /// The same, with a second endpoint, `names`, at the same number over UDP.
    pub(crate) fn with_datagrams() -> Self {
        let world = Self::new();
        world.serve_datagrams(1);
        world.write(|writer| {
            let http = writer.all_routes().unwrap().remove(0);
            let names = RouteRecord { endpoint: "names".parse().unwrap(), transport: Transport::Udp, ..http };
            writer.put_route(&names).unwrap();
        });
        world
    }

    /// Container n sends datagrams back.
    pub(crate) fn serve_datagrams(&self, n: u8) {
        let socket = UdpSocket::bind((self.ip_of(n), INSIDE)).unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut bytes) {
                // A client that is gone by now misses nothing.
                socket.send_to(&bytes[..length], from).unwrap_or(0);
            }
        });
    }

    fn ip_of(&self, n: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.ip[0], self.ip[1], self.ip[2] + n)
    }

    /// The engine runs container n.
    pub(crate) fn run_container(&self, n: u8) {
        self.engine.run(&container(n), (self.ip_of(n), INSIDE).into());
    }

    pub(crate) fn write(&self, write: impl FnOnce(&mut LedgerWriter<'_>)) {
        let wait = Wait::For(PATIENCE);
        let lock = OperationLock::acquire(&self.layout(), wait, "test", Time::now(), |_| {}).unwrap();
        write(&mut LedgerWriter::open(&lock).unwrap());
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("hp")
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout::under(&self.root()).unwrap()
    }

    /// The command in this world.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homeport"));
        command.args(words).stdin(Stdio::null()).env_remove("NOTIFY_SOCKET");
        for name in ["HOMEPORT_ROOT", "HOMEPORT_ENGINE", "DOCKER_HOST"] {
            command.env_remove(name);
        }
        command.arg("--root").arg(self.root()).arg("--engine").arg(self.dir.path().join("engine.sock"));
        command
    }

    /// Starts a daemon, as a machine does at its start, and waits until its holder has the socket.
    pub(crate) fn start(&self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.layout().daemon_log()).unwrap();
        let mut child = self.command(&["daemon", "run"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        std::thread::spawn(move || child.wait());
        self.eventually("the daemon answers", || self.daemon().is_some());
        self.holder();
    }

    /// Runs a command that has to succeed, and returns its standard output.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "`homeport {}`:\n{out}\n{err}\n{}", words.join(" "), self.log());
        out.into_owned()
    }

    /// What `daemon status` says.
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.ok(&["daemon", "status", "--json"])).unwrap()
    }

    /// The daemon's process id, as it says it; `None` where it does not, since it is just being killed for example.
    pub(crate) fn daemon(&self) -> Option<u64> {
        let output = self.command(&["daemon", "status", "--json"]).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).ok()?["pid"].as_u64()
    }

    /// The processes of this HomePort that were started with these words.
    pub(crate) fn processes(&self, words: &str) -> Vec<u64> {
        let root = self.root();
        let is_one = |path: &Path| {
            let line = fs::read(path.join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(root.to_str().unwrap()) && line.contains(words)
        };
        let all = fs::read_dir("/proc").unwrap().flatten().filter(|entry| is_one(&entry.path()));
        all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// The one process that keeps the daemon's sockets, as soon as it has them.
    pub(crate) fn holder(&self) -> u64 {
        self.eventually("a holder is there", || self.processes("daemon hold").len() == 1);
        let pid = self.processes("daemon hold")[0];
        // Its own, that of the daemon, and those that it keeps.
        let kept = Ledger::open(&self.layout()).unwrap().all_routes().unwrap().len();
        self.eventually("it has every socket", || sockets(pid) == 2 + kept);
        pid
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.layout().daemon_log()).unwrap_or_default()
    }

    pub(crate) fn eventually(&self, what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < end, "not in time: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Another daemon than this one answers.
    pub(crate) fn wait_for_another(&self, before: Option<u64>) -> u64 {
        self.eventually("another daemon answers", || self.daemon().is_some_and(|pid| Some(pid) != before));
        self.daemon().unwrap()
    }

    /// Ends everything, and looks that nothing is left.
    pub(crate) fn end(self) {
        self.ok(&["daemon", "stop"]);
        self.eventually("every process has ended", || self.processes("daemon").is_empty());
        let left = |path: PathBuf| fs::read_dir(path).map_or(0, Iterator::count);
        assert_eq!(left(self.layout().drain_dir()), 0);
        assert!(!self.layout().holder_socket().exists() && !self.layout().control_socket().exists());
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Where a test failed, nothing may be left either.
        self.command(&["daemon", "stop"]).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        for pid in self.processes("daemon") {
            kill(pid);
        }
    }
}

/// How many sockets a process has open.
fn sockets(pid: u64) -> usize {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return 0 };
    let links = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

pub(crate) fn kill(pid: u64) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap_or(());
}

/// The instance, with this container.
pub(crate) fn record(container: &str) -> InstanceRecord {
    InstanceRecord {
        name: "site".parse().unwrap(),
        port: "web".parse().unwrap(),
        version: "1.1.0".parse().unwrap(),
        image: Digest::new([1; 32]),
        reference: "test".to_owned(),
        manifest: b"{}".to_vec(),
        desired: Desired::Running,
        slot: Slot::First,
        container: Some(container.parse().unwrap()),
        created: Time::now(),
        changed: Time::now(),
        overrides: serde_json::json!({}),
    }
}
