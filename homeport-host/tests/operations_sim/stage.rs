//! A HomePort of a test's own: real directories, mounts and ledger, a simulated engine and simulated public sockets.
//! What is mounted is unmounted when it goes, also when a test panics. Needs root, and fails without.

use std::ffi::CStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use homeport_core::config::{Given, Source};
use homeport_core::name::InstanceName;
use homeport_host::Host;
use homeport_host::engine::SimEngine;
use homeport_host::engine::sim::{FailOn, When};
use homeport_host::hazard::{Hazard, Point};
use homeport_host::layout::Layout;
use homeport_host::ledger::{Ledger, Time};
use homeport_host::operation::{self, Execution, OperationError};
use homeport_host::plan::Step;
use homeport_host::request::{ConfigRequest, DeployRequest, PortRef};
use homeport_host::routes::SimRoutes;
use homeport_host::run::{KeptVolume, RunError};
use rustix::mount::{MountFlags, UnmountFlags};

use crate::port::Port;
use crate::script::Script;

/// A secret that no journal may hold.
pub(crate) const SECRET: &str = "correct-horse-battery";

/// Memory for the stages of one test: what is written there is as durable as a test needs, and quick.
#[derive(Debug)]
pub(crate) struct Ground {
    mounted: Mounted,
    stages: AtomicU32,
    // Goes last: it holds the mount.
    disk: tempfile::TempDir,
}

#[derive(Debug)]
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        rustix::mount::unmount(&self.0, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).ok();
    }
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self::of(c"size=512m,mode=0755")
    }

    /// One that is quickly full.
    pub(crate) fn small() -> Self {
        Self::of(c"size=16m,mode=0755")
    }

    fn of(options: &CStr) -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests need root");
        let disk = tempfile::Builder::new().prefix("hp-ops-").tempdir().unwrap();
        fs::set_permissions(disk.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let memory = disk.path().join("m");
        fs::create_dir(&memory).unwrap();
        rustix::mount::mount("homeport-test", &memory, "tmpfs", MountFlags::empty(), options).unwrap();
        Self { mounted: Mounted(memory), stages: AtomicU32::new(0), disk }
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage_of(crate::port::MANIFEST)
    }

    /// A stage whose port has this manifest.
    pub(crate) fn stage_of(&self, manifest: &str) -> Stage {
        let number = self.stages.fetch_add(1, Ordering::Relaxed).to_string();
        let root = self.mounted.0.join(&number);
        let layout = Layout::under(&root).unwrap();
        let (engine, port) = (SimEngine::new(), Port::default());
        engine.put_image(port.image(&engine, manifest));
        let disk = self.disk.path().join(&number);
        let routes = SimRoutes::new(engine.clone(), layout.clone());
        Stage { engine, routes, port, layout, root, disk, clock: Clock::default() }
    }

    /// How many stages there were.
    pub(crate) fn count(&self) -> u32 {
        self.stages.load(Ordering::Relaxed)
    }
}

/// The machine's clock, which a test can set forward. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn forward(&self, days: u64) {
        self.0.fetch_add(days * 86_400, Ordering::Relaxed);
    }

    /// It shows the time of the machine again.
    pub(crate) fn back(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl homeport_host::Clock for Clock {
    fn now(&self) -> Time {
        Time::now().after(std::time::Duration::from_secs(self.0.load(Ordering::Relaxed)))
    }
}

/// One HomePort. What it is made of outlives the processes that work on it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) engine: SimEngine,
    pub(crate) routes: SimRoutes,
    pub(crate) port: Port,
    pub(crate) layout: Layout,
    pub(crate) clock: Clock,
    root: PathBuf,
    disk: PathBuf,
}

impl Drop for Stage {
    fn drop(&mut self) {
        for point in mounts_below(&self.root).into_iter().rev() {
            rustix::mount::unmount(&point, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).ok();
        }
        fs::remove_dir_all(&self.root).ok();
        fs::remove_dir_all(&self.disk).ok();
    }
}

/// The mount points below a directory, those that were mounted last at the end.
pub(crate) fn mounts_below(directory: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4).map(PathBuf::from));
    points.filter(|point| point.starts_with(directory) && point != directory).collect()
}

/// Something that is asked of a HomePort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Deploy,
    /// With the operator's directory for `home`.
    DeployOnDisk,
    Start,
    Stop,
    Restart,
    /// With this greeting.
    Config(&'static str),
    Remove,
    /// Something about an instance that there is not: only what was cut off is brought to an end.
    Unrelated,
}

/// What goes wrong in one process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble {
    /// By the number of the point.
    pub(crate) points: Vec<(usize, Hazard)>,
    /// In a call of the engine, by its number.
    pub(crate) call: Option<(usize, When, Hazard)>,
}

impl Trouble {
    pub(crate) fn at(point: usize, hazard: Hazard) -> Self {
        Self { points: vec![(point, hazard)], call: None }
    }

    pub(crate) fn then(mut self, point: usize, hazard: Hazard) -> Self {
        self.points.push((point, hazard));
        self
    }

    pub(crate) fn in_call(call: usize, when: When, hazard: Hazard) -> Self {
        Self { points: Vec::new(), call: Some((call, when, hazard)) }
    }
}

/// What came of one process.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) result: Result<(), OperationError>,
    /// The points that it came to.
    pub(crate) points: Vec<Point>,
    /// How many calls of the engine it made.
    pub(crate) calls: usize,
    pub(crate) died: bool,
}

impl Ran {
    /// The volumes that were kept, where everything else was taken back; the step that failed, and why.
    pub(crate) fn undone(&self) -> Option<(&Step, String, &[KeptVolume])> {
        match &self.result {
            Err(OperationError::Run(RunError::Undone { step, cause, kept, .. })) => {
                Some((step, chain(cause.as_ref()), kept))
            }
            _ => None,
        }
    }

    pub(crate) fn unfinished(&self) -> Option<(&Step, String)> {
        match &self.result {
            Err(OperationError::Run(RunError::Unfinished { step, cause, .. })) => Some((step, chain(cause.as_ref()))),
            _ => None,
        }
    }

    /// What a person reads.
    pub(crate) fn text(&self) -> String {
        self.result.as_ref().err().map_or_else(|| "ok".to_owned(), |error| chain(error))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

pub(crate) fn alice() -> InstanceName {
    "alice".parse().unwrap()
}

impl Stage {
    /// A new process that carries one command out for `alice`.
    pub(crate) fn run(&self, command: Command, trouble: &Trouble) -> Ran {
        self.run_for(&alice(), command, trouble)
    }

    /// The same without any trouble, which has to work.
    pub(crate) fn must(&self, command: Command) -> Ran {
        let ran = self.run(command, &Trouble::default());
        assert!(ran.result.is_ok(), "{command:?}: {}", ran.text());
        ran
    }

    pub(crate) fn run_for(&self, name: &InstanceName, command: Command, trouble: &Trouble) -> Ran {
        self.engine.restart();
        match trouble.call {
            Some((call, when, Hazard::Fail)) => self.engine.fail(FailOn::Call(call), when),
            Some((call, when, Hazard::Die)) => self.engine.die(call, when),
            Some((.., Hazard::None)) | None => {}
        }
        self.carry_out(name, command, &trouble.points)
    }

    /// The same, with whatever was planned for the engine before.
    pub(crate) fn carry_out(&self, name: &InstanceName, command: Command, points: &[(usize, Hazard)]) -> Ran {
        let script = Arc::new(Script::new(self.engine.clone(), points.iter().copied()));
        let host = self.host(script.clone());
        let result = match command {
            Command::Deploy => operation::deploy(&host, &self.request(name, false)).map(|_| ()),
            Command::DeployOnDisk => operation::deploy(&host, &self.request(name, true)).map(|_| ()),
            Command::Start => operation::start(&host, name).map(|_| ()),
            Command::Stop => operation::stop(&host, name).map(|_| ()),
            Command::Restart => operation::restart(&host, name).map(|_| ()),
            Command::Config(greeting) => {
                let set = vec![Given { key: "motd".into(), text: greeting.into(), source: Source::Argument }];
                let request = ConfigRequest { set, unset: Vec::new() };
                operation::config_change(&host, name, &request).map(|_| ())
            }
            Command::Remove => operation::remove(&host, name, Execution::Real).map(|_| ()),
            Command::Unrelated => operation::stop(&host, &"nobody".parse().unwrap()).map(|_| ()),
        };
        Ran { result, points: script.seen(), calls: self.engine.calls().len(), died: script.is_dead() }
    }

    /// What a new process works with, whatever was planned for the engine before.
    pub(crate) fn host(&self, script: Arc<Script>) -> Host {
        let host = Host::new(self.layout.clone(), Arc::new(self.engine.clone()), Arc::new(self.routes.clone()));
        host.simulated(script).with_clock(Arc::new(self.clock.clone()))
    }

    /// A new process that does this.
    pub(crate) fn with<T>(
        &self,
        trouble: &Trouble,
        work: impl FnOnce(&Host) -> Result<T, OperationError>,
    ) -> (Ran, Option<T>) {
        self.engine.restart();
        match trouble.call {
            Some((call, when, Hazard::Fail)) => self.engine.fail(FailOn::Call(call), when),
            Some((call, when, Hazard::Die)) => self.engine.die(call, when),
            Some((.., Hazard::None)) | None => {}
        }
        let script = Arc::new(Script::new(self.engine.clone(), trouble.points.iter().copied()));
        let host = self.host(script.clone());
        let (result, made) = match work(&host) {
            Ok(made) => (Ok(()), Some(made)),
            Err(error) => (Err(error), None),
        };
        (Ran { result, points: script.seen(), calls: self.engine.calls().len(), died: script.is_dead() }, made)
    }

    /// The same without any trouble, which has to work.
    pub(crate) fn does<T>(&self, work: impl FnOnce(&Host) -> Result<T, OperationError>) -> T {
        let (ran, made) = self.with(&Trouble::default(), work);
        made.unwrap_or_else(|| panic!("{}", ran.text()))
    }

    /// Puts an image of another version of the port into the engine.
    pub(crate) fn put_version(&self, manifest: &str) {
        self.engine.put_image(self.port.image(&self.engine, manifest));
    }

    /// A process that only looks.
    pub(crate) fn list(&self) -> Vec<operation::InstanceView> {
        self.engine.restart();
        let host = Host::new(self.layout.clone(), Arc::new(self.engine.clone()), Arc::new(self.routes.clone()));
        operation::list(&host).unwrap()
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::open(&self.layout).unwrap()
    }

    /// The steps of the operation that ended last, by their names.
    pub(crate) fn last_steps(&self) -> Vec<String> {
        let ledger = self.ledger();
        let last = ledger.events(None, 1).unwrap().pop().and_then(|event| event.operation).unwrap();
        let (_, steps) = ledger.operation(last).unwrap().unwrap();
        steps.into_iter().map(|step| step.name).collect()
    }

    /// The steps of the newest operation that begins with this one.
    pub(crate) fn steps_of_this_kind(&self, first: &str) -> Vec<String> {
        let ledger = self.ledger();
        let events = ledger.events(None, 20).unwrap();
        let operations = events.into_iter().rev().filter_map(|event| event.operation);
        let steps = operations.filter_map(|id| ledger.operation(id).unwrap()).map(|(_, steps)| steps);
        let mut named = steps.map(|steps| steps.into_iter().map(|step| step.name).collect::<Vec<_>>());
        named.find(|names| names.first().is_some_and(|name| name == first)).unwrap_or_default()
    }

    pub(crate) fn request(&self, name: &InstanceName, on_disk: bool) -> DeployRequest {
        let volumes = on_disk.then(|| ("home".parse().unwrap(), self.directory()));
        DeployRequest {
            port: PortRef::Id("shell".parse().unwrap()),
            version: None,
            name: Some(name.clone()),
            given: vec![Given { key: "token".into(), text: SECRET.into(), source: Source::File }],
            volumes: volumes.into_iter().collect(),
            routes: std::collections::BTreeMap::new(),
        }
    }

    /// The operator's directory, on a disk.
    pub(crate) fn directory(&self) -> PathBuf {
        self.disk.join("home")
    }

    /// Makes the operator's directory.
    pub(crate) fn make_directory(&self) {
        fs::create_dir_all(self.directory()).unwrap();
        chown(self.directory(), Some(1234), Some(1234)).unwrap();
        fs::set_permissions(self.directory(), fs::Permissions::from_mode(0o710)).unwrap();
    }
}
