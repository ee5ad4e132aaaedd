//! Taking out: what stays is whole, what goes comes back or is gone for good after seven days, and what cannot be read
//! stops everything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use homeport_core::fault::Advice as _;
use homeport_volumes::UnixSeconds;
use homeport_volumes::failpoint::{Blow, arm};
use homeport_volumes::progress::Silent;
use homeport_volumes::store::{
    Collected, Compression, ObjectId, Objects, Removal, Rewriting, SnapshotHead, Store, StoreError,
};
use proptest::prelude::*;

use crate::stand::{Files, NOW, Stand, all_files, noise, read, snapshot};

pub(crate) const DAY: u64 = 24 * 60 * 60;

pub(crate) fn later(days: u64) -> UnixSeconds {
    UnixSeconds::new(NOW.get() + days * DAY)
}

pub(crate) fn collect(store: &Store, gone: &[&SnapshotHead], now: UnixSeconds) -> Result<Collected, StoreError> {
    let removal = Removal { snapshots: gone.iter().map(|head| head.body.uuid).collect(), ..Removal::default() };
    store.collect(&removal, now, Duration::ZERO, &mut |_| {}, &Silent)
}

/// Files of 20 KB each, named by their seeds.
pub(crate) fn mails(seeds: std::ops::Range<u64>) -> Files {
    seeds.map(|seed| (format!("m{seed:03}"), noise(seed, 20_000))).collect()
}

fn names(stand: &Stand, room: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(stand.path().join(room))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_no_snapshot_needs_is_set_aside_and_unlinked_seven_days_later() {
    let stand = Stand::new(Compression::None);
    let (first, second) = (stand.snapshot(&mails(0..10)), stand.snapshot(&mails(10..30)));
    let before = all_files(&stand.path());
    let removal = Removal { snapshots: [first.body.uuid].into(), ..Removal::default() };
    let plan = stand.store.plan_collection(&removal, NOW, &Silent).unwrap();
    assert_eq!(all_files(&stand.path()), before, "a plan changes nothing");
    assert_eq!((plan.snapshots.len(), plan.entries.len(), plan.packs.len(), plan.rewritten.len()), (1, 1, 1, 0));

    let done = collect(&stand.store, &[&first], NOW).unwrap();
    assert_eq!((&done.plan, done.set_aside, done.freed), (&plan, plan.set_aside, 0));
    assert!(done.set_aside > 200_000, "{done:?}");
    assert_eq!(stand.store.catalog().unwrap().snapshots, std::slice::from_ref(&second));
    assert_eq!(read(&stand.store, &second).unwrap(), mails(10..30));
    // Everything is still there, below `removed/`.
    let batch = format!("removed/{}", NOW.get());
    for (path, bytes) in before.iter().filter(|(path, _)| !stand.path().join(path).exists()) {
        assert_eq!(std::fs::read(stand.path().join(&batch).join(path.file_name().unwrap())).unwrap(), *bytes);
    }
    assert_eq!(collect(&stand.store, &[], later(6)).unwrap().freed, 0);
    assert!(stand.path().join(&batch).exists());
    let last = collect(&stand.store, &[], later(7)).unwrap();
    assert_eq!(last.freed, done.set_aside);
    assert_eq!(names(&stand, "removed"), [format!("highest-{}", first.sequence)]);
    assert_eq!(read(&stand.store, &second).unwrap(), mails(10..30));
}

/// A number is never given twice, also when the highest is gone for good.
#[test]
fn the_highest_number_is_remembered() {
    let stand = Stand::new(Compression::None);
    let (one, two) = (stand.snapshot(&mails(0..1)), stand.snapshot(&mails(0..2)));
    collect(&stand.store, &[&two], NOW).unwrap();
    collect(&stand.store, &[&one], later(1)).unwrap();
    collect(&stand.store, &[], later(9)).unwrap();
    assert_eq!(names(&stand, "removed"), ["highest-00000002"]);
    assert_eq!(stand.snapshot(&mails(0..1)).sequence.get(), 3);
}

#[test]
fn a_pack_of_which_little_is_needed_is_written_anew() {
    let stand = Stand::new(Compression::Zstd);
    let (all, few) = (stand.snapshot(&mails(0..40)), stand.snapshot(&mails(3..10)));
    let old = names(&stand, "packs");
    let done = collect(&stand.store, &[&all], NOW).unwrap();
    assert_eq!((done.plan.rewritten.len(), done.plan.packs.len(), done.rewriting), (1, 0, Rewriting::Done));
    let new = names(&stand, "packs");
    assert!(new.len() == 2 && new.iter().all(|name| !old.contains(name)), "{new:?}");
    assert_eq!(read(&stand.store, &few).unwrap(), mails(3..10));
    assert_eq!(collect(&stand.store, &[], later(8)).unwrap().freed, done.set_aside);
    assert_eq!(read(&stand.store, &few).unwrap(), mails(3..10));
    // What is needed by half stays.
    let some = stand.snapshot(&mails(3..7));
    let done = collect(&stand.store, &[&few], later(9)).unwrap();
    assert_eq!((done.plan.rewritten.len(), names(&stand, "packs")), (0, new));
    assert_eq!(read(&stand.store, &some).unwrap(), mails(3..7));
}

/// A reader holds no lock, and opens packs when it comes to them.
#[test]
fn what_is_written_anew_while_it_is_read_is_found_again() {
    let stand = Stand::new(Compression::Zstd);
    let all = stand.snapshot(&mails(0..40));
    stand.snapshot(&mails(3..10));
    let (reader, planner) = (stand.store.objects().unwrap(), stand.store.objects().unwrap());
    let read_all = |objects: &Objects| {
        let mut bytes = Vec::new();
        for (_, mail) in mails(3..10) {
            let object = ObjectId::of(&mail);
            assert!(objects.contains(&object).unwrap());
            objects.read(&object, &mut bytes).unwrap();
            assert_eq!(bytes, mail);
        }
    };
    assert_eq!(collect(&stand.store, &[&all], NOW).unwrap().plan.rewritten.len(), 1);
    read_all(&reader);
    read_all(&planner);
    // And once more, by the same reader.
    let (bulk, rest) = (stand.snapshot(&mails(60..100)), stand.snapshot(&mails(60..63)));
    assert!(planner.contains(&ObjectId::of(&noise(60, 20_000))).unwrap());
    assert_eq!(collect(&stand.store, &[&bulk], later(1)).unwrap().plan.rewritten.len(), 1);
    assert!(planner.contains(&ObjectId::of(&noise(60, 20_000))).unwrap());
    read_all(&reader);
    assert_eq!(read(&stand.store, &rest).unwrap(), mails(60..63));
    // What no pack holds is missing, however often it is looked for.
    let gone = ObjectId::of(&noise(39, 20_000));
    assert!(!reader.contains(&gone).unwrap());
    assert_eq!(reader.read(&gone, &mut Vec::new()).unwrap_err().code(), "HP-STO-030");
}

#[test]
fn many_small_packs_become_one() {
    let stand = Stand::new(Compression::None);
    let heads: Vec<_> = (1..=16).map(|n| (stand.snapshot(&mails(0..n)), n)).collect();
    assert_eq!(names(&stand, "packs").len(), 32);
    let done = collect(&stand.store, &[], NOW).unwrap();
    assert_eq!((done.plan.rewritten.len(), names(&stand, "packs").len()), (16, 2));
    for (head, n) in &heads {
        assert_eq!(read(&stand.store, head).unwrap(), mails(0..*n));
    }
    let again = collect(&stand.store, &[], NOW).unwrap();
    assert_eq!((again.set_aside, again.plan.rewritten.len()), (0, 0));
}

/// What a writer left that never committed is no snapshot's.
#[test]
fn what_was_never_committed_goes() {
    let stand = Stand::new(Compression::None);
    let head = stand.snapshot(&mails(0..3));
    let mut writer = stand.writer();
    crate::stand::put_files(&mut writer, &mails(3..6)).unwrap();
    writer.seal().unwrap();
    drop(writer);
    let done = collect(&stand.store, &[], NOW).unwrap();
    assert_eq!((done.plan.packs.len(), done.plan.entries.len(), done.plan.snapshots.len()), (1, 1, 0));
    assert_eq!(read(&stand.store, &head).unwrap(), mails(0..3));
}

fn only(stand: &Stand, room: &str, suffix: &str) -> std::path::PathBuf {
    let found: Vec<_> = names(stand, room).into_iter().filter(|name| name.ends_with(suffix)).collect();
    let [name] = &found[..] else { panic!("{found:?}") };
    stand.path().join(room).join(name)
}

fn spoil(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x40;
    std::fs::write(path, bytes).unwrap();
}

/// One row for each thing that cannot be read: nothing is removed, and it says what and why.
#[test]
fn what_cannot_be_read_stops_the_collection() {
    type Row = (&'static str, fn(&Stand), &'static str);
    let rows: [Row; 6] = [
        ("snapshot edited", |stand| spoil(&only(stand, "snapshots", ".snapshot"), 300), "HP-STO-050"),
        ("a stranger's file", |stand| std::fs::write(stand.path().join("snapshots/notes"), "x").unwrap(), "HP-STO-050"),
        ("entries gone", |stand| std::fs::remove_file(only(stand, "entries", ".entries")).unwrap(), "HP-STO-040"),
        ("entries edited", |stand| spoil(&only(stand, "entries", ".entries"), 60), "HP-STO-041"),
        ("pack gone", |stand| std::fs::remove_file(only(stand, "packs", ".tar")).unwrap(), "HP-STO-030"),
        (
            "pack cut",
            |stand| {
                std::fs::remove_file(only(stand, "packs", ".index")).unwrap();
                let file = std::fs::OpenOptions::new().write(true).open(only(stand, "packs", ".tar")).unwrap();
                file.set_len(30_000).unwrap();
            },
            "HP-STO-030",
        ),
    ];
    for (what, damage, code) in rows {
        let stand = Stand::new(Compression::None);
        stand.snapshot(&mails(0..3));
        damage(&stand);
        let other = stand.snapshot(&Files::new());
        // The whole snapshot is to go; the other cannot be read.
        let before = all_files(&stand.path());
        let error = collect(&stand.store, &[&other], NOW).unwrap_err();
        assert!(matches!(&error, StoreError::Stopped { .. }), "{what}: {error}");
        assert_eq!((error.code(), error.faults()[0].code), ("HP-STO-060", code), "{what}: {error}");
        let mut after = all_files(&stand.path());
        after.retain(|path, _| before.contains_key(path));
        assert_eq!(after, before, "{what}");
    }
}

/// The way on: what cannot be read is given up by name.
#[test]
fn a_damaged_snapshot_can_be_given_up() {
    let stand = Stand::new(Compression::None);
    let (lost, good) = (stand.snapshot(&mails(0..3)), stand.snapshot(&mails(3..5)));
    spoil(&stand.path().join("snapshots").join(lost.file_name()), 200);
    let removal = Removal { damaged: [lost.file_name()].into(), ..Removal::default() };
    let done = stand.store.collect(&removal, NOW, Duration::ZERO, &mut |_| {}, &Silent).unwrap();
    assert_eq!((done.plan.snapshots.len(), done.plan.packs.len()), (1, 1));
    assert_eq!(read(&stand.store, &good).unwrap(), mails(3..5));
    let unknown = Removal { snapshots: [lost.body.uuid].into(), ..Removal::default() };
    let error = stand.store.plan_collection(&unknown, NOW, &Silent).unwrap_err();
    assert!(matches!(error, StoreError::SnapshotUnknown { .. }), "{error}");
}

/// Without a collection, which others that cannot be read may stop: the file alone is moved, and comes back for seven days.
#[test]
fn a_damaged_file_is_moved_away_and_no_snapshot_ever_is() {
    let stand = Stand::new(Compression::None);
    let (one, two, good) = (stand.snapshot(&mails(0..3)), stand.snapshot(&mails(3..5)), stand.snapshot(&mails(5..6)));
    let at = |head: &SnapshotHead| stand.path().join("snapshots").join(head.file_name());
    let whole = std::fs::read(at(&one)).unwrap();
    spoil(&at(&one), 200);
    std::fs::write(at(&two), "").unwrap();
    let found = stand.store.damaged_file(&one.file_name()).unwrap().unwrap();
    assert_eq!((found.named, found.size), (Some((one.sequence, one.body.uuid)), whole.len() as u64));
    assert!(found.claims.contains(&"instance alice-shell".to_owned()), "{found:?}");
    assert_eq!(stand.store.damaged_file(&good.file_name()).unwrap(), None);
    std::fs::create_dir(stand.path().join("snapshots/directory")).unwrap();
    let before = all_files(&stand.path());
    for name in [&*good.file_name(), "directory", "nothing", "../store.json"] {
        let error = stand.writer().give_up(name, NOW).unwrap_err();
        assert_eq!(error.code(), "HP-STO-054", "{name}: {error}");
    }
    assert_eq!(all_files(&stand.path()), before);
    std::fs::remove_dir(stand.path().join("snapshots/directory")).unwrap();

    assert_eq!(stand.writer().give_up(&one.file_name(), NOW).unwrap(), found);
    // The other one still stops a collection, and stops nobody from giving it up as well.
    let error = collect(&stand.store, &[], NOW).unwrap_err();
    assert_eq!((error.code(), error.faults().len()), ("HP-STO-060", 1), "{error}");
    stand.writer().give_up(&two.file_name(), NOW).unwrap();
    assert_eq!(
        all_files(&stand.path()).len(),
        before.len() + 2,
        "nothing was unlinked, and two numbers are remembered"
    );
    assert_eq!(stand.snapshot(&mails(5..6)).sequence.get(), 4);
    let done = collect(&stand.store, &[], later(1)).unwrap();
    assert_eq!((done.plan.packs.len(), done.plan.entries.len(), done.freed), (2, 2, 0));
    assert_eq!(read(&stand.store, &good).unwrap(), mails(5..6));
    // Within the seven days a copy of the file and what was set aside bring it back.
    let batch = stand.path().join("removed").join(later(1).get().to_string());
    for entry in std::fs::read_dir(&batch).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let room = if name.ends_with(".entries") { "entries" } else { "packs" };
        std::fs::rename(batch.join(&name), stand.path().join(room).join(&name)).unwrap();
    }
    std::fs::write(at(&one), whole).unwrap();
    assert_eq!(read(&stand.store, &one).unwrap(), mails(0..3));
}

/// Every step of giving one up can be the last: it is there, or below `removed/`, and the number is not given again.
#[test]
fn giving_up_cut_off_at_any_step_leaves_the_file_in_one_place() {
    for at in 1.. {
        let stand = Stand::new(Compression::None);
        let head = stand.snapshot(&mails(0..1));
        let file = stand.path().join("snapshots").join(head.file_name());
        spoil(&file, 200);
        let bytes = std::fs::read(&file).unwrap();
        let mut writer = stand.writer();
        let armed = arm("*", at, Blow::Crash);
        let result = writer.give_up(&head.file_name(), NOW);
        drop(armed);
        drop(writer);
        let found = all_files(&stand.path()).into_values().filter(|found| *found == bytes).count();
        assert_eq!((found, file.exists()), (1, file.exists() && result.is_err()), "step {at}");
        if result.is_err() && file.exists() {
            stand.writer().give_up(&head.file_name(), NOW).unwrap();
        }
        assert_eq!(stand.snapshot(&mails(0..1)).sequence.get(), 2, "step {at}");
        if result.is_ok() {
            assert!(at > 4, "{at} steps");
            return;
        }
    }
}

/// A number that the store is known to have had is not given again, though its file is gone without a trace.
#[test]
fn a_number_that_is_known_from_elsewhere_is_not_given_again() {
    let stand = Stand::new(Compression::None);
    let (one, two) = (stand.snapshot(&mails(0..1)), stand.snapshot(&mails(0..2)));
    std::fs::remove_file(stand.path().join("snapshots").join(two.file_name())).unwrap();
    let mut writer = stand.writer();
    writer.number_after(one.sequence).unwrap();
    assert_eq!(names(&stand, "removed"), [""; 0], "what is seen need not be remembered");
    writer.number_after(two.sequence).unwrap();
    drop(writer);
    assert_eq!(stand.snapshot(&mails(0..1)).sequence.get(), 3);
}

/// The last whole copy of something that a snapshot needs lies below `removed/`: it is brought back and not unlinked.
#[test]
fn the_last_whole_copy_is_never_unlinked() {
    let stand = Stand::new(Compression::None);
    let (all, few) = (stand.snapshot(&mails(0..40)), stand.snapshot(&mails(3..6)));
    collect(&stand.store, &[&all], NOW).unwrap();
    // The pack that was written anew rots within the seven days.
    spoil(&only(&stand, "packs", ".tar"), 5000);
    read(&stand.store, &few).unwrap_err();
    let done = collect(&stand.store, &[], later(8)).unwrap();
    assert_eq!(done.brought_back.len(), 1);
    assert_eq!(read(&stand.store, &few).unwrap(), mails(3..6));
    assert_eq!(stand.store.objects().unwrap().packs().count(), 2);
}

/// A clock that stood in the past when something was taken out: the seven days are not over when it is set right, and a
/// batch never has an earlier name than the newest snapshot. [spec: STO-29]
#[test]
fn seven_days_are_never_none_after_the_clock_jumped() {
    let stand = Stand::new(Compression::None);
    let (gone, stays) = (stand.snapshot(&mails(0..3)), stand.snapshot(&mails(5..6)));
    let done = collect(&stand.store, &[&gone], UnixSeconds::new(1_000)).unwrap();
    assert!(done.set_aside > 0);
    assert_eq!(names(&stand, "removed")[0], NOW.get().to_string());
    for (days, freed) in [(0, 0), (6, 0), (7, done.set_aside)] {
        assert_eq!(collect(&stand.store, &[], later(days)).unwrap().freed, freed, "day {days}");
    }
    assert_eq!(read(&stand.store, &stays).unwrap(), mails(5..6));
}

/// What was thrown away seven days ago and does not read any more stays and is named; everything else goes on.
#[test]
fn what_was_taken_out_and_cannot_be_read_hinders_nothing() {
    let stand = Stand::new(Compression::None);
    let (gone, stays) = (stand.snapshot(&mails(0..3)), stand.snapshot(&mails(5..6)));
    let done = collect(&stand.store, &[&gone], NOW).unwrap();
    let batch = stand.path().join("removed").join(NOW.get().to_string());
    // Reading a directory is the one error that needs no failing disk.
    let bad = format!("{}.tar", "ab".repeat(32));
    std::fs::create_dir(batch.join(&bad)).unwrap();
    let other = stand.path().join("removed/1000");
    std::fs::write(&other, "no directory").unwrap();
    let last = collect(&stand.store, &[], later(8)).unwrap();
    let named: Vec<_> = last.unread.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(named, ["removed/1000".to_owned(), format!("removed/{}/{bad}", NOW.get())]);
    assert!(last.unread.iter().all(|(_, why)| !why.is_empty()), "{:?}", last.unread);
    assert_eq!(last.freed, done.set_aside);
    assert_eq!(std::fs::read_dir(&batch).unwrap().count(), 1);
    assert_eq!(read(&stand.store, &stays).unwrap(), mails(5..6));
    std::fs::remove_dir(batch.join(&bad)).unwrap();
    std::fs::remove_file(other).unwrap();
    assert_eq!(collect(&stand.store, &[], later(9)).unwrap().unread, []);
    assert!(!batch.exists());
}

/// A snapshot that was taken out is brought back by moving its files where they were.
#[test]
fn what_was_taken_out_can_be_moved_back_for_seven_days() {
    let stand = Stand::new(Compression::Zstd);
    let (gone, _) = (stand.snapshot(&mails(0..3)), stand.snapshot(&mails(5..6)));
    collect(&stand.store, &[&gone], NOW).unwrap();
    let batch = stand.path().join("removed").join(NOW.get().to_string());
    for entry in std::fs::read_dir(&batch).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let room = match name.rsplit('.').next().unwrap() {
            "snapshot" => "snapshots",
            "tar" | "index" => "packs",
            _ => "entries",
        };
        std::fs::rename(batch.join(&name), stand.path().join(room).join(&name)).unwrap();
    }
    assert_eq!(read(&stand.store, &gone).unwrap(), mails(0..3));
}

/// What happens to a store, one after the other.
#[derive(Debug, Clone)]
enum Event {
    /// A snapshot of these mails.
    Snapshot(u64, u64),
    /// A snapshot that is cut off at this step.
    CutSnapshot(u64, u64, u32),
    /// Snapshots are taken out: those whose place in the list is in the bits.
    Collect(u8),
    /// The same, cut off at this step.
    CutCollect(u8, u32),
    /// Days pass.
    Days(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0_u64..20, 1_u64..8).prop_map(|(from, count)| Event::Snapshot(from, from + count)),
        1 => (0_u64..20, 1_u64..8, 1_u32..20).prop_map(|(from, count, at)| Event::CutSnapshot(from, from + count, at)),
        2 => any::<u8>().prop_map(Event::Collect),
        2 => (any::<u8>(), 1_u32..40).prop_map(|(which, at)| Event::CutCollect(which, at)),
        2 => (1_u64..9).prop_map(Event::Days),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Whatever is taken, taken out and cut off, in whatever order: every snapshot that was not asked to go is listed,
    /// and every one that is listed is whole.
    #[test]
    fn what_is_not_asked_to_go_stays(events in proptest::collection::vec(event(), 1..14), zstd: bool) {
        let stand = Stand::new(if zstd { Compression::Zstd } else { Compression::None });
        // What each snapshot holds, and those that nobody asked to go.
        let (mut known, mut safe) = (BTreeMap::new(), BTreeSet::new());
        let mut now = 0;
        for event in events {
            match event {
                Event::Snapshot(from, to) => {
                    let head = stand.snapshot(&mails(from..to));
                    safe.insert(head.body.uuid);
                    known.insert(head.body.uuid, mails(from..to));
                }
                Event::CutSnapshot(from, to, at) => {
                    let _armed = arm("*", at, Blow::Crash);
                    if let Ok(head) = snapshot(&stand.store, &mails(from..to)) {
                        safe.insert(head.body.uuid);
                        known.insert(head.body.uuid, mails(from..to));
                    }
                }
                Event::Collect(which) | Event::CutCollect(which, _) => {
                    let heads = stand.store.catalog().unwrap().snapshots;
                    let chosen = heads.iter().enumerate().filter(|(n, _)| which >> (n % 8) & 1 == 1);
                    let gone: Vec<_> = chosen.map(|(_, head)| head).collect();
                    safe.retain(|uuid| gone.iter().all(|head| head.body.uuid != *uuid));
                    let armed = match event {
                        Event::CutCollect(_, at) => Some(arm("*", at, Blow::Crash)),
                        _ => None,
                    };
                    let result = collect(&stand.store, &gone, later(now));
                    prop_assert!(armed.is_some() || result.is_ok(), "{result:?}");
                }
                Event::Days(days) => now += days,
            }
            let catalog = stand.store.catalog().unwrap();
            prop_assert_eq!(&catalog.damaged, &[]);
            for head in &catalog.snapshots {
                let files = read(&stand.store, head).unwrap();
                // One that was cut off after it was there is not known.
                prop_assert_eq!(known.get(&head.body.uuid).unwrap_or(&files), &files);
            }
            let listed: BTreeSet<_> = catalog.snapshots.iter().map(|head| head.body.uuid).collect();
            prop_assert!(safe.is_subset(&listed));
        }
    }
}
