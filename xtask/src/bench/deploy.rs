//! Measures `homeport deploy` of the shell port until SSH answers against `docker run` of the same image with the same
//! options until SSH answers, interleaved; and how long `homeport list` and `--help` take.
//!
//! Both sides find their volumes in use before (a home directory, host keys), so that neither makes keys. Both listen on
//! 127.0.0.1, and both attach to a bridge of their own that is there already and lets containers not talk to each other.
//! HomePort's side includes everything that it checks, its journal, and the port's own login check; Docker's has none of
//! that. Two answers are timed: a login that worked, and the server's first line, `SSH-2.0-`, which comes before it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::figure::Figure;
use crate::workspace::Workspace;
use crate::{build_port, ci, run, say, setup};

/// How long SSH may take to answer.
const LIMIT: Duration = Duration::from_mins(1);
/// What both sides run.
const SHELL: &str = "homeport/shell:1.1.0";
/// Ports of the two sides; outside of what HomePort picks by itself.
const OURS: u16 = 19_022;
const THEIRS: u16 = 19_023;
/// The bridge of Docker's side.
const NETWORK: &str = "homeport-bench-docker";

pub(super) fn run(pairs: usize) -> Result<()> {
    ensure!(pairs >= 3, "a median of {pairs} says nothing: wanted at least 3 pairs");
    let workspace = Workspace::find()?;
    setup::run()?;
    let homeport = ci::homeport(&workspace)?;
    build_port::every_version(&workspace, &workspace.root().join("ports/shell"))?;
    let place = Place::new(homeport)?;
    place.warm_up()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        // Which side goes first changes, so that neither always finds the machine as the other left it.
        let (a, b) = if pair % 2 == 0 {
            let a = place.ours()?;
            (a, place.theirs()?)
        } else {
            let b = place.theirs()?;
            (place.ours()?, b)
        };
        say::line(format_args!(
            "pair {:2}: until a login: homeport deploy {:.3} s, docker run {:.3} s; until the first line: {:.3} s, {:.3} s",
            pair + 1,
            a.login,
            b.login,
            a.line,
            b.line
        ));
        ours.push(a);
        theirs.push(b);
    }
    let list = place.timed(&["list"], 21)?;
    let help = place.timed(&["--help"], 21)?;
    let figure = |samples: &[f64]| Figure::of(samples).context("no samples");
    for (name, of) in
        [("login", (|took: &Took| took.login) as fn(&Took) -> f64), ("first_line", |took: &Took| took.line)]
    {
        let (a, b): (Vec<f64>, Vec<f64>) = (ours.iter().map(of).collect(), theirs.iter().map(of).collect());
        let pairs: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a / b).collect();
        let (a, b, pairs) = (figure(&a)?, figure(&b)?, figure(&pairs)?);
        say::line(format_args!("until {name}: homeport deploy {a} s; docker run {b} s"));
        let of_medians = Figure { median: a.median / b.median, low: pairs.low, high: pairs.high, n: pairs.n };
        say::line(of_medians.line(&format!("deploy_to_ssh_{name}_vs_docker_run"), "ratio"));
        say::line(a.line(&format!("deploy_to_ssh_{name}_seconds"), "value"));
    }
    say::line(figure(&list)?.line("list_milliseconds", "value"));
    say::line(figure(&help)?.line("help_milliseconds", "value"));
    Ok(())
}

/// How long one side took, in seconds from its beginning.
#[derive(Debug, Clone, Copy)]
struct Took {
    /// Until the server's first line.
    line: f64,
    /// Until a login had worked.
    login: f64,
}

/// A HomePort of the benchmark's own, and a container of Docker's own beside it; removed when it is dropped.
struct Place {
    homeport: PathBuf,
    root: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone = run::output(Command::new("docker").args(["rm", "--force", "homeport-bench-docker"]));
        let _gone = self.homeport(&["remove", "bench"]);
        let _gone = self.homeport(&["remove", "beside"]);
        let _gone = run::output(Command::new("docker").args(["network", "rm", NETWORK]));
        let _gone = self.homeport(&["daemon", "stop"]);
        if let Err(error) = fs::remove_dir_all(&self.root) {
            say::warning(format_args!("`{}` cannot be removed: {error}", self.root.display()));
        }
    }
}

impl Place {
    fn new(homeport: PathBuf) -> Result<Self> {
        let root = PathBuf::from(format!("/var/tmp/hpb-{}", std::process::id()));
        fs::create_dir_all(&root).with_context(|| format!("cannot make `{}`", root.display()))?;
        let place = Self { homeport, root };
        let mut keygen = Command::new("ssh-keygen");
        run::take(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(place.root.join("key")))?;
        Ok(place)
    }

    fn homeport(&self, args: &[&str]) -> Result<String> {
        run::take(Command::new(&self.homeport).arg("--root").arg(self.root.join("hp")).args(args))
    }

    fn deploy(&self) -> Result<()> {
        let keys = format!("authorized_keys={}", self.root.join("key.pub").display());
        let route = format!("ssh=127.0.0.1:{OURS}");
        self.homeport(&["deploy", SHELL, "--name", "bench", "--set-file", &keys, "--route", &route]).map(drop)
    }

    /// Deploys once, so that volumes, host keys and the daemon are there; Docker's side starts from copies.
    fn warm_up(&self) -> Result<()> {
        self.deploy()?;
        let run_dir = self.root.join("hp/run/instances/bench/port");
        let copy = self.root.join("docker");
        fs::create_dir_all(&copy)?;
        run::take(Command::new("cp").args(["-a"]).arg(&run_dir).arg(copy.join("run")))?;
        run::take(
            Command::new("cp").args(["-a"]).arg(self.root.join("hp/data/bench/home/data")).arg(copy.join("home")),
        )?;
        run::take(
            Command::new("cp")
                .args(["-a"])
                .arg(self.root.join("hp/data/bench/hostkeys/data"))
                .arg(copy.join("hostkeys")),
        )?;
        // Docker's container finds volumes of its own: what init expects of them has to say so.
        let file = copy.join("run/volumes.json");
        let mut expected: Value = serde_json::from_slice(&fs::read(&file)?)?;
        for name in ["home", "hostkeys"] {
            let facts = fs::metadata(copy.join(name))?;
            expected[name]["device"] = json!(facts.dev());
            expected[name]["inode"] = json!(facts.ino());
            expected[name]["new"] = json!(false);
        }
        fs::remove_file(&file)?;
        fs::write(&file, serde_json::to_vec(&expected)?)?;
        self.homeport(&["remove", "bench"])?;
        // Another instance keeps HomePort's network; Docker's side gets one of the same kind.
        let keys = format!("authorized_keys={}", self.root.join("key.pub").display());
        self.homeport(&["deploy", SHELL, "--name", "beside", "--set-file", &keys, "--route", "ssh=none"])?;
        let quiet = "com.docker.network.bridge.enable_icc=false";
        run::take(Command::new("docker").args(["network", "create", "--opt", quiet, NETWORK])).map(drop)
    }

    /// Waits until the side that began at `begun` answers on its port, and takes the times.
    fn answered(&self, begun: Instant, port: u16) -> Result<Took> {
        answers(port)?;
        let line = begun.elapsed().as_secs_f64();
        while !self.logs_in(port)? {
            ensure!(begun.elapsed() < LIMIT, "no login on port {port} within a minute");
        }
        Ok(Took { line, login: begun.elapsed().as_secs_f64() })
    }

    /// Whether a login works now.
    fn logs_in(&self, port: u16) -> Result<bool> {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"]);
        ssh.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-i"]).arg(self.root.join("key"));
        ssh.args(["-p", &port.to_string(), "user@127.0.0.1", "true"]);
        Ok(run::output(&mut ssh)?.status.success())
    }

    fn ours(&self) -> Result<Took> {
        let begun = Instant::now();
        self.deploy()?;
        let took = self.answered(begun, OURS)?;
        self.homeport(&["remove", "bench"])?;
        Ok(took)
    }

    fn theirs(&self) -> Result<Took> {
        let copy = self.root.join("docker");
        let bind = |from: &Path, to: &str| format!("type=bind,source={},target={to}", from.display());
        let begun = Instant::now();
        let mut command = Command::new("docker");
        command.args(["run", "--detach", "--name", "homeport-bench-docker", "--read-only", "--cap-drop", "ALL"]);
        for capability in ["SYS_CHROOT", "SETUID", "SETGID", "CHOWN", "AUDIT_WRITE", "KILL"] {
            command.args(["--cap-add", capability]);
        }
        command.args(["--security-opt", "no-new-privileges", "--memory", "512m", "--memory-swap", "512m"]);
        command.args(["--pids-limit", "256", "--ulimit", "nofile=4096:4096", "--hostname", "bench"]);
        command.args(["--network", NETWORK, "--ipc", "private", "--cpu-shares", "1024"]);
        command.args(["--log-driver", "json-file", "--log-opt", "max-size=10m", "--log-opt", "max-file=3"]);
        command.args(["--tmpfs", "/run:rw,nosuid,nodev,noexec,mode=755,size=8m"]);
        command.args(["--tmpfs", "/tmp:rw,nosuid,nodev,noexec,mode=1777,size=256m"]);
        command.args([
            "--env",
            "HOMEPORT_PROTOCOL=1.0",
            "--env",
            "HOMEPORT_PHASE=run",
            "--env",
            "HOMEPORT_INSTANCE=bench",
        ]);
        command.arg("--mount").arg(bind(&copy.join("run"), "/run/port"));
        command.arg("--mount").arg(bind(&copy.join("home"), "/home/user"));
        command.arg("--mount").arg(bind(&copy.join("hostkeys"), "/var/lib/hostkeys"));
        command.args(["--publish", &format!("127.0.0.1:{THEIRS}:22"), SHELL]);
        run::take(&mut command)?;
        let took = self.answered(begun, THEIRS)?;
        run::take(Command::new("docker").args(["rm", "--force", "homeport-bench-docker"]))?;
        Ok(took)
    }

    /// How long a command takes, in milliseconds.
    fn timed(&self, args: &[&str], times: usize) -> Result<Vec<f64>> {
        self.deploy()?;
        let mut samples = Vec::new();
        for _ in 0..times {
            let begun = Instant::now();
            self.homeport(args)?;
            samples.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        self.homeport(&["remove", "bench"])?;
        Ok(samples)
    }
}

/// Waits until an SSH server answers on this port.
fn answers(port: u16) -> Result<()> {
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            let mut line = String::new();
            if BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("SSH-2.0-") {
                return Ok(());
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    bail!("no SSH server answered on port {port} within a minute")
}
