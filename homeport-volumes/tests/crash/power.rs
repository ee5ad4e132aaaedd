//! The harness can see what it looks for: files that are written with every care survive every cut, each care that is
//! left out is found on every file system, and a disk that fails is felt by who reads and syncs.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use crate::disk::{Device, Kind, Mounted};
use crate::effort;
use crate::replay::{self, Company};
use crate::stage::{self, Stage};
use crate::workload::{Scene, Workload, work};

const FILES: usize = 12;

/// What is left out of: write under another name, sync, rename, sync the directory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LeftOut {
    Nothing,
    SyncOfTheDirectory,
    SyncOfTheFile,
    /// The rename comes before the sync of the file.
    Order,
}

/// The content of a file, longer than a block and different for each.
fn content(file: usize) -> Vec<u8> {
    format!("file {file} says so. ").into_bytes().repeat(600)
}

/// Writes one file.
fn write(root: &Path, file: usize, left_out: LeftOut) {
    let (new, name) = (root.join("new"), root.join(format!("file-{file}")));
    let mut writer = File::create(&new).unwrap();
    writer.write_all(&content(file)).unwrap();
    match left_out {
        LeftOut::SyncOfTheFile => fs::rename(new, name).unwrap(),
        LeftOut::Order => {
            fs::rename(new, name).unwrap();
            // As anybody on this file system may at any moment: the name is safe before the content.
            File::open(root).unwrap().sync_all().unwrap();
            writer.sync_all().unwrap();
        }
        LeftOut::Nothing | LeftOut::SyncOfTheDirectory => {
            writer.sync_all().unwrap();
            fs::rename(new, name).unwrap();
        }
    }
    if left_out != LeftOut::SyncOfTheDirectory {
        File::open(root).unwrap().sync_all().unwrap();
    }
}

/// What was promised is there, and what is there is whole.
fn judge(root: &Path, marks: usize) -> Result<(), String> {
    for file in 0..FILES {
        match fs::read(root.join(format!("file-{file}"))) {
            Ok(bytes) if bytes == content(file) => {}
            Ok(bytes) => return Err(format!("file {file} is torn: {} bytes", bytes.len())),
            Err(_) if file >= marks => {}
            Err(error) => return Err(format!("file {file} was promised: {error}")),
        }
    }
    Ok(())
}

struct Writing(LeftOut);

impl Workload for Writing {
    type Known = ();

    const STEPS: usize = FILES;

    fn prepare(&self, _root: &Path) {}

    fn begin(&self, _root: &Path) {}

    fn step(&self, root: &Path, step: usize) -> Result<String, String> {
        write(root, step, self.0);
        Ok(String::new())
    }

    fn promise(&self, _root: &Path, (): &mut (), _step: usize, _word: &str) {}

    fn judge(&self, scene: &Scene, (): &()) -> Result<(), String> {
        judge(scene.root, scene.steps)
    }
}

/// Every care taken: nothing is lost, in many images.
fn survives(stage: &Stage, kind: Kind) {
    replay::survives(stage, kind, &Writing(LeftOut::Nothing), effort::images(150));
}

on_each_file_system!(careful_writing_survives, survives);

fn is_caught_everywhere(test: &str, left_out: LeftOut) {
    stage::alone(test, |stage| {
        for kind in Kind::ALL {
            let work = |root: &Path, device: &Device| work(&Writing(left_out), root, device);
            let (record, ()) = replay::record(stage, kind, Company::Neighbour, |_| {}, work);
            let tally = replay::judge(stage, kind, &record, 60, judge);
            println!("{}: {} of {} images", kind.name(), tally.violations.len(), tally.images);
            assert!(!tally.violations.is_empty(), "{}: not caught in {} images", kind.name(), tally.images);
        }
    });
}

#[test]
fn a_directory_that_is_not_synced_is_caught() {
    is_caught_everywhere("crash::power::a_directory_that_is_not_synced_is_caught", LeftOut::SyncOfTheDirectory);
}

#[test]
fn a_file_that_is_not_synced_is_caught() {
    is_caught_everywhere("crash::power::a_file_that_is_not_synced_is_caught", LeftOut::SyncOfTheFile);
}

#[test]
fn a_rename_before_the_sync_is_caught() {
    is_caught_everywhere("crash::power::a_rename_before_the_sync_is_caught", LeftOut::Order);
}

/// A new file system on a disk that can fail, with one file that is on the disk and not in memory.
fn on_a_failing_disk(stage: &Stage, kind: Kind, feel: impl FnOnce(&Path, &Device)) {
    let device = Device::new(stage, kind.make(stage));
    let point = replay::mount_point(stage);
    let mounted = Mounted::new(&device.file(), &point);
    work(&Writing(LeftOut::Nothing), &point, &device);
    for file in 0..FILES {
        let file = File::open(point.join(format!("file-{file}"))).unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
    feel(&point, &device);
    drop(mounted);
}

#[test]
fn a_block_that_cannot_be_read_is_felt_by_its_file_alone() {
    stage::alone("crash::power::a_block_that_cannot_be_read_is_felt_by_its_file_alone", |stage| {
        for kind in Kind::ALL {
            on_a_failing_disk(stage, kind, |root, device| {
                let at = device.content().find(b"file 7 says so.").unwrap();
                device.fail_reads(at..at + 1);
                let error = fs::read(root.join("file-7")).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(5), "{}", kind.name());
                assert_eq!(fs::read(root.join("file-8")).unwrap(), content(8), "{}", kind.name());
            });
        }
    });
}

#[test]
fn a_disk_that_takes_no_more_is_felt_by_the_next_sync() {
    stage::alone("crash::power::a_disk_that_takes_no_more_is_felt_by_the_next_sync", |stage| {
        for kind in Kind::ALL {
            on_a_failing_disk(stage, kind, |root, device| {
                device.fail_writes_after(0);
                let mut file = File::options().append(true).open(root.join("file-3")).unwrap();
                file.write_all(b"more").unwrap();
                assert_eq!(file.sync_all().unwrap_err().raw_os_error(), Some(5), "{}", kind.name());
            });
        }
    });
}
