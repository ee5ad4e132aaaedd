//! Every durable step of a restore fails once, as by a crash, a failing disk and a full one: after it the live tree is the
//! old one or the new one, to the inode, nothing that was live is lost, and the next command goes on from there.

use std::fs;
use std::os::fd::AsFd as _;

use homeport_core::unit::Format;
use homeport_volumes::Held;
use homeport_volumes::failpoint::{self, Blow};
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{
    Back, RestoreError, Top, Wanted, compare, discard, exchange, exchange_back, leftovers, prepare, recover, settle,
    stage_trashed,
};
use rustix::io::Errno;

use crate::disk::Disk;
use crate::house::{House, OTHER, TX, WANTED, keeping, live, sample};

const NEWER: Wanted = Wanted { format: Format::new(2), ..WANTED };

/// What is tried: its name, what comes before it, and what is struck.
type Scenario = (&'static str, fn(&House, &mut Held), fn(&House, &mut Held) -> Result<(), RestoreError>);

fn nothing(_: &House, _: &mut Held) {}

fn prepared(_: &House, held: &mut Held) {
    prepare(held, TX, NEWER, &sample(), &Silent).unwrap();
}

fn exchanged(house: &House, held: &mut Held) {
    prepared(house, held);
    exchange(held, TX, &keeping()).unwrap();
    fs::write(house.data().join("since"), "written after the exchange").unwrap();
}

fn settled(house: &House, held: &mut Held) {
    exchanged(house, held);
    settle(held, TX).unwrap();
}

fn untrashed(house: &House, held: &mut Held) {
    settled(house, held);
    stage_trashed(held, TX, OTHER).unwrap();
}

fn undone(house: &House, held: &mut Held) {
    untrashed(house, held);
    exchange(held, OTHER, &keeping()).unwrap();
}

const SCENARIOS: [Scenario; 10] = [
    ("prepare", nothing, |_, held| prepare(held, TX, NEWER, &sample(), &Silent).map(drop)),
    ("discard", prepared, |_, held| discard(held, TX).map(drop)),
    ("exchange", prepared, |_, held| exchange(held, TX, &keeping()).map(drop)),
    ("take back", exchanged, |_, held| exchange_back(held, TX).map(drop)),
    ("settle", exchanged, |_, held| settle(held, TX).map(drop)),
    ("take out of the trash", settled, |_, held| stage_trashed(held, TX, OTHER).map(drop)),
    ("put back into the trash", untrashed, |_, held| discard(held, OTHER).map(drop)),
    ("undo", untrashed, |_, held| exchange(held, OTHER, &keeping()).map(drop)),
    ("take the undo back", undone, |_, held| exchange_back(held, OTHER).map(drop)),
    ("settle the undo", undone, |_, held| settle(held, OTHER).map(drop)),
];

fn house(disk: &Disk) -> House {
    let mut house = House::on(disk);
    house.request.format = Format::new(2);
    house
}

/// Each whole tree below the volume, wherever it is, with its inode numbers.
fn trees(house: &House) -> Vec<(String, Vec<String>)> {
    let mut places = vec!["data".to_owned()];
    for area in ["staging", "trash"] {
        places.extend(house.names(area).into_iter().map(|tx| format!(".homeport/{area}/{tx}/data")));
    }
    let there = places.into_iter().filter(|place| house.at(place).exists());
    there.map(|place| (place.clone(), live(&house.at(&place)))).collect()
}

/// Strikes at the `n`th step of the scenario and looks what is left; `None` if there are fewer steps.
fn strike(disk: &Disk, scenario: &Scenario, n: u32, blow: Blow) -> Option<String> {
    let (name, before, act) = scenario;
    let house = house(disk);
    let mut held = house.hold();
    before(&house, &mut held);
    let at_first = trees(&house);
    let (result, seen) = failpoint::record(|| {
        let _armed = failpoint::arm("*", n, blow);
        act(&house, &mut held)
    });
    let Err(error) = result else {
        assert!(seen.len() < n as usize, "{name}: step {n} of {seen:?} failed and was passed over");
        return None;
    };
    let at = format!("{name}, step {n} `{}`, {blow:?}: {error:?}", seen[n as usize - 1]);
    // A tree that was only built is worth nothing.
    let built_only = matches!(*name, "prepare" | "discard" | "exchange");
    let once_live = |place: &str| !(built_only && place.contains("staging"));

    // Nothing that was live is lost, at no time.
    let lost = |house: &House, when: &str| {
        let now = trees(house);
        for (place, tree) in at_first.iter().filter(|(place, _)| once_live(place)) {
            assert!(now.iter().any(|(_, other)| other == tree), "{at}: {when}, the tree of {place} is lost");
        }
        let whole = at_first.iter().any(|(_, tree)| *tree == house.live());
        assert!(whole, "{at}: {when}, what is live is none of the trees");
    };
    lost(&house, "at once");
    if matches!(blow, Blow::Error(Errno::NOSPC)) && *name == "exchange" {
        // On a full disk the same process can go back, without any more room.
        let back = exchange_back(&mut held, TX).unwrap();
        assert_eq!(back, Back::NeverExchanged, "{at}");
        assert_eq!(house.live(), at_first[0].1, "{at}");
    }
    drop(held);

    let mut held = house.hold();
    recover(&mut held).unwrap_or_else(|error| panic!("{at}: {error}"));
    drop(held);
    assert_eq!(house.refusals(), [""; 0], "{at}");
    lost(&house, "recovered");
    // What the host does with what it does not want any more.
    let mut held = house.hold();
    for tx in [TX, OTHER] {
        match exchange_back(&mut held, tx) {
            Ok(_) | Err(RestoreError::Busy { .. } | RestoreError::NotReady { .. }) => {}
            Err(error) => panic!("{at}: {error}"),
        }
        let _settled = settle(&mut held, tx);
    }
    for tx in leftovers(&held).unwrap() {
        discard(&mut held, tx).unwrap();
    }
    drop(held);
    assert_eq!((house.names("staging"), house.refusals()), (vec![], vec![]), "{at}");
    assert!(!house.at(".homeport/journal").exists(), "{at}");
    lost(&house, "cleared");
    // And the volume can be restored again.
    let mut held = house.hold();
    let again = homeport_volumes::TxId::from_bytes([0xcc; 16]);
    prepare(&mut held, again, WANTED, &sample(), &Silent).unwrap();
    exchange(&mut held, again, &keeping()).unwrap();
    let top = fs::File::open(house.data()).unwrap();
    compare(top.as_fd(), &sample(), Top::AsSaid, &Silent).unwrap();
    Some(seen[n as usize - 1].to_owned())
}

fn strike_everywhere(blow: Blow) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::mount("ext4", place.path());
    let mut struck = Vec::new();
    for scenario in &SCENARIOS {
        for n in 1.. {
            let Some(step) = strike(&disk, scenario, n, blow) else { break };
            struck.push(format!("{}: {step}", scenario.0));
        }
    }
    struck
}

/// L16, L17, L18: at no point of a restore, and of no second attempt, is there less than before.
#[test]
fn story_l16_a_crash_at_any_step_of_a_restore_leaves_the_old_tree_or_the_new_one() {
    let struck = strike_everywhere(Blow::Crash);
    assert!(struck.len() >= 70, "only {} steps: {struck:#?}", struck.len());
}

#[test]
fn a_failing_disk_at_any_step_leaves_the_old_tree_or_the_new_one() {
    let struck = strike_everywhere(Blow::Error(Errno::IO));
    assert!(struck.len() >= 70, "only {} steps", struck.len());
}

#[test]
fn a_full_disk_at_any_step_leaves_the_old_tree_or_the_new_one() {
    let struck = strike_everywhere(Blow::Error(Errno::NOSPC));
    assert!(struck.len() >= 70, "only {} steps", struck.len());
}

/// L26: a failed sync is final. The process that saw it does not go on, whatever later syncs say.
#[test]
fn story_l26_a_failed_sync_ends_the_transaction_for_good() {
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::mount("ext4", place.path());
    for point in ["restore.swap.volume", "restore.swap.staging", "restore.journal", "restore.marker"] {
        let house = house(&disk);
        let mut held = house.hold();
        prepared(&house, &mut held);
        let armed = failpoint::arm(point, 1, Blow::Error(Errno::IO));
        exchange(&mut held, TX, &keeping()).unwrap_err();
        drop(armed);
        let results = [
            exchange(&mut held, TX, &keeping()).map(drop),
            exchange_back(&mut held, TX).map(drop),
            settle(&mut held, TX).map(drop),
            prepare(&mut held, OTHER, WANTED, &sample(), &Silent).map(drop),
        ];
        for result in results {
            assert!(matches!(result, Err(RestoreError::Unsure { .. })), "{point}: {result:?}");
        }
    }
    // A tree whose sync failed is thrown away, and was never ready.
    let house = house(&disk);
    let mut held = house.hold();
    let armed = failpoint::arm("restore.build.sync", 1, Blow::Error(Errno::IO));
    prepare(&mut held, TX, WANTED, &sample(), &Silent).unwrap_err();
    drop(armed);
    assert_eq!(house.names("staging"), [""; 0]);
}

/// An undo is taken back, and the power goes after its tree is in the trash again and before the journal is gone: what the
/// next call says of the tree is where it is, and not where it would have been.
#[test]
fn what_is_said_to_be_in_the_trash_is_there() {
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::mount("ext4", place.path());
    let (_, steps) = {
        let house = house(&disk);
        let mut held = house.hold();
        undone(&house, &mut held);
        failpoint::record(|| exchange_back(&mut held, OTHER).unwrap())
    };
    for n in 1..=steps.len() {
        let house = house(&disk);
        let mut held = house.hold();
        undone(&house, &mut held);
        let armed = failpoint::arm("*", u32::try_from(n).unwrap(), Blow::Crash);
        exchange_back(&mut held, OTHER).unwrap_err();
        drop(armed);
        drop(held);
        let mut held = house.hold();
        match exchange_back(&mut held, OTHER).unwrap() {
            Back::Returned(tx) => {
                assert_eq!((tx, house.names("trash")), (TX, vec![TX.to_string()]), "{}", steps[n - 1]);
            }
            Back::Nothing => assert_eq!(house.names("trash"), [TX.to_string()], "{}", steps[n - 1]),
            Back::NeverExchanged => panic!("{}", steps[n - 1]),
        }
    }
}
