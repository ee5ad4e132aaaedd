//! Owns one session of measuring: what runs, and every load over every path in rounds. Judges nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path as File, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{Resource, getrlimit};

use super::Rounds;
use super::counts;
use super::family::Family;
use super::net::{Net, Running, SERVER, Space};
use super::path::{FIRST_PORT, Load, Path, Translation, has_translation, side};
use super::samples::{Samples, Seen};
use crate::bench::order::shuffled;
use crate::load::{Bulk, Exchanges};
use crate::{run, say};

/// Clients at once of short connections, and of datagrams.
const CLIENTS: u32 = 16;
/// The loads, and the paths that each goes over: a rate is for waits alone, and few are compared by those.
const LOADS: [(Load, &[Path]); 6] = [
    (Load::Bulk(1), &Path::ALL),
    (Load::Bulk(4), &Path::ALL),
    (Load::Exchange, &Path::ALL),
    (Load::Paced, &[Path::Direct, Path::Router, Path::Haproxy, Path::Nginx]),
    (Load::Datagrams(1), &Path::OF_DATAGRAMS),
    (Load::Datagrams(8), &Path::OF_DATAGRAMS),
];
/// How many idle connections are held, where the process may have so many.
const IDLE: usize = 10_000;
/// How long a proxy may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
/// A GiB of bulk data.
const GIB: f64 = 1_073_741_824.0;

/// Everything of one session. Proxies and server end when it is dropped, before the network does.
pub(super) struct Session<'a> {
    families: BTreeMap<Path, Family>,
    running: Vec<Running>,
    _server: Running,
    files: Files,
    token: String,
    rounds: &'a Rounds,
    rate: f64,
    missing: Vec<Path>,
    samples: Samples,
}

/// The directory of configuration files.
struct Files(PathBuf);

/// Where it is made, and how its name begins; the process that made it follows.
const PLACE: &str = "/var/tmp";
const PREFIX: &str = "hpb-router-";

impl Files {
    /// Makes it, and removes those of runs whose process is gone.
    fn make() -> Result<Self> {
        for entry in fs::read_dir(PLACE)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let made_by = name.strip_prefix(PREFIX).and_then(|pid| pid.parse::<u32>().ok());
            if made_by.is_some_and(|pid| !File::new(&format!("/proc/{pid}")).exists()) {
                fs::remove_dir_all(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
            }
        }
        let own = PathBuf::from(format!("{PLACE}/{PREFIX}{}", std::process::id()));
        fs::create_dir_all(&own).with_context(|| format!("cannot make `{}`", own.display()))?;
        Ok(Self(own))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            say::warning(format_args!("`{}` cannot be removed: {error}", self.0.display()));
        }
    }
}

impl<'a> Session<'a> {
    /// Starts the server and every proxy, and waits until each leads to it.
    pub(super) fn begin(_net: &'a Net, forward: &File, rounds: &'a Rounds) -> Result<Self> {
        let files = Files::make()?;
        let token = format!("homeport-bench-{}", std::process::id());
        let mut serve = side(Space::Server, &token)?;
        serve.args(["serve", "--at", &SERVER.to_string(), "--port", &FIRST_PORT.to_string()]);
        let server = Running::start_until("the server", &mut serve, "ready")?;
        let mut missing = Vec::new();
        if let Err(error) = has_translation() {
            say::warning(format_args!("the kernel's address translation is not compared: {error:#}"));
            missing.push(Path::Nft);
        }
        let mut session = Self {
            families: BTreeMap::new(),
            running: Vec::new(),
            _server: server,
            files,
            token,
            rounds,
            rate: 0.0,
            missing,
            samples: Samples::default(),
        };
        for path in Path::PROXIES {
            let started = path.start(&session.files.0, forward)?;
            session.wait_for(path)?;
            session.families.insert(path, Family::of(&started));
            session.running.extend(started);
        }
        Ok(session)
    }

    /// What was seen.
    pub(super) fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Measures everything.
    pub(super) fn run(&mut self) -> Result<()> {
        let warm = self.exchanges(Path::Haproxy, Load::Exchange, None)?;
        self.rate = per_second(&warm) / 2.0;
        for round in 0..self.rounds.rounds {
            for (n, (load, paths)) in LOADS.iter().enumerate() {
                for path in shuffled(paths, round * LOADS.len() + n) {
                    if !self.missing.contains(&path) {
                        self.measure(*load, path, round)?;
                    }
                }
            }
        }
        self.count()
    }

    fn measure(&mut self, load: Load, path: Path, round: usize) -> Result<()> {
        let _translation = if path == Path::Nft { Some(Translation::on()?) } else { None };
        let before = self.cpu(path)?;
        let (seen, errors) = match load {
            Load::Bulk(streams) => {
                let bulk = self.bulk(path, load, streams)?;
                let cpu = (self.cpu(path)? - before) / (as_f64(bulk.all_bytes) / GIB);
                (Seen { rate: as_f64(bulk.bytes) * 8e-9 / bulk.seconds, cpu, p99: 0.0 }, bulk.errors)
            }
            Load::Exchange | Load::Paced | Load::Datagrams(_) => {
                let rate = (load == Load::Paced).then_some(self.rate);
                let seen = match load {
                    Load::Datagrams(window) => self.datagrams(path, window, self.rounds.seconds)?,
                    _ => self.exchanges(path, load, rate)?,
                };
                let cpu = (self.cpu(path)? - before) * 1e3 / as_f64(seen.answered.max(1));
                (Seen { rate: per_second(&seen), cpu, p99: seen.p99 * 1e3 }, seen.errors)
            }
        };
        self.keep(load, path, round, seen, errors);
        Ok(())
    }

    fn keep(&mut self, load: Load, path: Path, round: usize, seen: Seen, errors: u64) {
        let name = path.name();
        if errors == 0 && seen.rate > 0.0 {
            say::line(format_args!(
                "round {:2}: {load:?} over {name}: {:.2}, {:.3} of processors, 99 % within {:.2} ms",
                round + 1,
                seen.rate,
                seen.cpu,
                seen.p99
            ));
            self.samples.run(load, path, round, seen);
        } else {
            say::warning(format_args!("round {}: {load:?} over {name} does not count: {errors} errors", round + 1));
            self.samples.reject(path);
        }
    }

    /// Counts what is not timed.
    fn count(&mut self) -> Result<()> {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        // docker-proxy needs six descriptors for each, and some for itself.
        let room = usize::try_from(most.saturating_sub(1_000) / 6).unwrap_or(IDLE) / 500 * 500;
        let connections = IDLE.min(room);
        if connections < IDLE {
            say::line(format_args!(
                "a process may open {most} files: {connections} idle connections are held instead of {IDLE}"
            ));
        }
        self.samples.idle_connections = connections;
        for path in Path::PROXIES {
            let family = self.families.get(&path).context("a proxy is missing")?;
            match counts::calls(path, family, &self.token) {
                Ok(calls) => drop(self.samples.calls.insert(path, calls)),
                Err(error) => self.count_failed(path, "calls", &error),
            }
        }
        for path in Path::PROXIES {
            let family = self.families.get(&path).context("a proxy is missing")?;
            match counts::idle(path, family, &self.token, connections) {
                Ok(idle) => drop(self.samples.idle.insert(path, idle)),
                Err(error) => self.count_failed(path, "idle connections", &error),
            }
        }
        Ok(())
    }

    fn count_failed(&mut self, path: Path, what: &str, error: &anyhow::Error) {
        say::warning(format_args!("{what} of {} do not count: {error:#}", path.name()));
        self.samples.reject(path);
    }

    fn cpu(&self, path: Path) -> Result<f64> {
        self.families.get(&path).map_or(Ok(0.0), Family::cpu)
    }

    fn bulk(&self, path: Path, load: Load, streams: usize) -> Result<Bulk> {
        let mut client = side(Space::Clients, &self.token)?;
        client.args(["bulk", "--streams", &streams.to_string(), "--seconds", &self.rounds.seconds.to_string()]);
        client.args(["--at", &path.address(load).to_string()]);
        serde_json::from_str(&run::take(&mut client)?).context("the report of a load is not understood")
    }

    fn exchanges(&self, path: Path, load: Load, rate: Option<f64>) -> Result<Exchanges> {
        let mut client = side(Space::Clients, &self.token)?;
        client.args(["exchange", "--clients", &CLIENTS.to_string(), "--seconds", &self.rounds.seconds.to_string()]);
        client.args(["--at", &path.address(load).to_string()]);
        if let Some(rate) = rate {
            client.args(["--rate", &rate.to_string()]);
        }
        serde_json::from_str(&run::take(&mut client)?).context("the report of a load is not understood")
    }

    fn datagrams(&self, path: Path, window: usize, seconds: f64) -> Result<Exchanges> {
        let mut client = side(Space::Clients, &self.token)?;
        client.args(["datagrams", "--clients", &CLIENTS.to_string(), "--window", &window.to_string()]);
        client.args(["--seconds", &seconds.to_string(), "--at", &path.address(Load::Datagrams(window)).to_string()]);
        serde_json::from_str(&run::take(&mut client)?).context("the report of a load is not understood")
    }

    /// Waits until every port of the path leads to the server.
    fn wait_for(&self, path: Path) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        for address in [path.address(Load::Exchange), path.idle_address()] {
            loop {
                let mut client = side(Space::Clients, &self.token)?;
                client.args(["exchange", "--clients", "1", "--seconds", "0", "--times", "1"]);
                let seen: Exchanges = serde_json::from_str(&run::take(client.args(["--at", &address.to_string()]))?)?;
                if seen.errors == 0 {
                    break;
                }
                ensure!(Instant::now() < end, "{} does not lead to the server", path.name());
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        while Path::OF_DATAGRAMS.contains(&path) && self.datagrams(path, 1, 0.0)?.errors > 0 {
            ensure!(Instant::now() < end, "{} does not lead datagrams to the server", path.name());
        }
        Ok(())
    }
}

fn per_second(seen: &Exchanges) -> f64 {
    as_f64(seen.answered) / seen.seconds
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
