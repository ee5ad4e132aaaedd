//! Memory and open files of a snapshot, of the next one and of its proof are bounded: measured in a process of its own that
//! may open few files.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use homeport_volumes::progress::Silent;
use homeport_volumes::snapshot::{Base, Depth, Mode, Taking, verify};
use homeport_volumes::store::{Consistency, Store};
use rustix::fs::{CWD, OFlags};

use crate::disks::{MANY_INODES, Mounted};
use crate::few_files::{own_peak, peak_of};
use crate::house::{House, about, with_subject};

/// How many files the tree has, and how deep it is.
const FILES: usize = 100_000;
const DEPTH: usize = 1_000;
/// How large its largest file is: it is one hole but for its ends.
const SIZE: u64 = 1 << 40;

/// Runs in a process of its own, with few files; does nothing in an ordinary test run.
#[test]
fn victim() {
    let Ok(dir) = std::env::var("HOMEPORT_SNAPSHOT_BOUNDS_DIR") else { return };
    let (store, tree) = (Path::new(&dir).join("store"), Path::new(&dir).join("tree"));
    let store = Store::open(&store).unwrap();
    for _first_and_next in 0..2 {
        let base = store.catalog().unwrap().snapshots.pop().map_or(Base::None, |head| Base::Parent(Box::new(head)));
        let writer = store.writer(std::time::Duration::ZERO, &mut |_| {}).unwrap();
        let mut taking = Taking::begin(&store, writer, base);
        with_subject("home", &tree, |subject| taking.read(subject, Mode::Still, &Silent).cloned()).unwrap();
        taking.commit(about(Consistency::Stopped)).unwrap();
    }
    let heads = store.catalog().unwrap().snapshots;
    assert_eq!(heads.len(), 2);
    let found = verify(&store, &heads[1], Depth::Objects, &Silent).unwrap();
    assert!(found.verified.is_some(), "{:?}", found.faults);
    println!("{}", own_peak());
}

/// What one entry takes (its object's place, while objects are looked up) is a fraction of a kilobyte; the size of a file takes
/// nothing.
#[test]
fn a_snapshot_of_many_files_deep_directories_and_a_terabyte_takes_48_mib_and_few_files() {
    let house = House::new();
    let _disk = Mounted::disk(&house.scratch.0.join("disk.img"), MANY_INODES, &house.tree);
    for number in 0..FILES {
        let name = format!("wide/{:03}", number / 1000);
        if number % 1000 == 0 {
            fs::create_dir_all(house.at(&name)).unwrap();
        }
        fs::write(house.at(&name).join(format!("{number:08}")), number.to_string()).unwrap();
    }
    let sparse = File::create_new(house.at("sparse")).unwrap();
    sparse.write_all_at(b"begin", 0).unwrap();
    sparse.write_all_at(b"end", SIZE - 3).unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = rustix::fs::openat(CWD, &house.tree, flags, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..DEPTH {
        rustix::fs::mkdirat(&at, "d", rustix::fs::Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, "d", flags, rustix::fs::Mode::empty()).unwrap();
    }
    let peak = peak_of("bounds::victim", "HOMEPORT_SNAPSHOT_BOUNDS_DIR", &house.scratch.0);
    assert!(peak < 48 << 10, "{peak} KiB");
}
