//! Making snapshots, also after one that was cut off, with the power cut at any moment: every snapshot that was promised
//! is listed, every one that is listed can be restored bit for bit, and the next one can be made.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use homeport_core::unit::Format;
use homeport_volumes::failpoint::{self, Blow};
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{Devices, Stored, take_out};
use homeport_volumes::snapshot::{About, Base, Depth, Mode, SnapshotError, Subject, Taking, verify};
use homeport_volumes::store::{Compression, Consistency, ObjectId, Reason, SnapshotHead, SnapshotUuid, Store};
use homeport_volumes::tree::{Content, Entry, Kind as EntryKind, Line, TreePath};
use homeport_volumes::{Generation, UnixSeconds, VolumeUuid};

use crate::disk::Kind;
use crate::effort;
use crate::place::OWNER;
use crate::replay;
use crate::stage::{Stage, run};
use crate::trees::{Picture, furnish, portable};
use crate::workload::{Scene, Workload};

/// Where snapshots are cut off before the next one is made: a place of every kind.
const CUT_OFF: [&str; 8] = [
    "store.pack.sync",
    "store.pack.rename",
    "store.index.rename",
    "store.pack.directory",
    "store.entries.rename",
    "store.entries.directory",
    "store.snapshot.sync",
    "store.snapshot.rename",
];

/// Snapshots of one directory, one after the other.
pub(crate) struct Snapshots {
    /// A directory in memory.
    pub(crate) scratch: PathBuf,
    /// What comes before each but the first.
    pub(crate) before: Before,
}

/// What happened before a snapshot is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// One was made, and the user went on.
    Nothing,
    /// The user went on, and one was cut off.
    CutOff,
}

/// What was promised: after so many marks these are there, and this is in them.
#[derive(Default)]
pub(crate) struct Promised {
    uuids: Vec<SnapshotUuid>,
    pictures: BTreeMap<SnapshotUuid, Picture>,
}

pub(crate) fn store_in(root: &Path) -> PathBuf {
    root.join("store")
}

pub(crate) fn data_in(root: &Path) -> PathBuf {
    root.join("data")
}

/// A snapshot of what is there now.
pub(crate) fn take(root: &Path, mode: Mode) -> Result<SnapshotHead, SnapshotError> {
    let store = Store::open(&store_in(root))?;
    let base = store.catalog()?.snapshots.pop().map_or(Base::None, |head| Base::Parent(Box::new(head)));
    let mut taking = Taking::begin(&store, store.writer(Duration::ZERO, &mut |_| {})?, base);
    let data = File::open(data_in(root)).unwrap();
    let name = "home".parse().unwrap();
    let subject = Subject {
        name: &name,
        uuid: VolumeUuid::from_bytes([7; 16]),
        format: Format::new(1),
        generation: Generation::new(1),
        owner: OWNER,
        data: data.as_fd(),
    };
    let consistency = match mode {
        Mode::Still => Consistency::Stopped,
        Mode::Running => {
            taking.warm(&subject, &Silent)?;
            Consistency::Running
        }
    };
    taking.read(&subject, mode, &Silent)?;
    let about = About {
        root: "0a1b2c3d".parse().unwrap(),
        instance: "alice".parse().unwrap(),
        port: "shell".parse().unwrap(),
        version: "1.0.0".to_owned(),
        image: None,
        manifest: Some(b"a manifest".to_vec()),
        configuration: None,
        reason: Reason::Manual,
        consistency,
        note: None,
    };
    Ok(taking.commit(about)?.head)
}

/// What a user does between two snapshots: new files, one that grows, one that is renamed, one that goes.
pub(crate) fn live_on(data: &Path, day: usize) {
    fs::write(data.join(format!("mail-{day}")), format!("a letter of day {day}. ").repeat(40 * day)).unwrap();
    fs::write(data.join("diary"), format!("today is day {day}. ").repeat(500)).unwrap();
    if day > 1 {
        fs::rename(data.join(format!("mail-{}", day - 1)), data.join(format!("read-{}", day - 1))).unwrap();
    }
    if day > 2 {
        fs::remove_file(data.join(format!("read-{}", day - 2))).unwrap();
    }
}

impl Workload for Snapshots {
    type Known = Promised;

    const STEPS: usize = 2 + CUT_OFF.len();

    fn prepare(&self, root: &Path) {
        prepare(root);
    }

    fn begin(&self, _root: &Path) -> Promised {
        Promised::default()
    }

    fn step(&self, root: &Path, step: usize) -> Result<String, String> {
        if let Some(day) = step.checked_sub(1).filter(|day| *day > 0) {
            live_on(&data_in(root), day);
            if self.before == Before::CutOff {
                let point = CUT_OFF[day - 1];
                let armed = failpoint::arm(point, 1, Blow::Crash);
                let cut_off = take(root, Mode::Still);
                drop(armed);
                assert!(cut_off.is_err(), "{point}");
            }
        }
        said(take(root, if step.is_multiple_of(2) { Mode::Running } else { Mode::Still }))
    }

    fn promise(&self, root: &Path, promised: &mut Promised, _step: usize, word: &str) {
        promised.add(root, word);
    }

    fn judge(&self, scene: &Scene, promised: &Promised) -> Result<(), String> {
        promised.judge(scene, &self.scratch)
    }
}

/// A snapshot after a writer that was killed when its pack had its name and the directory was not yet synced: nothing is
/// left to write but the snapshot itself.
struct AfterAKill {
    scratch: PathBuf,
}

/// The files of the one pack, in `packs/` and in `tmp/`.
fn moved(root: &Path, from: &str, to: &str) {
    let (from, to) = (store_in(root).join(from), store_in(root).join(to));
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::rename(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

impl Workload for AfterAKill {
    type Known = Promised;

    const STEPS: usize = 1;

    fn prepare(&self, root: &Path) {
        prepare(root);
        live_on(&data_in(root), 1);
        let armed = failpoint::arm("store.snapshot.write", 1, Blow::Crash);
        take(root, Mode::Still).unwrap_err();
        drop(armed);
        moved(root, "packs", "tmp");
    }

    fn begin(&self, _root: &Path) -> Promised {
        Promised::default()
    }

    fn step(&self, root: &Path, _step: usize) -> Result<String, String> {
        moved(root, "tmp", "packs");
        said(take(root, Mode::Still))
    }

    fn promise(&self, root: &Path, promised: &mut Promised, _step: usize, word: &str) {
        promised.add(root, word);
    }

    fn judge(&self, scene: &Scene, promised: &Promised) -> Result<(), String> {
        promised.judge(scene, &self.scratch)
    }
}

pub(crate) fn prepare(root: &Path) {
    let data = data_in(root);
    fs::create_dir(&data).unwrap();
    furnish(&data, "old");
    let large: Vec<u8> = (0..300_000_u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
    fs::write(data.join("large enough for pieces"), large).unwrap();
    run("chown", &["-R", "-h", "1000:1000", data.to_str().unwrap()]);
    Store::create(&store_in(root), Compression::Zstd, UnixSeconds::new(1)).unwrap();
}

/// The name of a snapshot that was made.
pub(crate) fn said(taken: Result<SnapshotHead, SnapshotError>) -> Result<String, String> {
    taken.map(|head| head.body.uuid.to_string()).map_err(|error| format!("{error:?}"))
}

impl Promised {
    /// Notes that the snapshot with this name is promised, and what it was made of.
    fn add(&mut self, root: &Path, word: &str) {
        let uuid = word.parse().unwrap();
        self.uuids.push(uuid);
        self.pictures.insert(uuid, portable(&data_in(root)));
    }

    fn judge(&self, scene: &Scene, scratch: &Path) -> Result<(), String> {
        let store = Store::open(&store_in(scene.root)).map_err(|error| damaged(&error))?;
        let catalog = store.catalog().map_err(|error| damaged(&error))?;
        if !catalog.damaged.is_empty() {
            return Err(damaged(&catalog.damaged));
        }
        let mut wanted = self.uuids[..scene.steps].to_vec();
        if let (Some(word), Some(last)) = (scene.word, wanted.last_mut()) {
            *last = word.parse().unwrap();
        }
        if let Some(lost) = wanted.iter().find(|uuid| catalog.find(uuid).is_none()) {
            return Err(format!("snapshot {lost} of {} was promised and is lost", scene.steps));
        }
        all_whole(&store, &catalog.snapshots)?;
        // The newest one whose directory somebody looked at when it was made, restored.
        let newest = catalog.snapshots.iter().rev().find_map(|head| Some((head, self.pictures.get(&head.body.uuid)?)));
        if let Some((head, picture)) = newest {
            restores(&store, head, picture, scratch)?;
        }
        let next = take(scene.root, Mode::Still).map_err(|error| format!("the next one cannot be made: {error:?}"))?;
        all_whole(&store, &[next])
    }
}

fn damaged(error: &dyn std::fmt::Debug) -> String {
    format!("the store is damaged: {error:?}")
}

/// Every snapshot is whole: its entries can be read, and every object that any of them needs is what its name says.
pub(crate) fn all_whole(store: &Store, heads: &[SnapshotHead]) -> Result<(), String> {
    let objects = store.objects().map_err(|error| damaged(&error))?;
    let mut needed: BTreeMap<ObjectId, String> = BTreeMap::new();
    for head in heads {
        let found = verify(store, head, Depth::Presence, &Silent).map_err(|error| damaged(&error))?;
        if found.verified.is_none() {
            return Err(format!("snapshot {} is listed and damaged: {:?}", head.sequence, found.faults));
        }
        needed.extend(head.body.objects().map(|object| (object, head.sequence.to_string())));
        for part in &head.body.volumes {
            for line in store.entries(&part.entries).map_err(|error| damaged(&error))? {
                let object = match line.map_err(|error| damaged(&error))? {
                    Line::Entry(Entry { kind: EntryKind::File { content: Content::Whole(object), .. }, .. }) => object,
                    Line::Piece(piece) => piece.object,
                    Line::Entry(_) | Line::HardLink(_) => continue,
                };
                needed.entry(object).or_insert_with(|| head.sequence.to_string());
            }
        }
    }
    let mut bytes = Vec::new();
    for (object, sequence) in needed {
        let read = objects.read(&object, &mut bytes);
        read.map_err(|error| format!("snapshot {sequence} is listed, and object {object} is damaged: {error:?}"))?;
    }
    Ok(())
}

/// Restored into the directory in memory, it is what it was.
pub(crate) fn restores(store: &Store, head: &SnapshotHead, picture: &Picture, scratch: &Path) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Debug| format!("snapshot {} cannot be restored: {error:?}", head.sequence);
    let objects = store.objects().map_err(|error| wrong(&error))?;
    let source = Stored::new(store, &objects, head.body.volumes[0].entries);
    let to = scratch.join("restored");
    take_out(&source, &TreePath::root(), &to, Devices::Make, &Silent).map_err(|error| wrong(&error))?;
    let restored = portable(&to);
    fs::remove_dir_all(&to).unwrap();
    if restored == *picture {
        return Ok(());
    }
    let differ = restored.iter().zip(picture).find(|(restored, wanted)| restored != wanted);
    Err(format!("snapshot {} is restored as something else: {differ:?}", head.sequence))
}

fn snapshots_survive(stage: &Stage, kind: Kind) {
    let scratch = stage.directory("scratch");
    replay::survives(stage, kind, &Snapshots { scratch, before: Before::CutOff }, effort::images(240));
}

on_each_file_system!(snapshots_after_those_that_were_cut_off, snapshots_survive);

fn one_survives(stage: &Stage, kind: Kind) {
    let scratch = stage.directory("scratch");
    replay::survives(stage, kind, &AfterAKill { scratch }, effort::images(60));
}

on_each_file_system!(a_snapshot_after_a_writer_that_was_killed, one_survives);
