//! Memory and open files of a restore do not grow with the depth, the number or the size of what is restored, and there is
//! no instant without data. [spec: STO-31]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{
    Devices, Reading, Source, discard, exchange, prepare, settle, stage_trashed, survey, take_out,
};
use homeport_volumes::store::{EntriesId, ObjectId, StoreError};
use homeport_volumes::tree::{Content, Entry, Kind, Line, Piece, TreePath};
use homeport_volumes::{Checked, TxId, check};

use crate::disk::Disk;
use crate::few_files::{own_peak, peak_of};
use crate::house::{House, TX, WANTED, keeping, ready};
use crate::memory::{Memory, meta};
use crate::stand::{default_request_in, machine_in};

/// How deep the deepest directory is.
const DEPTH: usize = 10_000;
/// How many files there are in the widest.
const WIDTH: usize = 20_000;
/// How large the largest file is: it is one hole but for its ends.
const SIZE: u64 = 1 << 40;

/// A tree that is said line by line and never in memory.
struct Huge;

impl Source for Huge {
    fn lines(&self) -> Result<impl Iterator<Item = Result<Line, StoreError>>, StoreError> {
        let entry = |path: Vec<u8>, kind| {
            let mode = if kind == Kind::Directory { 0o750 } else { 0o640 };
            Line::Entry(Entry { path: TreePath::from_bytes(path).unwrap(), meta: meta(mode), kind })
        };
        let object = ObjectId::of(b"the same");
        let whole = Kind::File { size: 8, content: Content::Whole(object) };
        let mut deep = Vec::new();
        let chain = (0..DEPTH).map(move |_| {
            deep.extend_from_slice(if deep.is_empty() { b"d" } else { b"/d" });
            entry(deep.clone(), Kind::Directory)
        });
        let wide = (0..WIDTH).map(move |n| entry(format!("w/{n:06}").into_bytes(), whole.clone()));
        let piece = move |offset| Line::Piece(Piece { offset, length: 8, object });
        let large = [
            entry(b"large".to_vec(), Kind::File { size: SIZE, content: Content::Pieces }),
            piece(0),
            piece(SIZE - 8),
            entry(b"w".to_vec(), Kind::Directory),
        ];
        let top = [entry(b".".to_vec(), Kind::Directory)];
        Ok(top.into_iter().chain(chain).chain(large).chain(wide).map(Ok))
    }

    fn read(&self, _: &ObjectId, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        bytes.clear();
        bytes.extend_from_slice(b"the same");
        Ok(())
    }

    fn contains(&self, _: &ObjectId) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn name(&self) -> EntriesId {
        EntriesId::new([9; 32])
    }
}

/// Runs in a process of its own, with few files; does nothing in an ordinary test run.
#[test]
fn victim() {
    let Ok(dir) = std::env::var("HOMEPORT_BOUNDS_DIR") else { return };
    let dir = Path::new(&dir);
    let found = survey(&Huge, Reading::Hashed, &Silent).unwrap();
    assert_eq!((found.entries, found.inodes), ((DEPTH + WIDTH + 3) as u64, (DEPTH + WIDTH + 3) as u64));
    let request = default_request_in(dir);
    let Ok(Checked::Attach(volume)) = check(&machine_in(dir), &request, None) else { panic!("no volume") };
    let mut held = volume.hold().unwrap();
    prepare(&mut held, TX, WANTED, &Huge, &Silent).unwrap();
    exchange(&mut held, TX, &keeping()).unwrap();
    settle(&mut held, TX).unwrap();
    let deep = TreePath::from_bytes([&b"d"[..], &b"/d".repeat(DEPTH - 3)].concat()).unwrap();
    take_out(&Huge, &deep, &dir.join("taken"), Devices::Refuse, &Silent).unwrap();
    assert!(dir.join("taken/d/d").is_dir());
    // And the whole tree is deleted again.
    let gone = TxId::from_bytes([3; 16]);
    prepare(&mut held, gone, WANTED, &Huge, &Silent).unwrap();
    discard(&mut held, gone).unwrap();
    println!("{}", own_peak());
}

#[test]
fn memory_and_open_files_do_not_grow_with_the_tree() {
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::mount_with("ext4", 1 << 30, &["-N", "200000"], place.path());
    let house = House::on(&disk);
    let peak = peak_of("bounds::victim", "HOMEPORT_BOUNDS_DIR", house.stand.dir.path());
    assert!(peak < 64 << 10, "{peak} KiB");
    assert!(!house.at("data/letter").exists() && house.at("data/large").exists());
}

/// L18: nothing is emptied to make room, and nobody who looks ever finds no data, or half of it.
#[test]
fn story_l18_there_is_no_instant_without_data() {
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::mount("ext4", place.path());
    let house = House::on(&disk);
    for name in ["a", "z"] {
        fs::write(house.data().join(name), "old").unwrap();
    }
    let over = AtomicBool::new(false);
    let (seen, rounds) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = [0_u64; 2];
            while !over.load(Ordering::Relaxed) {
                let top = fs::File::open(house.data()).expect("data is there at each instant");
                let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
                let read = |name: &str| {
                    let file = rustix::fs::openat(&top, name, flags, rustix::fs::Mode::empty()).expect(name);
                    std::io::read_to_string(fs::File::from(file)).unwrap()
                };
                let both = [read("a"), read("z")];
                assert_eq!(both[0], both[1]);
                seen[usize::from(both[0] == "new")] += 1;
            }
            seen
        });
        let mut held = house.hold();
        ready(&mut held, TX, &Memory::new().file("a", b"new").file("z", b"new")).unwrap();
        exchange(&mut held, TX, &keeping()).unwrap();
        settle(&mut held, TX).unwrap();
        let (mut last, mut rounds) = (TX, 0_u8);
        while rounds < 200 && !watcher.is_finished() {
            rounds += 1;
            let next = TxId::from_bytes([rounds; 16]);
            stage_trashed(&mut held, last, next).unwrap();
            exchange(&mut held, next, &keeping()).unwrap();
            settle(&mut held, next).unwrap();
            last = next;
        }
        over.store(true, Ordering::Relaxed);
        (watcher.join().unwrap(), rounds)
    });
    assert_eq!(rounds, 200);
    assert!(seen.iter().all(|times| *times > 20), "{seen:?}");
}
