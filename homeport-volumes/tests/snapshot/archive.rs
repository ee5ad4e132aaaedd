//! An export is what GNU tar can unpack, and an import takes nothing that was touched. [spec: STO-34]

use std::fs;
use std::io::Write as _;
use std::process::Command;

use homeport_core::fault::Advice as _;
use homeport_volumes::UnixSeconds;
use homeport_volumes::progress::Silent;
use homeport_volumes::snapshot::{Depth, Exported, Imported, LeftOut, SnapshotError, export, import, verify};
use homeport_volumes::store::{Compression, Reason, SnapshotBody, SnapshotHead, Store, StoreError};

use crate::house::House;
use crate::odd_tree::{self, Scratch, differences, noise};

fn exported(house: &House, head: &SnapshotHead) -> (Vec<u8>, Exported) {
    let mut archive = Vec::new();
    let exported = export(&house.store, head, &mut archive, &Silent).unwrap();
    assert_eq!(exported.bytes, archive.len() as u64);
    (archive, exported)
}

struct Elsewhere {
    _scratch: Scratch,
    store: Store,
}

impl Elsewhere {
    fn new() -> Self {
        let scratch = Scratch::new(&std::env::temp_dir());
        let store = Store::create(&scratch.0.join("store"), Compression::Zstd, UnixSeconds::new(1)).unwrap();
        Self { _scratch: scratch, store }
    }

    fn import(&self, mut archive: &[u8]) -> Result<Imported, SnapshotError> {
        let writer = self.store.writer(std::time::Duration::ZERO, &mut |_| {}).unwrap();
        import(&self.store, writer, &mut archive, &Silent)
    }
}

/// Everything odd that tar can hold comes out of an export with GNU tar as it went in, and all of it by an import.
#[test]
fn gnu_tar_unpacks_an_export_and_an_import_brings_back_all_of_it() {
    let house = House::new();
    odd_tree::make(&house.tree);
    house.file("plain", b"words");
    let taken = house.take();
    let (archive, exported) = exported(&house, &taken.head);
    let file = house.scratch.0.join("export.tar");
    fs::File::create(&file).unwrap().write_all(&archive).unwrap();
    let out = house.scratch.dir("out");
    let tar = Command::new("tar")
        .args([
            "--extract",
            "--preserve-permissions",
            "--same-owner",
            "--numeric-owner",
            "--xattrs",
            "--xattrs-include=*",
        ])
        .arg("--directory")
        .args([&out, &std::path::PathBuf::from("--file"), &file])
        .output()
        .unwrap();
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    assert_eq!(exported.sockets, 1);
    assert!(exported.long_paths > 100, "{}", exported.long_paths);
    let longest = exported.left_out.iter().map(|(_, path, why)| (path.as_bytes().len(), *why)).min();
    assert!(longest.is_some_and(|(length, why)| why == LeftOut::LongPath && length + 5 > 4095), "{longest:?}");
    let lost: Vec<_> = differences(&house.tree, &out.join("home"))
        .into_iter()
        .filter(|difference| {
            let name = difference.split(['/', ':']).next().unwrap();
            // What tar has no room for: sockets, flags of `chattr`, and paths beyond 4095 bytes.
            !["socket", "flag-append", "flag-immutable", "flag-no-dump", "deep"].contains(&name)
                && !difference.contains(": missing")
        })
        .collect();
    assert_eq!(lost, [] as [String; 0]);
    let names: Vec<_> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.contains(&taken.head.file_name()), "{names:?}");
    let elsewhere = Elsewhere::new();
    let imported = elsewhere.import(&archive).unwrap();
    let wanted = SnapshotBody { reason: Reason::Imported, ..taken.head.body.clone() };
    assert_eq!(imported.head.body, wanted);
    assert!(verify(&elsewhere.store, &imported.head, Depth::Objects, &Silent).unwrap().verified.is_some());
    // Sockets, flags and what lies too deep for tar among it.
    let text = |store: &Store| -> Vec<_> {
        let lines: Result<Vec<_>, StoreError> =
            store.entries(&imported.head.body.volumes[0].entries).unwrap().collect();
        lines.unwrap()
    };
    assert_eq!(text(&elsewhere.store), text(&house.store));
    let again = elsewhere.import(&archive).unwrap_err();
    assert!(matches!(again, SnapshotError::Store(StoreError::SnapshotExists { .. })), "{again}");
    odd_tree::unlock(&house.tree);
}

#[test]
fn the_same_snapshot_gives_the_same_bytes_and_equal_volumes_share_entries() {
    let house = House::new();
    house.file("a", &noise(1_500_000));
    let taken = house.take();
    assert_eq!(exported(&house, &taken.head).0, exported(&house, &taken.head).0);
}

/// A small snapshot with a bit of everything that an archive has.
fn small() -> (House, Vec<u8>) {
    let house = House::new();
    house.file("a", b"words");
    fs::hard_link(house.at("a"), house.at("b")).unwrap();
    std::os::unix::fs::symlink("a", house.at("c")).unwrap();
    rustix::fs::setxattr(house.at("a"), "user.note", b"value", rustix::fs::XattrFlags::CREATE).unwrap();
    let sparse = fs::File::create(house.at("d")).unwrap();
    sparse.set_len(1 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"middle", 500_000).unwrap();
    let taken = house.take();
    let archive = exported(&house, &taken.head).0;
    (house, archive)
}

#[test]
fn not_one_byte_of_an_archive_can_be_changed() {
    let (_house, archive) = small();
    let elsewhere = Elsewhere::new();
    let places: Vec<usize> =
        (0..archive.len()).step_by(if std::env::var_os("HOMEPORT_EXHAUST").is_some() { 1 } else { 13 }).collect();
    for place in places {
        let mut changed = archive.clone();
        changed[place] ^= 1;
        let error = elsewhere.import(&changed).expect_err(&format!("byte {place} was changed"));
        assert!(!error.code().is_empty() && error.help().is_some(), "{error}");
        assert_eq!(elsewhere.store.catalog().unwrap().snapshots, [], "byte {place}");
    }
    elsewhere.import(&archive).unwrap();
}

#[test]
fn an_archive_that_ends_early_goes_on_or_is_another_is_refused() {
    let (_house, archive) = small();
    let elsewhere = Elsewhere::new();
    for length in (0..archive.len()).step_by(512).chain([archive.len() - 1]) {
        let error = elsewhere.import(&archive[..length]).unwrap_err();
        assert_eq!(error.code(), "HP-SNA-009", "{length}: {error}");
    }
    let longer = [&archive[..], &[0]].concat();
    assert!(elsewhere.import(&longer).unwrap_err().to_string().contains("something follows its end"));
    for other in [&b"not a tar file"[..], &[0; 4096], &[0xff; 4096]] {
        assert_eq!(elsewhere.import(other).unwrap_err().code(), "HP-SNA-009");
    }
    assert_eq!(elsewhere.store.catalog().unwrap().snapshots, []);
}
