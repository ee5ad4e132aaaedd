//! Places that are no store, or not one to write to: each has its code, and nothing is changed.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use homeport_core::fault::Advice as _;
use homeport_volumes::store::{Compression, Store, StoreError, check_apart};
use homeport_volumes::{Machine, Neighbour, VolumePath};

use crate::stand::{Files, NOW, Stand, all_files, noise, read, snapshot, writer};

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program} cannot run: {e}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A mount for the length of a test.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn tmpfs(at: &Path, options: &str) -> Self {
        std::fs::create_dir_all(at).unwrap();
        run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", at.to_str().unwrap()]);
        Self(at.to_owned())
    }

    fn image(at: &Path, image: &Path, mebibytes: u64, mkfs: &[&str]) -> Self {
        std::fs::create_dir_all(at).unwrap();
        std::fs::File::create(image).unwrap().set_len(mebibytes << 20).unwrap();
        run(mkfs[0], &[&mkfs[1..], &[image.to_str().unwrap()]].concat());
        run("mount", &["-o", "loop", image.to_str().unwrap(), at.to_str().unwrap()]);
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _status = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn edit(stand: &Stand, from: &str, to: &str) {
    let path = stand.path().join("store.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// What was done to a good store, and the code.
type Row = (&'static str, fn(&Stand), &'static str);

/// One row for each place that is no store.
const PLACES: [Row; 16] = [
    ("62: gone", |s| std::fs::remove_dir_all(s.path()).unwrap(), "HP-STO-001"),
    (
        "62: its mount point, empty",
        |s| {
            std::fs::remove_dir_all(s.path()).unwrap();
            std::fs::create_dir(s.path()).unwrap();
            std::fs::set_permissions(s.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        },
        "HP-STO-001",
    ),
    ("document gone", |s| std::fs::remove_file(s.path().join("store.json")).unwrap(), "HP-STO-001"),
    ("a room gone", |s| std::fs::remove_dir_all(s.path().join("entries")).unwrap(), "HP-STO-001"),
    (
        "a link in the path",
        |s| {
            std::fs::rename(s.path(), s.dir.path().join("away")).unwrap();
            std::os::unix::fs::symlink("away", s.path()).unwrap();
        },
        "HP-STO-002",
    ),
    (
        "a file",
        |s| {
            std::fs::remove_dir_all(s.path()).unwrap();
            std::fs::write(s.path(), "x").unwrap();
        },
        "HP-STO-002",
    ),
    (
        "a room that is a link",
        |s| {
            std::fs::rename(s.path().join("packs"), s.dir.path().join("packs")).unwrap();
            std::os::unix::fs::symlink("../packs", s.path().join("packs")).unwrap();
        },
        "HP-STO-002",
    ),
    ("document edited", |s| edit(s, "1800000000", "1800000001"), "HP-STO-003"),
    ("document with an unknown field", |s| edit(s, "\"uuid\"", "\"mood\": 1, \"uuid\""), "HP-STO-003"),
    ("document empty", |s| std::fs::write(s.path().join("store.json"), "").unwrap(), "HP-STO-003"),
    (
        "document a link",
        |s| {
            std::fs::rename(s.path().join("store.json"), s.path().join("other.json")).unwrap();
            std::os::unix::fs::symlink("other.json", s.path().join("store.json")).unwrap();
        },
        "HP-STO-003",
    ),
    ("newer", |s| edit(s, "\"version\": 1", "\"version\": 2"), "HP-STO-004"),
    (
        "open to the group",
        |s| {
            std::fs::set_permissions(s.path(), std::fs::Permissions::from_mode(0o750)).unwrap();
        },
        "HP-STO-005",
    ),
    ("somebody's", |s| std::os::unix::fs::chown(s.path(), Some(1000), None).unwrap(), "HP-STO-005"),
    (
        "a room of somebody's",
        |s| {
            std::os::unix::fs::chown(s.path().join("snapshots"), Some(1000), Some(1000)).unwrap();
        },
        "HP-STO-005",
    ),
    (
        "a room open to all",
        |s| {
            std::fs::set_permissions(s.path().join("packs"), std::fs::Permissions::from_mode(0o777)).unwrap();
        },
        "HP-STO-005",
    ),
];

#[test]
fn what_is_not_safely_a_store_is_refused() {
    for (what, change, code) in PLACES {
        let stand = Stand::new(Compression::Zstd);
        change(&stand);
        let before = all_files(stand.dir.path());
        let error = Store::open(&stand.path()).expect_err(what);
        assert_eq!(error.code(), code, "{what}: {error}");
        assert!(error.help().is_some_and(|help| help.len() > 10), "{what}");
        assert_eq!(all_files(stand.dir.path()), before, "{what}");
    }
    assert_eq!(Store::open(Path::new("relative")).unwrap_err().code(), "HP-STO-002");
    let other = Stand::new(Compression::Zstd);
    let stand = Stand::new(Compression::Zstd);
    assert_eq!(stand.store.expect(other.store.uuid()).unwrap_err().code(), "HP-STO-009");
    stand.store.expect(stand.store.uuid()).unwrap();
}

/// A mount on one of the store's own directories would hide what is in it.
#[test]
fn another_mount_in_a_store_is_refused() {
    let stand = Stand::new(Compression::Zstd);
    let mounted = Mounted::tmpfs(&stand.path().join("packs"), "size=1m,mode=0700");
    assert_eq!(Store::open(&stand.path()).unwrap_err().code(), "HP-STO-002");
    drop(mounted);
    Store::open(&stand.path()).unwrap();
}

#[test]
fn a_read_only_store_can_be_read_and_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("disk");
    let _mounted = Mounted::tmpfs(&at, "size=8m,mode=0755");
    let store = Store::create(&at.join("store"), Compression::Zstd, NOW).unwrap();
    let files: Files = [("a".to_owned(), noise(1, 5000))].into();
    let head = snapshot(&store, &files).unwrap();
    run("mount", &["-o", "remount,ro", at.to_str().unwrap()]);
    let store = Store::open(&at.join("store")).unwrap();
    assert_eq!(read(&store, &head).unwrap(), files);
    assert_eq!(writer(&store).unwrap_err().code(), "HP-STO-006");
    assert!(Store::create(&at.join("new"), Compression::Zstd, NOW).is_err());
}

/// 23, 24 and 63: the store's disk is full, of bytes or of inodes. What exists stays, what was reserved is free again,
/// and a small snapshot fits afterwards.
#[test]
fn a_full_disk_fails_cleanly_and_gives_back_what_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let rows: [(&str, &[&str]); 2] = [("ext4", &["mkfs.ext4", "-q", "-m", "0"]), ("xfs", &["mkfs.xfs", "-q"])];
    for (kind, mkfs) in rows {
        let at = dir.path().join(kind);
        let mebibytes = if kind == "xfs" { 300 } else { 24 };
        let _mounted = Mounted::image(&at, &dir.path().join(format!("{kind}.img")), mebibytes, mkfs);
        let store = Store::create(&at.join("store"), Compression::None, NOW).unwrap();
        let small: Files = [("a".to_owned(), noise(1, 50_000))].into();
        let head = snapshot(&store, &small).unwrap();
        let before = store.space().unwrap().bytes;
        // Leave 6 MiB.
        let filler = std::fs::File::create(at.join("filler")).unwrap();
        rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, before - (6 << 20)).unwrap();
        let free = store.space().unwrap().bytes;
        let large: Files = (0..20).map(|seed| (format!("m{seed}"), noise(seed + 9, 1_000_000))).collect();
        let error = snapshot(&store, &large).unwrap_err();
        assert_eq!(error.code(), "HP-STO-021", "{kind}: {error}");
        assert!(error.to_string().contains("bytes more are needed"), "{error}");
        assert!(error.help().is_some_and(|help| help.contains("make room")), "{error}");
        // XFS gives room back a moment later.
        let freed = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            store.space().unwrap().bytes + (512 << 10) >= free
        });
        assert!(freed, "{kind}: what was reserved is free again");
        assert_eq!(std::fs::read_dir(at.join("store/tmp")).unwrap().count(), 0);
        assert_eq!(store.catalog().unwrap().snapshots, std::slice::from_ref(&head));
        assert_eq!(read(&store, &head).unwrap(), small);
        let second = snapshot(&store, &[("b".to_owned(), noise(2, 50_000))].into()).unwrap();
        assert_eq!(second.sequence.get(), 2);
    }
}

#[test]
fn a_disk_without_inodes_fails_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("disk");
    let mkfs = ["mkfs.ext4", "-q", "-m", "0", "-N", "64"];
    let _mounted = Mounted::image(&at, &dir.path().join("disk.img"), 24, &mkfs);
    let store = Store::create(&at.join("store"), Compression::None, NOW).unwrap();
    let head = snapshot(&store, &[("a".to_owned(), noise(1, 50_000))].into()).unwrap();
    let mut fillers = 0;
    while std::fs::File::create(at.join(format!("f{fillers}"))).is_ok() {
        fillers += 1;
    }
    let before = all_files(&at.join("store"));
    let error = snapshot(&store, &[("b".to_owned(), noise(2, 50_000))].into()).unwrap_err();
    assert_eq!(error.code(), "HP-STO-021");
    assert!(error.to_string().contains("not one inode is free"), "{error}");
    assert_eq!(all_files(&at.join("store")), before);
    for n in 0..fillers {
        std::fs::remove_file(at.join(format!("f{n}"))).unwrap();
    }
    assert_eq!(snapshot(&store, &Files::new()).unwrap().sequence.get(), head.sequence.get() + 1);
}

/// 65: a store in a volume, around one, and the same directory by another path.
#[test]
fn a_store_lies_apart_from_volumes() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["vol/data", "alone", "bind"] {
        std::fs::create_dir_all(dir.path().join(name)).unwrap();
    }
    let at = |name: &str| VolumePath::try_from(dir.path().join(name).as_path()).unwrap();
    run("mount", &["--bind", at("vol").as_str(), at("bind").as_str()]);
    let _mounted = Mounted(dir.path().join("bind"));
    let machine = Machine { proc: "/proc".into(), fstab: dir.path().join("fstab") };
    let volume = [Neighbour { label: "volume `home` of `alice`".to_owned(), path: at("vol"), uuid: None }];
    let found = |store: &str| check_apart(&machine, &at(store), &volume).unwrap();
    for store in ["alone", "alone/new/store", "volume"] {
        assert_eq!(found(store), [], "{store}");
    }
    for store in ["vol", "vol/data", "vol/new", "bind", "bind/data/new", "."].map(|name| name.trim_matches('.')) {
        let faults = found(store);
        assert_eq!(faults.len(), 1, "{store}");
        assert_eq!(faults[0].code, "HP-STO-010");
        assert!(!faults[0].remedy.is_empty(), "{store}");
    }
}

#[test]
fn a_writer_that_failed_stays_failed() {
    let stand = Stand::new(Compression::None);
    let mut writer = stand.writer();
    let guard = homeport_volumes::failpoint::arm(
        "store.pack.sync",
        1,
        homeport_volumes::failpoint::Blow::Error(rustix::io::Errno::IO),
    );
    writer.put(&noise(1, 900)).unwrap();
    assert_eq!(writer.seal().unwrap_err().code(), "HP-STO-020");
    drop(guard);
    // The second sync would succeed, and prove nothing.
    assert!(matches!(writer.seal(), Err(StoreError::Poisoned { .. })));
    assert!(matches!(writer.put(b"x"), Err(StoreError::Poisoned { .. })));
    drop(writer);
    assert!(all_files(&stand.path()).keys().all(|path| !path.starts_with("packs") && !path.starts_with("tmp")));
}
