//! Owns a run: a workload on a recorded disk, then every chosen disk that a power cut could have left, mounted and judged.
//! Each disk is a fresh file: a loop device that gets a file again may still show what the file held before.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
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
    fn expect_clean(&self, least: usize) {
        let shown = self.violations.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(self.violations.is_empty(), "{} of {} images:\n{shown}", self.violations.len(), self.images);
        assert!(self.images >= least, "only {} images", self.images);
    }
}

/// Where the file system is mounted, while it is written and while it is judged.
pub(crate) fn mount_point(stage: &Stage) -> PathBuf {
    stage.directory("fs")
}

/// Whether a workload has its file system for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    Alone,
    /// Beside somebody who syncs again and again.
    Neighbour,
}

/// What a workload does, and what must be true after each cut.
pub(crate) trait Workload {
    /// What the judge has to know of the run.
    type Done;

    /// Fills the new file system; all of it is safe before the work begins.
    fn prepare(&self, root: &Path);

    /// Works below `root`, and sets a mark on the disk after each promise.
    fn work(&self, root: &Path, device: &Device) -> Self::Done;

    /// Looks at what is there after a cut.
    fn judge(&self, scene: &Scene, done: &Self::Done) -> Result<(), String>;
}

/// Cuts the power of a workload, once alone and once beside a neighbour, and fails if a judge is not content.
pub(crate) fn survives(stage: &Stage, kind: Kind, workload: &impl Workload, images: usize) {
    for company in [Company::Alone, Company::Neighbour] {
        let (record, done) =
            record(stage, kind, company, |root| workload.prepare(root), |root, device| workload.work(root, device));
        judge(stage, kind, &record, images / 2, |scene| workload.judge(scene, &done)).expect_clean(images / 3);
    }
}

/// Records `work` on a new file system that `prepare` filled. `work` gets the place where it is mounted, and the disk
/// for its marks; what it returns comes back with the record.
pub(crate) fn record<T>(
    stage: &Stage,
    kind: Kind,
    company: Company,
    prepare: impl FnOnce(&Path),
    work: impl FnOnce(&Path, &Device) -> T,
) -> (Record, T) {
    let point = mount_point(stage);
    let device = Device::new(stage, kind.make(stage));
    let mounted = Mounted::new(&device.file(), &point);
    prepare(&point);
    let root = File::open(&point).unwrap();
    rustix::fs::syncfs(&root).unwrap();
    drop(root);
    device.begin();
    let done = {
        let _neighbour = (company == Company::Neighbour).then(|| Neighbour::new(&point));
        work(&point, &device)
    };
    // What comes now, by unmounting, is no longer part of it.
    let record = device.record();
    mounted.unmount();
    (record, done)
}

/// Somebody else on the same file system, who syncs a file of their own again and again: what a workload has changed and
/// not synced may be safe at any moment because of that, and one half of it before the other.
struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Neighbour {
    fn new(root: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (file, stopped) = (root.join("neighbour"), stop.clone());
        let work = move || {
            let mut file = File::create(file).unwrap();
            while !stopped.load(Ordering::Relaxed) {
                file.write_all(b"mine. ").unwrap();
                file.sync_all().unwrap();
            }
        };
        Self { stop, thread: Some(std::thread::spawn(work)) }
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the neighbour could not sync");
        }
    }
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
