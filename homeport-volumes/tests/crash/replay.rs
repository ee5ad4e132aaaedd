//! Owns a run: a workload on a recorded disk, then every chosen disk that a power cut could have left, mounted and judged.
//! Each disk is a fresh file: a loop device that gets a file again may still show what the file held before.

use std::fs::File;
use std::io::Write as _;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::disk::{Blocks, Cut, Device, Kind, Mounted, Record};
use crate::effort;
use crate::stage::Stage;
use crate::workload::{Scene, Workload, work};

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

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.images += other.images;
        self.violations.extend(other.violations);
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

/// Cuts the power of a workload, alone and beside a neighbour, and fails if a judge is not content. A judge mends what it
/// finds; at some of the cuts the power fails again while it does.
pub(crate) fn survives(stage: &Stage, kind: Kind, workload: &impl Workload, images: usize) {
    for company in [Company::Alone, Company::Neighbour] {
        let begun = Instant::now();
        let prepare = |root: &Path| workload.prepare(root);
        let (record, known) = record(stage, kind, company, prepare, |root, device| work(workload, root, device));
        let once = |root: &Path, steps| workload.judge(&Scene { root, steps, word: None, earlier: 0 }, &known);
        let first = judge(stage, kind, &record, images * 3 / 8, once);
        first.expect_clean(images / 4);

        let again = record.cuts(AGAIN, effort::seed().rotate_left(17));
        let mut twice = Tally::default();
        for (cut, disk) in record.disks(again) {
            let steps = record.marks(cut);
            let (mending, verdict) = resume(stage, disk, company, |root, _| once(root, steps));
            twice.violations.extend(verdict.err());
            let twice_cut = |root: &Path, _| workload.judge(&Scene { root, steps, word: None, earlier: 1 }, &known);
            twice += judge(stage, kind, &mending, images / 8 / AGAIN, twice_cut);
        }
        twice.expect_clean(0);
        println!(
            "{}, {company:?}: {} + {} images of {} events with {} flushes and {} promises, 0 violations, {:.1} s",
            kind.name(),
            first.images,
            twice.images,
            record.len(),
            record.flushes(),
            record.promises(),
            begun.elapsed().as_secs_f32()
        );
    }
}

/// How many cuts are followed by another one.
const AGAIN: usize = 5;

/// Records `work` on a new file system that `prepare` filled. `work` gets the place where it is mounted, and the disk
/// for its marks; what it returns comes back with the record.
pub(crate) fn record<T>(
    stage: &Stage,
    kind: Kind,
    company: Company,
    prepare: impl FnOnce(&Path),
    work: impl FnOnce(&Path, &Device) -> T,
) -> (Record, T) {
    let filled = |root: &Path, device: &Device| {
        prepare(root);
        rustix::fs::syncfs(File::open(root).unwrap()).unwrap();
        device.begin();
        let _neighbour = (company == Company::Neighbour).then(|| Neighbour::new(root));
        work(root, device)
    };
    resume(stage, kind.make(stage), Company::Alone, filled)
}

/// Records `work` on a disk with this content.
fn resume<T>(stage: &Stage, content: Blocks, company: Company, work: impl FnOnce(&Path, &Device) -> T) -> (Record, T) {
    let point = mount_point(stage);
    let device = Device::new(stage, content);
    let mounted = Mounted::new(&device.file(), &point);
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
            for turn in 1.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                file.write_all(b"mine. ").unwrap();
                // Now and then all that there is becomes safe, and the journal begins anew.
                if turn % 8 == 0 { rustix::fs::syncfs(&file).unwrap() } else { file.sync_all().unwrap() }
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

/// Lets `judge` look at about `budget` disks; it gets the place where one is mounted, and how many marks were set.
pub(crate) fn judge(
    stage: &Stage,
    kind: Kind,
    record: &Record,
    budget: usize,
    mut judge: impl FnMut(&Path, usize) -> Result<(), String>,
) -> Tally {
    let point = mount_point(stage);
    let seed = effort::seed();
    let mut tally = Tally::default();
    for (cut, disk) in record.disks(record.cuts(budget, seed)) {
        let image = stage.at(&format!("{}.img", tally.images));
        disk.save(&image);
        let marks = record.marks(cut);
        let mounted = Mounted::new(&image, &point);
        let verdict = judge(&point, marks);
        mounted.unmount();
        if let Err(what) = verdict {
            keep(&disk, kind, cut);
            tally.violations.push(format!("{} after {marks} marks, {cut:?}, seed {seed}: {what}", kind.name()));
        }
        std::fs::remove_file(image).unwrap();
        tally.images += 1;
    }
    tally
}

/// Keeps a disk for somebody who wants to look at it.
fn keep(disk: &Blocks, kind: Kind, cut: Cut) {
    if let Some(dir) = std::env::var_os("HOMEPORT_CRASH_KEEP") {
        let name = format!("{}-{}-{:?}.img", kind.name(), cut.at, cut.keep).replace([' ', '{', '}', ':'], "");
        let path = Path::new(&dir).join(name);
        if !path.exists() {
            disk.save(&path);
        }
    }
}
