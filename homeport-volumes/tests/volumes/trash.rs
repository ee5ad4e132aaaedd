//! Volumes that are purged, listed, put back and deleted for good.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::disks::on_a_disk;
use crate::picture::full;
use crate::stand::{MountGuard, NOW, Stand, run, unmount};
use homeport_core::fault::Advice as _;
use homeport_core::unit::Bytes;
use homeport_volumes::trash::{
    Deleted, Emptied, Measured, Purge, TrashError, TrashKind, TrashPlace, TrashState, Trashed, empty, finish_purge,
    list, measure_trashed, purge, put_back,
};
use homeport_volumes::{Known, Request, TxId, VolumeError};

pub(crate) const TX: TxId = TxId::from_bytes([9; 16]);

pub(crate) fn a_purge() -> Purge {
    let newest = homeport_volumes::tree::Timestamp::EPOCH;
    let measured = Some(Measured { entries: 2, bytes: Bytes::new(11), newest });
    Purge { tx: TX, since: NOW, until: None, measured }
}

fn purged(stand: &Stand, request: &Request, known: &Known) -> Trashed {
    purge(stand.ready(request, Some(known)), &request.origin, &a_purge()).unwrap()
}

fn emptied(stand: &Stand, place: &TrashPlace) -> Result<Emptied, TrashError> {
    empty(&stand.machine, place, TX, &mut |_| {})
}

/// Makes a tree with one of everything.
pub(crate) fn furnish(data: &Path) {
    fs::create_dir_all(data.join("cur/deep/er")).unwrap();
    fs::write(data.join("cur/letter"), "dear").unwrap();
    fs::hard_link(data.join("cur/letter"), data.join("cur/deep/same")).unwrap();
    symlink("/etc/passwd", data.join("link")).unwrap();
    run("mkfifo", &[data.join("pipe").to_str().unwrap()]);
    run("mknod", &[data.join("null").to_str().unwrap(), "c", "1", "3"]);
    run("setfattr", &["-n", "user.note", "-v", "x", data.join("cur/letter").to_str().unwrap()]);
    fs::write(data.join(std::ffi::OsStr::from_bytes(b"not \xff utf8\n")), "odd").unwrap();
    fs::set_permissions(data.join("cur/deep"), fs::Permissions::from_mode(0o000)).unwrap();
    run("chown", &["-R", "-h", "1000:1000", data.to_str().unwrap()]);
}

#[test]
fn a_volume_at_homeports_own_path_goes_to_the_trash_and_comes_back_as_it_was() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    furnish(&stand.at("root/alice/home/data"));
    let before = full(&stand.at("root/alice/home"), &[".homeport/lock", ".homeport"]);

    let tree = purged(&stand, &request, &known);
    assert_eq!(tree.place, TrashPlace::DataRoot(stand.path("root")));
    assert_eq!((tree.state, tree.note.kind, tree.note.uuid), (TrashState::Whole, TrashKind::Purged, known.uuid));
    assert_eq!((tree.note.entries, tree.note.bytes), (Some(2), Some(Bytes::new(11))));
    assert!(!stand.at("root/alice").exists(), "its place is free");
    assert_eq!(list(&stand.path("root"), &[]).unwrap().trees, std::slice::from_ref(&tree));
    assert_eq!(full(&stand.at(&format!("root/.trash/{TX}/volume")), &[".homeport/lock", ".homeport"]), before);
    assert_eq!(fs::metadata(stand.at("root/.trash")).unwrap().permissions().mode() & 0o7777, 0o700);
    // What was purged is no volume that could be started: the ledger still knows it, or does not.
    assert_eq!(stand.codes(&request, Some(&known)), ["HP-VOL-001"]);

    let back = put_back(&tree.place, TX).unwrap();
    assert_eq!((back.path, back.marker.uuid), (request.path.clone(), known.uuid));
    assert_eq!(full(&stand.at("root/alice/home"), &[".homeport/lock", ".homeport"]), before);
    assert!(!stand.at("root/.trash").exists());
    assert_eq!(stand.ready(&request, Some(&known)).marker().uuid, known.uuid);
    assert!(matches!(put_back(&tree.place, TX), Err(TrashError::Absent { .. })));
}

#[test]
fn an_operators_directory_stays_and_its_data_comes_back_as_it_was() {
    for below in ["", "/home"] {
        let stand = Stand::new();
        let (mut disk, request, known) = on_a_disk(&stand, below);
        let volume = request.path.as_path().to_owned();
        furnish(&volume.join("data"));
        let before = full(&volume.join("data"), &[]);

        let tree = purged(&stand, &request, &known);
        let place = TrashPlace::Volume(request.path.clone());
        assert_eq!((tree.place, tree.state), (place.clone(), TrashState::Whole));
        assert!(!volume.join("data").exists() && !volume.join(".homeport/marker.json").exists());
        assert_eq!(full(&volume.join(format!(".homeport/trash/{TX}/data")), &[]), before);
        // Nothing is made in it, for this volume or another, until the trash is emptied.
        assert_eq!(stand.codes(&request, Some(&known)), ["HP-VOL-003"]);
        assert_eq!(stand.codes(&request, None), ["HP-VOL-003"]);
        // The disk takes its trash with it.
        disk.unmount();
        let paths = [request.path.clone()];
        assert!(list(&stand.path("root"), &paths).unwrap().trees.is_empty());
        disk.mount(&stand.at("disk"));
        assert_eq!(list(&stand.path("root"), &paths).unwrap().trees.len(), 1);

        put_back(&place, TX).unwrap();
        assert_eq!(full(&volume.join("data"), &[]), before);
        assert!(!volume.join(".homeport/trash").exists());
        drop(stand.ready(&request, Some(&known)));
    }
}

/// The default path may be the mount point of a disk of its own: it cannot be renamed.
#[test]
fn a_mounted_default_path_is_purged_in_its_place() {
    let stand = Stand::new();
    let request = stand.default_request();
    fs::create_dir_all(request.path.as_path()).unwrap();
    let mut disk = crate::stand::Disk::new(stand.at("disk.img"), 16 << 20, &[]);
    disk.mount(request.path.as_path());
    let known = stand.filled(&request);
    let tree = purged(&stand, &request, &known);
    assert_eq!(tree.place, TrashPlace::Volume(request.path.clone()));
    assert!(!stand.at("root/.trash").exists());
    put_back(&tree.place, TX).unwrap();
    drop(stand.ready(&request, Some(&known)));
}

#[test]
fn nothing_is_put_back_over_anything() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    let tree = purged(&stand, &request, &known);
    let _other = stand.create(&request);
    let before = full(stand.dir.path(), &[]);
    let error = put_back(&tree.place, TX).unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("something is there")), ("HP-TRS-003", true));
    assert_eq!(full(stand.dir.path(), &[]), before);

    let stand = Stand::new();
    let (_disk, request, known) = on_a_disk(&stand, "");
    let tree = purged(&stand, &request, &known);
    fs::create_dir(stand.at("disk/data")).unwrap();
    let before = full(&stand.at("disk"), &[]);
    assert_eq!(put_back(&tree.place, TX).unwrap_err().code(), "HP-TRS-003");
    assert_eq!(full(&stand.at("disk"), &[]), before);
    fs::remove_dir(stand.at("disk/data")).unwrap();
    put_back(&tree.place, TX).unwrap();
}

#[test]
fn what_is_emptied_is_gone_and_nothing_else() {
    let stand = Stand::new();
    let (_disk, request, known) = on_a_disk(&stand, "");
    furnish(&stand.at("disk/data"));
    fs::write(stand.at("outside"), "x").unwrap();
    symlink(stand.at("outside"), stand.at("disk/data/out")).unwrap();
    fs::hard_link(stand.at("disk/data/letter"), stand.at("disk/kept")).unwrap();
    let tree = purged(&stand, &request, &known);
    let facts = measure_trashed(&tree.place, TX, &mut |_| {}).unwrap();
    assert_eq!((facts.entries, facts.bytes), (12, Bytes::new(11 + 4 + 3)));
    let newest = fs::symlink_metadata(stand.at(&format!("disk/.homeport/trash/{TX}/data"))).unwrap();
    assert_eq!(facts.newest.seconds(), std::os::unix::fs::MetadataExt::mtime(&newest));
    let mut told = Vec::new();
    let gone = empty(&stand.machine, &tree.place, TX, &mut |deleted: &Deleted| told.push(*deleted)).unwrap();
    // data, letter, cur, letter, deep, same, er, link, pipe, null, odd, out; `letter` has another name outside, and the
    // name in `cur` was not the last of its file.
    assert_eq!(gone.deleted, Deleted { entries: 12, bytes: 4 + 3 });
    assert_eq!(gone.note.uuid, known.uuid);
    assert!(!told.is_empty());
    assert_eq!(fs::read_to_string(stand.at("outside")).unwrap(), "x");
    assert_eq!(fs::read_to_string(stand.at("disk/kept")).unwrap(), "dear reader");
    let mut left: Vec<_> = fs::read_dir(stand.at("disk")).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["kept", "lost+found"], "the operator's directory is blank again");
    assert!(matches!(emptied(&stand, &tree.place), Err(TrashError::Absent { .. })));

    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    let tree = purged(&stand, &request, &known);
    emptied(&stand, &tree.place).unwrap();
    assert_eq!(fs::read_dir(stand.at("root")).unwrap().count(), 0);
}

/// A tree that is deeper than a path may be long and wider than one reading of a directory, with hardly any descriptors.
#[test]
fn deep_and_wide_trees_are_deleted_with_few_descriptors() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    let data = stand.at("root/alice/home/data");
    let mut here =
        rustix::fs::openat(rustix::fs::CWD, &data, rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
    let name = "d".repeat(200);
    for depth in 0..3000 {
        rustix::fs::mkdirat(&here, &name, rustix::fs::Mode::RWXU).unwrap();
        if depth % 100 == 0 {
            let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
            drop(rustix::fs::openat(&here, "f", flags, rustix::fs::Mode::RUSR).unwrap());
        }
        here = rustix::fs::openat(&here, &name, rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
    }
    drop(here);
    for n in 0..3000 {
        fs::write(data.join(format!("wide{n}")), "").unwrap();
    }
    let tree = purged(&stand, &request, &known);
    let mut most = 0;
    let count = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = count();
    let gone = empty(&stand.machine, &tree.place, TX, &mut |_| most = most.max(count())).unwrap();
    // `volume`, its `.homeport` with marker and lock, `data` and the letter; then what was made here.
    assert_eq!(gone.deleted.entries, 6 + 3000 + 30 + 3000);
    // Other tests of this process open files too.
    assert!(most < before + 200, "{before} {most}");
}

#[test]
fn what_cannot_be_deleted_is_named_and_the_rest_goes() {
    let stand = Stand::new();
    let (_disk, request, known) = on_a_disk(&stand, "");
    let data = stand.at("disk/data");
    fs::create_dir_all(data.join("a/b")).unwrap();
    for name in ["a/b/stays", "a/goes", "grows"] {
        fs::write(data.join(name), "x").unwrap();
    }
    run("chattr", &["+i", data.join("a/b/stays").to_str().unwrap()]);
    run("chattr", &["+a", data.join("grows").to_str().unwrap()]);
    let tree = purged(&stand, &request, &known);
    let error = emptied(&stand, &tree.place).unwrap_err();
    let TrashError::Undeletable { deleted, faults, .. } = &error else { panic!("{error:?}") };
    let mut names: Vec<_> = faults.iter().map(|fault| fault.subject.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["emptying/a/b/stays", "emptying/grows"]);
    assert!(faults.iter().all(|fault| fault.code == "HP-TRS-007" && fault.remedy.contains("chattr -i -a")));
    assert_eq!(deleted.entries, 2, "the letter and `goes`");

    // What is left is neither whole nor put back, and goes when it can.
    let listing = list(&stand.path("root"), std::slice::from_ref(&request.path)).unwrap();
    assert_eq!(listing.trees[0].state, TrashState::Partial);
    assert_eq!(put_back(&tree.place, TX).unwrap_err().code(), "HP-TRS-005");
    let left = stand.at(&format!("disk/.homeport/trash/{TX}/emptying"));
    run("chattr", &["-i", left.join("a/b/stays").to_str().unwrap()]);
    run("chattr", &["-a", left.join("grows").to_str().unwrap()]);
    assert_eq!(emptied(&stand, &tree.place).unwrap().deleted.entries, 5);
}

#[test]
fn nothing_is_deleted_while_something_is_mounted_in_the_trash() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    fs::create_dir(stand.at("root/alice/home/data/sub")).unwrap();
    fs::create_dir(stand.at("precious")).unwrap();
    fs::write(stand.at("precious/file"), "x").unwrap();
    let tree = purged(&stand, &request, &known);
    let point = stand.at(&format!("root/.trash/{TX}/volume/data/sub"));
    let guard = MountGuard(point.clone());
    run("mount", &["--bind", stand.at("precious").to_str().unwrap(), point.to_str().unwrap()]);
    let before = full(stand.dir.path(), &[]);
    let error = emptied(&stand, &tree.place).unwrap_err();
    assert_eq!(error.code(), "HP-TRS-006");
    assert!(error.help().unwrap().contains("umount"));
    assert_eq!(full(stand.dir.path(), &[]), before);
    unmount(&point);
    drop(guard);
    emptied(&stand, &tree.place).unwrap();
    assert_eq!(fs::read_to_string(stand.at("precious/file")).unwrap(), "x");
}

#[test]
fn what_cannot_be_named_is_listed_and_left_alone() {
    type Damage = fn(&Path);
    let rows: [(&str, Damage, &str); 4] = [
        ("note gone", |slot| fs::remove_file(slot.join("note.json")).unwrap(), "HP-TRS-002"),
        ("note cut", |slot| fs::write(slot.join("note.json"), "{").unwrap(), "HP-TRS-002"),
        (
            "note of another",
            |slot| {
                let other = slot.with_file_name(TxId::from_bytes([8; 16]).to_string());
                fs::rename(slot, &other).unwrap();
                run("cp", &["-a", other.to_str().unwrap(), slot.to_str().unwrap()]);
                fs::rename(other, slot.with_file_name("strange")).unwrap();
                let text = fs::read_to_string(slot.join("note.json")).unwrap();
                fs::write(slot.join("note.json"), text.replace("shell", "web")).unwrap();
            },
            "HP-TRS-002",
        ),
        (
            "another volume",
            |slot| {
                let marker = slot.join("volume/.homeport/marker.json");
                fs::remove_file(marker).unwrap();
            },
            "HP-TRS-004",
        ),
    ];
    for (name, damage, code) in rows {
        let stand = Stand::new();
        let request = stand.default_request();
        let known = stand.filled(&request);
        let tree = purged(&stand, &request, &known);
        damage(&stand.at(&format!("root/.trash/{TX}")));
        let before = full(stand.dir.path(), &[]);
        assert_eq!(put_back(&tree.place, TX).unwrap_err().code(), code, "{name}");
        if code == "HP-TRS-002" {
            assert_eq!(emptied(&stand, &tree.place).unwrap_err().code(), code, "{name}");
            let listing = list(&stand.path("root"), &[]).unwrap();
            assert!(listing.trees.is_empty() && !listing.faults.is_empty(), "{name}");
            assert!(listing.faults.iter().all(|fault| fault.code == "HP-TRS-002"), "{name}");
        }
        assert_eq!(full(stand.dir.path(), &[]), before, "{name}");
    }
}

/// Bytes of an earlier restore lie in the volume's own trash and go with it.
#[test]
fn the_trash_of_a_purged_volume_is_shown_with_it() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    let tree = purged(&stand, &request, &known);
    let earlier = TxId::from_bytes([3; 16]);
    let note = homeport_volumes::trash::TrashNote { tx: earlier, kind: TrashKind::Replaced, ..tree.note.clone() };
    put_back(&tree.place, TX).unwrap();
    let slot = stand.at(&format!("root/alice/home/.homeport/trash/{earlier}"));
    fs::create_dir_all(slot.join("data")).unwrap();
    fs::write(slot.join("note.json"), note.render()).unwrap();
    fs::write(slot.join("data/old"), "old").unwrap();
    let place = TrashPlace::Volume(request.path.clone());
    assert!(matches!(put_back(&place, earlier), Err(TrashError::Replaced { .. })));
    let taken_back = homeport_volumes::trash::TrashNote { kind: TrashKind::TakenBack, ..note.clone() };
    fs::write(slot.join("note.json"), taken_back.render()).unwrap();
    assert!(matches!(put_back(&place, earlier), Err(TrashError::Replaced { .. })));
    fs::write(slot.join("note.json"), note.render()).unwrap();
    let tree = purged(&stand, &request, &known);
    assert_eq!(tree.inner, [note]);
    let listing = list(&stand.path("root"), &[]).unwrap();
    assert_eq!(listing.trees, [tree]);
}

/// What lies in the own trash of a purged volume and cannot be named is told, and the volume is not deleted with it.
#[test]
fn what_cannot_be_named_in_the_trash_of_a_purged_volume_keeps_the_volume() {
    type Damage = fn(&Path, &[u8]);
    let rows: [(&str, Damage); 6] = [
        ("no note", |_, _| {}),
        ("a damaged note", |slot, note| fs::write(slot.join("note.json"), &note[..50]).unwrap()),
        ("a newer note", |slot, note| {
            let text = String::from_utf8_lossy(note).replace("\"version\": 1", "\"version\": 2");
            fs::write(slot.join("note.json"), text).unwrap();
        }),
        ("another's note", |slot, note| {
            let other = slot.with_file_name(TxId::from_bytes([4; 16]).to_string());
            fs::rename(slot, &other).unwrap();
            fs::write(other.join("note.json"), note).unwrap();
        }),
        ("a name that is no transaction", |slot, note| {
            fs::write(slot.join("note.json"), note).unwrap();
            fs::rename(slot, slot.with_file_name("kept by hand")).unwrap();
        }),
        ("a file", |slot, _| {
            fs::remove_dir_all(slot).unwrap();
            fs::write(slot, "x").unwrap();
        }),
    ];
    for (what, damage) in rows {
        let stand = Stand::new();
        let request = stand.default_request();
        let known = stand.filled(&request);
        let tree = purged(&stand, &request, &known);
        let earlier = TxId::from_bytes([3; 16]);
        let note = homeport_volumes::trash::TrashNote { tx: earlier, kind: TrashKind::Replaced, ..tree.note.clone() };
        let trash = stand.at(&format!("root/.trash/{TX}/volume/.homeport/trash"));
        fs::create_dir_all(trash.join(earlier.to_string()).join("data")).unwrap();
        fs::write(trash.join(earlier.to_string()).join("data/old"), "old").unwrap();
        damage(&trash.join(earlier.to_string()), &note.render());
        let before = full(stand.dir.path(), &[]);
        let listing = list(&stand.path("root"), &[]).unwrap();
        assert_eq!((listing.trees.len(), listing.trees[0].inner.len()), (1, 0), "{what}");
        assert_eq!(listing.faults, listing.trees[0].unnamed, "{what}");
        let [fault] = &listing.faults[..] else { panic!("{what}: {:?}", listing.faults) };
        assert_eq!((fault.code, fault.clause), ("HP-TRS-002", Some("VOL-42")), "{what}");
        let error = emptied(&stand, &tree.place).unwrap_err();
        assert!(matches!(&error, TrashError::Inside { tx: TX, .. }), "{what}: {error:?}");
        assert_eq!((error.code(), error.faults()), ("HP-TRS-002", &listing.faults[..]), "{what}");
        assert_eq!(full(stand.dir.path(), &[]), before, "{what}: nothing is deleted");
        fs::rename(&trash, stand.at("by hand")).unwrap();
        emptied(&stand, &tree.place).unwrap();
        assert!(!stand.at("root/.trash").exists(), "{what}");
    }
}

/// The tree was deleted, its note was not yet, and by now another volume has its place.
#[test]
fn a_deletion_that_was_cut_off_ends_though_another_volume_is_there() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    let tree = purged(&stand, &request, &known);
    fs::remove_dir_all(stand.at(&format!("root/.trash/{TX}/volume"))).unwrap();
    let other = stand.filled(&request);
    let before = full(&stand.at("root/alice"), &[]);
    assert_eq!(emptied(&stand, &tree.place).unwrap().note.uuid, known.uuid);
    assert!(!stand.at("root/.trash").exists());
    assert_eq!(full(&stand.at("root/alice"), &[]), before);
    assert_eq!(stand.ready(&request, Some(&other)).marker().uuid, other.uuid);
}

/// The volume itself is in its place: that is a purge that was cut off, which is not ended by deleting.
#[test]
fn a_purge_that_was_cut_off_is_not_ended_by_deleting() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    let tree = purged(&stand, &request, &known);
    fs::create_dir_all(stand.at("root/alice")).unwrap();
    fs::rename(stand.at(&format!("root/.trash/{TX}/volume")), stand.at("root/alice/home")).unwrap();
    assert!(matches!(emptied(&stand, &tree.place), Err(TrashError::Unfinished { .. })));
    // The same where nobody can say whose it is.
    fs::write(stand.at("root/alice/home/.homeport/marker.json"), "{").unwrap();
    assert!(matches!(emptied(&stand, &tree.place), Err(TrashError::Unfinished { .. })));
}

#[test]
fn a_topmost_directory_that_cannot_be_changed_is_named() {
    for flag in ["i", "a"] {
        let stand = Stand::new();
        let (_disk, request, known) = on_a_disk(&stand, "");
        let tree = purged(&stand, &request, &known);
        let data = stand.at(&format!("disk/.homeport/trash/{TX}/data"));
        run("chattr", &[&format!("+{flag}"), data.to_str().unwrap()]);
        let error = emptied(&stand, &tree.place).unwrap_err();
        let TrashError::Undeletable { deleted, faults, .. } = &error else { panic!("{error:?}") };
        assert_eq!((deleted.entries, faults.len(), faults[0].subject.as_str()), (0, 1, "data"));
        assert!(faults[0].code == "HP-TRS-007" && faults[0].remedy.contains("chattr -i -a"), "{faults:?}");
        run("chattr", &[&format!("-{flag}"), data.to_str().unwrap()]);
        emptied(&stand, &tree.place).unwrap();
    }
}

#[test]
fn a_purge_that_was_not_begun_has_nothing_to_finish() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    assert_eq!(finish_purge(&request.path, &request.origin, TX).unwrap(), None);
    let _held = stand.ready(&request, Some(&known)).begin_use().unwrap();
    let ready = stand.check(&Request { access: homeport_volumes::Access::Shared, ..request.clone() }, Some(&known));
    let Ok(homeport_volumes::Checked::Attach(ready)) = ready else { panic!("{ready:?}") };
    let error = purge(*ready, &request.origin, &a_purge()).unwrap_err();
    assert!(matches!(error, TrashError::Volume(VolumeError::Locked { .. })), "{error:?}");
    assert!(!stand.at("root/.trash").exists());
}
