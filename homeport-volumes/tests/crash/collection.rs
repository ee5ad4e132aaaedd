//! Taking snapshots out and collecting what nothing needs, with the power cut at any moment: what stays is whole, what was
//! taken out and promised to be gone is not listed, and the next collection goes on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use homeport_volumes::UnixSeconds;
use homeport_volumes::progress::Silent;
use homeport_volumes::snapshot::Mode;
use homeport_volumes::store::{Collected, Removal, SnapshotUuid, Store, StoreError};

use crate::disk::Kind;
use crate::effort;
use crate::replay;
use crate::snapshots::{all_whole, data_in, live_on, prepare, restores, said, store_in, take};
use crate::stage::Stage;
use crate::trees::{Picture, portable};
use crate::workload::{Scene, Workload};

const DAY: u64 = 24 * 60 * 60;

/// Collections in a store with packs of which all, a part and nothing is needed.
pub(crate) struct Collections {
    /// A directory in memory.
    pub(crate) scratch: PathBuf,
}

/// The snapshots at the beginning, in their order, and the live data, which is in the newest of all.
pub(crate) struct Before {
    uuids: Vec<SnapshotUuid>,
    live: Picture,
    /// What the steps came to.
    done: Vec<String>,
}

/// Which of the first snapshots each step takes out; and how many days after the newest it does that.
const STEPS: [(&[usize], u64); 4] = [(&[2], 1), (&[0], 2), (&[], 9), (&[1], 20)];

fn collect(root: &Path, step: usize) -> Result<Collected, StoreError> {
    let (removed, days) = STEPS[step];
    let store = Store::open(&store_in(root))?;
    let catalog = store.catalog()?;
    // Those that an earlier try has taken out are not there any more.
    let first = |n: &usize| catalog.snapshots.iter().find(|head| head.sequence.to_string() == format!("{:08}", n + 1));
    let snapshots = removed.iter().filter_map(first).map(|head| head.body.uuid).collect();
    let newest = catalog.snapshots.last().map_or(0, |head| head.body.taken.seconds());
    let now = UnixSeconds::new(u64::try_from(newest).unwrap() + days * DAY);
    let removal = Removal { snapshots, damaged: BTreeSet::new() };
    store.collect(&removal, now, Duration::ZERO, &mut |_| {}, &Silent)
}

impl Workload for Collections {
    type Known = Before;

    const STEPS: usize = STEPS.len();

    fn prepare(&self, root: &Path) {
        prepare(root);
        let data = data_in(root);
        for day in 1..=4 {
            live_on(&data, day);
            // Of the first pack little is needed when this is gone.
            if day == 2 {
                fs::remove_file(data.join("large enough for pieces")).unwrap();
            }
            take(root, Mode::Still).unwrap();
            // What is new in this one is needed by no other.
            if day == 2 {
                fs::write(data.join("diary"), "a page that is torn out again").unwrap();
                take(root, Mode::Still).unwrap();
            }
        }
    }

    fn begin(&self, root: &Path) -> Before {
        let catalog = Store::open(&store_in(root)).unwrap().catalog().unwrap();
        let uuids = catalog.snapshots.iter().map(|head| head.body.uuid).collect();
        Before { uuids, live: portable(&data_in(root)), done: Vec::new() }
    }

    fn step(&self, root: &Path, step: usize) -> Result<String, String> {
        let said = |done: Collected| {
            let (gone, anew) = (done.plan.packs.len(), done.plan.rewritten.len());
            format!("{gone} packs go, {anew} are written anew ({:?}), {} bytes are free", done.rewriting, done.freed)
        };
        collect(root, step).map(said).map_err(|error| format!("{error:?}"))
    }

    fn promise(&self, _root: &Path, before: &mut Before, step: usize, word: &str) {
        before.done.push(word.to_owned());
        if step + 1 == STEPS.len() {
            // Otherwise less was tried than the name says.
            let all = before.done.join("; ");
            let some = |what: &str| before.done.iter().any(|word| word.contains(what));
            assert!(some("1 packs go") && some("1 are written anew (Done)"), "{all}");
            assert!(before.done.iter().any(|word| !word.contains(" 0 bytes are free")), "{all}");
        }
    }

    fn judge(&self, scene: &Scene, before: &Before) -> Result<(), String> {
        let damaged = |error: StoreError| format!("the store is damaged: {error:?}");
        let store = Store::open(&store_in(scene.root)).map_err(damaged)?;
        let is_out = |step: usize, n: &usize| STEPS[..step].iter().any(|(removed, _)| removed.contains(n));
        let look = |steps: usize, when: &str| -> Result<(), String> {
            let catalog = store.catalog().map_err(damaged)?;
            if !catalog.damaged.is_empty() {
                return Err(format!("{when}, there are no snapshots: {:?}", catalog.damaged));
            }
            for (n, uuid) in before.uuids.iter().enumerate() {
                match catalog.find(uuid) {
                    Some(_) if is_out(steps, &n) => return Err(format!("{when}, snapshot {n} is there again")),
                    None if !is_out((steps + 1).min(STEPS.len()), &n) => {
                        return Err(format!("{when}, snapshot {n} is lost"));
                    }
                    _ => {}
                }
            }
            all_whole(&store, &catalog.snapshots).map_err(|what| format!("{when}, {what}"))
        };
        look(scene.steps, "before recovery")?;
        // The collection that was under way is done again, or the next one comes.
        let step = scene.steps.min(STEPS.len() - 1);
        collect(scene.root, step).map_err(|error| format!("no collection is possible: {error:?}"))?;
        look(step + 1, "after another collection")?;
        let next = take(scene.root, Mode::Still);
        said(next).map_err(|what| format!("the next snapshot cannot be made: {what}"))?;
        let catalog = store.catalog().map_err(damaged)?;
        all_whole(&store, &catalog.snapshots)?;
        let newest = catalog.snapshots.last().ok_or("nothing is left")?;
        restores(&store, newest, &before.live, &self.scratch)
    }
}

fn survive(stage: &Stage, kind: Kind) {
    let scratch = stage.directory("scratch");
    replay::survives(stage, kind, &Collections { scratch }, effort::images(160));
}

on_each_file_system!(collections, survive);
