//! Disks that fail while they are used: blocks that cannot be read any more, and disks that take nothing more from some
//! moment on. What fails is said, nothing is promised that is not there, and what was promised before stays.

use std::fs::{self, File};
use std::path::Path;

use homeport_volumes::progress::Silent;
use homeport_volumes::snapshot::{Depth, Mode, verify};
use homeport_volumes::store::Store;

use crate::adopt::Adoptions;
use crate::collection::Collections;
use crate::disk::{Device, Kind, Mounted};
use crate::effort;
use crate::exchange::Restores;
use crate::purge::Purges;
use crate::replay::mount_point;
use crate::snapshots::{Before, Snapshots, data_in, live_on, prepare, restores, said, store_in, take};
use crate::stage::Stage;
use crate::trees::portable;
use crate::workload::{Scene, Workload};

/// Every step of a workload on a disk that takes only so many more writes, for several numbers of them.
fn survives_a_dying_disk<W: Workload>(stage: &Stage, kind: Kind, workload: &W) -> usize {
    let point = mount_point(stage);
    let device = Device::new(stage, kind.make(stage));
    let mounted = Mounted::new(&device.file(), &point);
    workload.prepare(&point);
    let mut known = workload.begin(&point);
    mounted.unmount();
    let mut disk = device.content();
    drop(device);
    let mut tried = 0;
    for step in 0..W::STEPS {
        // How many writes the step needs, with what unmounting adds.
        let device = Device::new(stage, disk.clone());
        let mounted = Mounted::new(&device.file(), &point);
        device.begin();
        let word = workload.step(&point, step).unwrap();
        let needed = device.record().writes();
        workload.promise(&point, &mut known, step, &word);
        mounted.unmount();
        let after = device.content();
        drop(device);
        for n in 0..effort::images(4) {
            let left = (2 * n + 1) * needed / (2 * effort::images(4));
            let device = Device::new(stage, disk.clone());
            let mounted = Mounted::new(&device.file(), &point);
            device.fail_writes_after(left);
            let done = workload.step(&point, step);
            mounted.unmount();
            let content = device.content();
            drop(device);
            let image = stage.at("dead.img");
            content.save(&image);
            let mounted = Mounted::new(&image, &point);
            let steps = step + usize::from(done.is_ok());
            let scene = Scene { root: &point, steps, word: done.as_deref().ok(), earlier: 0 };
            if let Err(what) = workload.judge(&scene, &known) {
                panic!("{}, step {step} with {left} of {needed} writes, said {done:?}: {what}", kind.name());
            }
            mounted.unmount();
            fs::remove_file(image).unwrap();
            tried += 1;
        }
        disk = after;
    }
    tried
}

fn dying_disk(stage: &Stage, kind: Kind) {
    let scratch = stage.directory("scratch");
    let tried = [
        survives_a_dying_disk(stage, kind, &Snapshots { scratch: scratch.clone(), before: Before::Nothing }),
        survives_a_dying_disk(stage, kind, &Restores),
        survives_a_dying_disk(stage, kind, &Purges),
        survives_a_dying_disk(stage, kind, &Collections { scratch }),
        survives_a_dying_disk(stage, kind, &Adoptions),
    ];
    println!("{}: {tried:?} times", kind.name());
}

on_each_file_system!(a_disk_that_takes_no_more_writes, dying_disk);

/// A block of a pack that cannot be read: it is found, named, never restored, and stored anew from the file.
fn unreadable_pack(stage: &Stage, kind: Kind) {
    let (point, scratch) = (mount_point(stage), stage.directory("scratch"));
    let device = Device::new(stage, kind.make(stage));
    let mounted = Mounted::new(&device.file(), &point);
    prepare(&point);
    live_on(&data_in(&point), 1);
    said(take(&point, Mode::Still)).unwrap();
    let pack = only(&store_in(&point).join("packs"), "tar");
    let bytes = fs::read(pack).unwrap();
    // Out of memory, so that the disk is asked.
    mounted.unmount();
    let mounted = Mounted::new(&device.file(), &point);
    let store = Store::open(&store_in(&point)).unwrap();
    let head = store.catalog().unwrap().snapshots.pop().unwrap();
    let at = device.content().find(&bytes[8192 + 100..8192 + 228]).expect("a pack is on the disk as it is");
    device.fail_reads(at..at + 1);

    let found = verify(&store, &head, Depth::Objects, &Silent).unwrap();
    assert!(found.verified.is_none() && !found.damaged.is_empty(), "{}: {found:?}", kind.name());
    let live = portable(&data_in(&point));
    let refused = restores(&store, &head, &live, &scratch).unwrap_err();
    assert!(refused.contains("cannot be restored"), "{refused}");
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "nothing is left of what could not be built");
    assert_eq!(portable(&data_in(&point)), live);
    drop(store);
    drop(mounted);
}

on_each_file_system!(a_pack_that_cannot_be_read, unreadable_pack);

/// A block of a user's file that cannot be read: there is no snapshot, and the file is named.
fn unreadable_file(stage: &Stage, kind: Kind) {
    let point = mount_point(stage);
    let device = Device::new(stage, kind.make(stage));
    let mounted = Mounted::new(&device.file(), &point);
    prepare(&point);
    fs::write(data_in(&point).join("letter"), b"a letter with a scar. ".repeat(1000)).unwrap();
    rustix::fs::syncfs(File::open(&point).unwrap()).unwrap();
    mounted.unmount();
    let at = device.content().find(b"a letter with a scar. ").unwrap();
    let mounted = Mounted::new(&device.file(), &point);
    device.fail_reads(at..at + 1);
    for mode in [Mode::Still, Mode::Running] {
        let error = said(take(&point, mode)).unwrap_err();
        assert!(error.contains("HP-SNA-001") && error.contains("`home/letter`"), "{}: {error}", kind.name());
    }
    assert_eq!(Store::open(&store_in(&point)).unwrap().catalog().unwrap().snapshots.len(), 0);
    drop(mounted);
}

on_each_file_system!(a_file_that_cannot_be_read, unreadable_file);

fn only(dir: &Path, ending: &str) -> std::path::PathBuf {
    let list = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    list.filter(|path| path.extension().is_some_and(|found| found == ending)).last().unwrap()
}
