//! Creation, use and removal killed at every system call that changes something: the next attempt goes on from there.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use crate::adopt::{TX as ADOPTION, messy, whole};
use crate::picture::full;
use crate::stand::{Stand, default_request_in, machine_in};
use crate::trash::{TX, a_purge};
use homeport_volumes::adopt::{Plan, adopt_directory, finish_adoption, plan, take_back};
use homeport_volumes::trash::{TrashError, TrashPlace, TrashState, empty, finish_purge, list, purge, put_back};
use homeport_volumes::{
    Checked, Machine, Mounts, Origin, Removal, Request, UnixSeconds, VolumePath, VolumeUuid, check, remove_if_blank,
};

const UUID: VolumeUuid = VolumeUuid::from_bytes([7; 16]);
/// What the operation uses to change the disk. `strace` counts each name for itself.
const CALLS: [&str; 13] = [
    "mkdirat",
    "openat2",
    "fchmod",
    "fchown",
    "fsetxattr",
    "fsync",
    "write",
    "renameat",
    "renameat2",
    "unlinkat",
    "utimensat",
    "fremovexattr",
    "ioctl",
];

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
        "adopt" | "take back" => adoption(&what, &machine, &operators(Path::new(&dir))),
        what => trash(what, Path::new(&dir), &machine, &request),
    }
}

/// The same for what has to do with the trash; `here` means an operator's directory.
fn trash(what: &str, dir: &Path, machine: &Machine, request: &Request) {
    let (what, request, place) = match what.strip_suffix(" here") {
        Some(what) => (what, operators(dir), TrashPlace::Volume(operators(dir).path)),
        None => (what, request.clone(), TrashPlace::DataRoot(data_root(request))),
    };
    match what {
        "purge" => match check(machine, &request, None).unwrap() {
            Checked::Attach(ready) => drop(purge(*ready, &request.origin, &a_purge()).unwrap()),
            Checked::Create(_) => panic!("not created"),
        },
        "put back" => drop(put_back(&place, TX).unwrap()),
        "empty" => drop(empty(machine, &place, TX, &mut |_| {}).unwrap()),
        other => panic!("{other}"),
    }
}

/// The same for an adoption.
fn adoption(what: &str, machine: &Machine, request: &Request) {
    if what == "take back" {
        take_back(&request.path, ADOPTION).unwrap();
        return;
    }
    match plan(machine, request, None, &mut |_| {}) {
        Ok(Plan::Directory(plan)) => {
            drop(adopt_directory(request, &plan, ADOPTION, UUID, UnixSeconds::new(1)).unwrap());
        }
        other => panic!("{other:?}"),
    }
}

fn data_root(request: &Request) -> VolumePath {
    match &request.origin {
        Origin::Default { data_root } => data_root.clone(),
        Origin::Operator => panic!("no default path"),
    }
}

fn operators(dir: &Path) -> Request {
    crate::stand::request_in(dir, "mine")
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

/// Both places that a volume can have, each filled: the words that the victim needs, and the request.
fn filled(dir: &Path, here: bool) -> Request {
    let request = if here {
        std::fs::create_dir_all(dir.join("mine")).unwrap();
        operators(dir)
    } else {
        request(dir).1
    };
    let (machine, _) = self::request(dir);
    match check(&machine, &request, None).unwrap() {
        Checked::Create(creatable) => drop(creatable.create(UUID, UnixSeconds::new(1)).unwrap()),
        Checked::Attach(_) => panic!("made already"),
    }
    crate::trash::furnish(&request.path.as_path().join("data"));
    request
}

fn place_of(request: &Request) -> TrashPlace {
    match &request.origin {
        Origin::Default { data_root } => TrashPlace::DataRoot(data_root.clone()),
        Origin::Operator => TrashPlace::Volume(request.path.clone()),
    }
}

/// The data, wherever it is: all of it is in exactly one of the two places.
fn data_of(dir: &Path, request: &Request, at: &str) -> Vec<String> {
    let live = request.path.as_path().join("data");
    let trashed = match &request.origin {
        Origin::Default { .. } => dir.join(format!("root/.trash/{TX}/volume/data")),
        Origin::Operator => request.path.as_path().join(format!(".homeport/trash/{TX}/data")),
    };
    assert!(live.exists() != trashed.exists(), "{at}");
    full(if live.exists() { &live } else { &trashed }, &[])
}

#[test]
fn a_killed_purge_is_finished_or_taken_back_and_nothing_is_lost() {
    for here in [false, true] {
        let what = if here { "purge here" } else { "purge" };
        for finish in [true, false] {
            let picture = std::cell::RefCell::new(Vec::new());
            let prepare = |dir: &Path| {
                let request = filled(dir, here);
                picture.replace(data_of(dir, &request, "before"));
            };
            let points = kill_everywhere(what, prepare, |dir, at| {
                let request = if here { operators(dir) } else { request(dir).1 };
                let (machine, _) = self::request(dir);
                assert_eq!(data_of(dir, &request, at), *picture.borrow(), "{at}");
                if finish {
                    let done = finish_purge(&request.path, &request.origin, TX).unwrap();
                    let found = list(&data_root(&self::request(dir).1), std::slice::from_ref(&request.path)).unwrap();
                    assert!(found.faults.is_empty(), "{at}");
                    assert_eq!(found.trees, Vec::from_iter(done), "{at}");
                    assert!(found.trees.iter().all(|tree| tree.state == TrashState::Whole), "{at}");
                    assert_eq!(data_of(dir, &request, at), *picture.borrow(), "{at}");
                }
                match put_back(&place_of(&request), TX) {
                    Ok(_) | Err(TrashError::Absent { .. } | TrashError::Unknown { .. }) => {}
                    Err(error) => panic!("{at}: {error:?}"),
                }
                assert!(matches!(check(&machine, &request, None), Ok(Checked::Attach(_))), "{at}");
                assert_eq!(data_of(dir, &request, at), *picture.borrow(), "{at}");
            });
            assert!(points >= 10, "only {points} points");
        }
    }
}

#[test]
fn a_killed_way_back_from_the_trash_is_gone_again() {
    for here in [false, true] {
        let what = if here { "put back here" } else { "put back" };
        let picture = std::cell::RefCell::new(Vec::new());
        let prepare = |dir: &Path| {
            let request = filled(dir, here);
            picture.replace(data_of(dir, &request, "before"));
            trash(if here { "purge here" } else { "purge" }, dir, &self::request(dir).0, &self::request(dir).1);
        };
        let points = kill_everywhere(what, prepare, |dir, at| {
            let request = if here { operators(dir) } else { request(dir).1 };
            let (machine, _) = self::request(dir);
            assert_eq!(data_of(dir, &request, at), *picture.borrow(), "{at}");
            match put_back(&place_of(&request), TX) {
                Ok(back) => assert_eq!(back.marker.uuid, UUID, "{at}"),
                // All that was left is an empty directory, which `finish_purge` takes for what it is too.
                Err(TrashError::Absent { .. }) => {}
                Err(TrashError::Unknown { .. }) => {
                    assert_eq!(finish_purge(&request.path, &request.origin, TX).unwrap(), None, "{at}");
                }
                Err(error) => panic!("{at}: {error:?}"),
            }
            assert!(matches!(check(&machine, &request, None), Ok(Checked::Attach(_))), "{at}");
            assert_eq!(data_of(dir, &request, at), *picture.borrow(), "{at}");
        });
        assert!(points >= 5, "only {points} points");
    }
}

#[test]
fn a_killed_deletion_goes_on_and_half_a_tree_is_never_put_back() {
    for here in [false, true] {
        let what = if here { "empty here" } else { "empty" };
        let prepare = |dir: &Path| {
            drop(filled(dir, here));
            std::fs::write(dir.join("outside"), "x").unwrap();
            trash(if here { "purge here" } else { "purge" }, dir, &request(dir).0, &request(dir).1);
        };
        let points = kill_everywhere(what, prepare, |dir, at| {
            let request = if here { operators(dir) } else { request(dir).1 };
            let (machine, _) = self::request(dir);
            let place = place_of(&request);
            let found = list(&data_root(&self::request(dir).1), std::slice::from_ref(&request.path)).unwrap();
            let state = found.trees.first().map(|tree| tree.state);
            if state != Some(TrashState::Whole) {
                assert!(put_back(&place, TX).is_err(), "{at}: {state:?}");
            }
            match empty(&machine, &place, TX, &mut |_| {}) {
                Ok(_) | Err(TrashError::Absent { .. }) => {}
                Err(TrashError::Unknown { .. }) => {
                    assert_eq!(finish_purge(&request.path, &request.origin, TX).unwrap(), None, "{at}");
                }
                Err(error) => panic!("{at}: {error:?}"),
            }
            let left = list(&data_root(&self::request(dir).1), std::slice::from_ref(&request.path)).unwrap();
            assert!(left.trees.is_empty() && left.faults.is_empty(), "{at}");
            assert_eq!(std::fs::read_to_string(dir.join("outside")).unwrap(), "x", "{at}");
            if here {
                assert!(!dir.join("mine/data").exists(), "{at}");
            }
        });
        assert!(points >= 20, "only {points} points");
    }
}

#[test]
fn a_killed_adoption_is_finished_or_taken_back_and_nothing_is_changed() {
    let picture = std::cell::RefCell::new(Vec::new());
    let prepare = |dir: &Path| {
        std::fs::create_dir(dir.join("mine")).unwrap();
        messy(&dir.join("mine"));
        picture.replace(whole(&dir.join("mine"), &[]));
    };
    for finish in [true, false] {
        let points = kill_everywhere("adopt", prepare, |dir, at| {
            let (machine, mine) = (request(dir).0, operators(dir));
            // No volume, or the adopted one, and never a new one.
            match check(&machine, &mine, None) {
                Ok(Checked::Attach(ready)) => assert_eq!(ready.marker().uuid, UUID, "{at}"),
                Ok(Checked::Create(_)) => panic!("{at}: something would be made here"),
                Err(_) => {}
            }
            if finish {
                // What was planned is not known any more: what is written down is enough.
                let settled = finish_adoption(&mine.path, ADOPTION).unwrap();
                match settled {
                    Some(marker) => assert_eq!(marker.uuid, UUID, "{at}"),
                    None => adoption("adopt", &machine, &mine),
                }
                assert_eq!(whole(&dir.join("mine/data"), &[])[1..], picture.borrow()[1..], "{at}");
                drop(check(&machine, &mine, None).unwrap());
            }
            take_back(&mine.path, ADOPTION).unwrap();
            assert_eq!(whole(&dir.join("mine"), &[])[1..], picture.borrow()[1..], "{at}");
        });
        assert!(points >= 30, "only {points} points");
    }
    let adopted = |dir: &Path| {
        prepare(dir);
        adoption("adopt", &request(dir).0, &operators(dir));
    };
    let points = kill_everywhere("take back", adopted, |dir, at| {
        take_back(&operators(dir).path, ADOPTION).unwrap();
        assert_eq!(whole(&dir.join("mine"), &[])[1..], picture.borrow()[1..], "{at}");
        assert!(!dir.join("mine/.homeport").exists(), "{at}");
    });
    assert!(points >= 20, "only {points} points");
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

/// The same for the trash (the first of a purge is that of the probe), where each failure also leaves the data whole in one of its two places.
#[test]
fn each_failed_fsync_of_the_trash_fails_the_operation() {
    for (what, here, fsyncs) in [
        ("purge", false, 7),
        ("purge here", true, 9),
        ("put back", false, 4),
        ("put back here", true, 5),
        ("empty", false, 2),
        ("empty here", true, 3),
    ] {
        for n in 1..=fsyncs + 1 {
            let stand = Stand::new();
            let dir = stand.dir.path();
            let target = filled(dir, here);
            let before = data_of(dir, &target, "before");
            if !what.starts_with("purge") {
                trash(if here { "purge here" } else { "purge" }, dir, &request(dir).0, &request(dir).1);
            }
            let through = run_until(dir, what, "fsync", n, Blow::InputOutputError);
            assert_eq!(through, n > fsyncs, "{what}, fsync {n}");
            if !what.starts_with("empty") {
                assert_eq!(data_of(dir, &target, what), before, "{what}, fsync {n}");
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
