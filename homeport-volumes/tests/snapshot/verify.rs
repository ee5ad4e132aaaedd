//! That what is called verified is, and that what is not is named. [spec: STO-9, STO-10]

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use std::sync::atomic::{AtomicU64, Ordering};

use homeport_core::fault::Advice as _;
use homeport_volumes::progress::{Progress, Silent};
use homeport_volumes::snapshot::{
    Base, Depth, Level, Mode, Share, Taking, Verification, check_source, diff_with_live, rehearse, verify, verify_all,
};
use homeport_volumes::store::Consistency;
use homeport_volumes::tree::{Content, Entry, Kind, Line};

use crate::forged::{alike, forge};
use crate::house::{House, about, entries, overwrite, with_subject};
use crate::odd_tree::noise;

/// Writes other bytes in the place of some of a pack's.
fn damage(house: &House, wanted: &[u8]) {
    for pack in house.packs() {
        let bytes = fs::read(&pack).unwrap();
        if let Some(at) = bytes.windows(wanted.len()).position(|found| found == wanted) {
            let file = fs::File::options().write(true).open(&pack).unwrap();
            file.write_all_at(b"!", at as u64).unwrap();
            return;
        }
    }
    panic!("no pack holds it");
}

/// Every byte of the store, by the path of its file.
fn stored(house: &House) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut todo = vec![house.store.path().as_path().to_owned()];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn what_was_proven_is_said_with_how_and_when() {
    let house = House::new();
    house.file("a", b"first words");
    house.file("b", &noise(2_000_000));
    let taken = house.take();
    assert_eq!(taken.verified.level, Level::ReadBack);
    let text = taken.verified.to_string();
    assert!(text.contains("were read back from the disk when it was made"), "{text}");
    assert!(text.contains("objects that were there before were not read again"), "{text}");
    let presence = verify(&house.store, &taken.head, Depth::Presence, &Silent).unwrap().verified.unwrap();
    assert!(presence.to_string().contains("the objects themselves were not read"), "{presence}");
    assert_eq!(presence.extent.bytes, 0);
    let objects = verify(&house.store, &taken.head, Depth::Objects, &Silent).unwrap().verified.unwrap();
    assert_eq!((objects.extent.entries, objects.extent.bytes), (3, 2_000_011 + 18));
    assert!(objects.to_string().contains("were read from the store and are right"), "{objects}");
    let scratch = house.scratch.0.join("rehearsal");
    fs::create_dir(&scratch).unwrap();
    let rehearsed = rehearse(&house.store, &taken.head, &scratch, &Silent).unwrap();
    assert_eq!((rehearsed.level, rehearsed.extent.entries, rehearsed.extent.bytes), (Level::Rehearsed, 3, 2_000_011));
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
}

#[test]
fn a_rehearsal_that_was_cut_off_is_cleared_away_by_the_next_and_two_never_meet() {
    let house = House::new();
    house.file("a", b"words");
    let taken = house.take();
    let scratch = house.scratch.0.join("rehearsal");
    let left = scratch.join(format!("{}.mail", taken.head.body.uuid));
    fs::create_dir_all(left.join("deep/er")).unwrap();
    fs::write(left.join("deep/er/file"), noise(100_000)).unwrap();
    fs::write(scratch.join("somebody's"), "own").unwrap();
    let other = fs::File::open(&scratch).unwrap();
    other.lock().unwrap();
    let error = rehearse(&house.store, &taken.head, &scratch, &Silent).unwrap_err();
    assert_eq!(error.code(), "HP-SNA-014", "{error}");
    assert!(left.exists());
    other.unlock().unwrap();
    rehearse(&house.store, &taken.head, &scratch, &Silent).unwrap();
    let names: Vec<_> = fs::read_dir(&scratch).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["somebody's"]);
}

/// A library wrote what could not be read again, and it was found months later. Every object is read back when it is
/// written; a disk that forgets later is found by a look at all objects, and the files it concerns are named.
#[test]
fn story_l20_damage_is_found_named_and_healed_from_the_live_files() {
    let house = House::new();
    house.file("good", b"untouched words");
    house.file("mail/bad", b"words that rot");
    fs::hard_link(house.at("mail/bad"), house.at("mail/other-name")).unwrap();
    house.file("mail/same", b"words that rot");
    house.file("large", &noise(2_000_000));
    crate::house::settle();
    let taken = house.take();
    damage(&house, b"words that rot");
    damage(&house, &noise(2_000_000)[1_000_000..1_000_050]);
    let before = stored(&house);
    let found = verify(&house.store, &taken.head, Depth::Objects, &Silent).unwrap();
    assert_eq!(found.verified, None);
    let named: Vec<_> = found.faults.iter().map(|fault| fault.subject.as_str()).collect();
    assert_eq!(named, ["home/large", "home/mail/bad", "home/mail/same"]);
    assert_eq!((found.total, found.damaged.len()), (3, 2));
    assert!(found.faults.iter().all(|fault| fault.message.contains("cannot be restored")), "{:?}", found.faults);
    let scratch = house.scratch.0.join("rehearsal");
    fs::create_dir(&scratch).unwrap();
    assert!(rehearse(&house.store, &taken.head, &scratch, &Silent).is_err());
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "nothing is left");
    // Presence alone does not see it, and does not say that it did.
    let presence = verify(&house.store, &taken.head, Depth::Presence, &Silent).unwrap();
    assert_eq!(presence.verified.map(|verified| verified.level), Some(Level::Presence));
    assert_eq!(stored(&house), before, "whoever only looks mends nothing, and destroys nothing");
    // The next snapshot reads those files again, because it was told, and stores them anew: the old one is whole as well.
    let mut taking = Taking::begin(&house.store, house.writer(), house.base());
    taking.distrust(found.damaged);
    let read = house.read(&mut taking, Mode::Still).unwrap();
    assert_eq!(read.files_read, 3);
    let healed = taking.commit(about(Consistency::Stopped)).unwrap();
    for head in [&taken.head, &healed.head] {
        let found = verify(&house.store, head, Depth::Objects, &Silent).unwrap();
        assert_eq!(found.faults, [], "{}", head.sequence);
    }
    house.assert_is_tree(&taken.head);
}

/// Counts what is told, and the most bytes at once.
#[derive(Default)]
struct Counted(AtomicU64, AtomicU64);

impl Progress for Counted {
    fn advance(&self, bytes: u64, entries: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        self.1.fetch_add(entries, Ordering::Relaxed);
    }
}

/// What several snapshots share is read once, each is proven by itself, and damage is named in each that it touches.
#[test]
fn an_object_that_several_snapshots_need_is_read_once() {
    let house = House::new();
    house.file("large", &noise(3_000_000));
    house.file("mail/1", b"the first");
    let first = house.take();
    house.file("mail/2", b"the second");
    let second = house.take();
    fs::remove_file(house.at("mail/1")).unwrap();
    let third = house.take();
    let heads = [first.head.clone(), second.head.clone(), third.head.clone()];
    let told = Counted::default();
    let all = verify_all(&house.store, &heads, Depth::Objects, &told).unwrap();
    let each: Vec<_> = heads.iter().map(|head| verify(&house.store, head, Depth::Objects, &Silent).unwrap()).collect();
    let extent = |one: &Verification| one.verified.unwrap().extent;
    let extents: Vec<_> = all.snapshots.iter().map(extent).collect();
    assert_eq!(extents, each.iter().map(extent).collect::<Vec<_>>(), "each is proven as if it were alone");
    // The manifest and the configuration, two mails and one large file, each once.
    assert_eq!(all.looked.bytes, 3_000_000 + 9 + 10 + 18);
    assert_eq!((told.0.into_inner(), told.1.into_inner()), (all.looked.bytes, all.looked.entries));
    assert_eq!(all.looked.entries, extents.iter().map(|one| one.entries).sum::<u64>());
    assert!(extents.iter().map(|one| one.bytes).sum::<u64>() > 9_000_000);

    damage(&house, b"the first");
    let all = verify_all(&house.store, &heads, Depth::Objects, &Silent).unwrap();
    let bad: Vec<_> = all.snapshots.iter().map(|one| (one.total, one.damaged.len())).collect();
    assert_eq!(bad, [(1, 1), (1, 1), (0, 0)]);
    let named: Vec<_> = all.snapshots.iter().flat_map(|one| &one.faults).map(|fault| &*fault.subject).collect();
    assert_eq!(named, ["home/mail/1"; 2]);
    assert!(all.snapshots[0].verified.is_none() && all.snapshots[2].verified.is_some());
    let presence = verify_all(&house.store, &heads, Depth::Presence, &Silent).unwrap();
    assert!(presence.looked.bytes == 0 && presence.snapshots.iter().all(|one| one.verified.is_some()));
}

/// One copy that is right is enough, in whichever pack it is.
#[test]
fn a_damaged_copy_beside_a_good_one_is_no_damage() {
    let house = House::new();
    house.file("a", b"words that rot");
    let taken = house.take();
    let mut taking = Taking::begin(&house.store, house.writer(), Base::None);
    let entry = house.line(&taken.head, "a");
    let Line::Entry(Entry { kind: Kind::File { content: Content::Whole(object), .. }, .. }) = entry else { panic!() };
    taking.distrust([object]);
    house.read(&mut taking, Mode::Still).unwrap();
    taking.commit(about(Consistency::Stopped)).unwrap();
    let holds = |pack: &PathBuf| fs::read(pack).unwrap().windows(14).any(|found| found == b"words that rot");
    assert_eq!(house.packs().iter().filter(|pack| holds(pack)).count(), 2);
    damage(&house, b"words that rot");
    assert_eq!(house.packs().iter().filter(|pack| holds(pack)).count(), 1);
    for depth in [Depth::Presence, Depth::Objects] {
        assert!(verify(&house.store, &taken.head, depth, &Silent).unwrap().verified.is_some(), "{depth:?}");
    }
}

#[test]
fn missing_packs_and_damaged_entries_are_named() {
    let house = House::new();
    house.file("a", b"words");
    let taken = house.take();
    let pack = house.packs().pop().unwrap();
    let aside = house.scratch.0.join("aside");
    fs::rename(&pack, &aside).unwrap();
    let index = pack.with_extension("index");
    let kept = fs::read(&index).unwrap();
    fs::remove_file(&index).unwrap();
    let found = verify(&house.store, &taken.head, Depth::Presence, &Silent).unwrap();
    assert_eq!((found.verified, found.total), (None, 3), "{:?}", found.faults);
    fs::rename(&aside, &pack).unwrap();
    fs::write(&index, kept).unwrap();
    let name = format!("entries/{}.entries", entries(&taken.head));
    let file = fs::File::options().write(true).open(house.store.path().as_path().join(name)).unwrap();
    file.write_all_at(b"7", 30).unwrap();
    let found = verify(&house.store, &taken.head, Depth::Objects, &Silent).unwrap();
    let named: Vec<_> = found.faults.iter().map(|fault| fault.subject.as_str()).collect();
    assert_eq!(named, ["the volume home"]);
}

/// Damages a file when it is told of anything for the first time.
struct Damaging(PathBuf, std::sync::Once);

impl Progress for Damaging {
    fn advance(&self, _bytes: u64, _entries: u64) {
        self.1.call_once(|| {
            let file = fs::File::options().write(true).open(&self.0).unwrap();
            file.write_all_at(b"\n", file.metadata().unwrap().len() - 5000).unwrap();
        });
    }
}

/// Entries that cannot be read while their objects are looked at are a fault: not every object was.
#[test]
fn entries_that_fail_while_objects_are_read_are_no_proof() {
    let house = House::new();
    for number in 0..4000 {
        house.file(&format!("{number:05}"), b"words");
    }
    let taken = house.take();
    let entries = house.store.path().as_path().join(format!("entries/{}.entries", entries(&taken.head)));
    assert!(entries.metadata().unwrap().len() > 300_000, "more than is read at once");
    for depth in [Depth::Objects, Depth::Presence] {
        let good = fs::read(&entries).unwrap();
        let found =
            verify(&house.store, &taken.head, depth, &Damaging(entries.clone(), std::sync::Once::new())).unwrap();
        assert_eq!((found.verified, found.total), (None, 1), "{:?}", found.faults);
        assert_eq!((found.faults[0].code, found.faults[0].subject.as_str()), ("HP-STO-041", "the volume home"));
        fs::write(&entries, good).unwrap();
        assert!(verify(&house.store, &taken.head, depth, &Silent).unwrap().verified.is_some());
    }
}

/// An object that is gone altogether is read again without being told.
#[test]
fn a_lost_pack_is_made_good_by_the_next_snapshot() {
    let house = House::new();
    house.file("a", b"words");
    house.file("large", &noise(5_000_000));
    // So old that the next snapshot takes them for unchanged.
    crate::house::settle();
    let first = house.take();
    for pack in house.packs() {
        fs::remove_file(pack.with_extension("index")).unwrap();
        fs::remove_file(pack).unwrap();
    }
    let second = house.take();
    assert_eq!(second.volumes[0].1.files_read, 2);
    for head in [&first.head, &second.head] {
        assert!(verify(&house.store, head, Depth::Objects, &Silent).unwrap().verified.is_some());
    }
}

/// The same where objects are there whose names begin alike: an unchanged file is not taken for one of them.
#[test]
fn a_lost_object_is_read_again_beside_one_whose_name_begins_alike() {
    let house = House::new();
    house.file("a", b"words");
    house.file("large", &noise(5_000_000));
    // So old that the next snapshot takes them for unchanged.
    crate::house::settle();
    let first = house.take();
    let named = house.lines(&first.head).into_iter().filter_map(|line| match line {
        Line::Entry(Entry { kind: Kind::File { content: Content::Whole(object), .. }, .. }) => Some(object),
        Line::Piece(piece) => Some(piece.object),
        _ => None,
    });
    let others: Vec<_> = named.map(|object| alike(&object, 11)).collect();
    assert!(others.len() > 3, "{others:?}");
    for pack in house.packs() {
        fs::remove_file(pack.with_extension("index")).unwrap();
        fs::remove_file(pack).unwrap();
    }
    forge(&house.store, &others);
    let second = house.take();
    assert_eq!(second.volumes[0].1.files_read, 2);
    for head in [&first.head, &second.head] {
        assert!(verify(&house.store, head, Depth::Objects, &Silent).unwrap().verified.is_some());
    }
}

/// A disk that gives other bytes without any sign: only reading shows it.
#[test]
fn the_source_check_sees_what_no_time_shows() {
    let house = House::new();
    for number in 0..100 {
        house.file(&format!("{number:02}"), format!("mail {number}").as_bytes());
    }
    house.file("large", &noise(3_000_000));
    crate::house::settle();
    let honest = house.take();
    let check = |head, share| {
        with_subject("home", &house.tree, |subject| check_source(&house.store, &entries(head), subject, share, &Silent))
            .unwrap()
    };
    let all = check(&honest.head, Share::ALL);
    assert_eq!((all.unchanged, all.files, all.different_count, all.unreadable_count), (101, 101, 0, 0));
    let tenth = check(&honest.head, Share { one_of: NonZeroU32::new(10).unwrap(), seed: 7 });
    assert!((1..30).contains(&tenth.files), "{}", tenth.files);
    // The bytes of another snapshot under the keys of this one: as if the disk had changed them by itself.
    let lines = house.lines(&honest.head);
    let mut writer = house.writer();
    let mut sink = writer.entries().unwrap();
    let lie = writer.put(b"mail 99").unwrap();
    for mut line in lines {
        if let Line::Entry(entry) = &mut line
            && entry.path.as_bytes() == b"42"
        {
            let content = Content::Whole(lie);
            entry.kind = Kind::File { size: 7, content };
        }
        writer.line(&mut sink, &line).unwrap();
    }
    let lied = writer.finish(sink).unwrap();
    writer.seal().unwrap();
    let found =
        with_subject("home", &house.tree, |subject| check_source(&house.store, &lied.id, subject, Share::ALL, &Silent))
            .unwrap();
    assert_eq!(found.different.iter().map(ToString::to_string).collect::<Vec<_>>(), ["42"]);
}

#[test]
fn a_snapshot_is_compared_with_the_live_tree() {
    let house = House::new();
    house.file("changed", b"old");
    house.file("gone", b"x");
    house.file("same", b"y");
    house.file("large", &noise(2_000_000));
    let taken = house.try_take(Mode::Still, Base::None).unwrap();
    overwrite(&house.at("changed"), 0, b"new");
    overwrite(&house.at("large"), 1_500_000, b"new");
    fs::remove_file(house.at("gone")).unwrap();
    house.file("added", b"z");
    let before = house.packs();
    let mut told = Vec::new();
    let compared = with_subject("home", &house.tree, |subject| {
        diff_with_live(
            &house.store,
            &entries(&taken.head),
            subject,
            &mut |d| told.push(format!("{:?} {}", d.change, d.path)),
            &Silent,
        )
    })
    .unwrap();
    assert_eq!(told, ["Metadata .", "Added added", "Content changed", "Removed gone", "Content large"]);
    assert_eq!((compared.added, compared.removed, compared.changed, compared.same), (1, 1, 3, 1));
    assert_eq!(house.packs(), before);
}
