//! A staged tree in the hands of a migration: it may not become live before it was looked at again.

use std::fs;

use homeport_core::unit::Format;
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{
    Back, Discarded, Exchange, RestoreError, discard, exchange, exchange_back, lend, settle, stage_trashed, take_back,
};

use crate::house::{House, OTHER, TX, keeping, ready, sample};

const TWO: Format = Format::new(2);

#[test]
fn a_tree_that_was_lent_cannot_become_live_before_it_was_taken_back() {
    let house = House::new();
    let old = house.live();
    let mut held = house.hold();
    ready(&mut held, TX, &sample()).unwrap();
    let lent = lend(&mut held, TX).unwrap();
    assert_eq!(lent.format(), Format::new(1));
    let staged = house.at(&format!(".homeport/staging/{TX}/data"));
    fs::write(staged.join("mail/new"), "by the migration").unwrap();
    assert!(matches!(exchange(&mut held, TX, &keeping()), Err(RestoreError::NotReady { .. })));
    assert!(matches!(lend(&mut held, TX), Err(RestoreError::NotReady { .. })), "it is lent already");
    assert_eq!(house.live(), old);

    let measured = take_back(&mut held, &lent, TWO, &Silent).unwrap();
    // The topmost directory, `mail`, four names in it, the link, and the sparse file.
    assert_eq!(measured.entries, 8);
    assert_eq!(exchange(&mut held, TX, &keeping()).unwrap(), Exchange::Done);
    assert_eq!(held.marker().format, TWO);
    assert_eq!(fs::read(house.data().join("mail/new")).unwrap(), b"by the migration");
    drop(held);
    assert_eq!(house.refusals(), ["HP-VOL-006"], "a version that knows format 1 only does not get it");

    let mut held = house.hold();
    assert_eq!(exchange_back(&mut held, TX).unwrap(), Back::Returned(TX));
    assert_eq!(house.live(), old);
    assert_eq!(held.marker().format, Format::new(1));
    drop(held);
    assert!(house.refusals().is_empty());
}

#[test]
fn a_migration_of_two_steps_lends_the_tree_twice() {
    let house = House::new();
    let mut held = house.hold();
    ready(&mut held, TX, &sample()).unwrap();
    for format in [2, 3] {
        let lent = lend(&mut held, TX).unwrap();
        assert_eq!(lent.format(), Format::new(format - 1));
        take_back(&mut held, &lent, Format::new(format), &Silent).unwrap();
    }
    exchange(&mut held, TX, &keeping()).unwrap();
    assert_eq!(held.marker().format, Format::new(3));
}

/// A crash between the two leaves a tree that nobody finishes: it is given up like any other.
#[test]
fn a_tree_that_was_never_taken_back_is_deleted() {
    let house = House::new();
    let old = house.live();
    let mut held = house.hold();
    ready(&mut held, TX, &sample()).unwrap();
    drop(lend(&mut held, TX).unwrap());
    drop(held);
    let mut held = house.hold();
    assert!(matches!(exchange(&mut held, TX, &keeping()), Err(RestoreError::NotReady { .. })));
    assert_eq!(discard(&mut held, TX).unwrap(), Discarded::Deleted);
    assert_eq!(house.live(), old);
}

#[test]
fn a_tree_whose_directory_was_exchanged_meanwhile_is_not_taken_back() {
    let house = House::new();
    let mut held = house.hold();
    ready(&mut held, TX, &sample()).unwrap();
    let lent = lend(&mut held, TX).unwrap();
    let staging = house.at(&format!(".homeport/staging/{TX}"));
    fs::rename(staging.join("data"), staging.join("other")).unwrap();
    fs::create_dir(staging.join("data")).unwrap();
    assert!(matches!(take_back(&mut held, &lent, TWO, &Silent), Err(RestoreError::NotReady { .. })));
    assert!(matches!(exchange(&mut held, TX, &keeping()), Err(RestoreError::NotReady { .. })));
}

/// What was live once is kept as it was, whatever an undo is good for.
#[test]
fn a_tree_out_of_the_trash_is_never_lent() {
    let house = House::new();
    let old = house.live();
    let mut held = house.hold();
    ready(&mut held, TX, &sample()).unwrap();
    exchange(&mut held, TX, &keeping()).unwrap();
    settle(&mut held, TX).unwrap();
    stage_trashed(&mut held, TX, OTHER).unwrap();
    let error = lend(&mut held, OTHER).unwrap_err();
    assert!(matches!(error, RestoreError::NotReady { .. }), "{error:?}");
    assert!(error.to_string().contains("it came out of the trash"), "{error}");
    // It may be exchanged as before.
    exchange(&mut held, OTHER, &keeping()).unwrap();
    assert_eq!(house.live(), old);
}

#[test]
fn nothing_is_lent_while_an_exchange_is_not_settled() {
    let house = House::new();
    let mut held = house.hold();
    ready(&mut held, TX, &sample()).unwrap();
    exchange(&mut held, TX, &keeping()).unwrap();
    assert!(matches!(lend(&mut held, TX), Err(RestoreError::Busy { .. })));
    assert!(matches!(lend(&mut held, OTHER), Err(RestoreError::Busy { .. })));
}
