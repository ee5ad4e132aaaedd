//! Rules about the life of a container.

use std::time::{Duration, Instant};

use homeport_core::unit::{Bytes, Gid, Mode, Seconds, Uid};
use homeport_host::engine::{
    Access, BindMount, ContainerRef, ContainerSpec, ContainerState, EngineError, Entrypoint, Exec, ExitCode,
    KillOutcome, Limits, MemoryEnd, MountKind, MountPath, PidLimit, RemoveOutcome, StartOutcome, StopOutcome,
    TmpfsMount, WaitOutcome,
};

use super::Bench;

fn state(bench: &Bench, container: &ContainerRef) -> ContainerState {
    bench.engine.inspect(container).unwrap().unwrap().state
}

fn exited(outcome: WaitOutcome) -> (ExitCode, MemoryEnd) {
    match outcome {
        WaitOutcome::Exited(exit) => (exit.code, exit.memory),
        WaitOutcome::StillRunning => panic!("it still runs"),
    }
}

pub(crate) fn a_container_lives_and_every_step_can_be_repeated(bench: &Bench) {
    let container = ContainerRef::Name(bench.container("a"));
    bench.engine.create(&bench.spec("a", &["serve"])).unwrap();
    assert_eq!(state(bench, &container), ContainerState::Created);
    assert_eq!(bench.engine.stop(&container, Seconds::new(1)).unwrap(), StopOutcome::AlreadyStopped);
    assert_eq!(bench.engine.kill(&container).unwrap(), KillOutcome::NotRunning);
    for _life in 0..2 {
        assert_eq!(bench.engine.start(&container).unwrap(), StartOutcome::Started);
        assert_eq!(bench.engine.start(&container).unwrap(), StartOutcome::AlreadyRunning);
        assert!(matches!(state(bench, &container), ContainerState::Running { pid, since: Some(_) } if pid > 1));
        // The fixture needs a moment until it minds a signal.
        std::thread::sleep(Duration::from_millis(300));
        let StopOutcome::Stopped(exit) = bench.engine.stop(&container, Seconds::new(10)).unwrap() else {
            panic!("it did not run")
        };
        assert_eq!((exit.code, exit.memory), (ExitCode::SUCCESS, MemoryEnd::Enough));
        assert_eq!(state(bench, &container), ContainerState::Exited(exit));
        assert_eq!(bench.engine.stop(&container, Seconds::new(1)).unwrap(), StopOutcome::AlreadyStopped);
    }
    assert_eq!(bench.engine.remove(&container).unwrap(), RemoveOutcome::Removed);
    assert_eq!(bench.engine.remove(&container).unwrap(), RemoveOutcome::Absent);
}

pub(crate) fn a_missing_source_is_refused_and_not_made(bench: &Bench) {
    let source = bench.path("missing");
    let bind = BindMount {
        source: MountPath::try_from(source.as_path()).unwrap(),
        target: "/data".parse().unwrap(),
        access: Access::ReadWrite,
    };
    let spec = ContainerSpec { binds: vec![bench.declared(), bind], ..bench.spec("a", &["serve"]) };
    let result = bench.engine.create(&spec);
    let Err(EngineError::Refused { status: 400, message, .. }) = &result else { panic!("{result:?}") };
    assert!(message.contains(source.to_str().unwrap()), "{message}");
    assert!(!source.exists());
    assert_eq!(bench.engine.list(&bench.filter()).unwrap(), []);
}

pub(crate) fn a_wrong_description_is_refused(bench: &Bench) {
    let tmpfs = || TmpfsMount {
        target: "/run".parse().unwrap(),
        size: Bytes::new(1 << 20),
        mode: Mode::new(0o755),
        uid: Uid::new(0),
        gid: Gid::new(0),
        exec: Exec::Refused,
        access: Access::ReadWrite,
    };
    let bind = || BindMount {
        source: MountPath::try_from(bench.dir.path()).unwrap(),
        target: "/run".parse().unwrap(),
        access: Access::ReadOnly,
    };
    let spec = || bench.spec("a", &["serve"]);
    let twice = [
        ContainerSpec { binds: vec![bench.declared(), bind(), bind()], ..spec() },
        ContainerSpec { tmpfs: vec![tmpfs(), tmpfs()], ..spec() },
        ContainerSpec { binds: vec![bench.declared(), bind()], tmpfs: vec![tmpfs()], ..spec() },
        ContainerSpec { entrypoint: Entrypoint::Exactly(Vec::new()), ..spec() },
        ContainerSpec { env: [("a=b".to_owned(), String::new())].into(), ..spec() },
    ];
    for spec in twice {
        let result = bench.engine.create(&spec);
        assert!(matches!(&result, Err(EngineError::Invalid { faults, .. }) if faults.len() == 1), "{result:?}");
    }
    let small = ContainerSpec { limits: Limits::new(Bytes::new(1 << 20), PidLimit::new(64)), ..spec() };
    let result = bench.engine.create(&small);
    assert!(matches!(result, Err(EngineError::Refused { status: 400, .. })), "{result:?}");
    assert_eq!(bench.engine.list(&bench.filter()).unwrap(), []);
}

pub(crate) fn a_declared_volume_is_covered_or_refused(bench: &Bench) {
    let bare = bench.engine.create(&ContainerSpec { binds: Vec::new(), ..bench.spec("bare", &["serve"]) });
    let Err(EngineError::Invalid { faults, .. }) = &bare else { panic!("{bare:?}") };
    assert_eq!(faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["HP-ENG-204"]);
    assert_eq!(bench.engine.list(&bench.filter()).unwrap(), []);

    let tmpfs = TmpfsMount {
        target: "/declared".parse().unwrap(),
        size: Bytes::new(1 << 20),
        mode: Mode::new(0o700),
        uid: Uid::new(0),
        gid: Gid::new(0),
        exec: Exec::Refused,
        access: Access::ReadWrite,
    };
    let in_memory = ContainerSpec { binds: Vec::new(), tmpfs: vec![tmpfs], ..bench.spec("memory", &["serve"]) };
    for spec in [in_memory, bench.spec("bound", &["serve"])] {
        let container = ContainerRef::from(bench.engine.create(&spec).unwrap().id);
        bench.engine.start(&container).unwrap();
        let mounts = bench.engine.inspect(&container).unwrap().unwrap().mounts;
        assert!(mounts.iter().all(|mount| mount.kind == MountKind::Bind), "{mounts:?}");
    }
}

pub(crate) fn who_ignores_the_stop_is_killed(bench: &Bench) {
    let container = bench.started("a", &["stubborn"]);
    let StopOutcome::Stopped(exit) = bench.engine.stop(&container, Seconds::new(1)).unwrap() else {
        panic!("it did not run")
    };
    assert_eq!((exit.code, exit.memory), (ExitCode::KILLED, MemoryEnd::Enough));
}

pub(crate) fn a_kill_ends_it(bench: &Bench) {
    let container = bench.started("a", &["stubborn"]);
    assert_eq!(bench.engine.kill(&container).unwrap(), KillOutcome::Killed);
    let end = bench.engine.wait(&container, Duration::from_secs(20)).unwrap();
    assert_eq!(exited(end), (ExitCode::KILLED, MemoryEnd::Enough));
    assert_eq!(bench.engine.kill(&container).unwrap(), KillOutcome::NotRunning);
}

pub(crate) fn an_end_has_its_code(bench: &Bench) {
    for (suffix, code) in [("well", 0), ("ill", 78)] {
        let container = bench.started(suffix, &["exit", &code.to_string()]);
        // Asked twice: while it may still run, and when it is down for sure.
        for _time in 0..2 {
            let end = bench.engine.wait(&container, Duration::from_secs(20)).unwrap();
            assert_eq!(exited(end), (ExitCode::new(code), MemoryEnd::Enough));
        }
    }
    let running = bench.started("running", &["serve"]);
    let made = ContainerRef::from(bench.engine.create(&bench.spec("made", &["serve"])).unwrap().id);
    for container in [running, made] {
        let begin = Instant::now();
        let outcome = bench.engine.wait(&container, Duration::from_millis(300)).unwrap();
        assert_eq!(outcome, WaitOutcome::StillRunning);
        assert!(begin.elapsed() >= Duration::from_millis(300));
    }
}

pub(crate) fn want_of_memory_is_told_from_a_kill(bench: &Bench) {
    let limits = Limits::new(Bytes::new(16 << 20), PidLimit::new(64));
    let spec = ContainerSpec { limits, ..bench.spec("a", &["hog"]) };
    let container = bench.engine.create(&spec).unwrap().id.into();
    bench.engine.start(&container).unwrap();
    let end = bench.engine.wait(&container, Duration::from_secs(30)).unwrap();
    assert_eq!(exited(end), (ExitCode::KILLED, MemoryEnd::OutOfMemory));
}

pub(crate) fn a_running_container_can_be_removed(bench: &Bench) {
    let container = bench.started("a", &["stubborn"]);
    assert_eq!(bench.engine.remove(&container).unwrap(), RemoveOutcome::Removed);
    assert_eq!(bench.engine.inspect(&container).unwrap(), None);
}

pub(crate) fn a_failed_start_leaves_a_container_that_can_be_removed(bench: &Bench) {
    let entrypoint = Entrypoint::Exactly(vec!["/missing".to_owned()]);
    let spec = ContainerSpec { entrypoint, ..bench.spec("a", &[]) };
    let container = bench.engine.create(&spec).unwrap().id.into();
    let result = bench.engine.start(&container);
    let Err(EngineError::Refused { message, .. }) = &result else { panic!("{result:?}") };
    assert!(message.contains("/missing"), "{message}");
    assert!(!state(bench, &container).is_running());
    assert_eq!(bench.engine.remove(&container).unwrap(), RemoveOutcome::Removed);
}
