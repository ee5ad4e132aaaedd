//! Owns an engine of the tests' own, which can be killed: a containerd and a dockerd with everything in one directory, in
//! a network namespace of their own, so that they never touch what belongs to the machine's engine.
//!
//! Whoever starts one enters its network with the calling thread: containers and public addresses are reached from there,
//! and so by whatever that thread starts.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::world::tool;

/// How long the engine may take until it answers.
const START: Duration = Duration::from_mins(1);

/// What becomes of containers when the engine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restore {
    /// They are stopped at its next start.
    Stops,
    /// They go on.
    Live,
}

/// An engine of the tests' own. All of it ends with this, also where it was never whole.
pub(super) struct Engine {
    dir: PathBuf,
    network: Child,
    containerd: Option<Child>,
    dockerd: Option<Child>,
    restore: Restore,
}

impl Engine {
    /// Starts one, and enters its network with this thread.
    pub(super) fn start(dir: PathBuf, restore: Restore) -> Self {
        let network =
            Command::new("unshare").args(["--net", "sleep", "infinity"]).stdin(Stdio::null()).spawn().unwrap();
        let mut engine = Self { dir, network, containerd: None, dockerd: None, restore };
        fs::create_dir(&engine.dir).unwrap();
        enter(&engine.network);
        tool("ip", &["link", "set", "lo", "up"]);
        let at = |name: &str| engine.dir.join(name).display().to_string();
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = {:?}\n",
            at("containerd"),
            at("containerd-state"),
            at("containerd.sock")
        );
        fs::write(engine.dir.join("containerd.toml"), config).unwrap();
        let containerd = daemon("containerd", &["--config", &at("containerd.toml")], &engine.log("containerd"));
        engine.containerd = Some(containerd);
        wait(&engine.log("containerd"), || UnixStream::connect(engine.dir.join("containerd.sock")).is_ok());
        engine.start_again();
        engine
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }

    /// Kills dockerd, which leaves its socket, its pid file and everything else as it was at that instant.
    pub(super) fn kill(&mut self) {
        let mut dockerd = self.dockerd.take().unwrap();
        dockerd.kill().unwrap();
        dockerd.wait().unwrap();
    }

    /// Starts dockerd over what the one before left; how long it took to answer.
    pub(super) fn start_again(&mut self) -> Duration {
        let begun = Instant::now();
        let at = |name: &str| self.dir.join(name).display().to_string();
        let (host, containerd) = (format!("unix://{}", at("docker.sock")), at("containerd.sock"));
        let (root, exec, pid) = (at("root"), at("exec"), at("docker.pid"));
        let mut args = vec!["--host", &host, "--containerd", &containerd, "--data-root", &root, "--exec-root", &exec];
        args.extend(["--pidfile", &pid, "--log-level", "warn"]);
        if self.restore == Restore::Live {
            args.push("--live-restore");
        }
        self.dockerd = Some(daemon("dockerd", &args, &self.dir.join("dockerd.log")));
        wait(&self.log("dockerd"), || answers(&self.socket()));
        begun.elapsed()
    }

    /// Whether it was not killed.
    pub(super) const fn runs(&self) -> bool {
        self.dockerd.is_some()
    }

    /// The first processes of ports in its containers, whatever it says of them itself.
    pub(super) fn ports(&self) -> BTreeSet<i32> {
        let shims: BTreeSet<i32> = of_directory(&self.dir).into_iter().map(Pid::as_raw_pid).collect();
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| command_line(*pid).starts_with("/port/init run") && shims.contains(&parent(*pid))).collect()
    }

    fn log(&self, program: &str) -> PathBuf {
        self.dir.join(format!("{program}.log"))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for child in self.dockerd.iter_mut().chain(&mut self.containerd) {
            end(child);
        }
        for shim in of_directory(&self.dir) {
            let _gone = kill_process(shim, Signal::KILL);
        }
        drop(self.network.kill());
        drop(self.network.wait());
        let below = format!("{}/", self.dir.display());
        let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let points = text.lines().filter_map(|line| line.split(' ').nth(4));
        let mut points: Vec<&str> = points.filter(|point| point.starts_with(&below)).collect();
        points.reverse();
        for point in points {
            let _gone = Command::new("umount").arg(point).status();
        }
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            eprintln!("`{}` cannot be removed: {error}", self.dir.display());
        }
    }
}

/// Enters the network of a process with this thread, once it has one of its own.
fn enter(process: &Child) {
    let (own, path) = (fs::read_link("/proc/thread-self/ns/net").unwrap(), format!("/proc/{}/ns/net", process.id()));
    let end = Instant::now() + START;
    while fs::read_link(&path).is_ok_and(|other| other == own) {
        assert!(Instant::now() < end, "`unshare` makes no network");
        std::thread::sleep(Duration::from_millis(5));
    }
    let network = File::open(path).unwrap();
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

fn daemon(program: &str, args: &[&str], log: &Path) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("`{program}` cannot be run ({error}): `cargo xtask setup`"))
}

fn wait(log: &Path, works: impl Fn() -> bool) {
    let end = Instant::now() + START;
    while !works() {
        let said = || fs::read_to_string(log).unwrap_or_default();
        assert!(Instant::now() < end, "it does not answer within {START:?}; `{}`:\n{}", log.display(), said());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn answers(socket: &Path) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        let mut reply = Vec::new();
        stream.take(4096).read_to_end(&mut reply)?;
        Ok(String::from_utf8_lossy(&reply).lines().next().is_some_and(|line| line.contains(" 200 ")))
    };
    ping().unwrap_or(false)
}

/// Ends a process in its own time, and after that in no time.
fn end(child: &mut Child) {
    let _told = kill_process(Pid::from_child(child), Signal::TERM);
    let patience = Instant::now() + Duration::from_secs(20);
    while child.try_wait().is_ok_and(|ended| ended.is_none()) {
        if Instant::now() > patience {
            drop(child.kill());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What still runs for this engine: what containerd started names its socket.
fn of_directory(dir: &Path) -> Vec<Pid> {
    let dir = format!("{}/", dir.display());
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| command_line(*pid).contains(&dir)).filter_map(Pid::from_raw).collect()
}

/// What a process was started with, with blanks between; empty where it is gone.
fn command_line(pid: i32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).replace('\0', " ")
}

/// A process's parent; 0 where it is gone.
fn parent(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    rest.split(' ').nth(1).and_then(|parent| parent.parse().ok()).unwrap_or(0)
}
