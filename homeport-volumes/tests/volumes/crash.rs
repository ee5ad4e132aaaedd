//! Creation, use and removal killed at every system call that changes something: the next attempt goes on from there.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use crate::stand::{Stand, default_request_in, machine_in};
use homeport_volumes::{Checked, Machine, Mounts, Removal, Request, UnixSeconds, VolumeUuid, check, remove_if_blank};

const UUID: VolumeUuid = VolumeUuid::from_bytes([7; 16]);
/// What the operation uses to change the disk. `strace` counts each name for itself.
const CALLS: [&str; 9] =
    ["mkdirat", "openat2", "fchmod", "fchown", "fsetxattr", "fsync", "write", "renameat", "unlinkat"];

fn request(dir: &Path) -> (Machine, Request) {
    (machine_in(dir), default_request_in(dir))
}

/// Runs in a process of its own, under `strace`; does nothing in an ordinary test run.
#[test]
fn victim() {
    let (Ok(dir), Ok(what)) = (std::env::var("HOMEPORT_CRASH_DIR"), std::env::var("HOMEPORT_CRASH_WHAT")) else {
        return;
    };
    let (machine, request) = request(Path::new(&dir));
    match what.as_str() {
        "create" => match check(&machine, &request, None).unwrap() {
            Checked::Create(creatable) => drop(creatable.create(UUID, UnixSeconds::new(1)).unwrap()),
            Checked::Attach(_) => {}
        },
        "begin" => match check(&machine, &request, None).unwrap() {
            Checked::Attach(ready) => drop(ready.begin_use().unwrap()),
            Checked::Create(_) => panic!("not created"),
        },
        "remove" => drop(remove_if_blank(&request.path, UUID, &request.origin, crate::stand::NOTHING).unwrap()),
        other => panic!("{other}"),
    }
}

/// What is done to the victim.
#[derive(Clone, Copy, PartialEq)]
enum Blow {
    Kill,
    InputOutputError,
}

/// Runs the victim and strikes it at the `n`th use of `call`; whether it got through untouched.
fn run_until(dir: &Path, what: &str, call: &str, n: usize, blow: Blow) -> bool {
    let inject = if blow == Blow::Kill { "signal=KILL" } else { "error=EIO" };
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:{inject}:when={n}")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "crash::victim", "--test-threads=1"])
        .env("HOMEPORT_CRASH_DIR", dir)
        .env("HOMEPORT_CRASH_WHAT", what)
        .output()
        .expect("strace is needed");
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stdout);
        let struck = match blow {
            Blow::Kill => output.status.signal() == Some(9),
            Blow::InputOutputError => words.contains("os error 5") || words.contains("code: 5"),
        };
        assert!(struck, "{what} {call} {n}: {words}");
    }
    output.status.success()
}

/// Kills `what` at every point, each time on a fresh stand that `prepare` set up, and lets `judge` look at the rest.
fn kill_everywhere(what: &str, prepare: impl Fn(&Path), judge: impl Fn(&Path, &str)) -> usize {
    let mut points = 0;
    for call in CALLS {
        for n in 1.. {
            let stand = Stand::new();
            prepare(stand.dir.path());
            let through = run_until(stand.dir.path(), what, call, n, Blow::Kill);
            judge(stand.dir.path(), &format!("{what} killed at {call} number {n}"));
            if through {
                break;
            }
            points += 1;
        }
    }
    points
}

fn attached(dir: &Path, at: &str) -> u64 {
    let (machine, request) = request(dir);
    match check(&machine, &request, None) {
        Ok(Checked::Attach(ready)) => ready.marker().generation.get(),
        other => panic!("{at}: {other:?}"),
    }
}

fn create(dir: &Path, at: &str) {
    let (machine, request) = request(dir);
    match check(&machine, &request, None) {
        Ok(Checked::Create(creatable)) => drop(creatable.create(UUID, UnixSeconds::new(1)).unwrap()),
        Ok(Checked::Attach(_)) => {}
        Err(error) => panic!("{at}: {error:?}"),
    }
    attached(dir, at);
}

#[test]
fn a_killed_creation_is_finished_by_the_next_one() {
    let points = kill_everywhere("create", |_| {}, create);
    assert!(points >= 12, "only {points} points");
}

#[test]
fn a_killed_start_leaves_the_old_or_the_new_generation() {
    let prepare = |dir: &Path| {
        create(dir, "before");
        std::fs::write(dir.join("root/alice/home/data/letter"), "x").unwrap();
    };
    let points = kill_everywhere("begin", prepare, |dir, at| {
        let generation = attached(dir, at);
        assert!(generation <= 1, "{at}: {generation}");
        let (machine, request) = request(dir);
        match check(&machine, &request, None) {
            Ok(Checked::Attach(ready)) => assert_eq!(ready.begin_use().unwrap().generation().get(), generation + 1),
            other => panic!("{at}: {other:?}"),
        }
    });
    assert!(points >= 4, "only {points} points");
}

#[test]
fn a_killed_removal_is_finished_by_the_next_one() {
    let points = kill_everywhere(
        "remove",
        |dir| create(dir, "before"),
        |dir, at| {
            let (machine, request) = request(dir);
            // Half removed is half made: a new attempt to create would do as well.
            assert!(check(&machine, &request, None).is_ok(), "{at}");
            let removal = remove_if_blank(&request.path, UUID, &request.origin, crate::stand::NOTHING).unwrap();
            assert!(matches!(removal, Removal::Removed | Removal::Absent), "{at}: {removal:?}");
            assert!(!dir.join("root/alice").exists(), "{at}");
        },
    );
    assert!(points >= 4, "only {points} points");
}

/// An operation, what comes before it, and how many fsyncs it needs.
type Row<'a> = (&'a str, &'a dyn Fn(&Path), usize);

/// An fsync that failed once is never followed by success, and each that is needed for the order on the disk is made:
/// the numbers are those of the sequences that `create`, `marker` and `remove` describe.
#[test]
fn each_failed_fsync_fails_the_operation_and_the_next_attempt_succeeds() {
    let blank = |_: &Path| {};
    let made = |dir: &Path| create(dir, "before");
    let filled = |dir: &Path| {
        create(dir, "before");
        std::fs::write(dir.join("root/alice/home/data/letter"), "x").unwrap();
    };
    // Two directories on the way, then data, volume, the two above it, and the marker with its directory.
    let rows: [Row; 3] = [("create", &blank, 8), ("begin", &filled, 3), ("remove", &made, 2)];
    for (what, prepare, fsyncs) in rows {
        for n in 1..=fsyncs + 1 {
            let stand = Stand::new();
            let dir = stand.dir.path();
            prepare(dir);
            let through = run_until(dir, what, "fsync", n, Blow::InputOutputError);
            assert_eq!(through, n > fsyncs, "{what}, fsync {n}");
            match what {
                "create" => create(dir, what),
                "begin" => assert!(attached(dir, what) <= 1),
                _ => {
                    let (_, request) = request(dir);
                    remove_if_blank(&request.path, UUID, &request.origin, crate::stand::NOTHING).unwrap();
                    assert!(!dir.join("root/alice").exists());
                }
            }
        }
    }
}

/// The tmpfs of the mounts is read-only again after a process died while it was open for writing.
#[test]
fn mounts_that_were_left_open_for_writing_are_closed_again() {
    let stand = Stand::new();
    let _guard = stand.mount_guard();
    let mounts = Mounts::new(stand.machine.clone(), &stand.path("run"));
    mounts.prepare().unwrap();
    crate::stand::run("mount", &["-o", "remount,rw", stand.at("run/mnt").to_str().unwrap()]);
    std::fs::create_dir(stand.at("run/mnt/x")).unwrap();
    mounts.prepare().unwrap();
    std::fs::create_dir(stand.at("run/mnt/y")).unwrap_err();
}
