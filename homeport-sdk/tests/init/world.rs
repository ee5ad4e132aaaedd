//! Owns a small world for a real init: its own mounts, so that `/port` and `/run/port` are where they are in a
//! container, and its own processes, all of which end with it.

use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Whether init is PID 1 of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    First,
    Child,
}

const SCRIPT: &str = r#"
set -e
mount --make-rprivate /
R="$W/root"
mount -t tmpfs tmpfs "$R"
for d in bin sbin lib lib64 usr etc; do
    if [ -L "/$d" ]; then cp -a "/$d" "$R/$d"; elif [ -d "/$d" ]; then mkdir "$R/$d"; mount --rbind "/$d" "$R/$d"; fi
done
mkdir -p "$R/dev" "$R/proc" "$R/run/port" "$R/port" "$R/tmp" "$R/data"
mount -t tmpfs tmpfs "$R/dev"
for n in null zero urandom; do touch "$R/dev/$n"; mount --bind "/dev/$n" "$R/dev/$n"; done
mount --bind "$W/run" "$R/run/port"
mount --bind "$W/port" "$R/port"
mount --bind "$W/tmp" "$R/tmp"
if [ -z "$NO_DATA" ]; then mount --bind "$W/data" "$R/data"; fi
if [ -n "$READ_ONLY" ]; then mount -o remount,bind,ro "$R/data"; fi
mount -t proc proc "$R/proc"
if [ "$PLACE" = first ]; then exec chroot "$R" /port/init "$@"; fi
chroot "$R" /port/init "$@" &
wait $!
"#;

/// What stands in the world before init starts.
pub(crate) struct World {
    dir: TempDir,
    env: Vec<(String, String)>,
    place: Place,
}

impl World {
    /// A world with a manifest, this services file, an empty configuration and one volume that is as it has to be.
    pub(crate) fn new(services: &Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["root", "run", "port", "tmp", "data", "run/secrets"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let env = [("HOMEPORT_PROTOCOL", "1.0"), ("HOMEPORT_INSTANCE", "test"), ("TZ", "UTC")];
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let world = Self { dir, env, place: Place::First };
        world.init(Path::new(env!("CARGO_BIN_EXE_homeport-init")));
        let names: Vec<String> = services.as_object().unwrap().keys().cloned().collect();
        let declared: serde_json::Map<String, Value> =
            names.into_iter().map(|name| (name, json!({"critical": true}))).collect();
        world.write("port/services.json", &json!({ "services": services }));
        world.write("port/manifest.json", &manifest(&Value::Object(declared)));
        world.write("run/config.json", &json!({}));
        world.expect_volume(|_| {});
        world
    }

    /// Makes a copy of this program the world's init.
    ///
    /// Another process writes it: a descriptor of ours that is open for writing would be in whatever another test
    /// starts at that moment, until that is executed, and the kernel executes nothing that somebody can write to.
    pub(crate) fn init(&self, program: &Path) {
        let copied = Command::new("cp").arg(program).arg(self.path("port/init")).status().unwrap();
        assert!(copied.success(), "cannot copy `{}`: {copied}", program.display());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, document: &Value) {
        fs::write(self.path(name), serde_json::to_vec(document).unwrap()).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// Changes the manifest.
    pub(crate) fn manifest(self, change: impl FnOnce(&mut Value)) -> Self {
        let mut manifest = self.read("port/manifest.json");
        change(&mut manifest);
        self.write("port/manifest.json", &manifest);
        self
    }

    /// Writes what the host expects of the volume, changed.
    pub(crate) fn expect_volume(&self, change: impl FnOnce(&mut Value)) {
        use std::os::unix::fs::MetadataExt as _;
        let found = fs::metadata(self.path("data")).unwrap();
        let mut expected = json!({"path": "/data", "uuid": "0b1c", "format": 2, "device": found.dev(),
            "inode": found.ino(), "new": false});
        change(&mut expected);
        self.write("run/volumes.json", &json!({ "data": expected }));
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn place(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// The host's end of the notify socket.
    pub(crate) fn host_socket(&self) -> HostSocket {
        let socket = UnixDatagram::bind(self.path("run/notify")).unwrap();
        HostSocket { socket, seen: Vec::new() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "--", "/bin/sh", "-c", SCRIPT, "world"])
            .args(args)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("W", self.dir.path())
            .env("PLACE", if self.place == Place::First { "first" } else { "child" })
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Carries a phase out to its end.
    pub(crate) fn phase(&self, args: &[&str]) -> Ended {
        ended(&mut self.command(args))
    }

    /// Carries a phase out to its end under `strace`, which writes these system calls down.
    pub(crate) fn trace(&self, calls: &str, into: &Path, args: &[&str]) -> Ended {
        let world = self.command(args);
        let mut command = Command::new("strace");
        command.args(["--follow-forks", "-e", &format!("trace={calls}"), "-o"]).arg(into).arg(world.get_program());
        command.args(world.get_args()).env_clear().stdin(Stdio::null());
        command.envs(world.get_envs().filter_map(|(name, value)| Some((name, value?))));
        ended(&mut command)
    }

    /// Starts the run phase.
    pub(crate) fn run(&self) -> Running<'_> {
        self.start(&["run"])
    }

    /// Starts a phase.
    pub(crate) fn start(&self, args: &[&str]) -> Running<'_> {
        let log = fs::File::create(self.path("log")).unwrap();
        let mut command = self.command(args);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        Running { world: self, child, status: None }
    }
}

fn manifest(services: &Value) -> Value {
    json!({
        "protocol": "1.0",
        "port": {"id": "test", "version": "1.2.3", "title": "A test"},
        "config": {
            "greeting": {"type": "string", "default": "hello", "max_len": 20, "env": "GREETING"},
            "token": {"type": "string", "secret": true, "max_len": 20}
        },
        "volumes": {"data": {"path": "/data", "format": 2, "uid": 0, "gid": 0, "mode": "0755"}},
        "services": services,
        "stop": {"timeout_seconds": 4},
        "reload": {"supported": true}
    })
}

fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// How a phase ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by {:?}: {}", self.status.signal(), self.stderr))
    }

    /// The codes of the errors on standard error, each line of which has to be a diagnostic.
    pub(crate) fn codes(&self) -> Vec<String> {
        let lines = self.stderr.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        lines.filter(|line| line["level"] == "error").map(|line| line["code"].as_str().unwrap().to_owned()).collect()
    }
}

/// The phase ended with this code and told errors of these codes.
pub(crate) fn assert_ended(ended: &Ended, code: i32, codes: &[&str]) {
    let wanted = codes.iter().map(|c| (*c).to_owned()).collect();
    assert_eq!((ended.code(), ended.codes()), (code, wanted), "{}", ended.stderr);
}

/// A running init; it and everything below it end with this.
pub(crate) struct Running<'w> {
    world: &'w World,
    child: Child,
    status: Option<ExitStatus>,
}

impl Running<'_> {
    /// Init's process id, as the test sees it: the first descendant that runs the program.
    pub(crate) fn pid(&self) -> Pid {
        let program = self.world.path("port/init");
        wait_for("init runs", || {
            let mut of = self.child.id();
            for _ in 0..4 {
                if fs::read_link(format!("/proc/{of}/exe")).is_ok_and(|exe| ends_alike(&exe, &program)) {
                    return Pid::from_raw(of.cast_signed());
                }
                of = children(of).first().copied()?;
            }
            None
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.world.path("log")).unwrap()
    }

    pub(crate) fn status(&self) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.world.path("run/status.json")).ok()?).ok()
    }

    pub(crate) fn condition(&self) -> String {
        self.status().map(|status| status["condition"].as_str().unwrap().to_owned()).unwrap_or_default()
    }

    pub(crate) fn wait_until_ready(&self) {
        wait_for("the port is ready", || (self.condition() == "ready").then_some(()));
    }

    /// Waits for the end, however that is.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = wait_for("init ends", || self.child.try_wait().unwrap());
        self.status = Some(status);
        status
    }

    /// Waits for the end; gives the exit code and how long it took.
    pub(crate) fn end(&mut self) -> (i32, Duration) {
        let start = Instant::now();
        let status = self.wait();
        let code = status.code().unwrap_or_else(|| panic!("ended by a signal: {status:?}\n{}", self.log()));
        (code, start.elapsed())
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.status.is_none() {
            // The namespace's first process dies with `unshare`, and everything in it with that.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn ends_alike(exe: &Path, program: &Path) -> bool {
    // Seen from outside, the path is the one below the world's root, or the file's own.
    exe.ends_with("port/init") || exe == program
}

pub(crate) fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// The host's end of the notify socket.
pub(crate) struct HostSocket {
    socket: UnixDatagram,
    seen: Vec<String>,
}

impl HostSocket {
    /// Everything that came until now.
    pub(crate) fn seen(&mut self) -> &[String] {
        self.socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 2000];
        while let Ok(read) = self.socket.recv(&mut buffer) {
            self.seen.push(String::from_utf8(buffer[..read].to_vec()).unwrap());
        }
        &self.seen
    }

    pub(crate) fn has(&mut self, start: &str) -> bool {
        self.seen().iter().any(|message| message.starts_with(start))
    }
}

/// Looks again and again, for at most 20 seconds.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A service: a script for `/bin/sh`.
pub(crate) fn sh(script: &str) -> Value {
    json!({"command": ["/bin/sh", "-c", script], "uid": 0, "gid": 0})
}

/// A file's text, once it is there and not empty.
pub(crate) fn text_of(path: &Path) -> String {
    wait_for(&format!("{} is written", path.display()), || {
        let mut text = String::new();
        fs::File::open(path).ok()?.read_to_string(&mut text).ok()?;
        (!text.is_empty()).then_some(text)
    })
}
