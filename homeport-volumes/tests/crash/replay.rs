//! Owns a run: a workload on a recorded disk, then every chosen disk that a power cut could have left, mounted and judged.
//! Each disk is a fresh file: a loop device that gets a file again may still show what the file held before.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::disk::{Cut, Device, Kind, Mounted, Record};
use crate::effort;
use crate::stage::Stage;

/// What a judge sees: the mounted file system, and how many marks the workload had set before the power failed.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) root: &'a Path,
    pub(crate) marks: usize,
}

/// How a run ended.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) images: usize,
    /// What was wrong, and with which cut.
    pub(crate) violations: Vec<String>,
}

impl Tally {
    /// Fails with the first violations, if there is any.
    pub(crate) fn expect_clean(&self, least: usize) {
        let shown = self.violations.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(self.violations.is_empty(), "{} of {} images:\n{shown}", self.violations.len(), self.images);
        assert!(self.images >= least, "only {} images", self.images);
    }
}

/// Where the file system is mounted, while it is written and while it is judged.
pub(crate) fn mount_point(stage: &Stage) -> PathBuf {
    stage.directory("fs")
}

/// Records `work` on a new file system that `prepare` filled. `work` gets the place where it is mounted, and the disk
/// for its marks.
pub(crate) fn record(
    stage: &Stage,
    kind: Kind,
    prepare: impl FnOnce(&Path),
    work: impl FnOnce(&Path, &Device),
) -> Record {
    let point = mount_point(stage);
    let device = Device::new(stage, kind.make(stage));
    let mounted = Mounted::new(&device.file(), &point);
    prepare(&point);
    let root = std::fs::File::open(&point).unwrap();
    rustix::fs::syncfs(&root).unwrap();
    drop(root);
    device.begin();
    work(&point, &device);
    // What comes now, by unmounting, is no longer part of it.
    let record = device.record();
    mounted.unmount();
    record
}

/// Lets `judge` look at about `budget` disks.
pub(crate) fn judge(
    stage: &Stage,
    kind: Kind,
    record: &Record,
    budget: usize,
    mut judge: impl FnMut(&Scene) -> Result<(), String>,
) -> Tally {
    let begun = Instant::now();
    let point = mount_point(stage);
    let seed = effort::seed();
    let mut tally = Tally::default();
    for (cut, disk) in record.disks(record.cuts(budget, seed)) {
        let image = stage.at(&format!("{}.img", tally.images));
        disk.save(&image);
        let marks = record.marks(cut);
        let mounted = Mounted::new(&image, &point);
        let verdict = judge(&Scene { root: &point, marks });
        mounted.unmount();
        if let Err(what) = verdict {
            keep(&disk, kind, cut);
            tally.violations.push(format!("{} after {marks} marks, {cut:?}, seed {seed}: {what}", kind.name()));
        }
        std::fs::remove_file(image).unwrap();
        tally.images += 1;
    }
    println!(
        "{}: {} images of {} events with {} flushes, {} violations, {:.1} s",
        kind.name(),
        tally.images,
        record.len(),
        record.flushes(),
        tally.violations.len(),
        begun.elapsed().as_secs_f32()
    );
    tally
}

/// Keeps a disk for somebody who wants to look at it.
fn keep(disk: &crate::disk::Blocks, kind: Kind, cut: Cut) {
    if let Some(dir) = std::env::var_os("HOMEPORT_CRASH_KEEP") {
        let name = format!("{}-{}-{:?}.img", kind.name(), cut.at, cut.keep).replace([' ', '{', '}', ':'], "");
        let path = Path::new(&dir).join(name);
        if !path.exists() {
            disk.save(&path);
        }
    }
}
