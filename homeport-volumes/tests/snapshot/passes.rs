//! Two passes, running ports, several volumes, and what a snapshot says of itself. [spec: STO-22, STO-23, STO-26]

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use homeport_volumes::failpoint::record;
use homeport_volumes::progress::Silent;
use homeport_volumes::snapshot::{Base, Calm, Mode, SnapshotError, Taking};
use homeport_volumes::store::{Consistency, Measure, ObjectId, StoreError};
use homeport_volumes::tree::{Line, Stability};

use crate::house::{House, about, with_subject};
use crate::odd_tree::{Scratch, noise};

#[test]
fn the_second_pass_reads_only_what_changed_since_the_first() {
    let house = House::new();
    for number in 0..500 {
        house.file(&format!("cur/{number}"), format!("mail {number}").as_bytes());
    }
    crate::house::settle();
    let mut taking = Taking::begin(&house.store, house.writer(), Base::None);
    let warm = house.warm(&mut taking);
    assert_eq!((warm.files_read, warm.unchanged), (500, 0));
    house.file("cur/7", b"written between the passes");
    fs::rename(house.at("cur/8"), house.at("cur/renamed")).unwrap();
    let read = house.read(&mut taking, Mode::Still).unwrap();
    // A rename is a status change; the file is read again and not stored again.
    assert_eq!((read.files_read, read.unchanged), (2, 499), "{read:?}");
    let taken = taking.commit(about(Consistency::Stopped)).unwrap();
    assert_eq!(taken.sealed.objects, 500 + 1 + 2);
    house.assert_is_tree(&taken.head);
    assert_eq!(taken.head.body.consistency, Consistency::Stopped);
    assert_eq!(taken.head.body.parent, None);
}

/// The two passes can be of two writers: between them anything may come to an end, and nothing refers to the first.
#[test]
fn a_second_pass_goes_on_from_a_first_that_was_given_up() {
    let house = House::new();
    for number in 0..50 {
        house.file(&format!("cur/{number}"), format!("mail {number}").as_bytes());
    }
    crate::house::settle();
    let first = house.take();
    for number in 50..90 {
        house.file(&format!("cur/{number}"), format!("mail {number}").as_bytes());
    }
    crate::house::settle();
    let mut ahead = Taking::begin(&house.store, house.writer(), house.base());
    let warm = house.warm(&mut ahead);
    drop(ahead);
    assert_eq!((warm.files_read, house.store.catalog().unwrap().snapshots.len()), (40, 1));
    house.file("cur/7", b"written between the passes");
    let mut taking = Taking::begin(&house.store, house.writer(), house.base());
    taking.go_on_from(&"home".parse().unwrap(), warm.entries.id);
    let read = house.read(&mut taking, Mode::Still).unwrap();
    assert_eq!((read.files_read, read.unchanged), (1, 91), "{read:?}");
    let taken = taking.commit(about(Consistency::Stopped)).unwrap();
    assert_eq!((taken.sealed.objects, taken.head.body.parent), (1, Some(first.head.body.uuid)));
    house.assert_is_tree(&taken.head);
}

/// Entries that were read to their end, and are the new ones too, are not written a second time: clients may be waiting.
#[test]
fn entries_that_are_as_before_are_those_before() {
    let house = House::new();
    house.file("mail", b"words");
    crate::house::settle();
    // Nothing is believed of a directory that was made just now.
    house.take();
    let first = house.take();
    let (second, points) = record(|| house.take());
    assert_eq!(second.head.body.volumes[0].entries, first.head.body.volumes[0].entries);
    assert!(points.contains(&"store.snapshot.sync"), "{points:?}");
    assert!(!points.contains(&"store.entries.sync") && !points.contains(&"store.entries.rename"), "{points:?}");
    house.assert_is_tree(&second.head);
    // What a damaged file says is not taken for read, also where each of its lines is one.
    let id = first.head.body.volumes[0].entries;
    let file = house.store.path().as_path().join("entries").join(format!("{id}.entries"));
    let text = fs::read_to_string(&file).unwrap();
    let object = ObjectId::of(b"words").to_string();
    let other = format!("{}{}", if object.starts_with('0') { '1' } else { '0' }, &object[1..]);
    assert_eq!(text.matches(&object).count(), 1);
    fs::write(&file, text.replace(&object, &other)).unwrap();
    let error = house.try_take(Mode::Still, house.base()).unwrap_err();
    let SnapshotError::Store(StoreError::EntriesDamaged { entries, .. }) = &error else { panic!("{error:?}") };
    assert_eq!(*entries, id);
}

#[test]
fn a_snapshot_that_is_given_up_leaves_none() {
    let house = House::new();
    house.file("mail", b"words");
    let mut taking = Taking::begin(&house.store, house.writer(), Base::None);
    house.warm(&mut taking);
    house.read(&mut taking, Mode::Still).unwrap();
    drop(taking);
    assert_eq!(house.store.catalog().unwrap().snapshots, []);
    assert_eq!(house.take().sealed.objects, 2, "what was read is known to the next one");
}

#[test]
fn only_a_stopped_port_can_have_a_stopped_snapshot() {
    let house = House::new();
    let mut taking = Taking::begin(&house.store, house.writer(), Base::None);
    house.read(&mut taking, Mode::Running).unwrap();
    let error = taking.commit(about(Consistency::Stopped)).unwrap_err();
    assert!(matches!(error, SnapshotError::NotStopped), "{error}");
    assert_eq!(house.store.catalog().unwrap().snapshots, []);
}

#[test]
fn several_volumes_are_one_snapshot_and_what_is_gone_raises_an_alarm() {
    let house = House::new();
    let keys = Scratch::new(&std::env::temp_dir());
    for number in 0..40 {
        house.file(&format!("{number}"), b"x");
        fs::write(keys.0.join(number.to_string()), "secret").unwrap();
    }
    let mut taking = Taking::begin(&house.store, house.writer(), house.base());
    house.read(&mut taking, Mode::Still).unwrap();
    with_subject("keys", &keys.0, |keys| taking.read(keys, Mode::Still, &Silent).cloned()).unwrap();
    let both = taking.commit(about(Consistency::Stopped)).unwrap();
    let names: Vec<_> =
        both.head.body.volumes.iter().map(|part| (part.name.to_string(), part.count, part.bytes)).collect();
    assert_eq!(names, [("home".to_owned(), 41, 40), ("keys".to_owned(), 41, 240)]);
    assert_eq!(both.head.body.alarms, []);
    let one = house.take();
    let alarms: Vec<_> =
        one.head.body.alarms.iter().map(|alarm| (alarm.volume.to_string(), alarm.measure, alarm.now)).collect();
    assert_eq!(alarms, [("keys".to_owned(), Measure::Entries, 0), ("keys".to_owned(), Measure::Bytes, 0)]);
    assert_eq!(one.head.body.parent, Some(both.head.body.uuid));
}

/// Writes into a file for as long as it lives.
fn while_written<T>(house: &House, name: &str, work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    let path = house.at(name);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut letter = 0_u8;
            while !stop.load(Ordering::Relaxed) {
                letter = letter.wrapping_add(1);
                crate::house::overwrite(&path, u64::from(letter) * 1000, &[letter; 100]);
            }
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::Relaxed);
        result.unwrap()
    })
}

#[test]
fn a_file_that_never_keeps_still_is_marked_and_fails_a_stopped_snapshot() {
    let house = House::new();
    house.file("calm", b"words");
    // Large, so that a busy machine does not let it be read between two writes.
    let length = 40_000_000;
    house.file("restless", &noise(length));
    let taken = while_written(&house, "restless", || house.try_take(Mode::Running, Base::None).unwrap());
    let ingested = &taken.volumes[0].1;
    let named: Vec<_> = ingested.unstable.iter().map(ToString::to_string).collect();
    assert_eq!((named, ingested.unstable_count), (vec!["restless".to_owned()], 1));
    assert_eq!(ingested.calm, Calm::Restless);
    let Line::Entry(entry) = house.line(&taken.head, "restless") else { panic!("a file") };
    assert_eq!((entry.meta.attributes.stability, entry.meta.key), (Stability::Unstable, None));
    let Line::Entry(entry) = house.line(&taken.head, "calm") else { panic!("a file") };
    assert_eq!(entry.meta.attributes.stability, Stability::Stable);
    // What is kept of it can be restored.
    assert_eq!(house.content(&taken.head, "restless").len(), length);
    let error = while_written(&house, "restless", || house.try_take(Mode::Still, Base::None).unwrap_err());
    let text = error.to_string();
    assert!(text.contains("`home/restless` changed while it was read, though the port is stopped"), "{text}");
    // It is read again by the next one, without a change of any time since.
    let after = house.take();
    assert_eq!(after.volumes[0].1.unstable, []);
    house.assert_is_tree(&after.head);
}

/// A mail that its reader moves from `new` to `cur` while a running port is scanned: `cur` was scanned, `new` was not yet,
/// and one scan alone would have it in neither.
#[test]
fn a_mail_that_moves_past_the_scan_is_never_missed() {
    let house = House::new();
    for number in 0..3000 {
        house.file(&format!("between/{number}"), b"x");
    }
    for directory in ["cur", "new"] {
        fs::create_dir(house.at(directory)).unwrap();
    }
    for number in 0..200 {
        house.file(&format!("new/{number}"), format!("mail {number}").as_bytes());
    }
    house.take();
    let mut missed_by_luck = 0;
    for round in 0..6 {
        let (from, to) = if round % 2 == 0 { ("new", "cur") } else { ("cur", "new") };
        let taken = std::thread::scope(|scope| {
            let mover = scope.spawn(|| {
                for number in 0..200 {
                    let name = number.to_string();
                    fs::rename(house.at(from).join(&name), house.at(to).join(&name)).unwrap();
                }
            });
            let taken = house.try_take(Mode::Running, house.base()).unwrap();
            mover.join().unwrap();
            taken
        });
        let ingested = &taken.volumes[0].1;
        let mails = house
            .lines(&taken.head)
            .iter()
            .filter(|line| {
                line.path()
                    .is_some_and(|path| path.as_bytes().starts_with(b"new/") || path.as_bytes().starts_with(b"cur/"))
            })
            .count();
        match ingested.calm {
            Calm::Calm => assert_eq!(mails, 200, "round {round}: {ingested:?}"),
            Calm::Restless => missed_by_luck += 1,
        }
    }
    assert!(missed_by_luck < 6, "no snapshot was ever calm");
}

#[test]
fn what_vanishes_from_a_running_volume_is_left_out() {
    let house = House::new();
    for number in 0..2000 {
        house.file(&format!("tmp/{number}"), b"soon gone");
    }
    house.file("zebra", b"stays");
    let taken = std::thread::scope(|scope| {
        let remover = scope.spawn(|| {
            for number in 0..2000 {
                fs::remove_file(house.at(&format!("tmp/{number}"))).unwrap();
            }
        });
        let taken = house.try_take(Mode::Running, Base::None).unwrap();
        remover.join().unwrap();
        taken
    });
    assert_eq!(house.content(&taken.head, "zebra"), b"stays");
    let after = house.take();
    house.assert_is_tree(&after.head);
    assert_eq!(after.head.body.volumes[0].count, 3);
}
