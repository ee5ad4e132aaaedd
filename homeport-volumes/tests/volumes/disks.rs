//! Volumes on real disks: file systems in loop devices that are missing, exchanged, set back, read-only and full.

use std::fs;

use crate::stand::{Disk, MountGuard, Stand, known, picture, run};
use homeport_core::unit::{Bytes, Inodes};
use homeport_volumes::{Checked, Known, Request, Sameness};

const MIB: u64 = 1024 * 1024;

/// A volume with a letter on a disk mounted at `disk`; the path is a directory below the mount point, or the mount
/// point itself.
pub(crate) fn on_a_disk(stand: &Stand, below: &str) -> (Disk, Request, Known) {
    fs::create_dir(stand.at("disk")).unwrap();
    let mut disk = Disk::new(stand.at("disk.img"), 16 * MIB, &[]);
    disk.mount(&stand.at("disk"));
    let request = stand.request(&format!("disk{below}"));
    fs::create_dir_all(request.path.as_path()).unwrap();
    let known = stand.filled(&request);
    (disk, request, known)
}

#[test]
fn a_disk_is_known_again_after_it_was_away() {
    for below in ["", "/home"] {
        let stand = Stand::new();
        let (mut disk, request, known) = on_a_disk(&stand, below);
        assert_eq!(known.must_be_mount.as_ref(), Some(&stand.path("disk")));
        assert!(known.fs.uuid.is_some() && known.fs.fsid.is_some(), "{}", known.fs);
        disk.unmount();
        // Another loop device, so that the device number changes.
        let mut other = Disk::new(stand.at("other.img"), 8 * MIB, &[]);
        fs::create_dir(stand.at("elsewhere")).unwrap();
        other.mount(&stand.at("elsewhere"));
        disk.mount(&stand.at("disk"));
        let ready = stand.ready(&request, Some(&known));
        assert_eq!(ready.marker().uuid, known.uuid);
    }
}

#[test]
fn a_known_volume_on_an_unmounted_disk_is_never_made_anew() {
    for below in ["", "/home"] {
        let stand = Stand::new();
        let (mut disk, request, known) = on_a_disk(&stand, below);
        disk.unmount();
        let before = picture(&stand.at("disk"));
        let words = stand.words(&request, Some(&known));
        let fs = &known.fs;
        assert_eq!(
            words,
            format!(
                "HP-VOL-002 the disk that volume `home` lives on is not mounted: found nothing mounted at `/disk`, \
                 wanted `{fs}` mounted at `/disk`; mount the disk at `/disk` and repeat the command; \
                 where it is gone for good, look at `homeport purge {} --dry-run`",
                request.instance
            )
        );
        // Old files below the mount point make no difference.
        fs::create_dir_all(request.path.as_path().join("data")).unwrap();
        fs::write(request.path.as_path().join("data/old"), "x").unwrap();
        assert_eq!(stand.codes(&request, Some(&known)), ["HP-VOL-002"]);
        fs::remove_dir_all(request.path.as_path().join("data")).unwrap();
        if !below.is_empty() {
            fs::remove_dir(request.path.as_path()).unwrap();
        }
        assert_eq!(picture(&stand.at("disk")), before);
    }
}

#[test]
fn a_first_use_below_a_mount_point_of_fstab_that_is_not_mounted_is_refused() {
    let stand = Stand::new();
    fs::create_dir_all(stand.at("my disk/home")).unwrap();
    let escaped = stand.at("my disk").to_str().unwrap().replace(' ', "\\040");
    fs::write(&stand.machine.fstab, format!("# disks\n/dev/sdz9 {escaped} ext4 noauto 0 0\n")).unwrap();
    let request = stand.request("my disk/home");
    assert_eq!(
        stand.words(&request, None),
        "HP-VOL-002 `/my disk/home` is below a mount point of `/etc/fstab` that is not mounted: found nothing mounted at \
         `/my disk`, wanted `/dev/sdz9` mounted at `/my disk`; run `mount /my disk` and repeat the command"
    );
    let mut disk = Disk::new(stand.at("disk.img"), 8 * MIB, &[]);
    disk.mount(&stand.at("my disk"));
    fs::create_dir(stand.at("my disk/home")).unwrap();
    assert!(matches!(stand.check(&request, None), Ok(Checked::Create(_))));
}

#[test]
fn a_fresh_disk_with_lost_and_found_is_an_empty_directory() {
    let stand = Stand::new();
    fs::create_dir(stand.at("disk")).unwrap();
    let mut disk = Disk::new(stand.at("disk.img"), 8 * MIB, &[]);
    disk.mount(&stand.at("disk"));
    assert!(stand.at("disk/lost+found").is_dir());
    let request = stand.request("disk");
    let known = stand.filled(&request);
    drop(stand.ready(&request, Some(&known)));
    // The same name in an ordinary directory is somebody's data.
    fs::create_dir_all(stand.at("plain/lost+found")).unwrap();
    assert_eq!(stand.codes(&stand.request("plain"), None), ["HP-VOL-003"]);
}

#[test]
fn the_wrong_disk_in_the_right_place_is_told_from_the_right_one() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "");
    disk.unmount();

    let mut blank = Disk::new(stand.at("blank.img"), 8 * MIB, &[]);
    blank.mount(&stand.at("disk"));
    assert_eq!(stand.codes(&request, Some(&known)), ["HP-VOL-002", "HP-VOL-005"]);
    let foreign = Request { instance: "bob".parse().unwrap(), ..request.clone() };
    let theirs = stand.filled(&foreign);
    assert_eq!(theirs.fs.compare(&known.fs), Sameness::Different);
    assert_eq!(stand.codes(&request, Some(&known)), ["HP-VOL-002", "HP-VOL-004"]);
    blank.unmount();

    disk.mount(&stand.at("disk"));
    assert_eq!(stand.ready(&request, Some(&known)).marker().uuid, known.uuid);
}

#[test]
fn an_old_clone_of_the_disk_is_stale() {
    let stand = Stand::new();
    let (mut disk, request, known_then) = on_a_disk(&stand, "");
    disk.unmount();
    let mut clone = disk.clone_to(stand.at("clone.img"));
    disk.mount(&stand.at("disk"));
    let in_use = stand.ready(&request, Some(&known_then)).begin_use().unwrap();
    let known_now = known(&request, &in_use);
    drop(in_use);
    disk.unmount();

    clone.mount(&stand.at("disk"));
    assert_eq!(
        stand.words(&request, Some(&known_now)),
        "HP-VOL-007 volume `home` is an old copy of itself: found generation 1, wanted generation 2 or later; a clone, or \
         a disk that was set back, is mounted: mount the disk that was last in use, where the newer data is; to go on \
         with the older data, look at `homeport volume adopt shell alice home '/disk' --dry-run`"
    );
    clone.unmount();
    disk.mount(&stand.at("disk"));
    drop(stand.ready(&request, Some(&known_now)));
    drop(stand.ready(&request, Some(&known_then)));
}

#[test]
fn a_read_only_disk_is_refused_for_writing_only() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "/home");
    let point = stand.at("disk");
    run("mount", &["-o", "remount,ro", point.to_str().unwrap()]);
    let words = stand.words(&request, Some(&known));
    assert!(words.starts_with("HP-VOL-008") && words.contains("found `/disk` is mounted read-only"), "{words}");
    let looking = Request { access: homeport_volumes::Access::ReadOnly, ..request.clone() };
    drop(stand.ready(&looking, Some(&known)));
    assert_eq!(stand.codes(&stand.request("disk"), None), ["HP-VOL-003", "HP-VOL-008"]);
    disk.unmount();
    // Only this mount is read-only, not the file system.
    disk.mount_with(&point, "loop,ro");
    assert_eq!(stand.codes(&request, Some(&known)), ["HP-VOL-008"]);
}

#[test]
fn a_disk_without_room_is_refused_with_the_sizes() {
    let stand = Stand::new();
    let (_disk, request, known) = on_a_disk(&stand, "/home");
    let mut hungry = request.clone();
    hungry.reserve.bytes = Bytes::new(1 << 40);
    let words = stand.words(&hungry, Some(&known));
    assert!(words.starts_with("HP-VOL-010") && words.contains("wanted 1099511627776 bytes free"), "{words}");

    let filler = std::io::copy(&mut std::io::repeat(7), &mut fs::File::create(stand.at("disk/filler")).unwrap());
    assert_eq!(filler.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let codes = stand.codes(&request, Some(&known));
    assert_eq!(codes, ["HP-VOL-010"], "space");
    fs::remove_file(stand.at("disk/filler")).unwrap();
    drop(stand.ready(&request, Some(&known)));
}

#[test]
fn a_disk_without_inodes_is_refused_and_a_creation_on_it_leaves_nothing() {
    let stand = Stand::new();
    fs::create_dir(stand.at("disk")).unwrap();
    let mut disk = Disk::new(stand.at("disk.img"), 8 * MIB, &["-N", "64"]);
    disk.mount(&stand.at("disk"));
    fs::create_dir(stand.at("disk/home")).unwrap();
    let mut request = stand.request("disk/home");
    let known = stand.filled(&request);
    let full = (0..200).map(|n| fs::write(stand.at(&format!("disk/f{n}")), "")).find_map(Result::err);
    assert_eq!(full.unwrap().kind(), std::io::ErrorKind::StorageFull);
    let words = stand.words(&request, Some(&known));
    assert!(words.starts_with("HP-VOL-010") && words.contains("found 0 inodes free at `/disk`"), "{words}");
    request.reserve.inodes = Inodes::new(0);
    assert_eq!(stand.codes(&request, Some(&known)), ["HP-VOL-010"], "the probe says it even if nothing is reserved");

    // Room for two of the three names that a volume needs: the creation stops half-way, and is finished later.
    for n in 0..2 {
        fs::remove_file(stand.at(&format!("disk/f{n}"))).unwrap();
    }
    fs::remove_file(stand.at("disk/f2")).unwrap();
    fs::create_dir(stand.at("disk/new")).unwrap();
    let other = Request { path: stand.path("disk/new"), volume: "keys".parse().unwrap(), ..request.clone() };
    let Ok(Checked::Create(creatable)) = stand.check(&other, None) else { panic!("refused") };
    creatable.create(homeport_volumes::VolumeUuid::random(), crate::stand::NOW).unwrap_err();
    for n in 3..9 {
        fs::remove_file(stand.at(&format!("disk/f{n}"))).unwrap();
    }
    match stand.check(&other, None) {
        Ok(Checked::Create(creatable)) => {
            assert_eq!(creatable.start(), homeport_volumes::Start::HalfMade);
            creatable.create(homeport_volumes::VolumeUuid::random(), crate::stand::NOW).unwrap();
        }
        found => panic!("{found:?}"),
    }
}

#[test]
fn a_mount_inside_a_volume_is_refused() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    let inside = request.path.as_path().join("data/sub");
    fs::create_dir(&inside).unwrap();
    let guard = MountGuard(inside.clone());
    run("mount", &["-t", "tmpfs", "none", inside.to_str().unwrap()]);
    let words = stand.words(&request, Some(&known));
    assert!(words.starts_with("HP-VOL-012") && words.contains("a mount at `/root/alice/home/data/sub`"), "{words}");
    drop(guard);
    drop(stand.ready(&request, Some(&known)));
}

#[test]
fn an_operators_volume_is_not_made_in_memory() {
    let stand = Stand::new();
    fs::create_dir(stand.at("memory")).unwrap();
    let _guard = MountGuard(stand.at("memory"));
    run("mount", &["-t", "tmpfs", "none", stand.at("memory").to_str().unwrap()]);
    let request = stand.request("memory");
    assert_eq!(stand.codes(&request, None), ["HP-VOL-013"]);
    // HomePort's own root may be in memory as a whole, as on a live system: its ledger goes with it.
    let origin = homeport_volumes::Origin::Default { data_root: stand.path("memory") };
    let request = Request { origin, ..stand.request("memory/alice/home") };
    let known = stand.filled(&request);
    drop(stand.ready(&request, Some(&known)));
}
