//! Inputs that have cost people their data, by their numbers: what is refused, in which words, and that nothing below any
//! `data/` was changed by it. Those that need an engine are tests of the command line.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::answered::Answered;
use crate::cell::{self, Cell};
use crate::disks::on_a_disk;
use crate::picture::full;
use crate::stand::{Disk, MountGuard, NOTHING, Stand, machine_in, run};
use homeport_core::fault::{Advice as _, Fault};
use homeport_core::unit::{Bytes, Format, Inodes, Uid};
use homeport_volumes::{
    Checked, Counted, Known, Location, Mounts, Neighbour, Remembered, Removal, Request, VolumeError, VolumePath, check,
    check_declared, check_readable, compare_mount, remove_if_blank,
};

/// Every entry outside of `.homeport` with all that it is and has; disks are left out, what is mounted of them is not.
fn everything(dir: &Path) -> Vec<String> {
    let mut lines = full(dir, &["disk.img", "clone.img", "other.img"]);
    // The probe changes the time of `.homeport`, and only that.
    lines.retain(|line| !line.split(' ').next().is_some_and(|name| name.ends_with(".homeport")));
    lines
}

/// Checks that the volume is refused with exactly these codes and, somewhere in them, these words, each with advice, and
/// that nothing was changed.
fn refused(stand: &Stand, request: &Request, known: Option<&Known>, codes: &[&str], words: &[&str]) {
    let before = everything(stand.dir.path());
    let error = stand.check(request, known).unwrap_err();
    let VolumeError::Refused(faults) = &error else { panic!("{error:?}") };
    told(faults, codes, words);
    advised(&error, codes[0]);
    assert_eq!(everything(stand.dir.path()), before);
}

/// Checks the code of an error, and that it says what to do.
fn advised(error: &VolumeError, code: &str) {
    assert_eq!(error.code(), code, "{error:?}");
    assert!(error.help().is_some_and(|help| help.len() > 10), "{error:?}");
}

fn told(faults: &[Fault], codes: &[&str], words: &[&str]) {
    assert_eq!(faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), codes, "{faults:?}");
    let text = faults.iter().map(|fault| format!("{fault}; {}", fault.remedy)).collect::<Vec<_>>().join("\n");
    for word in words {
        assert!(text.contains(word), "`{word}` in {text}");
    }
    assert!(faults.iter().all(|fault| !fault.remedy.is_empty() && !fault.actual.is_empty()), "{text}");
}

/// A volume with a letter in an operator's directory.
fn volume() -> (Stand, Request, Known) {
    let stand = Stand::new();
    fs::create_dir(stand.at("vol")).unwrap();
    let request = stand.request("vol");
    let known = stand.filled(&request);
    (stand, request, known)
}

fn marker(stand: &Stand) -> std::path::PathBuf {
    stand.at("vol/.homeport/marker.json")
}

#[test]
fn bad_input_01_the_path_is_missing() {
    let stand = Stand::new();
    refused(&stand, &stand.request("typo"), None, &["HP-VOL-001"], &["does not exist", "typing mistake"]);
    let (stand, request, known) = volume();
    fs::rename(stand.at("vol"), stand.at("moved")).unwrap();
    refused(
        &stand,
        &request,
        Some(&known),
        &["HP-VOL-001"],
        &["is gone from its place", "does not make a known volume anew"],
    );
}

#[test]
fn bad_input_02_the_path_is_a_file() {
    let stand = Stand::new();
    fs::write(stand.at("file"), "x").unwrap();
    refused(&stand, &stand.request("file"), None, &["HP-VOL-001"], &["does not lead to a directory"]);
}

#[test]
fn bad_input_03_the_path_ends_in_a_link() {
    let (stand, _, known) = volume();
    symlink(stand.at("vol"), stand.at("link")).unwrap();
    let known = Known { path: stand.path("link"), ..known };
    refused(
        &stand,
        &stand.request("link"),
        Some(&known),
        &["HP-VOL-001"],
        &["goes through a symbolic link", "use the real path"],
    );
}

#[test]
fn bad_input_04_a_link_is_on_the_way() {
    let stand = Stand::new();
    fs::create_dir_all(stand.at("real/vol")).unwrap();
    symlink("real", stand.at("link")).unwrap();
    refused(&stand, &stand.request("link/vol"), None, &["HP-VOL-001"], &["/link` points to `real`"]);
}

/// Also with the flag that an operator can give the directory below the mount point.
#[test]
fn bad_input_05_the_disk_is_not_mounted() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "");
    disk.unmount();
    let point = stand.at("disk");
    run("chattr", &["+i", point.to_str().unwrap()]);
    let check = || refused(&stand, &request, Some(&known), &["HP-VOL-002"], &["is not mounted", "mount the disk at"]);
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
    fs::create_dir(point.join("data")).unwrap_err();
    disk.mount(&point);
    drop(stand.ready(&request, Some(&known)));
    disk.unmount();
    run("chattr", &["-i", point.to_str().unwrap()]);
    done.unwrap();
}

#[test]
fn bad_input_06_old_files_are_below_the_mount_point() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "/home");
    disk.unmount();
    fs::create_dir(stand.at("disk/home")).unwrap();
    // Not only files: a whole volume of the same name, made before the disk was bought.
    let old = stand.filled(&request);
    assert_ne!(old.uuid, known.uuid);
    refused(&stand, &request, Some(&known), &["HP-VOL-002"], &["is not mounted"]);
}

#[test]
fn bad_input_07_wrong_disk_with_valid_foreign_volume() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "");
    disk.unmount();
    let mut other = Disk::new(stand.at("other.img"), 16 << 20, &[]);
    other.mount(&stand.at("disk"));
    let bobs = Request { instance: "bob".parse().unwrap(), ..request.clone() };
    let _bobs = stand.filled(&bobs);
    refused(
        &stand,
        &request,
        Some(&known),
        &["HP-VOL-002", "HP-VOL-004"],
        &["is not on the disk that it was made on", "instance `bob`", "mount the disk of the volume"],
    );
}

#[test]
fn bad_input_08_right_disk_but_an_old_clone() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "");
    disk.unmount();
    let mut clone = disk.clone_to(stand.at("clone.img"));
    disk.mount(&stand.at("disk"));
    let in_use = stand.ready(&request, Some(&known)).begin_use().unwrap();
    let known = crate::stand::known(&request, &in_use);
    drop(in_use);
    disk.unmount();
    clone.mount(&stand.at("disk"));
    refused(&stand, &request, Some(&known), &["HP-VOL-007"], &["an old copy of itself", "found generation 1"]);
}

/// Both are mounted at once, and nothing but the path and the generation tells them apart.
#[test]
fn bad_input_09_two_disks_with_the_same_uuid() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "");
    disk.unmount();
    let mut clone = disk.clone_to(stand.at("clone.img"));
    disk.mount(&stand.at("disk"));
    fs::create_dir(stand.at("clone")).unwrap();
    clone.mount(&stand.at("clone"));
    // The clone is not taken for the volume because somebody names its path ...
    let there = stand.request("clone");
    refused(&stand, &there, Some(&known), &["HP-VOL-001"], &["known at another path"]);
    // ... nor for a second one ...
    let neighbour =
        Neighbour { label: "volume home of alice".into(), path: request.path.clone(), uuid: Some(known.uuid) };
    let second = Request { neighbours: vec![neighbour], ..there.clone() };
    refused(&stand, &second, None, &["HP-VOL-003"], &["is known twice", "one is a copy of the other"]);
    // ... nor by a move, while the volume itself is there.
    let moved = homeport_volumes::adopt::plan_move(&stand.machine, &there, &known);
    let Err(VolumeError::Refused(faults)) = moved else { panic!("{moved:?}") };
    told(&faults, &["HP-VOL-033"], &["is at two places"]);
    drop(stand.ready(&request, Some(&known)));
}

#[test]
fn bad_input_10_the_disk_is_read_only() {
    let stand = Stand::new();
    let (_disk, request, known) = on_a_disk(&stand, "/home");
    run("mount", &["-o", "remount,ro", stand.at("disk").to_str().unwrap()]);
    refused(&stand, &request, Some(&known), &["HP-VOL-008"], &["is mounted read-only", "remount,rw"]);
}

/// The kernel finds an error on the disk and stops writing to it.
#[test]
fn bad_input_11_the_disk_turned_read_only_after_an_error() {
    let stand = Stand::new();
    fs::create_dir(stand.at("disk")).unwrap();
    let mut disk = Disk::new(stand.at("disk.img"), 16 << 20, &["-e", "remount-ro"]);
    disk.mount(&stand.at("disk"));
    let request = stand.request("disk");
    let known = stand.filled(&request);
    let device =
        Command::new("findmnt").args(["-n", "-o", "SOURCE", stand.at("disk").to_str().unwrap()]).output().unwrap();
    let device = String::from_utf8(device.stdout).unwrap();
    let name = device.trim().rsplit('/').next().unwrap();
    fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").unwrap();
    refused(&stand, &request, Some(&known), &["HP-VOL-008"], &["a disk with errors turns read-only"]);
}

/// No port can say that it needs that, so it is told and refuses nothing.
#[test]
fn bad_input_12_programs_cannot_be_run() {
    let stand = Stand::new();
    let (_disk, request, known) = on_a_disk(&stand, "/home");
    run("chown", &["1000", stand.at("disk/home/data/letter").to_str().unwrap()]);
    assert!(stand.ready(&request, Some(&known)).notices().is_empty());
    run("mount", &["-o", "remount,noexec,nosuid", stand.at("disk").to_str().unwrap()]);
    let before = everything(&stand.at("disk"));
    told(stand.ready(&request, Some(&known)).notices(), &["HP-VOL-017"], &["mounted with `noexec`"]);
    assert_eq!(everything(&stand.at("disk")), before);
}

#[test]
fn bad_input_13_the_disk_is_mounted_twice() {
    let stand = Stand::new();
    let (_disk, request, known) = on_a_disk(&stand, "/home");
    fs::create_dir(stand.at("again")).unwrap();
    let _guard = MountGuard(stand.at("again"));
    run("mount", &["--bind", stand.at("disk").to_str().unwrap(), stand.at("again").to_str().unwrap()]);
    let neighbour =
        Neighbour { label: "volume home of alice".into(), path: request.path.clone(), uuid: Some(known.uuid) };
    let second =
        Request { instance: "bob".parse().unwrap(), neighbours: vec![neighbour], ..stand.request("again/home") };
    refused(
        &stand,
        &second,
        None,
        &["HP-VOL-004", "HP-VOL-012"],
        &["overlaps with volume home of alice", "the same directory as"],
    );
}

/// A process in a root directory of its own goes on writing to the disk that the host does not see any more.
#[test]
fn bad_input_14_unmounted_on_the_host_but_alive_in_a_container() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "/home");
    fs::create_dir(stand.at("cell")).unwrap();
    let cell = Cell::with(&stand.at("cell"), &stand.at("disk/home/data"));
    disk.unmount();
    refused(&stand, &request, Some(&known), &["HP-VOL-002"], &["is not mounted"]);
    // Mounted once more it is the same file system, and not free.
    disk.mount(&stand.at("disk"));
    refused(&stand, &request, Some(&known), &["HP-VOL-011"], &["has it mounted at `/data`", "stop the container"]);
    drop(cell);
    drop(stand.ready(&request, Some(&known)));
}

#[test]
fn bad_input_15_something_is_mounted_between_check_and_start() {
    for name in ["vol", "vol/data", "vol/.homeport"] {
        let (stand, request, known) = volume();
        let ready = stand.ready(&request, Some(&known));
        let before = everything(stand.dir.path());
        let guard = MountGuard(stand.at(name));
        run("mount", &["-t", "tmpfs", "none", stand.at(name).to_str().unwrap()]);
        match ready.begin_use() {
            // The mount is over the path, and what was checked is still what is used.
            Ok(in_use) => {
                assert_eq!(name, "vol");
                let meta = std::os::unix::fs::MetadataExt::ino(&fs::metadata(stand.at("vol")).unwrap());
                assert_ne!(in_use.data().identity().1, meta);
            }
            Err(error) => {
                assert_ne!(name, "vol");
                assert!(matches!(error, VolumeError::Changed { .. }), "{error:?}");
                advised(&error, "HP-VOL-022");
            }
        }
        drop(guard);
        let same =
            |lines: Vec<String>| lines.into_iter().filter(|line| !line.contains(".homeport")).collect::<Vec<_>>();
        assert_eq!(same(everything(stand.dir.path())), same(before), "{name}");
    }
}

#[test]
fn bad_input_16_something_is_mounted_inside_the_data() {
    let (stand, request, known) = volume();
    fs::create_dir(stand.at("vol/data/sub")).unwrap();
    let _guard = MountGuard(stand.at("vol/data/sub"));
    run("mount", &["-t", "tmpfs", "none", stand.at("vol/data/sub").to_str().unwrap()]);
    refused(&stand, &request, Some(&known), &["HP-VOL-012"], &["something else is mounted inside", "umount"]);
}

#[test]
fn bad_input_17_a_volume_inside_another_one() {
    let (stand, request, known) = volume();
    let outer = Neighbour { label: "volume home of alice".into(), path: request.path.clone(), uuid: Some(known.uuid) };
    for name in ["vol/data/inner", "vol/.homeport/inner"] {
        fs::create_dir(stand.at(name)).unwrap();
        let inner = Request { neighbours: vec![outer.clone()], volume: "keys".parse().unwrap(), ..stand.request(name) };
        refused(&stand, &inner, None, &["HP-VOL-012"], &["is inside `", "name a directory beside it"]);
    }
    let around = Request { neighbours: vec![outer], volume: "keys".parse().unwrap(), ..stand.request("") };
    let around = Request { path: VolumePath::try_from(stand.dir.path()).unwrap(), ..around };
    refused(&stand, &around, None, &["HP-VOL-003", "HP-VOL-012"], &["is around `"]);
}

#[test]
fn bad_input_18_two_volumes_in_one_directory() {
    let (stand, request, known) = volume();
    fs::create_dir(stand.at("same")).unwrap();
    let _guard = MountGuard(stand.at("same"));
    run("mount", &["--bind", stand.at("vol").to_str().unwrap(), stand.at("same").to_str().unwrap()]);
    let first = Neighbour { label: "volume home of alice".into(), path: request.path.clone(), uuid: Some(known.uuid) };
    let second = Request { volume: "keys".parse().unwrap(), neighbours: vec![first], ..stand.request("same") };
    refused(&stand, &second, None, &["HP-VOL-004", "HP-VOL-012"], &["the same directory as"]);
}

#[test]
fn bad_input_19_a_path_with_odd_characters() {
    let stand = Stand::new();
    let name = "a b\tc\nd\\e#f\\040";
    fs::create_dir(stand.at(name)).unwrap();
    let mut disk = Disk::new(stand.at("disk.img"), 16 << 20, &[]);
    disk.mount(&stand.at(name));
    let request = stand.request(name);
    let known = stand.filled(&request);
    assert_eq!(known.must_be_mount, Some(stand.path(name)));
    drop(stand.ready(&request, Some(&known)));
    disk.unmount();
    refused(&stand, &request, Some(&known), &["HP-VOL-002"], &["is not mounted"]);
    let odd = stand.dir.path().join(std::ffi::OsStr::from_bytes(b"not \xff utf8"));
    assert!(VolumePath::try_from(odd.as_path()).unwrap_err().to_string().contains("it is not UTF-8"));
}

/// A file system that a program answers for is real here; one of another machine is only in the rules of the decision.
/// An old one that looks like any other and cannot exchange is made of a good one whose call fails.
#[test]
fn bad_input_20_a_file_system_that_keeps_too_little() {
    let stand = Stand::new();
    fs::create_dir(stand.at("answered")).unwrap();
    let program = Answered::mount(&stand.at("answered"));
    refused(
        &stand,
        &stand.request("answered"),
        None,
        &["HP-VOL-016"],
        &["`fuse`", "a program answers for it", "name a directory on a disk of this machine"],
    );
    drop(program);
    let words = struck(&stand, "renameat2", "EINVAL", None);
    assert!(words.contains("HP-VOL-016") && words.contains("name a directory on ext4, XFS or btrfs"), "{words}");
    assert!(!stand.at("root/alice/home/data").exists(), "no volume was made");
}

#[test]
fn bad_input_21_a_file_system_in_memory() {
    let stand = Stand::new();
    fs::create_dir(stand.at("memory")).unwrap();
    let _guard = MountGuard(stand.at("memory"));
    run("mount", &["-t", "tmpfs", "none", stand.at("memory").to_str().unwrap()]);
    refused(&stand, &stand.request("memory"), None, &["HP-VOL-013"], &["would be lost at the next boot"]);
}

#[test]
fn bad_input_22_an_overlay_or_the_engines_own_directory() {
    let stand = Stand::new();
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(stand.at(name)).unwrap();
    }
    let _guard = MountGuard(stand.at("merged"));
    let dir = stand.dir.path().to_str().unwrap();
    let options = format!("lowerdir={dir}/lower,upperdir={dir}/upper,workdir={dir}/work");
    run("mount", &["-t", "overlay", "none", "-o", &options, stand.at("merged").to_str().unwrap()]);
    fs::create_dir(stand.at("merged/vol")).unwrap();
    refused(&stand, &stand.request("merged/vol"), None, &["HP-VOL-013"], &["`overlay`"]);
    fs::create_dir_all(stand.at("engine/volumes/x")).unwrap();
    let engine = Neighbour { label: "the engine's own data".into(), path: stand.path("engine"), uuid: None };
    let inside = Request { neighbours: vec![engine], ..stand.request("engine/volumes/x") };
    refused(&stand, &inside, None, &["HP-VOL-012"], &["overlaps with the engine's own data"]);
}

#[test]
fn bad_input_23_the_disk_is_full() {
    let stand = Stand::new();
    let (_disk, request, known) = on_a_disk(&stand, "/home");
    let filled = std::io::copy(&mut std::io::repeat(7), &mut fs::File::create(stand.at("disk/filler")).unwrap());
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    refused(&stand, &request, Some(&known), &["HP-VOL-010"], &["bytes free", "make it larger"]);
}

#[test]
fn bad_input_24_no_inodes_are_left() {
    let stand = Stand::new();
    fs::create_dir(stand.at("disk")).unwrap();
    let mut disk = Disk::new(stand.at("disk.img"), 8 << 20, &["-N", "64"]);
    disk.mount(&stand.at("disk"));
    fs::create_dir(stand.at("disk/home")).unwrap();
    let request = stand.request("disk/home");
    let known = stand.filled(&request);
    assert!((0..200).any(|n| fs::write(stand.at(&format!("disk/f{n}")), "").is_err()));
    refused(&stand, &request, Some(&known), &["HP-VOL-010"], &["found 0 inodes free", "remove small files"]);
}

/// Quotas of users do not bind root. Those of btrfs bind everybody, and what the file system says of its free room does
/// not show them: the probe does. What other file systems answer is made of calls that fail.
#[test]
fn bad_input_25_the_quota_is_used_up() {
    let stand = Stand::new();
    fs::create_dir(stand.at("disk")).unwrap();
    let mut disk = Disk::of_kind(stand.at("disk.img"), "btrfs");
    disk.mount(&stand.at("disk"));
    let home = stand.at("disk/home");
    run("btrfs", &["quota", "enable", stand.at("disk").to_str().unwrap()]);
    run("btrfs", &["-q", "subvolume", "create", home.to_str().unwrap()]);
    let request = stand.request("disk/home");
    let known = stand.filled(&request);
    run("btrfs", &["qgroup", "limit", "1m", home.to_str().unwrap()]);
    let filled = std::io::copy(&mut std::io::repeat(7), &mut fs::File::create(home.join("data/filler")).unwrap());
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::QuotaExceeded);
    run("sync", &["-f", home.to_str().unwrap()]);
    refused(&stand, &request, Some(&known), &["HP-VOL-010"], &["or the quota on it is used up"]);

    let stand = Stand::new();
    let _known = stand.filled(&stand.default_request());
    for call in ["write", "fsync"] {
        let words = struck(&stand, call, "EDQUOT", Some("probe"));
        assert!(words.contains("HP-VOL-010") && words.contains("or the quota on it is used up"), "{call}: {words}");
    }
}

#[test]
fn bad_input_26_the_data_is_roots() {
    let (stand, request, known) = volume();
    run("chown", &["-R", "0:0", stand.at("vol/data").to_str().unwrap()]);
    refused(&stand, &request, Some(&known), &["HP-VOL-009"], &["found 0:0", "chown 1000:1000"]);
}

#[test]
fn bad_input_27_the_images_user_changed() {
    let (stand, mut request, known) = volume();
    run("chown", &["1000:1000", stand.at("vol/data/letter").to_str().unwrap()]);
    request.owner.uid = Uid::new(5000);
    refused(
        &stand,
        &request,
        Some(&known),
        &["HP-VOL-009", "HP-VOL-009"],
        &["HomePort changes none", "chown -R --from=1000"],
    );
    // Whoever only changes the directory is told that it was not enough.
    run("chown", &["5000", stand.at("vol/data").to_str().unwrap()]);
    refused(&stand, &request, Some(&known), &["HP-VOL-009"], &["1 of 1 entries that were looked at are of 1000"]);
    run("chown", &["5000", stand.at("vol/data/letter").to_str().unwrap()]);
    drop(stand.ready(&request, Some(&known)));
}

#[test]
fn bad_input_28_the_data_is_open_to_all() {
    let (stand, request, known) = volume();
    fs::set_permissions(stand.at("vol/data"), fs::Permissions::from_mode(0o777)).unwrap();
    refused(&stand, &request, Some(&known), &["HP-VOL-009"], &["found 1000:1000 0777", "chmod 0750"]);
}

/// The file system answers every call with an error, as when the disk is pulled.
#[test]
fn bad_input_29_the_disk_is_removed_while_it_is_mounted() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "/home");
    let point = stand.at("disk");
    run("sync", &["-f", point.to_str().unwrap()]);
    let before = everything(&stand.at("disk/home/data"));
    run("xfs_io", &["-x", "-c", "shutdown", point.to_str().unwrap()]);
    let error = stand.check(&request, Some(&known)).unwrap_err();
    match &error {
        VolumeError::Refused(faults) => {
            told(faults, &["HP-VOL-008"], &["see the kernel's log"]);
        }
        VolumeError::Io { source, .. } => {
            assert_eq!(source.raw_os_error(), Some(5), "{source:?}");
            advised(&error, "HP-VOL-020");
        }
        other => panic!("{other:?}"),
    }
    disk.unmount();
    disk.mount(&point);
    assert_eq!(everything(&stand.at("disk/home/data")), before);
    drop(stand.ready(&request, Some(&known)));
}

#[test]
fn bad_input_30_the_marker_is_missing() {
    let (stand, request, known) = volume();
    fs::remove_file(marker(&stand)).unwrap();
    for known in [Some(&known), None] {
        refused(&stand, &request, known, &["HP-VOL-003"], &["is not empty and has no marker", "stays as it is"]);
    }
}

/// What is done to the marker, and the words that say so.
fn marker_refused(damage: impl Fn(&str) -> Vec<u8>, words: &[&str]) {
    let (stand, request, known) = volume();
    let text = fs::read_to_string(marker(&stand)).unwrap();
    fs::write(marker(&stand), damage(&text)).unwrap();
    refused(&stand, &request, Some(&known), &["HP-VOL-003"], words);
    refused(&stand, &request, None, &["HP-VOL-003"], words);
}

#[test]
fn bad_input_31_the_marker_is_empty() {
    marker_refused(|_| Vec::new(), &["the marker is empty", "HomePort changes nothing here"]);
}

#[test]
fn bad_input_32_the_marker_is_cut_off() {
    marker_refused(|text| text.as_bytes()[..text.len() / 2].to_vec(), &["is cut off after"]);
}

#[test]
fn bad_input_33_the_markers_checksum_is_wrong() {
    marker_refused(|text| text.replace("alice", "malory").into_bytes(), &["checksum is wrong"]);
}

#[test]
fn bad_input_34_the_marker_is_newer() {
    marker_refused(
        |text| text.replace("\"version\": 1", "\"version\": 2").into_bytes(),
        &["has version 2, this HomePort reads up to 1", "use the HomePort that wrote it"],
    );
}

#[test]
fn bad_input_35_another_ports_volume() {
    let (stand, mut request, _) = volume();
    request.port = "web".parse().unwrap();
    refused(
        &stand,
        &request,
        None,
        &["HP-VOL-004"],
        &["found a volume of port `shell`, wanted a volume of port `web`"],
    );
}

#[test]
fn bad_input_36_another_instances_volume() {
    let (stand, mut request, _) = volume();
    request.instance = "bob".parse().unwrap();
    refused(&stand, &request, None, &["HP-VOL-004"], &["found a volume of instance `alice`"]);
}

#[test]
fn bad_input_37_another_volume() {
    let (stand, mut request, _) = volume();
    request.volume = "keys".parse().unwrap();
    refused(&stand, &request, None, &["HP-VOL-004"], &["found a volume of volume `home`"]);
}

#[test]
fn bad_input_38_the_format_is_newer_than_the_image() {
    let (stand, mut request, known) = volume();
    request.format = Format::new(0);
    request.min_format = Format::new(0);
    refused(
        &stand,
        &request,
        Some(&known),
        &["HP-VOL-006"],
        &["is newer than the image", "use the version of the port that wrote it"],
    );
}

#[test]
fn bad_input_39_the_format_is_older_than_the_image_works_with() {
    let (stand, mut request, known) = volume();
    request.format = Format::new(3);
    request.min_format = Format::new(2);
    refused(
        &stand,
        &request,
        Some(&known),
        &["HP-VOL-006"],
        &["migration needed", "found format 1, wanted format 2 to 3"],
    );
}

#[test]
fn bad_input_40_a_migration_is_half_done() {
    let (stand, request, known) = volume();
    let stamp = format!("{}:2", known.uuid);
    run("setfattr", &["-n", "trusted.homeport.id", "-v", &stamp, stand.at("vol/data").to_str().unwrap()]);
    refused(
        &stand,
        &request,
        Some(&known),
        &["HP-VOL-006"],
        &["was interrupted", "restore the volume from the snapshot"],
    );
    // The same for an exchange of trees whose record cannot be read.
    let (stand, request, known) = volume();
    fs::write(stand.at("vol/.homeport/journal"), "{").unwrap();
    refused(&stand, &request, Some(&known), &["HP-VOL-006"], &["a journal that cannot be read"]);
}

#[test]
fn bad_input_41_the_marker_is_there_and_the_data_is_empty() {
    let (stand, request, known) = volume();
    fs::remove_file(stand.at("vol/data/letter")).unwrap();
    for known in [Some(&known), None] {
        refused(&stand, &request, known, &["HP-VOL-005"], &["has lost its data", "bring it back from a backup"]);
    }
}

#[test]
fn bad_input_42_data_without_a_marker() {
    let (stand, request, known) = volume();
    fs::remove_dir_all(stand.at("vol/.homeport")).unwrap();
    for known in [Some(&known), None] {
        refused(&stand, &request, known, &["HP-VOL-003"], &["`data` with something in it"]);
    }
}

/// The ledger is gone: the volume still says what it is, and an emptied one is not taken for a new one.
#[test]
fn bad_input_43_the_ledger_is_lost() {
    let (stand, request, known) = volume();
    let ready = stand.ready(&request, None);
    assert_eq!(ready.marker().uuid, known.uuid);
    assert!(!ready.expected("/home".into()).new);
    fs::rename(stand.at("vol/data/letter"), stand.at("aside")).unwrap();
    refused(&stand, &request, None, &["HP-VOL-005"], &["has lost its data"]);
}

#[test]
fn bad_input_44_ledger_and_marker_disagree() {
    let (stand, request, known) = volume();
    let other = Known { uuid: homeport_volumes::VolumeUuid::random(), ..known.clone() };
    refused(&stand, &request, Some(&other), &["HP-VOL-004"], &["another volume `home` than the one that is known"]);
    let elsewhere = Known { path: stand.path("elsewhere"), ..known };
    refused(&stand, &request, Some(&elsewhere), &["HP-VOL-001"], &["run `homeport volume move alice home PATH`"]);
}

#[test]
fn bad_input_45_the_images_data_path_moved() {
    let declared = ["/var/lib/postgresql".to_owned()];
    let faults = check_declared(&declared, &["/var/lib/postgresql/data"]);
    told(&faults, &["HP-VOL-014"], &["the manifest has no volume there", "would be lost with the container"]);
}

#[test]
fn bad_input_46_the_image_has_an_uncovered_volume() {
    let declared = ["/data".to_owned(), "/var/spool/mail".to_owned()];
    told(&check_declared(&declared, &["/data"]), &["HP-VOL-014"], &["`VOLUME /var/spool/mail`"]);
}

/// What a started process really has mounted is compared with what was checked: a volume of the engine's own is another
/// directory, and one that has another one's content copied into it is too.
#[test]
fn bad_input_47_a_named_or_anonymous_volume_instead() {
    let (stand, request, known) = volume();
    let _guard = stand.mount_guard();
    let mounts = stand.mounts();
    let ready = stand.ready(&request, Some(&known));
    let mounted = mounts.mount(ready.data()).unwrap();
    fs::create_dir(stand.at("cell")).unwrap();
    for name in ["engine/volumes/site_data/_data", "engine/volumes/0f3c/_data"] {
        let other = stand.at(name);
        fs::create_dir_all(&other).unwrap();
        fs::copy(stand.at("vol/data/letter"), other.join("letter")).unwrap();
        let before = everything(&stand.at("vol"));
        let cell = Cell::with(&stand.at("cell"), &other);
        let fault = compare_mount(&cell.table(), cell::TARGET, &mounted.location).unwrap_err();
        told(&[*fault], &["HP-VOL-002"], &["does not see the volume that was checked", name]);
        assert_eq!(everything(&stand.at("vol")), before);
    }
    let cell = Cell::with(&stand.at("cell"), mounted.path.as_path());
    assert_eq!(compare_mount(&cell.table(), cell::TARGET, &mounted.location), Ok(()));
    drop(cell);
    mounts.unmount(known.uuid).unwrap();
}

#[test]
fn bad_input_65_the_store_inside_the_volume_and_the_other_way_round() {
    let (stand, request, known) = volume();
    fs::create_dir_all(stand.at("vol/data/store")).unwrap();
    fs::create_dir_all(stand.at("store/packs/vol")).unwrap();
    let store = |name: &str| {
        let label = "the store of snapshots".to_owned();
        vec![Neighbour { label, path: stand.path(name), uuid: None }]
    };
    let around = Request { neighbours: store("vol/data/store"), ..request };
    refused(&stand, &around, Some(&known), &["HP-VOL-012"], &["overlaps with the store of snapshots"]);
    let inside = Request { neighbours: store("store"), ..stand.request("store/packs/vol") };
    refused(&stand, &inside, None, &["HP-VOL-012"], &["overlaps with the store of snapshots"]);
}

/// A restore takes the place of a tree that nobody else has: not a container's, also where no engine knows of it, and not
/// another process's of this program.
#[test]
fn bad_input_67_a_restore_while_the_volume_is_in_use() {
    let (stand, request, known) = volume();
    let restore = || homeport_volumes::restore::hold_for_restore(&stand.machine, &request, Some(&known));
    fs::create_dir(stand.at("cell")).unwrap();
    let cell = Cell::with(&stand.at("cell"), &stand.at("vol/data"));
    let before = everything(stand.dir.path());
    let error = restore().unwrap_err();
    let VolumeError::Refused(faults) = &error else { panic!("{error:?}") };
    told(faults, &["HP-VOL-011"], &["has it mounted at `/data`", "stop the container"]);
    advised(&error, "HP-VOL-011");
    drop(cell);
    let held = restore().unwrap();
    advised(&restore().unwrap_err(), "HP-VOL-011");
    drop(held);
    assert_eq!(everything(stand.dir.path()), before);
    drop(restore().unwrap());
}

/// The emptiness check of the story did not see a tree that was only there in part.
#[test]
fn story_l1_a_volume_that_lost_nearly_everything_is_not_started() {
    let (stand, request, mut known) = volume();
    known.counted = Some(Counted { entries: 5000, bytes: Bytes::new(1 << 30) });
    refused(
        &stand,
        &request,
        Some(&known),
        &["HP-VOL-015"],
        &["has lost nearly all of its data", "homeport snapshot acknowledge"],
    );
    // A snapshot, and putting one back, are the ways out of it: neither is hindered.
    check_readable(&stand.machine, &request, &known).unwrap();
    drop(homeport_volumes::restore::hold_for_restore(&stand.machine, &request, Some(&known)).unwrap());
    known.counted = Some(Counted { entries: 40, bytes: Bytes::new(11) });
    for n in 0..10 {
        fs::write(stand.at(&format!("vol/data/{n}")), "x").unwrap();
    }
    told(stand.ready(&request, Some(&known)).notices(), &["HP-VOL-015", "HP-VOL-009"], &["less than half"]);
}

#[test]
fn story_l2_an_unmounted_disk_is_not_read_as_empty() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "/home");
    disk.unmount();
    fs::create_dir_all(stand.at("disk/home/data")).unwrap();
    let before = everything(stand.dir.path());
    let Err(VolumeError::Refused(faults)) = check_readable(&stand.machine, &request, &known) else { panic!("read") };
    told(&faults, &["HP-VOL-002"], &["is not mounted"]);
    assert_eq!(everything(stand.dir.path()), before);
}

/// The engine gets a directory that was checked by its descriptor, never a path below a mount point.
#[test]
fn story_l4_the_shadowed_directory_is_never_what_is_mounted() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "/home");
    let _guard = stand.mount_guard();
    let mounts = Mounts::new(stand.machine.clone(), &stand.path("run"));
    let in_use = stand.ready(&request, Some(&known)).begin_use().unwrap();
    let known = crate::stand::known(&request, &in_use);
    let mounted = mounts.mount(in_use.data()).unwrap();
    drop(in_use);
    mounts.unmount(known.uuid).unwrap();
    disk.unmount();
    fs::create_dir_all(stand.at("disk/home/data")).unwrap();
    refused(&stand, &request, Some(&known), &["HP-VOL-002"], &["is not mounted"]);
    assert!(!mounted.path.as_path().exists(), "the engine finds no source");
}

/// An engine that makes missing sources of mounts finds a read-only place.
#[test]
fn story_l5_a_missing_source_is_never_made_again() {
    let (stand, request, known) = volume();
    let _guard = stand.mount_guard();
    let mounts = Mounts::new(stand.machine.clone(), &stand.path("run"));
    let in_use = stand.ready(&request, Some(&known)).begin_use().unwrap();
    let mounted = mounts.mount(in_use.data()).unwrap();
    mounts.unmount(known.uuid).unwrap();
    let made = fs::create_dir(mounted.path.as_path());
    assert_eq!(made.unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
}

#[test]
fn story_l6_data_at_an_images_old_path_is_not_left_to_the_engine() {
    let declared = ["/var/lib/postgresql".to_owned(), "/var/lib/postgresql/data".to_owned()];
    told(&check_declared(&declared, &["/var/lib/postgresql"]), &["HP-VOL-014"], &["/var/lib/postgresql/data"]);
}

#[test]
fn story_l7_an_anonymous_volume_cannot_come_up() {
    told(&check_declared(&["/config".to_owned()], &[]), &["HP-VOL-014"], &["declare a volume or a tmpfs at `/config`"]);
}

/// The new layout binds a directory where there was a volume of the engine's: the old data is not what is seen.
#[test]
fn story_l10_another_source_at_the_same_target_is_noticed() {
    let device = homeport_volumes::DeviceNumber { major: 254, minor: 0 };
    let expected = Location { device, inner: "/var/lib/homeport/data/mail/maildir/data".into() };
    let text = b"1 0 0:50 / / rw - overlay o rw\n2 1 254:0 /opt/mail-data /var/mail rw - ext4 /dev/vda rw\n";
    let fault = compare_mount(text, "/var/mail", &expected).unwrap_err();
    told(&[*fault], &["HP-VOL-002"], &["/opt/mail-data"]);
}

#[test]
fn story_l12_a_queue_outside_of_every_volume_is_refused() {
    let declared = ["/var/vmail".to_owned(), "/var/spool/postfix".to_owned()];
    told(&check_declared(&declared, &["/var/vmail"]), &["HP-VOL-014"], &["/var/spool/postfix"]);
}

#[test]
fn story_l13_numbers_of_users_that_moved_are_told_and_no_file_is_changed() {
    let (stand, mut request, known) = volume();
    run("chown", &["-R", "1000:1000", stand.at("vol/data").to_str().unwrap()]);
    request.owner.uid = Uid::new(70);
    refused(&stand, &request, Some(&known), &["HP-VOL-009", "HP-VOL-009"], &["HomePort changes none"]);
}

/// Taking a volume's definition away leaves the directory as it is.
#[test]
fn story_l14_a_definition_that_goes_takes_no_data_with_it() {
    let (stand, request, known) = volume();
    let before = full(&stand.at("vol"), &[".homeport"]);
    let removal = remove_if_blank(&request.path, known.uuid, &request.origin, NOTHING).unwrap();
    assert_eq!(removal, Removal::KeptWithData { entries: 1 });
    assert_eq!(full(&stand.at("vol"), &[".homeport"]), before);
    drop(stand.ready(&request, Some(&known)));
}

/// A deploy that names the volume otherwise each time neither finds nor makes one.
#[test]
fn story_l15_a_known_volume_is_never_made_again_under_another_path() {
    let (stand, _, known) = volume();
    fs::create_dir(stand.at("vol-2")).unwrap();
    refused(&stand, &stand.request("vol-2"), Some(&known), &["HP-VOL-001"], &["known at another path"]);
    let default = stand.default_request();
    refused(&stand, &default, Some(&known), &["HP-VOL-001", "HP-VOL-001"], &["known at another path"]);
    assert!(!stand.at("root/alice").exists());
}

/// Mount points with blanks, tabs, newlines and backslashes are compared as what they are.
#[test]
fn story_l27_escapes_of_the_mount_table_are_resolved() {
    let stand = Stand::new();
    for (n, name) in ["my disk", "tab\there", "line\nbreak", "back\\slash", "hash#040", "\\040"].iter().enumerate() {
        fs::create_dir(stand.at(name)).unwrap();
        let mut disk = Disk::new(stand.at(&format!("{n}.img")), 16 << 20, &[]);
        disk.mount(&stand.at(name));
        let request = stand.request(name);
        let known = stand.filled(&request);
        fs::create_dir(stand.at(name).join("data/sub")).unwrap();
        let _guard = MountGuard(stand.at(name).join("data/sub"));
        run("mount", &["-t", "tmpfs", "none", stand.at(name).join("data/sub").to_str().unwrap()]);
        assert_eq!(stand.codes(&request, Some(&known)), ["HP-VOL-012"], "{name:?}");
        crate::stand::unmount(&stand.at(name).join("data/sub"));
        disk.unmount();
        assert_eq!(stand.codes(&request, Some(&known)), ["HP-VOL-002"], "{name:?}");
    }
}

/// Checks the default volume, and makes it where it may be, in a process of its own whose first `call` on a path that
/// contains `on`, if any, gives `error`; what it said.
fn struck(stand: &Stand, call: &str, error: &str, on: Option<&str>) -> String {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    command.args(["-e", &format!("inject={call}:error={error}")]);
    if let Some(name) = on {
        let path = stand.at("root/alice/home/.homeport").join(name);
        command.args(["-P", path.to_str().unwrap()]);
    }
    let output = command
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "bad_inputs::struck_victim", "--test-threads=1", "--nocapture"])
        .env("HOMEPORT_STRUCK_DIR", stand.dir.path())
        .output()
        .expect("strace is needed");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs under `strace`; does nothing in an ordinary test run.
#[test]
fn struck_victim() {
    let Ok(dir) = std::env::var("HOMEPORT_STRUCK_DIR") else { return };
    let dir = Path::new(&dir);
    let request = crate::stand::default_request_in(dir);
    let outcome = match check(&machine_in(dir), &request, None) {
        Ok(Checked::Create(creatable)) => {
            creatable.create(homeport_volumes::VolumeUuid::random(), crate::stand::NOW).map(|_| ())
        }
        Ok(Checked::Attach(_)) => Ok(()),
        Err(error) => Err(error),
    };
    match outcome {
        Err(VolumeError::Refused(faults)) => {
            for fault in faults {
                println!("{} {fault}; {}", fault.code, fault.remedy);
            }
        }
        other => println!("{other:?}"),
    }
}

/// A request that wants more than any disk has, to see that numbers are told and nothing else is looked for.
#[test]
fn reserves_are_told_in_numbers() {
    let (stand, mut request, known) = volume();
    request.reserve.bytes = Bytes::new(u64::MAX);
    request.reserve.inodes = Inodes::new(u64::MAX);
    refused(&stand, &request, Some(&known), &["HP-VOL-010", "HP-VOL-010"], &["18446744073709551615 bytes free"]);
    assert_eq!(known.data, Remembered::Data);
}
