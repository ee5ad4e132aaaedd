//! Restores on ext4, XFS and btrfs, on file systems that cannot exchange, and on full ones.

use std::fs;
use std::io::ErrorKind;

use homeport_core::fault::Advice as _;
use homeport_core::unit::Format;
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{
    Back, Devices, Discarded, Exchange, Reading, RestoreError, Room, Settled, Wanted, discard, exchange, exchange_back,
    gone_from_top, leftovers, newest_change, prepare, recover, settle, stage_trashed, survey,
};

use crate::disk::{Disk, KINDS};
use crate::house::{House, OTHER, TX, WANTED, keeping, ready, sample};
use crate::memory::Memory;
use crate::stand::Stand;

fn house_on(kind: &str) -> (House, Disk) {
    let stand = Stand::new();
    let disk = Disk::mount(kind, &stand.at("disk"));
    fs::create_dir(stand.at("disk/vol")).unwrap();
    (House::below(stand, Some("disk/vol")), disk)
}

#[test]
fn a_restore_its_undo_and_its_taking_back_work_on_ext4_xfs_and_btrfs() {
    for kind in KINDS {
        let (house, _disk) = house_on(kind);
        let old = house.live();
        let mut held = house.hold();
        ready(&mut held, TX, &sample()).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(exchange(&mut held, TX, &keeping()).unwrap(), Exchange::Done, "{kind}");
        let new = house.live();
        assert_eq!(exchange_back(&mut held, TX).unwrap(), Back::Returned(TX), "{kind}");
        assert_eq!(house.live(), old, "{kind}");
        stage_trashed(&mut held, TX, OTHER).unwrap();
        exchange(&mut held, OTHER, &keeping()).unwrap();
        assert_eq!(house.live(), new, "{kind}");
        assert!(matches!(settle(&mut held, OTHER), Ok(Settled::Done(_))), "{kind}");
        drop(held);
        assert_eq!(house.refusals(), [""; 0], "{kind}");
    }
}

/// XFS takes the exchange for a change of both directories, and it is none of what is in them. [spec: UPG-49]
#[test]
fn an_exchange_writes_nothing_late_on_ext4_xfs_and_btrfs() {
    for kind in KINDS {
        let (house, _disk) = house_on(kind);
        fs::write(house.data().join("first"), "one").unwrap();
        fs::write(house.data().join("second"), "two").unwrap();
        let lines = Memory::new().file("first", b"one").file("second", b"two").lines;
        let mut held = house.hold();
        let before = newest_change(fs::File::open(house.data()).unwrap()).unwrap();
        ready(&mut held, TX, &sample()).unwrap();
        // Until the clock of the file system has gone on.
        std::thread::sleep(std::time::Duration::from_millis(30));
        exchange(&mut held, TX, &keeping()).unwrap();
        settle(&mut held, TX).unwrap();
        let kept = house.at(".homeport/trash").join(TX.to_string()).join("data");
        let late = || {
            let data = fs::File::open(&kept).unwrap();
            let gone = gone_from_top(&data, lines.iter().cloned().map(Ok)).unwrap().map(|path| path.to_string());
            (newest_change(&data).unwrap(), gone)
        };
        assert_eq!(late(), (before, None), "{kind}");
        fs::remove_file(kept.join("second")).unwrap();
        assert_eq!(late(), (before, Some("second".to_owned())), "{kind}");
        fs::write(kept.join("third"), "three").unwrap();
        assert!(late().0 > before, "{kind}");
    }
}

/// On btrfs an operator can make `data/` a subvolume of its own; a directory is exchanged with it all the same.
#[test]
fn a_data_directory_that_is_a_subvolume_is_exchanged() {
    let (house, _disk) = house_on("btrfs");
    let (data, aside) = (house.data(), house.at("aside"));
    fs::rename(&data, &aside).unwrap();
    crate::stand::run("btrfs", &["-q", "subvolume", "create", data.to_str().unwrap()]);
    crate::stand::run("cp", &["-aT", aside.to_str().unwrap(), data.to_str().unwrap()]);
    fs::remove_dir_all(&aside).unwrap();
    let mut held = house.hold();
    let old = house.live();
    ready(&mut held, TX, &sample()).unwrap();
    exchange(&mut held, TX, &keeping()).unwrap();
    assert_ne!(house.live(), old);
    exchange_back(&mut held, TX).unwrap();
    assert_eq!(house.live(), old);
}

/// A file system that cannot exchange is found out before anything is built.
#[test]
fn a_file_system_that_cannot_exchange_is_refused_with_its_own_code() {
    let house = House::new();
    let old = house.live();
    let mut held = house.hold();
    for errno in [rustix::io::Errno::INVAL, rustix::io::Errno::NOSYS, rustix::io::Errno::OPNOTSUPP] {
        let _armed =
            homeport_volumes::failpoint::arm("restore.stage.try", 1, homeport_volumes::failpoint::Blow::Error(errno));
        let error = ready(&mut held, TX, &sample()).unwrap_err();
        assert_eq!(error.code(), "HP-RST-008", "{error:?}");
        assert_eq!((house.live(), house.names("staging")), (old.clone(), vec![]));
    }
}

/// About two MiB of content, in files of all sizes.
fn bulk() -> Memory {
    let mut memory = Memory::new().dir("d");
    for number in 0..60_u32 {
        let bytes: Vec<u8> = (0..number * 1200)
            .flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes().into_iter().skip(3))
            .collect();
        memory = memory.file(&format!("d/{number:02}"), &bytes);
    }
    memory
}

fn is_full(error: &RestoreError) -> bool {
    let (RestoreError::Io { source, .. } | RestoreError::Entry { source, .. }) = error else { return false };
    matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// INV-18: whenever the disk gets full, the old tree is live and whole, and what was taken is given back.
#[test]
fn a_disk_that_gets_full_at_any_point_keeps_the_old_tree_and_gets_its_room_back() {
    let wanted = Wanted { format: Format::new(2), ..WANTED };
    for kind in KINDS {
        let (mut house, disk) = house_on(kind);
        house.request.format = Format::new(2);
        let old = house.live();
        let need = survey(&bulk(), Reading::Hashed, &Silent).unwrap().room;
        let (mut failed, mut done) = (0, 0);
        for left in (0..=need * 3 / 2 + (1 << 20)).step_by(96 << 10) {
            let filler = disk.fill(left);
            let at = format!("{kind}, {left} bytes left");
            let mut held = house.hold();
            let prepared = prepare(&mut held, TX, wanted, &bulk(), &Silent);
            let exchanged = prepared.and_then(|_| exchange(&mut held, TX, &keeping()));
            match exchanged {
                Ok(_) => done += 1,
                Err(error) => {
                    assert!(is_full(&error), "{at}: {error:?}");
                    failed += 1;
                }
            }
            // Back again, on the disk that is as full as it was.
            match exchange_back(&mut held, TX) {
                Ok(_) => {}
                // The marker gets another format; that is the only thing that needs room.
                Err(error) if is_full(&error) => {
                    drop(filler);
                    recover(&mut held).unwrap_or_else(|error| panic!("{at}: {error}"));
                }
                Err(error) => panic!("{at}: {error:?}"),
            }
            assert_eq!(house.live(), old, "{at}");
            for tx in leftovers(&held).unwrap() {
                assert_eq!(discard(&mut held, tx).unwrap(), Discarded::Deleted, "{at}");
            }
            drop(held);
            let trash = house.at(".homeport/trash").join(TX.to_string());
            if trash.exists() {
                fs::remove_dir_all(trash).unwrap();
            }
            assert_eq!((house.names("staging"), house.refusals_but_full()), (vec![], vec![]), "{at}");
        }
        assert!(failed >= 10 && done >= 3, "{kind}: {failed} failed, {done} done");
    }
}

/// The same with inodes.
#[test]
fn a_disk_without_inodes_keeps_the_old_tree() {
    let stand = Stand::new();
    let _disk = Disk::mount_with("ext4", 16 << 20, &["-N", "64"], &stand.at("disk"));
    fs::create_dir(stand.at("disk/vol")).unwrap();
    let house = House::below(stand, Some("disk/vol"));
    let old = house.live();
    let mut held = house.hold();
    let found = survey(&bulk(), Reading::Present, &Silent).unwrap();
    let faults = found.judge(&"home".parse().unwrap(), &Room::of(&held).unwrap(), Devices::Refuse).unwrap_err();
    assert_eq!(faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["HP-RST-023"]);
    let error = ready(&mut held, TX, &bulk()).unwrap_err();
    assert!(is_full(&error), "{error:?}");
    assert_eq!((house.live(), house.names("staging")), (old, vec![]));
}

/// 68: too little room is told before anything is written.
#[test]
fn a_restore_with_too_little_room_is_refused_before_it_begins() {
    let (house, disk) = house_on("ext4");
    let old = house.live();
    let found = survey(&bulk(), Reading::Hashed, &Silent).unwrap();
    assert!(found.room > 2_000_000 && found.room < 3_000_000, "{found:?}");
    let held = house.hold();
    let judged = |room: &Room| found.judge(&"home".parse().unwrap(), room, Devices::Refuse);
    judged(&Room::of(&held).unwrap()).unwrap();
    let _filler = disk.fill(found.room / 2);
    let faults = judged(&Room::of(&held).unwrap()).unwrap_err();
    assert_eq!(faults[0].code, "HP-RST-022");
    assert!(faults[0].remedy.contains("make room"), "{}", faults[0].remedy);
    assert_eq!((house.live(), house.names("staging"), house.names("trash")), (old, vec![], vec![]));
}
