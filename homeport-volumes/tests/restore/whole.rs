//! From a live volume into a store and back: what comes back is what was there, by a comparison that shares no code with
//! either way.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use homeport_core::fault::Advice as _;
use homeport_volumes::TxId;
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{
    Devices, Reading, Room, Stored, Wanted, exchange, exchange_back, prepare, settle, stage_trashed, survey,
};
use homeport_volumes::store::Compression;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::disk::Disk;
use crate::house::{House, OTHER, TX, WANTED, keeping, ready};
use crate::odd_tree;
use crate::vault::Vault;

fn restore(house: &House, source: &Stored<'_>, tx: TxId) {
    let mut held = house.hold();
    let wanted = Wanted { devices: Devices::Make, ..WANTED };
    prepare(&mut held, tx, wanted, source, &Silent).unwrap();
    exchange(&mut held, tx, &keeping()).unwrap();
    settle(&mut held, tx).unwrap();
}

/// Takes the flags off when it goes, so that the disk's owner can be removed.
struct Unlock(std::path::PathBuf);

impl Drop for Unlock {
    fn drop(&mut self) {
        odd_tree::unlock(&self.0);
    }
}

/// G9: all that backup programs lose. The tree that was live is in the trash then, to be compared with.
#[test]
fn everything_that_backups_lose_comes_back() {
    for (kind, compression) in [("ext4", Compression::Zstd), ("btrfs", Compression::None)] {
        let place = tempfile::tempdir().unwrap();
        let disk = Disk::mount_with(kind, 1 << 30, &[], place.path());
        let house = House::on(&disk);
        let data = house.data();
        for name in ["letter", "old/one", "old/two"] {
            fs::remove_file(data.join(name)).unwrap();
        }
        fs::remove_dir(data.join("old")).unwrap();
        let _unlock = (Unlock(house.data()), Unlock(house.at(&format!(".homeport/trash/{TX}/data"))));
        odd_tree::make(&data);
        let mut vault = Vault::new(compression);
        let entries = vault.snapshot(&data);
        restore(&house, &vault.stored(entries), TX);
        odd_tree::assert_same(&house.at(&format!(".homeport/trash/{TX}/data")), &data);

        // And what was restored gives the same snapshot, but for what only tells one disk from another.
        let again = vault.snapshot(&data);
        let mut held = house.hold();
        let wanted = Wanted { devices: Devices::Make, ..WANTED };
        prepare(&mut held, OTHER, wanted, &vault.stored(again), &Silent).unwrap();
        homeport_volumes::restore::discard(&mut held, OTHER).unwrap();
        assert_eq!(house.names("staging"), [""; 0], "{kind}: the whole odd tree is deleted again");
    }
}

/// What a made-up tree is made of.
#[derive(Debug, Clone)]
enum Thing {
    Dir,
    File { bytes: Vec<u8>, mode: u32, owner: u32, time: (i64, i64) },
    Sparse { size: u64, at: u64 },
    Link(Vec<u8>),
    Other(usize),
    Fifo,
    Xattr { name: String, value: Vec<u8> },
}

fn thing() -> impl Strategy<Value = Thing> {
    let time = (-(1_i64 << 31)..(1 << 33), 0..1_000_000_000_i64);
    let bytes = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..3000),
        1 => any::<u8>().prop_map(|seed| odd_tree::noise(1_000_000 + 1000 * usize::from(seed))),
    ];
    prop_oneof![
        3 => Just(Thing::Dir),
        6 => (bytes, 0..0o10000_u32, 0..70_000_u32, time)
            .prop_map(|(bytes, mode, owner, time)| Thing::File { bytes, mode, owner, time }),
        1 => (0..40_000_000_u64, 0..39_000_000_u64).prop_map(|(size, at)| Thing::Sparse { size, at }),
        1 => prop::collection::vec(1..=255_u8, 1..300).prop_map(Thing::Link),
        2 => any::<prop::sample::Index>().prop_map(|index| Thing::Other(index.index(64))),
        1 => Just(Thing::Fifo),
        1 => ("[a-z]{1,20}", prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(name, value)| Thing::Xattr { name, value }),
    ]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        5 => "[a-z.]{1,9}".prop_map(String::into_bytes),
        1 => prop::collection::vec(1..=255_u8, 1..=255),
    ]
    .prop_map(|mut name| {
        name.retain(|byte| *byte != b'/');
        if matches!(&name[..], b"" | b"." | b"..") { b"dots".to_vec() } else { name }
    })
}

/// Makes the things, each in one of the directories that are there by then; names that are taken are left out.
fn make(top: &Path, things: &[(prop::sample::Index, Vec<u8>, Thing)]) {
    use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
    use std::os::unix::ffi::OsStrExt as _;
    let (mut dirs, mut files) = (vec![top.to_owned()], Vec::new());
    for (index, name, thing) in things {
        let path = dirs[index.index(dirs.len())].join(std::ffi::OsStr::from_bytes(name));
        if path.as_os_str().len() > 3000 || fs::symlink_metadata(&path).is_ok() {
            continue;
        }
        match thing {
            Thing::Dir => {
                fs::create_dir(&path).unwrap();
                dirs.push(path);
            }
            Thing::File { bytes, mode, owner, time } => {
                fs::write(&path, bytes).unwrap();
                std::os::unix::fs::chown(&path, Some(*owner), Some(owner / 2)).unwrap();
                rustix::fs::chmod(&path, Mode::from_raw_mode(*mode)).unwrap();
                let time = Timespec { tv_sec: time.0, tv_nsec: time.1 };
                let times = Timestamps { last_access: time, last_modification: time };
                rustix::fs::utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
                files.push(path);
            }
            Thing::Sparse { size, at } => {
                let file = fs::File::create(&path).unwrap();
                file.set_len(*size).unwrap();
                if at + 5 < *size {
                    file.write_all_at(b"data!", *at).unwrap();
                }
                files.push(path);
            }
            Thing::Link(target) => {
                std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), &path).unwrap();
                rustix::fs::chownat(
                    CWD,
                    &path,
                    Some(Uid::from_raw(7)),
                    Some(Gid::from_raw(8)),
                    AtFlags::SYMLINK_NOFOLLOW,
                )
                .unwrap();
                files.push(path);
            }
            Thing::Other(at) => {
                if let Some(first) = files.get(*at % files.len().max(1)) {
                    fs::hard_link(first, &path).unwrap();
                }
            }
            Thing::Fifo => {
                rustix::fs::mknodat(CWD, &path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
                files.push(path);
            }
            Thing::Xattr { name, value } => {
                fs::write(&path, "attributed").unwrap();
                let name = format!("user.{name}");
                rustix::fs::setxattr(&path, &*name, value, XattrFlags::empty()).unwrap();
                files.push(path);
            }
        }
    }
}

/// INV-9 and INV-17, on each file system: any tree comes back as it was, and undoing it gives the tree before, inode by
/// inode.
#[test]
fn any_tree_comes_back_and_undoing_gives_the_one_before() {
    for kind in crate::disk::KINDS {
        let place = tempfile::tempdir().unwrap();
        let disk = Disk::mount(kind, place.path());
        let things = prop::collection::vec((any::<prop::sample::Index>(), name(), thing()), 1..40);
        let config = Config { cases: 8, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
        let done = TestRunner::new(config).run(&things, |things| {
            let house = House::on(&disk);
            make(&house.data(), &things);
            let mut vault = Vault::new(Compression::Zstd);
            let entries = vault.snapshot(&house.data());
            // What is there when it is restored is something else.
            fs::write(house.data().join("later"), "came later").unwrap();
            let before = house.live();
            restore(&house, &vault.stored(entries), TX);
            fs::remove_file(house.at(&format!(".homeport/trash/{TX}/data/later"))).unwrap();
            let top = fs::metadata(house.data()).unwrap();
            let old = house.at(&format!(".homeport/trash/{TX}/data"));
            let times = fs::FileTimes::new().set_modified(top.modified().unwrap());
            fs::File::open(&old).unwrap().set_times(times).unwrap();
            prop_assert_eq!(odd_tree::differences(&old, &house.data()), Vec::<String>::new());

            let mut held = house.hold();
            stage_trashed(&mut held, TX, OTHER).unwrap();
            exchange(&mut held, OTHER, &keeping()).unwrap();
            settle(&mut held, OTHER).unwrap();
            let after = house.live();
            prop_assert_eq!(after, before.into_iter().filter(|line| !line.starts_with("/later ")).collect::<Vec<_>>());
            Ok(())
        });
        done.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

/// L28: what is damaged is said before and during a restore, and never taken for success; L17: nor does a second attempt
/// touch what the first kept.
#[test]
fn story_l28_a_damaged_store_is_never_a_success() {
    let house = House::new();
    let mut vault = Vault::new(Compression::None);
    fs::write(house.data().join("large"), odd_tree::noise(3_000_000)).unwrap();
    let entries = vault.snapshot(&house.data());
    let old = house.live();
    let pack = vault.packs(".tar").pop().unwrap();
    let bytes = fs::read(&pack).unwrap();
    let room = Room { bytes: u64::MAX, inodes: None };
    for at in [600, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1_200_000] {
        let mut bent = bytes.clone();
        bent[at] ^= 4;
        let mode = fs::metadata(&pack).unwrap().permissions();
        fs::remove_file(&pack).unwrap();
        fs::write(&pack, &bent).unwrap();
        fs::set_permissions(&pack, mode).unwrap();
        vault.look_again();
        let source = vault.stored(entries);
        let found = survey(&source, Reading::Hashed, &Silent).unwrap();
        let faults = found.judge(&"home".parse().unwrap(), &room, Devices::Refuse).unwrap_err();
        assert_eq!(faults[0].code, "HP-RST-020", "byte {at}");
        let mut held = house.hold();
        let error = ready(&mut held, TX, &source).unwrap_err();
        assert!(error.code().starts_with("HP-STO-"), "byte {at}: {error:?}");
        assert_eq!((house.live(), house.names("staging")), (old.clone(), vec![]), "byte {at}");
    }
    fs::remove_file(&pack).unwrap();
    vault.look_again();
    let found = survey(&vault.stored(entries), Reading::Present, &Silent);
    assert!(found.map_or_else(|error| error.code().starts_with("HP-STO"), |found| found.unreadable_count > 0));
    fs::write(&pack, &bytes).unwrap();
    vault.look_again();
    survey(&vault.stored(entries), Reading::Hashed, &Silent)
        .unwrap()
        .judge(&"home".parse().unwrap(), &room, Devices::Refuse)
        .unwrap();
    restore(&house, &vault.stored(entries), TX);
    odd_tree::assert_same(&house.at(&format!(".homeport/trash/{TX}/data")), &house.data());
}

/// L17: however often it is tried again, what an earlier attempt took out stays as it was.
#[test]
fn story_l17_a_second_attempt_does_not_touch_what_the_first_kept() {
    let house = House::new();
    let mut vault = Vault::new(Compression::Zstd);
    let entries = vault.snapshot(&house.data());
    fs::write(house.data().join("precious"), "written after the snapshot").unwrap();
    let kept = house.live();
    let at = |tx: TxId| house.at(&format!(".homeport/trash/{tx}/data"));
    restore(&house, &vault.stored(entries), TX);
    for round in 0..3 {
        // An attempt that is taken back, one whose tree is never used, and one that stays.
        let [back, unused, stays] = [1, 2, 3].map(|number| TxId::from_bytes([round * 16 + number; 16]));
        let mut held = house.hold();
        ready(&mut held, back, &vault.stored(entries)).unwrap();
        exchange(&mut held, back, &keeping()).unwrap();
        exchange_back(&mut held, back).unwrap();
        ready(&mut held, unused, &vault.stored(entries)).unwrap();
        homeport_volumes::restore::discard(&mut held, unused).unwrap();
        drop(held);
        restore(&house, &vault.stored(entries), stays);
        assert_eq!(crate::house::live(&at(TX)), kept, "round {round}");
    }
    assert_eq!(house.names("trash").len(), 7);
    // The same transaction twice is a mistake that costs nothing.
    let mut held = house.hold();
    assert_eq!(ready(&mut held, TX, &vault.stored(entries)).unwrap_err().code(), "HP-RST-006");
    assert_eq!(crate::house::live(&at(TX)), kept);
}
