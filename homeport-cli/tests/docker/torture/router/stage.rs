//! Owns the HomePort that is tried: its two instances, what can be done to them and to its daemon, and when they serve
//! again. Judges nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::accelerator::eventually;
use super::attempt::Blow;
use super::case::Backend;
use super::load::PATIENCE;
use super::port::{Access, ECHO_PORT, VERSIONS, images};
use super::space::Space;
use crate::fixture::TestImage;
use crate::world::{World, docker};

/// The endpoint that sends back what it gets.
pub(super) const ECHO: &str = "echo";

/// One HomePort with an instance of each kind, clients' network beside it.
pub(super) struct Stage {
    pub(super) space: Space,
    pub(super) world: World,
    /// What carries the bytes now.
    pub(super) backend: Backend,
    /// Whether a haproxy has a rule that is not the usual one.
    pub(super) changed: bool,
    version: usize,
    // After the world whose containers use them.
    _images: [[TestImage; 2]; 2],
}

/// The instance of that kind.
pub(super) const fn instance(access: Access) -> &'static str {
    match access {
        Access::Shared => "both",
        Access::Exclusive => "one",
    }
}

impl Stage {
    /// Deploys both, with `endpoints` at addresses that everybody reaches.
    pub(super) fn make(test: &str, endpoints: &[&str]) -> Self {
        let world = World::new();
        let images = [Access::Shared, Access::Exclusive].map(|access| images(test, access));
        let names = [images[0][0].name.clone(), images[1][0].name.clone()];
        let stage = Self {
            space: Space::make(0),
            world,
            backend: Backend::Builtin,
            changed: false,
            version: 0,
            _images: images,
        };
        for (access, image) in [Access::Shared, Access::Exclusive].into_iter().zip(&names) {
            let routes = ["echo", "mute", "hasty"].map(|name| {
                let address = if endpoints.contains(&name) { "*:random" } else { "none" };
                ["--route".to_owned(), format!("{name}={address}")]
            });
            let mut words = vec!["deploy", image.as_str(), "--name", instance(access)];
            words.extend(routes.iter().flatten().map(String::as_str));
            stage.world.ok(&words);
        }
        stage
    }

    /// Where clients from elsewhere reach an endpoint.
    pub(super) fn address(&self, access: Access, endpoint: &str) -> SocketAddr {
        (self.space.machine(), self.port(access, endpoint)).into()
    }

    /// Where the endpoint that echoes is behind the router, for clients on this machine.
    pub(super) fn inside(&self, access: Access) -> SocketAddr {
        let words = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
        let all = docker(&["inspect", "--format", words, &self.world.container(instance(access))]);
        let address = all.split_whitespace().next().unwrap().parse().unwrap();
        SocketAddr::new(address, ECHO_PORT)
    }

    /// The public port of an endpoint.
    pub(super) fn port(&self, access: Access, endpoint: &str) -> u16 {
        let address = self.world.address(instance(access), endpoint);
        address.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// The container of the instance, and which of its runs this is.
    pub(super) fn run_of(&self, access: Access) -> String {
        run(&self.world.container(instance(access)))
    }

    /// Runs a command; what it said where it failed.
    pub(super) fn homeport(&self, words: &[&str]) -> Result<(), String> {
        let did = self.world.run(words);
        if did.code == 0 {
            Ok(())
        } else {
            Err(format!("`homeport {}` ended with {}: {}", words.join(" "), did.code, did.err.trim()))
        }
    }

    /// Leads the shared instance's clients to the other version.
    pub(super) fn switch(&mut self) -> Result<(), String> {
        self.version = 1 - self.version;
        self.homeport(&["upgrade", instance(Access::Shared), "--to", VERSIONS[self.version]])
    }

    /// Has the engine do something to the exclusive instance's container, and waits until the instance is ready again. The blow
    /// lasts until the container's first process is gone.
    pub(super) fn engine(&self, word: &str) -> Result<Blow, String> {
        let (name, before) = (instance(Access::Exclusive), self.run_of(Access::Exclusive));
        let container = self.world.container(name);
        let first = PathBuf::from(format!("/proc/{}", docker(&["inspect", "--format", "{{.State.Pid}}", &container])));
        let from = Instant::now();
        // A restart fails: the mount of a volume is there for a moment only, until its container has it. The daemon's succeeds.
        let mut command = Command::new("docker");
        command.args([word, &container]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut command = command.spawn().unwrap();
        while first.exists() && from.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        let blow = Blow { from, to: Instant::now() };
        command.wait().unwrap();
        eventually("the instance is ready again", || {
            let status = self.world.status(name);
            let now = status["container"].as_str().map(run);
            status["state"] == "ready" && now.is_some_and(|now| now != before && now.contains(" true "))
        })?;
        Ok(blow)
    }

    /// Does something about the exclusive instance: what happened to it before counts no more.
    pub(super) fn forgive(&self) {
        self.world.ok(&["restart", instance(Access::Exclusive)]);
    }

    /// The daemon's process.
    pub(super) fn daemon(&self) -> Option<i32> {
        let did = self.world.run(&["--json", "daemon", "status"]);
        let status: serde_json::Value = serde_json::from_str(&did.out).ok()?;
        i32::try_from(status["pid"].as_i64()?).ok()
    }

    /// Kills the daemon, and waits for the next one.
    pub(super) fn kill_daemon(&self) -> Result<Blow, String> {
        let before = self.daemon().ok_or("the daemon says no process")?;
        let from = Instant::now();
        kill(before)?;
        let blow = Blow { from, to: Instant::now() };
        eventually("another daemon answers", || self.daemon().is_some_and(|now| now != before))?;
        Ok(blow)
    }

    /// Processes of this HomePort whose command line has this word: it names the root, or they work below it.
    pub(super) fn processes(&self, word: &str) -> Vec<i32> {
        let root = self.world.root();
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let found = all.filter(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let works_below = || std::fs::read_link(entry.path().join("cwd")).is_ok_and(|at| at.starts_with(&root));
            line.contains(word) && (line.contains(&root.display().to_string()) || works_below())
        });
        found.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// What the daemon has said so far.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.world.root().join("state/daemon.log")).unwrap_or_default()
    }
}

/// Kills a process.
pub(super) fn kill(process: i32) -> Result<(), String> {
    let pid = Pid::from_raw(process).ok_or("no process")?;
    kill_process(pid, Signal::KILL).map_err(|error| format!("process {process} cannot be killed: {error}"))
}

/// A container, and since when it runs; what ended has another one, or none.
pub(super) fn run(container: &str) -> String {
    let words = "{{.Id}} {{.State.Running}} {{.State.StartedAt}}";
    let output = Command::new("docker").args(["inspect", "--format", words, container]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Whether that run of a container has ended.
pub(super) fn has_ended(with: &str) -> bool {
    let container = with.split(' ').next().unwrap_or_default();
    run(container) != with
}
