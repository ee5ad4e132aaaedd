//! That nothing is left out in silence: what cannot be read fails a snapshot, and is named. [spec: STO-23]

use std::fs;

use homeport_core::fault::Advice as _;
use homeport_volumes::snapshot::{Base, Mode, SnapshotError};
use rustix::thread::CapabilitySet;

use crate::house::House;

/// Runs `work` in a thread that cannot read what its user may not, though it is root.
fn without_override<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut sets = rustix::thread::capabilities(None).unwrap();
            let powers = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
            sets.effective.remove(powers);
            sets.permitted.remove(powers);
            rustix::thread::set_capabilities(None, sets).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

fn lock(house: &House, name: &str) {
    fs::set_permissions(house.at(name), std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    std::os::unix::fs::chown(house.at(name), Some(1000), Some(1000)).unwrap();
}

#[test]
fn every_unreadable_entry_is_named_and_nothing_is_kept() {
    let house = House::new();
    house.file("readable", b"words");
    house.file("closed/inside", b"words");
    for name in ["one", "two", "three"] {
        house.file(name, b"secret");
        lock(&house, name);
    }
    lock(&house, "closed");
    for mode in [Mode::Still, Mode::Running] {
        let error = without_override(|| house.try_take(mode, Base::None)).unwrap_err();
        let SnapshotError::Entries { faults, total, .. } = &error else { panic!("{error}") };
        let named: Vec<_> = faults.iter().map(|fault| (fault.code, fault.subject.as_str())).collect();
        let code = "HP-TRE-005";
        assert_eq!(named, [(code, "closed"), (code, "one"), (code, "three"), (code, "two")]);
        assert_eq!(*total, 4);
        assert!(faults.iter().all(|fault| !fault.remedy.is_empty()));
        assert_eq!(error.code(), code);
        assert_eq!(house.store.catalog().unwrap().snapshots, []);
    }
    let taken = house.take();
    house.assert_is_tree(&taken.head);
}

/// An unchanged file does not have to be readable: what it was is known.
#[test]
fn what_is_unchanged_is_not_opened() {
    let house = House::new();
    house.file("one", b"secret");
    lock(&house, "one");
    crate::house::settle();
    house.take();
    let taken = without_override(|| house.try_take(Mode::Still, house.base())).unwrap();
    house.assert_is_tree(&taken.head);
}

#[test]
fn a_hundred_are_named_and_all_are_counted() {
    let house = House::new();
    for number in 0..150 {
        house.file(&number.to_string(), b"x");
        lock(&house, &number.to_string());
    }
    let error = without_override(|| house.try_take(Mode::Still, Base::None)).unwrap_err();
    assert_eq!(error.faults().len(), 100);
    assert!(error.to_string().starts_with("150 entries of the volume `home` could not be saved"), "{error}");
}

#[test]
fn something_mounted_in_the_volume_is_refused() {
    let house = House::new();
    fs::create_dir(house.at("point")).unwrap();
    let guard = Bind(house.at("point"));
    rustix::mount::mount_bind(house.store.path().as_path(), &guard.0).unwrap();
    let error = house.try_take(Mode::Still, Base::None).unwrap_err();
    assert_eq!(error.faults().iter().map(|fault| fault.code).collect::<Vec<_>>(), ["HP-TRE-003"]);
    drop(guard);
    house.assert_is_tree(&house.take().head);
}

struct Bind(std::path::PathBuf);

impl Drop for Bind {
    fn drop(&mut self) {
        let _gone = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

/// A file that is replaced by something else between the look and the read is not read as what it was.
#[test]
fn what_becomes_something_else_is_never_mixed_up() {
    let house = House::new();
    for number in 0..300 {
        house.file(&format!("{number}"), b"a file");
    }
    std::thread::scope(|scope| {
        let changer = scope.spawn(|| {
            for round in 0..20 {
                for number in (round % 3..300).step_by(3) {
                    let at = house.at(&number.to_string());
                    drop(fs::remove_file(&at).or_else(|_| fs::remove_dir(&at)));
                    match round % 4 {
                        0 => fs::create_dir(&at).unwrap(),
                        1 => std::os::unix::fs::symlink("elsewhere", &at).unwrap(),
                        2 => rustix::fs::mkfifoat(rustix::fs::CWD, &at, rustix::fs::Mode::RUSR).unwrap(),
                        _ => fs::write(&at, "a file").unwrap(),
                    }
                }
            }
        });
        while !changer.is_finished() {
            // Whatever it finds: it ends, and what it says can be read back and restored.
            let taken = house.try_take(Mode::Running, house.base()).unwrap();
            let to = house.restore(&taken.head, "restored");
            fs::remove_dir_all(to).unwrap();
        }
    });
    house.assert_is_tree(&house.take().head);
}
