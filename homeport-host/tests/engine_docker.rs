//! The Docker engine keeps the contract, on the engine that runs on this machine. Without one these tests fail.
//!
//! `DOCKER_HOST` may name another socket (`unix:///path`). Needs a C compiler, as linking does.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test fails by panicking")]

mod docker_image;
mod engine_contract;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use docker_image::{archive, fixture_program};
use engine_contract::{Bench, Outputs, fixture, fresh_run, image_name};
use homeport_core::unit::{Bytes, Gid, Mode, Seconds, Uid};
use homeport_host::engine::{
    Access, BindMount, Capability, ContainerRef, ContainerSpec, DockerEngine, Engine as _, EngineError, Exec,
    ExecOutcome, ExecSpec, ExecStreams, ExitCode, LoadedImage, MountPath, OLDEST_API, Operation, Terminal,
    TerminalSize, TmpfsMount,
};

contract_tests!(bench());

fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").unwrap_or(homeport_host::engine::docker::DEFAULT_SOCKET).into()
}

fn bench() -> Bench {
    let run = fresh_run();
    let name = image_name(&run);
    let (image, archive) = archive(&run, &name, &fixture_program());
    let engine = DockerEngine::connect(socket()).expect("these tests need a running Docker");
    // The guard is there before anything is made.
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench { engine: Box::new(engine), image, name, archive, run, dir };
    let loaded = bench.engine.load_image(Box::new(std::io::Cursor::new(bench.archive.clone()))).unwrap();
    assert_eq!(loaded, [LoadedImage::Named(bench.name.clone())]);
    bench
}

#[test]
fn this_engine_can_keep_a_port_within_its_bounds() {
    let engine = DockerEngine::connect(socket()).unwrap();
    engine.ping().unwrap();
    let facts = engine.facts().unwrap();
    assert!(facts.api >= OLDEST_API, "{facts:?}");
    assert_eq!(facts.check(), [], "{facts:?}");
    assert!(!facts.version.is_empty() && !facts.storage.is_empty() && facts.directory.starts_with('/'), "{facts:?}");
}

/// Everything that the request asks for is in force inside.
#[test]
fn a_container_is_as_hardened_as_described() {
    let bench = bench();
    let tmpfs = |target: &str, uid, exec| TmpfsMount {
        target: target.parse().unwrap(),
        size: Bytes::new(1 << 20),
        mode: Mode::new(0o750),
        uid: Uid::new(uid),
        gid: Gid::new(uid),
        exec,
        access: Access::ReadWrite,
    };
    let bind = |name: &str, target: &str, access| {
        std::fs::create_dir(bench.path(name)).unwrap();
        BindMount {
            source: MountPath::try_from(bench.path(name).as_path()).unwrap(),
            target: target.parse().unwrap(),
            access,
        }
    };
    let spec = ContainerSpec {
        binds: vec![
            bench.declared(),
            bind("rw", "/rw", Access::ReadWrite),
            bind("ro", "/ro", Access::ReadOnly),
            bind("below", "/loud/below", Access::ReadWrite),
        ],
        tmpfs: vec![tmpfs("/quiet", 1000, Exec::Refused), tmpfs("/loud", 0, Exec::Allowed)],
        ..bench.spec("a", &["serve"])
    };
    let container = bench.engine.create(&spec).unwrap().id.into();
    bench.engine.start(&container).unwrap();
    let read = |path: &str| bench.run(&container, &["file", path]).1;

    let status = read("/proc/1/status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches(':').trim().to_owned()
    };
    // SETUID, SETGID and KILL and nothing else.
    let three = format!("{:016x}", 1 << 7 | 1 << 6 | 1 << 5);
    assert_eq!([field("CapPrm"), field("CapEff"), field("CapBnd")], [three.clone(), three.clone(), three]);
    assert_eq!(field("NoNewPrivs"), "1");
    assert_eq!(field("Seccomp"), "2");

    let open_files = read("/proc/1/limits").lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
    assert_eq!(open_files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["16384", "16384"]);

    let writes = |path: &str| bench.run(&container, &["write", path]);
    for refused in ["/new", "/port/new", "/ro/new", "/etc/new"] {
        let (outcome, out, _) = writes(refused);
        assert_eq!(outcome, ExecOutcome::Exited(ExitCode::new(1)), "{refused}");
        assert!(out.contains("Read-only file system") || out.contains("No such file"), "{refused}: {out}");
    }
    for allowed in ["/rw/new", "/loud/new", "/loud/below/new"] {
        assert_eq!(writes(allowed).0, ExecOutcome::Exited(ExitCode::SUCCESS), "{allowed}");
    }
    assert!(bench.path("rw").join("new").exists());
    assert!(bench.path("below").join("new").exists(), "a directory below a tmpfs is hidden by it");

    let mounts = read("/proc/1/mounts");
    let options = |target: &str| {
        let line = mounts.lines().find(|line| line.split(' ').nth(1) == Some(target)).unwrap_or_default();
        line.split(' ').nth(3).unwrap_or_default().split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    for option in ["nosuid", "nodev", "noexec", "size=1024k", "mode=750", "uid=1000", "gid=1000"] {
        assert!(options("/quiet").iter().any(|found| found == option), "{option}: {:?}", options("/quiet"));
    }
    assert!(options("/loud").iter().all(|found| found != "noexec"), "{:?}", options("/loud"));
    assert!(options("/dev/shm").contains(&"size=65536k".to_owned()), "{:?}", options("/dev/shm"));

    // The control groups, as the host sees them. The first version has a tree for each kind.
    let id = bench.engine.inspect(&container).unwrap().unwrap().id;
    let group = |kind: &str, file: &str| {
        let ones = ["/sys/fs/cgroup", "/sys/fs/cgroup/system.slice"];
        let mut places = ones.iter().flat_map(|root| {
            [
                format!("/sys/fs/cgroup/{kind}/docker/{id}/{file}"),
                format!("{root}/docker/{id}/{file}"),
                format!("{root}/docker-{id}.scope/{file}"),
            ]
        });
        places.find_map(|place| std::fs::read_to_string(place).ok()).map(|text| text.trim().to_owned())
    };
    let memory = group("memory", "memory.limit_in_bytes").or_else(|| group("memory", "memory.max"));
    assert_eq!(memory.as_deref(), Some("67108864"));
    assert_eq!(group("pids", "pids.max").as_deref(), Some("64"));
}

/// A program with a terminal: it has the size that was asked for, a new one reaches it, input reaches it.
#[test]
fn a_terminal_has_a_size_and_takes_a_new_one() {
    let bench = bench();
    let container = bench.started("a", &["serve"]);
    let mut outputs = Outputs::default();
    let (resize, resizes) = mpsc::channel();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let typist = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        resize.send(TerminalSize { columns: 132, rows: 43 }).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        writer.write_all(b"\n").unwrap();
        // Kept open until the program has ended: a closed terminal would be another thing.
        writer
    });
    let spec = ExecSpec {
        terminal: Terminal::Size(TerminalSize { columns: 80, rows: 25 }),
        limit: Some(Duration::from_secs(30)),
        ..fixture(&["size"])
    };
    let streams = ExecStreams {
        input: Some(Box::new(reader)),
        output: &mut |stream, bytes| outputs.take(stream, bytes),
        resizes: Some(resizes),
    };
    let outcome = bench.engine.exec(&container, &spec, streams).unwrap();
    drop(typist.join().unwrap());
    assert_eq!(outcome, ExecOutcome::Exited(ExitCode::SUCCESS));
    assert!(outputs.out().contains("132x43"), "{:?}", outputs.out());
}

#[test]
fn a_terminal_passes_every_byte() {
    let bench = bench();
    let container = bench.started("a", &["serve"]);
    let spec = ExecSpec {
        terminal: Terminal::Size(TerminalSize { columns: 80, rows: 25 }),
        limit: Some(Duration::from_secs(30)),
        ..fixture(&["bytes"])
    };
    let mut outputs = Outputs::default();
    let outcome =
        bench.engine.exec(&container, &spec, ExecStreams::output(&mut |stream, bytes| outputs.take(stream, bytes)));
    assert_eq!(outcome.unwrap(), ExecOutcome::Exited(ExitCode::SUCCESS));
    // The terminal itself puts a return before a newline.
    let expected: Vec<u8> =
        (0..=255).flat_map(|byte| if byte == b'\n' { vec![b'\r', byte] } else { vec![byte] }).collect();
    assert_eq!(outputs.out, expected);
}

/// After its limit a program is not merely forgotten: nothing of it is left in the container.
#[test]
fn a_program_over_its_limit_is_dead() {
    let bench = bench();
    let container = bench.started("a", &["serve"]);
    let spec = ExecSpec { limit: Some(Duration::from_secs(1)), ..fixture(&["hang"]) };
    let result =
        bench.engine.exec(&container, &spec, ExecStreams::output(&mut |_, _| homeport_host::engine::Flow::Continue));
    assert!(matches!(result, Err(EngineError::Timeout { .. })), "{result:?}");
    std::thread::sleep(Duration::from_millis(300));
    let id = bench.engine.inspect(&container).unwrap().unwrap().id;
    let hanging = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter(|process| {
        let read = |file: &str| std::fs::read_to_string(process.path().join(file)).unwrap_or_default();
        read("cmdline").contains("hang") && read("cgroup").contains(id.as_str())
    });
    assert_eq!(hanging.count(), 0);
}

#[test]
fn one_engine_serves_several_threads_and_asynchronous_callers() {
    let bench = bench();
    let container = bench.started("a", &["serve"]);
    let engine = DockerEngine::connect(socket()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let (engine, container) = (engine.clone(), container.clone());
            runtime.spawn_blocking(move || {
                let spec = ExecSpec {
                    env: BTreeMap::from([("GREETING".to_owned(), number.to_string())]),
                    ..fixture(&["env", "GREETING"])
                };
                let mut outputs = Outputs::default();
                let mut sink = |stream, bytes: &[u8]| outputs.take(stream, bytes);
                engine.exec(&container, &spec, ExecStreams::output(&mut sink)).unwrap();
                outputs.out()
            })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        assert_eq!(runtime.block_on(task).unwrap(), number.to_string());
    }
}

/// A control group with the name of a container, as a runtime makes it, and a process in it.
struct Left {
    group: PathBuf,
    process: std::process::Child,
}

impl Left {
    /// In the one hierarchy of the second version, or in that of the first that counts processes.
    fn of(id: &str) -> Self {
        let root = PathBuf::from("/sys/fs/cgroup");
        let root = if root.join("cgroup.procs").exists() { root } else { root.join("pids") };
        let group = root.join(format!("homeport-test-{id}.scope"));
        std::fs::create_dir(&group).unwrap();
        let process = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        std::fs::write(group.join("cgroup.procs"), process.id().to_string()).unwrap();
        Self { group, process }
    }

    fn lives(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        self.process.kill().unwrap_or(());
        self.process.wait().unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while std::fs::remove_dir(&self.group).is_err() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// An engine that was killed while it started a container leaves the first process behind and knows nothing of it.
#[test]
fn what_is_left_of_a_container_goes_with_it_and_nothing_else_does() {
    let bench = bench();
    let (one, other) = (bench.spec("a", &["serve"]), bench.spec("b", &["serve"]));
    let ids = [one, other].map(|spec| bench.engine.create(&spec).unwrap().id);
    let mut left = ids.clone().map(|id| Left::of(id.as_str()));
    bench.engine.remove(&ContainerRef::from(ids[0].clone())).unwrap();
    assert!(!left[0].lives());
    assert!(left[1].lives(), "it is another container's");
    assert!(bench.engine.inspect(&ContainerRef::from(ids[0].clone())).unwrap().is_none());
    bench.engine.remove(&ContainerRef::from(ids[1].clone())).unwrap();
    assert!(!left[1].lives());
}

/// A stop may take longer than any other answer; the client must not give up on it.
#[test]
fn a_stop_waits_as_long_as_its_grace() {
    let bench = bench();
    let container = bench.started("a", &["stubborn"]);
    let begin = std::time::Instant::now();
    bench.engine.stop(&container, Seconds::new(4)).unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(4), "{:?}", begin.elapsed());
}

#[test]
fn a_capability_that_was_not_asked_for_is_not_there() {
    let bench = bench();
    let none = ContainerSpec { capabilities: [].into(), ..bench.spec("none", &["serve"]) };
    let one = ContainerSpec {
        capabilities: ["SYS_CHROOT".parse::<Capability>().unwrap()].into(),
        ..bench.spec("one", &["serve"])
    };
    for (spec, expected) in [(none, 0_u64), (one, 1 << 18)] {
        let container = ContainerRef::from(bench.engine.create(&spec).unwrap().id);
        bench.engine.start(&container).unwrap();
        let status = bench.run(&container, &["file", "/proc/1/status"]).1;
        assert!(status.contains(&format!("CapBnd:\t{expected:016x}")), "{status}");
    }
}

#[test]
fn an_engine_that_does_not_run_is_said_not_to() {
    let dir = tempfile::tempdir().unwrap();
    let result = DockerEngine::connect(dir.path().join("docker.sock"));
    assert!(matches!(result, Err(EngineError::SocketMissing { .. })), "{result:?}");
    assert!(!Operation::Ping.changes());
}
