//! Owns one pair of volumes for one test, and the containers that are started on it: all gone when it is dropped.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Which image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// 1.0.0, with format 1 of the host keys.
    Old,
    /// 1.1.0, with format 2.
    New,
}

impl Version {
    pub(crate) const fn image(self) -> &'static str {
        match self {
            Self::Old => "homeport/shell:1.0.0",
            Self::New => "homeport/shell:1.1.0",
        }
    }

    /// The format of the host keys that it runs with.
    pub(crate) const fn format(self) -> u32 {
        match self {
            Self::Old => 1,
            Self::New => 2,
        }
    }
}

/// What the host says of the volumes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Volumes {
    /// They have just been made.
    Fresh,
    /// They were in use, and the host keys have this format.
    Of(u32),
}

/// Each stand has a directory of its own.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// An RSA key takes at least a second on this much of a processor: there is time to kill whoever makes it.
const SLOW: [&str; 2] = ["--cpus", "0.05"];

/// Two volumes on the host.
pub(crate) struct Stand {
    dir: PathBuf,
    containers: AtomicU32,
}

/// How a phase ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) said: String,
}

impl Stand {
    pub(crate) fn new() -> Self {
        for image in [Version::Old.image(), Version::New.image()] {
            let there = docker(&["image", "ls", "--quiet", image]);
            assert!(!there.is_empty(), "`{image}` is not built: `cargo xtask build-port ports/shell`");
        }
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = PathBuf::from(format!("/var/tmp/hpt-shell-{}-{n}", std::process::id()));
        for (name, owner) in [("home", 1000), ("hostkeys", 0)] {
            let volume = dir.join(name);
            fs::create_dir_all(&volume).unwrap();
            fs::set_permissions(&volume, fs::Permissions::from_mode(0o700)).unwrap();
            chown(&volume, Some(owner), Some(owner)).unwrap();
        }
        Self { dir, containers: AtomicU32::new(0) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Every file in the volume of the host keys.
    pub(crate) fn host_keys(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.path("hostkeys")).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
    }

    /// The volume of the host keys holds two keys, each with its public file, and nothing else.
    pub(crate) fn assert_both_keys(&self) {
        let names: Vec<String> = self.host_keys().into_keys().collect();
        let wanted = ["ssh_host_ed25519_key", "ssh_host_ed25519_key.pub", "ssh_host_rsa_key", "ssh_host_rsa_key.pub"];
        assert_eq!(names, wanted);
    }

    /// One step of the host keys, in the newer image, which has only that volume.
    pub(crate) fn migrate(&self, from: u32, to: u32) -> Ended {
        self.start_migration(from, to, &[]).end()
    }

    /// The step up, so slow that it can be killed in the middle.
    pub(crate) fn migrate_up_slowly(&self) -> Container {
        self.start_migration(1, 2, &SLOW)
    }

    fn start_migration(&self, from: u32, to: u32, limits: &[&str]) -> Container {
        let (from_text, to_text) = (from.to_string(), to.to_string());
        let args = ["migrate", "--volume", "hostkeys", "--from", &from_text, "--to", &to_text];
        let options = ["--network", "none", "--env", "HOMEPORT_SNAPSHOT=before"];
        self.container(Version::New, Volumes::Of(from), &["hostkeys"], &[&options[..], limits].concat(), &args)
    }

    /// The phase `check`, which has no network and cannot write to the volumes.
    pub(crate) fn check(&self, version: Version, format: u32) -> Ended {
        self.container(version, Volumes::Of(format), &["home", "hostkeys"], &["--network", "none"], &["check"]).end()
    }

    /// Starts the port with this configuration.
    pub(crate) fn run(&self, version: Version, volumes: Volumes) -> Container {
        self.container(version, volumes, &["home", "hostkeys"], &["--publish", "127.0.0.1::22"], &["run"])
    }

    /// Starts the newer version so slowly that it can be killed while it makes keys.
    pub(crate) fn run_slowly(&self, volumes: Volumes) -> Container {
        self.container(Version::New, volumes, &["home", "hostkeys"], &SLOW, &["run"])
    }

    /// Sets the configuration of containers that are started from now on.
    pub(crate) fn configure(&self, config: &Value) {
        fs::write(self.path("config.json"), config.to_string()).unwrap();
    }

    fn container(
        &self,
        version: Version,
        volumes: Volumes,
        mounted: &[&str],
        options: &[&str],
        args: &[&str],
    ) -> Container {
        let n = self.containers.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{n}", self.dir.file_name().unwrap().to_str().unwrap());
        let run = self.path(&format!("run-{n}"));
        fs::create_dir(&run).unwrap();
        let migrates = args[0] == "migrate";
        if !migrates {
            fs::copy(self.path("config.json"), run.join("config.json")).unwrap();
        }
        let mut expected = serde_json::Map::new();
        let mut mounts = vec![format!("type=bind,source={},target=/run/port", run.display())];
        for volume in mounted {
            let target = if *volume == "home" { "/home/user" } else { "/var/lib/hostkeys" };
            let found = fs::metadata(self.path(volume)).unwrap();
            let (new, format) = match volumes {
                Volumes::Fresh => (true, version.format()),
                Volumes::Of(format) => (false, format),
            };
            let format = if *volume == "home" { 1 } else { format };
            expected.insert(
                (*volume).to_owned(),
                json!({"path": target, "uuid": *volume, "format": format, "device": found.dev(), "inode": found.ino(),
                    "new": new}),
            );
            let access = if args[0] == "check" { ",readonly" } else { "" };
            mounts.push(format!("type=bind,source={},target={target}{access}", self.path(volume).display()));
        }
        fs::write(run.join("volumes.json"), Value::from(expected).to_string()).unwrap();
        let mut command = Command::new("docker");
        command.args(["run", "--detach", "--name", &name, "--label", "homeport-test", "--read-only"]);
        command.args(["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "256m"]);
        for capability in ["AUDIT_WRITE", "CHOWN", "KILL", "SETGID", "SETUID", "SYS_CHROOT"] {
            command.args(["--cap-add", capability]);
        }
        command.args(["--tmpfs", "/run:rw,nosuid,nodev,noexec,mode=755,size=8m"]);
        command.args(["--tmpfs", "/tmp:rw,nosuid,nodev,noexec,mode=1777,size=256m"]);
        for mount in &mounts {
            command.args(["--mount", mount]);
        }
        command.args(["--env", "HOMEPORT_PROTOCOL=1.0", "--env", "HOMEPORT_INSTANCE=test"]);
        command.args(["--env", &format!("HOMEPORT_PHASE={}", args[0])]).args(options).arg(version.image()).args(args);
        let container = Container { name, run };
        take(&mut command);
        container
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.dir));
    }
}

/// A container; removed when this is dropped.
pub(crate) struct Container {
    name: String,
    run: PathBuf,
}

impl Container {
    /// Waits until it ends.
    pub(crate) fn end(self) -> Ended {
        let code = docker(&["wait", &self.name]).trim().parse().unwrap();
        let output = Command::new("docker").args(["logs", &self.name]).output().unwrap();
        Ended { code, said: String::from_utf8(output.stderr).unwrap() }
    }

    /// Waits until it is ready; gives what it tells of itself.
    pub(crate) fn facts(&self) -> Value {
        let status = wait_for("the port is ready", || {
            let status: Value = serde_json::from_slice(&fs::read(self.run.join("status.json")).ok()?).ok()?;
            (status["condition"] == "ready").then_some(status)
        });
        status["facts"].clone()
    }

    /// The public address's port.
    pub(crate) fn port(&self) -> String {
        let address = docker(&["port", &self.name, "22/tcp"]);
        address.lines().next().unwrap().rsplit_once(':').unwrap().1.to_owned()
    }

    /// Init's process, seen from outside.
    pub(crate) fn pid(&self) -> u32 {
        docker(&["inspect", "--format", "{{.State.Pid}}", &self.name]).trim().parse().unwrap()
    }

    /// Ends everything in it at once, without a word.
    pub(crate) fn kill(&self, pid: u32) {
        take(Command::new("kill").args(["-9", &pid.to_string()]));
        docker(&["wait", &self.name]);
    }

    /// Stops it as a host does.
    pub(crate) fn stop(self) {
        docker(&["stop", "--time", "15", &self.name]);
        assert_eq!(docker(&["wait", &self.name]).trim(), "0");
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _gone = Command::new("docker")
            .args(["rm", "--force", "--volumes", &self.name])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

pub(crate) fn docker(args: &[&str]) -> String {
    take(Command::new("docker").args(args))
}

/// Runs a program that has to succeed; gives its standard output.
pub(crate) fn take(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Looks again and again, for at most a minute.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a process of this parent runs a program with these words in its arguments.
pub(crate) fn has_child(parent: u32, words: &[&str]) -> bool {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    children.split_ascii_whitespace().any(|child| {
        let line = fs::read(Path::new("/proc").join(child).join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        words.iter().all(|word| line.split('\0').any(|part| part.contains(word)))
    })
}
