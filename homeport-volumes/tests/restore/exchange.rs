//! The exchange: what is live when, what is kept, and the way back.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use homeport_core::fault::Advice as _;
use homeport_core::unit::Format;
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{
    Back, Discarded, Exchange, Recovered, RestoreError, Settled, Top, compare, discard, exchange, exchange_back,
    hold_for_restore, leftovers, prepare, recover, settle, stage_trashed,
};
use homeport_volumes::trash::TrashKind;
use homeport_volumes::{Checked, VolumeError};

use crate::house::{House, OTHER, TX, WANTED, keeping, ready, sample};
use crate::memory::Memory;

/// L18, L24: a restore puts a whole tree in the place of another one. Nothing is mixed, emptied or unpacked over.
#[test]
fn story_l24_a_restore_never_mixes_old_and_new() {
    let house = House::new();
    let old = house.live();
    let mut held = house.hold();
    ready(&mut held, TX, &sample()).unwrap();
    assert_eq!(house.live(), old, "preparing touches nothing");
    assert_eq!(exchange(&mut held, TX, &keeping()).unwrap(), Exchange::Done);
    let names: Vec<_> = fs::read_dir(house.data()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(fs::read(house.data().join("mail/2")).unwrap(), b"second letter");
    let top = fs::File::open(house.data()).unwrap();
    compare(std::os::fd::AsFd::as_fd(&top), &sample(), Top::AsSaid, &Silent).unwrap();
    assert_eq!(held.data().identity().1, fs::metadata(house.data()).unwrap().ino());

    assert_eq!(house.names("staging"), [TX.to_string()]);
    let Settled::Done(note) = settle(&mut held, TX).unwrap() else { panic!() };
    assert_eq!((note.kind, note.tx, note.entries), (TrashKind::Replaced, TX, Some(4)));
    assert_eq!(settle(&mut held, TX).unwrap(), Settled::Already(note));
    assert_eq!(
        crate::house::live(&house.at(&format!(".homeport/trash/{TX}/data"))),
        old,
        "the old tree, inode by inode"
    );
    assert_eq!((house.names("staging").len(), house.names("journal").len()), (0, 0));
    assert!(!house.at(".homeport/journal").exists());
    drop(held);
    assert!(house.refusals().is_empty());
}

/// INV-17: undoing a restore gives the tree before, inode by inode, in constant time; undoing that gives the other.
#[test]
fn a_restore_is_undone_and_that_is_undone_too() {
    let house = House::new();
    let old = house.live();
    let mut held = house.hold();
    ready(&mut held, TX, &sample()).unwrap();
    exchange(&mut held, TX, &keeping()).unwrap();
    settle(&mut held, TX).unwrap();
    let new = house.live();

    let note = stage_trashed(&mut held, TX, OTHER).unwrap();
    assert_eq!((note.tx, note.entries), (TX, Some(4)));
    assert_eq!(stage_trashed(&mut held, TX, OTHER).unwrap(), note, "repeated after a crash");
    exchange(&mut held, OTHER, &keeping()).unwrap();
    assert_eq!(house.live(), old);
    let Settled::Done(note) = settle(&mut held, OTHER).unwrap() else { panic!() };
    assert_eq!((note.tx, note.kind), (OTHER, TrashKind::Replaced));
    assert_eq!(house.names("trash"), [OTHER.to_string()]);

    stage_trashed(&mut held, OTHER, TX).unwrap();
    exchange(&mut held, TX, &keeping()).unwrap();
    assert_eq!(house.live(), new);
    settle(&mut held, TX).unwrap();
    drop(held);
    assert!(house.refusals().is_empty());
}

/// What a port wrote between an exchange and its taking back is not deleted.
#[test]
fn an_exchange_is_taken_back_and_what_was_live_meanwhile_is_kept() {
    let house = House::new();
    let old = house.live();
    let mut held = house.hold();
    ready(&mut held, TX, &sample()).unwrap();
    exchange(&mut held, TX, &keeping()).unwrap();
    drop(held);
    // The instance starts on the new tree and takes in a letter, before it turns out not to work.
    assert!(house.refusals().is_empty(), "a complete exchange is no fault");
    fs::write(house.data().join("mail/new"), "new mail").unwrap();
    let new = house.live();

    let mut held = house.hold();
    assert!(matches!(discard(&mut held, TX), Err(RestoreError::Precious { .. })));
    assert_eq!(exchange_back(&mut held, TX).unwrap(), Back::Returned(TX));
    assert_eq!(house.live(), old);
    assert_eq!(crate::house::live(&house.at(&format!(".homeport/trash/{TX}/data"))), new);
    assert_eq!(exchange_back(&mut held, TX).unwrap(), Back::Nothing);
    assert_eq!(discard(&mut held, TX).unwrap(), Discarded::Absent);
    let note = stage_trashed(&mut held, TX, OTHER).unwrap();
    assert_eq!(note.kind, TrashKind::TakenBack);
    assert_eq!(discard(&mut held, OTHER).unwrap(), Discarded::PutBack(TX));
    assert_eq!(house.names("trash"), [TX.to_string()]);
    drop(held);
    assert!(house.refusals().is_empty());
}

/// A trashed tree that was live again for a while goes back where it was.
#[test]
fn an_undo_is_taken_back_too() {
    let house = House::new();
    let mut held = house.hold();
    ready(&mut held, TX, &sample()).unwrap();
    exchange(&mut held, TX, &keeping()).unwrap();
    settle(&mut held, TX).unwrap();
    let new = house.live();
    stage_trashed(&mut held, TX, OTHER).unwrap();
    exchange(&mut held, OTHER, &keeping()).unwrap();
    assert_eq!(exchange_back(&mut held, OTHER).unwrap(), Back::Returned(TX));
    assert_eq!(house.live(), new);
    assert_eq!(house.names("trash"), [TX.to_string()]);
    assert_eq!(house.names("staging"), [""; 0]);
}

#[test]
fn a_tree_that_was_never_live_is_deleted() {
    let house = House::new();
    let old = house.live();
    let mut held = house.hold();
    ready(&mut held, TX, &sample()).unwrap();
    assert_eq!(leftovers(&held).unwrap(), [TX]);
    assert_eq!(exchange_back(&mut held, TX).unwrap(), Back::NeverExchanged);
    assert_eq!(discard(&mut held, TX).unwrap(), Discarded::Deleted);
    assert_eq!(discard(&mut held, TX).unwrap(), Discarded::Absent);
    assert_eq!((house.names("staging"), leftovers(&held).unwrap()), (vec![], vec![]));
    assert_eq!(house.live(), old);
}

/// The marker says the format of what is live, and so does the stamp.
#[test]
fn the_format_follows_the_tree_there_and_back() {
    let mut house = House::new();
    house.request.format = Format::new(3);
    let formats = |house: &House| match house.check() {
        Ok(Checked::Attach(ready)) => ready.marker().format.get(),
        other => panic!("{other:?}"),
    };
    let mut held = house.hold();
    let wanted = homeport_volumes::restore::Wanted { format: Format::new(3), ..WANTED };
    prepare(&mut held, TX, wanted, &sample(), &Silent).unwrap();
    exchange(&mut held, TX, &keeping()).unwrap();
    assert_eq!(held.marker().format, Format::new(3));
    drop(held);
    assert_eq!(formats(&house), 3);
    let mut held = house.hold();
    exchange_back(&mut held, TX).unwrap();
    drop(held);
    assert_eq!(formats(&house), 1);
}

/// One transaction at a time, and only trees that were compared.
#[test]
fn what_is_not_ready_is_never_live() {
    let house = House::new();
    let old = house.live();
    let mut held = house.hold();
    let code = |result: Result<Exchange, RestoreError>| result.unwrap_err().code();
    assert_eq!(code(exchange(&mut held, TX, &keeping())), "HP-RST-005");
    assert_eq!(settle(&mut held, TX).unwrap_err().code(), "HP-RST-005");
    assert_eq!(exchange_back(&mut held, TX).unwrap(), Back::Nothing);

    fs::create_dir_all(house.at(&format!(".homeport/staging/{TX}/data"))).unwrap();
    assert_eq!(code(exchange(&mut held, TX, &keeping())), "HP-RST-005");
    assert_eq!(ready(&mut held, TX, &sample()).unwrap_err().code(), "HP-RST-006");
    assert_eq!(discard(&mut held, TX).unwrap(), Discarded::Deleted);

    // Compared, and then another directory in its place.
    ready(&mut held, TX, &sample()).unwrap();
    let staged = house.at(&format!(".homeport/staging/{TX}"));
    fs::rename(staged.join("data"), staged.join("data2")).unwrap();
    fs::create_dir(staged.join("data")).unwrap();
    assert_eq!(code(exchange(&mut held, TX, &keeping())), "HP-RST-005");
    fs::remove_dir(staged.join("data")).unwrap();
    fs::rename(staged.join("data2"), staged.join("data")).unwrap();

    // What is said of it is damaged.
    let said = fs::read_to_string(staged.join("staged.json")).unwrap();
    fs::write(staged.join("staged.json"), said.replace("\"format\": 1", "\"format\": 2")).unwrap();
    assert_eq!(code(exchange(&mut held, TX, &keeping())), "HP-RST-005");
    fs::write(staged.join("staged.json"), said).unwrap();
    assert_eq!(house.live(), old);

    exchange(&mut held, TX, &keeping()).unwrap();
    let busy = ["HP-RST-004"; 4];
    let other = [
        code(exchange(&mut held, OTHER, &keeping())),
        exchange_back(&mut held, OTHER).unwrap_err().code(),
        settle(&mut held, OTHER).unwrap_err().code(),
        ready(&mut held, OTHER, &sample()).unwrap_err().code(),
    ];
    assert_eq!(other, busy);
    assert_eq!(exchange(&mut held, TX, &keeping()).unwrap(), Exchange::Already);
}

/// A journal that nobody can read stops everything: no start, no restore, no guess.
#[test]
fn a_damaged_or_foreign_journal_stops_everything() {
    let house = House::new();
    let mut held = house.hold();
    ready(&mut held, TX, &sample()).unwrap();
    exchange(&mut held, TX, &keeping()).unwrap();
    drop(held);
    let (new, journal) = (house.live(), house.at(".homeport/journal"));
    let good = fs::read(&journal).unwrap();
    for bad in [b"".to_vec(), good[..good.len() / 2].to_vec(), [&good[..], b" "].concat()] {
        fs::write(&journal, bad).unwrap();
        assert_eq!(house.refusals(), ["HP-VOL-006"]);
        let mut held = house.hold();
        for result in
            [recover(&mut held).map(drop), exchange_back(&mut held, TX).map(drop), settle(&mut held, TX).map(drop)]
        {
            assert_eq!(result.unwrap_err().code(), "HP-RST-003");
        }
        assert_eq!(house.live(), new);
    }
    fs::write(&journal, &good).unwrap();
    assert_eq!(recover(&mut house.hold()).unwrap(), Recovered::Exchanged(TX));

    // The whole `.homeport/` was copied into another volume.
    let other = House::new();
    fs::copy(&journal, other.at(".homeport/journal")).unwrap();
    assert_eq!(other.refusals(), ["HP-VOL-006"]);
    assert_eq!(recover(&mut other.hold()).unwrap_err().code(), "HP-RST-003");
}

/// The way into a volume for a restore passes over what a restore mends, and over nothing else.
#[test]
fn story_l01_a_volume_whose_data_is_gone_can_be_restored_but_not_a_wrong_disk() {
    let house = House::new();
    fs::remove_dir_all(house.data()).unwrap();
    assert_eq!(house.refusals(), ["HP-VOL-005"]);
    let mut held = house.hold();
    ready(&mut held, TX, &sample()).unwrap();
    exchange(&mut held, TX, &keeping()).unwrap();
    settle(&mut held, TX).unwrap();
    drop(held);
    assert!(house.refusals().is_empty());

    for name in fs::read_dir(house.data()).unwrap() {
        let path = name.unwrap().path();
        fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path)).unwrap();
    }
    assert_eq!(house.refusals(), ["HP-VOL-005"], "empty where data was");
    drop(house.hold());

    let mut known = house.known.clone();
    known.generation = homeport_volumes::Generation::new(99);
    let refused = |known: &homeport_volumes::Known| match hold_for_restore(house.machine(), &house.request, Some(known))
    {
        Err(VolumeError::Refused(faults)) => faults[0].code,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&known), "HP-VOL-007", "an old copy");
    known.generation = house.known.generation;
    known.fs.fsid = Some("0123456789abcdef".to_owned());
    known.fs.uuid = None;
    assert_eq!(refused(&known), "HP-VOL-002", "another disk");
}

/// Flags that forbid renaming are no hindrance, and come back on both trees.
#[test]
fn an_immutable_top_directory_is_exchanged_and_stays_immutable() {
    let house = House::new();
    let lsattr = |path: &std::path::Path| {
        let output = std::process::Command::new("lsattr").args(["-d", path.to_str().unwrap()]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().contains('i')
    };
    let mut top = crate::memory::meta(0o750);
    top.attributes.flags = homeport_volumes::tree::FileFlags::IMMUTABLE;
    let immutable = Memory::default().entry(".", top, homeport_volumes::tree::Kind::Directory).file("x", b"y");
    let mut held = house.hold();
    ready(&mut held, TX, &immutable).unwrap();
    exchange(&mut held, TX, &keeping()).unwrap();
    assert!(lsattr(&house.data()));
    assert_eq!(exchange_back(&mut held, TX).unwrap(), Back::Returned(TX));
    assert!(!lsattr(&house.data()));
    let trashed = house.at(&format!(".homeport/trash/{TX}/data"));
    assert!(lsattr(&trashed));
    crate::stand::run("chattr", &["-i", trashed.to_str().unwrap()]);
}
