//! What the engine is given: the checked directory, below a read-only tmpfs, whatever happens to its path.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cell::Cell;
use crate::stand::{Disk, MountGuard, Stand, run, unmount};
use homeport_volumes::{Change, Request, Unmounted, VolumeError, compare_mount};

const MIB: u64 = 1024 * 1024;

#[test]
fn a_volume_is_mounted_once_found_again_and_unmounted() {
    let stand = Stand::new();
    let _guard = stand.mount_guard();
    let mounts = stand.mounts();
    let request = stand.default_request();
    let known = stand.filled(&request);
    assert_eq!(mounts.prepare().unwrap(), Change::Made);
    assert_eq!(mounts.prepare().unwrap(), Change::Unchanged);

    let in_use = stand.ready(&request, Some(&known)).begin_use().unwrap();
    let mounted = mounts.mount(in_use.data()).unwrap();
    let target = MountGuard(mounted.path.as_path().to_owned());
    assert_eq!(mounted.change, Change::Made);
    assert_eq!(mounted.path, mounts.path_of(known.uuid));
    assert_eq!(fs::read_to_string(mounted.path.as_path().join("letter")).unwrap(), "dear reader");
    assert!(!mounted.path.as_path().join(".homeport").exists(), "only the data is seen");
    let expected = in_use.expected("/home/user".into());
    let seen = fs::metadata(mounted.path.as_path()).unwrap();
    assert_eq!((seen.dev(), seen.ino()), (expected.device, expected.inode));

    let again = mounts.mount(in_use.data()).unwrap();
    assert_eq!((again.change, &again.location), (Change::Unchanged, &mounted.location));
    let table = fs::read("/proc/self/mountinfo").unwrap();
    let escaped = mounted.path.as_str();
    assert_eq!(compare_mount(&table, escaped, &mounted.location), Ok(()));
    assert_eq!(compare_mount(&table, "/proc", &mounted.location).unwrap_err().code, "HP-VOL-002");

    assert_eq!(mounts.put_away().unwrap(), Unmounted::NotMounted, "a volume is mounted in it");
    assert_eq!(mounts.unmount(known.uuid).unwrap(), Unmounted::Unmounted);
    assert_eq!(mounts.unmount(known.uuid).unwrap(), Unmounted::NotMounted);
    assert!(!mounted.path.as_path().exists());
    assert!(request.path.as_path().join("data/letter").exists());
    drop(target);
    assert_eq!(mounts.put_away().unwrap(), Unmounted::Unmounted);
    assert_eq!(mounts.put_away().unwrap(), Unmounted::NotMounted);
    assert_eq!(mounts.prepare().unwrap(), Change::Made, "it is made again when it is needed");
}

#[test]
fn nobody_can_make_a_directory_where_a_volume_is_not_mounted() {
    let stand = Stand::new();
    let _guard = stand.mount_guard();
    let mounts = stand.mounts();
    let request = stand.default_request();
    let known = stand.filled(&request);
    mounts.prepare().unwrap();
    let refused = |name: &str| {
        let error = fs::create_dir(stand.at("run/mnt").join(name)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem, "{name}");
    };
    refused("x");
    let ready = stand.ready(&request, Some(&known));
    let mounted = mounts.mount(ready.data()).unwrap();
    let target = MountGuard(mounted.path.as_path().to_owned());
    refused("x");
    // A mount that somebody else took away shows an empty directory that nothing can be written to.
    unmount(mounted.path.as_path());
    refused(&format!("{}/mail", known.uuid));
    assert_eq!(mounts.mount(ready.data()).unwrap().change, Change::Made);
    fs::write(mounted.path.as_path().join("mail"), "x").unwrap();
    drop(target);
}

#[test]
fn everything_is_made_again_after_a_reboot() {
    let stand = Stand::new();
    let _guard = stand.mount_guard();
    let mounts = stand.mounts();
    let request = stand.default_request();
    let known = stand.filled(&request);
    let ready = stand.ready(&request, Some(&known));
    let path = mounts.mount(ready.data()).unwrap().path;
    // A boot takes all mounts away and empties /run.
    unmount(path.as_path());
    unmount(&stand.at("run/mnt"));
    fs::remove_dir_all(stand.at("run")).unwrap();
    fs::create_dir(stand.at("run")).unwrap();
    let mounted = mounts.mount(ready.data()).unwrap();
    let _target = MountGuard(mounted.path.as_path().to_owned());
    assert!(mounted.path.as_path().join("letter").exists());
    assert_eq!(mounts.unmount(known.uuid).unwrap(), Unmounted::Unmounted);
}

#[test]
fn a_left_over_mount_of_an_exchanged_disk_is_replaced() {
    let stand = Stand::new();
    let _guard = stand.mount_guard();
    let mounts = stand.mounts();
    fs::create_dir(stand.at("disk")).unwrap();
    let mut disk = Disk::new(stand.at("disk.img"), 16 * MIB, &[]);
    disk.mount(&stand.at("disk"));
    let request = stand.request("disk");
    let known = stand.filled(&request);
    let ready = stand.ready(&request, Some(&known));
    let path = mounts.mount(ready.data()).unwrap().path;
    let _target = MountGuard(path.as_path().to_owned());
    drop(ready);
    // The volume was moved to another disk by hand: same identity, other directory.
    disk.unmount();
    let mut copy = disk.clone_to(stand.at("copy.img"));
    copy.mount(&stand.at("disk"));
    let ready = stand.ready(&request, Some(&known));
    assert_eq!(mounts.mount(ready.data()).unwrap().change, Change::Replaced);
    let seen = fs::metadata(path.as_path()).unwrap();
    assert_eq!((seen.dev(), seen.ino()), ready.data().identity());
    assert_eq!(mounts.unmount(known.uuid).unwrap(), Unmounted::Unmounted);
}

#[test]
fn a_foreign_mount_at_the_place_of_the_mounts_is_left_alone() {
    let stand = Stand::new();
    let _guard = stand.mount_guard();
    fs::create_dir(stand.at("run/mnt")).unwrap();
    run("mount", &["-t", "tmpfs", "somebody", stand.at("run/mnt").to_str().unwrap()]);
    assert!(matches!(stand.mounts().prepare(), Err(VolumeError::Changed { .. })));
}

/// Someone exchanges the volume's directory, its data and a link to them, and mounts other directories over both, while
/// volumes are checked and mounted. What is mounted is either the checked directory or nothing: never the bait.
#[test]
fn a_directory_that_is_exchanged_between_check_and_mount_is_never_mounted() {
    let stand = Stand::new();
    let _guard = stand.mount_guard();
    let mounts = stand.mounts();
    let request = stand.request("vol");
    fs::create_dir(stand.at("vol")).unwrap();
    let known = stand.filled(&request);
    fs::create_dir(stand.at("bait")).unwrap();
    let _theirs = stand.filled(&Request { instance: "bob".parse().unwrap(), ..stand.request("bait") });
    fs::write(stand.at("bait/data/poison"), "").unwrap();
    symlink("bait", stand.at("link")).unwrap();
    let wanted = fs::metadata(stand.at("vol/data")).unwrap();
    let target = MountGuard(mounts.path_of(known.uuid).as_path().to_owned());

    let stop = AtomicBool::new(false);
    let mut seen = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let exchange = |one: &str, two: &str| {
                let (one, two) = (stand.at(one), stand.at(two));
                let cwd = rustix::fs::CWD;
                rustix::fs::renameat_with(cwd, &one, cwd, &two, rustix::fs::RenameFlags::EXCHANGE).unwrap();
            };
            while !stop.load(Ordering::Relaxed) {
                for (one, two) in [("vol", "bait"), ("vol/data", "bait/data"), ("vol", "link")] {
                    exchange(one, two);
                    std::thread::yield_now();
                    exchange(one, two);
                }
                for (over, bait) in [("vol", "bait"), ("vol/data", "bait/data")] {
                    let cover = MountGuard(stand.at(over));
                    rustix::mount::mount_bind(stand.at(bait), &cover.0).unwrap();
                    std::thread::yield_now();
                    drop(cover);
                }
            }
        });
        for _ in 0..1000 {
            let Ok(homeport_volumes::Checked::Attach(ready)) = stand.check(&request, Some(&known)) else {
                seen.0 += 1;
                continue;
            };
            match mounts.mount(ready.data()) {
                Ok(mounted) => {
                    let found = fs::metadata(mounted.path.as_path()).unwrap();
                    let bait = mounted.path.as_path().join("poison").exists();
                    if bait || (found.dev(), found.ino()) != (wanted.dev(), wanted.ino()) {
                        stop.store(true, Ordering::Relaxed);
                        panic!("the bait was mounted");
                    }
                    seen.1 += 1;
                }
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    panic!("{error}");
                }
            }
            mounts.unmount(known.uuid).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    drop(target);
    assert!(seen.0 > 0 && seen.1 > 0, "both ends of the race were seen: {seen:?}");
}

/// A process in a root directory of its own that has the parent of a volume mounted: no engine would name it.
#[test]
fn a_foreign_container_with_the_parent_directory_is_found() {
    let stand = Stand::new();
    fs::create_dir_all(stand.at("srv/vol")).unwrap();
    fs::create_dir(stand.at("cell")).unwrap();
    let request = stand.request("srv/vol");
    let known = stand.filled(&request);
    let cell = Cell::with(&stand.at("cell"), &stand.at("srv"));
    let codes = stand.check(&request, Some(&known));
    let tolerated = Request { tolerated: vec![cell.pid()], ..request.clone() };
    let allowed = stand.check(&tolerated, Some(&known));
    drop(cell);
    match codes {
        Err(VolumeError::Refused(faults)) => {
            assert_eq!(faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["HP-VOL-011"]);
            assert!(faults[0].actual.contains("has it mounted at `/data`"), "{}", faults[0]);
        }
        other => panic!("{other:?}"),
    }
    assert!(allowed.is_ok(), "{allowed:?}");
    drop(stand.ready(&request, Some(&known)));
}
