//! Owns one HomePort for one test: a root of its own, the command, and taking everything away again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use homeport_host::layout::Layout;
use homeport_host::ledger::Ledger;
use serde_json::Value;

/// Two cores: tests that measure waiting run one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// One HomePort.
pub(crate) struct World {
    dir: PathBuf,
    engine: Option<PathBuf>,
    _turn: Option<MutexGuard<'static, ()>>,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Did {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = Command::new("docker").arg("version").output().expect("the docker command is installed");
        assert!(engine.status.success(), "no engine runs: `cargo xtask setup` starts it");
        Self::make(Some(turn))
    }

    /// Another HomePort of the same test, at the same time as the first, which has the turn.
    pub(crate) fn beside(_first: &Self) -> Self {
        Self::make(None)
    }

    fn make(turn: Option<MutexGuard<'static, ()>>) -> Self {
        let name: String = format!("{:08x}", rand32());
        let dir = PathBuf::from(format!("/var/tmp/hpt-{name}"));
        // Tests also look where nothing was deployed: the root must be there for that.
        fs::create_dir_all(dir.join("hp")).unwrap();
        Self { dir, engine: None, _turn: turn }
    }

    /// The same, with the engine that listens on `socket`.
    pub(crate) fn with_engine(mut self, socket: &Path) -> Self {
        self.engine = Some(socket.to_owned());
        self
    }

    /// A directory for what the test itself needs.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.join("hp")
    }

    /// Runs `homeport` in this world.
    pub(crate) fn run(&self, args: &[&str]) -> Did {
        Self::finish(self.command().args(args))
    }

    /// The command, to be given more than arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homeport"));
        command.arg("--root").arg(self.root()).env_remove("HOMEPORT_ROOT").env_remove("HOMEPORT_ENGINE");
        command.env_remove("DOCKER_HOST").stdin(Stdio::null());
        if let Some(socket) = &self.engine {
            command.arg("--engine").arg(socket);
        }
        command
    }

    /// Docker's own command line, with this world's engine.
    pub(crate) fn docker(&self, args: &[&str]) -> String {
        let host = self.engine.as_ref().map(|socket| format!("unix://{}", socket.display()));
        let host: Vec<&str> = host.iter().flat_map(|host| ["--host", host.as_str()]).collect();
        docker(&[&host, args].concat())
    }

    pub(crate) fn finish(command: &mut Command) -> Did {
        let output = command.output().unwrap();
        Did {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command that has to succeed, and returns its standard output.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let did = self.run(args);
        assert_eq!(did.code, 0, "`homeport {}` failed:\n{}\n{}", args.join(" "), did.out, did.err);
        did.out
    }

    /// Runs a command that has to succeed and gives JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(args);
        serde_json::from_str(&self.ok(&all)).unwrap()
    }

    /// The public address of an instance's endpoint.
    pub(crate) fn address(&self, instance: &str, endpoint: &str) -> String {
        let status = self.status(instance);
        status["routes"][endpoint].as_str().unwrap_or_else(|| panic!("no address in {status}")).to_owned()
    }

    pub(crate) fn container(&self, instance: &str) -> String {
        self.status(instance)["container"].as_str().expect("a container").to_owned()
    }

    /// What HomePort says of an instance.
    pub(crate) fn status(&self, instance: &str) -> Value {
        self.json(&["status", instance])["instance"].take()
    }

    /// The id of this HomePort; `None` before its first operation.
    pub(crate) fn root_id(&self) -> Option<String> {
        let layout = Layout::under(&self.root()).unwrap();
        Ledger::open(&layout).ok()?.root_id().ok()?.map(|id| id.to_string())
    }

    /// Everything that this HomePort has in the engine, in the ledger and among the mounts; volumes' data is not in it.
    pub(crate) fn traces(&self) -> Vec<String> {
        let mut traces = Vec::new();
        if let Some(root) = self.root_id() {
            for (what, args) in [("container", &["ps", "--all"][..]), ("network", &["network", "ls"])] {
                let filter = format!("label=io.homeport.root={root}");
                let names = self.docker(&[args, &["--filter", &filter, "--format", "{{.ID}}"]].concat());
                traces.extend(names.lines().map(|name| format!("{what} {name}")));
            }
        }
        let ledger = Ledger::open(&Layout::under(&self.root()).unwrap()).unwrap();
        traces.extend(ledger.instances().unwrap().into_iter().map(|record| format!("instance {}", record.name)));
        traces.extend(
            ledger.all_routes().unwrap().into_iter().map(|route| format!("route {}:{}", route.listen, route.port)),
        );
        if let Some((operation, _)) = ledger.open_operation().unwrap() {
            traces.push(format!("open operation {}", operation.kind));
        }
        let live = self.json(&["daemon", "status"]);
        traces.extend(
            live["routes"].as_array().into_iter().flatten().map(|route| format!("socket {}", route["address"])),
        );
        traces.extend(self.mounts().into_iter().map(|point| format!("mount {point}")));
        if let Ok(left) = fs::read_dir(self.root().join("run/instances")) {
            traces.extend(left.map(|entry| format!("run directory {}", entry.unwrap().path().display())));
        }
        traces
    }

    /// The mount points below this world's root.
    pub(crate) fn mounts(&self) -> Vec<String> {
        let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let below = self.root().display().to_string();
        text.lines()
            .filter_map(|line| line.split(' ').nth(4))
            .filter(|point| point.starts_with(&below))
            .map(str::to_owned)
            .collect()
    }

    fn clear(&self) {
        // First who would start containers again.
        let _stopped = self.run(&["daemon", "stop"]);
        if let Some(root) = self.root_id() {
            let filter = format!("label=io.homeport.root={root}");
            for id in self.docker(&["ps", "--all", "--quiet", "--filter", &filter]).lines() {
                self.docker(&["rm", "--force", id]);
            }
            for id in self.docker(&["network", "ls", "--quiet", "--filter", &filter]).lines() {
                self.docker(&["network", "rm", id]);
            }
        }
        let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let below = format!("{}/", self.dir.display());
        let mut points: Vec<&str> =
            text.lines().filter_map(|line| line.split(' ').nth(4)).filter(|point| point.starts_with(&below)).collect();
        points.reverse();
        for point in points {
            let _gone = Command::new("umount").arg(point).status();
        }
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            eprintln!("`{}` cannot be removed: {error}", self.dir.display());
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::env::var_os("HOMEPORT_KEEP").is_some() {
            eprintln!("kept: {}", self.dir.display());
        } else {
            self.clear();
        }
    }
}

/// Runs Docker's own command line; what it says when it fails is the panic.
pub(crate) fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).env("DOCKER_BUILDKIT", "0").stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || std::thread::panicking(), "docker {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs a program that has to succeed and returns its standard output.
pub(crate) fn tool(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("`{program}` is not installed ({error}): `cargo xtask setup`"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn rand32() -> u32 {
    use std::hash::{BuildHasher as _, Hasher as _};
    let hash = std::collections::hash_map::RandomState::new().build_hasher().finish();
    u32::try_from(hash & 0xffff_ffff).unwrap()
}
