//! Crashes and errors at every step that changes the disk, in one process: afterwards every snapshot that is listed is
//! whole, and the next command goes on from there.

use homeport_volumes::failpoint::{Blow, arm, record};
use homeport_volumes::store::{Compression, SnapshotHead, Store, StoreError};

use crate::collect::{collect, later, mails};
use crate::stand::{Files, NOW, Stand, all_files, read, snapshot};

/// Runs `work` on fresh stands, struck at each of its steps in turn, and lets `judge` look. Returns how many steps.
fn strike_everywhere(
    blow: Blow,
    prepare: impl Fn() -> Stand,
    work: impl Fn(&Stand) -> Result<(), StoreError>,
    judge: impl Fn(&Stand, &str, Result<(), StoreError>),
) -> usize {
    let stand = prepare();
    let (result, steps) = record(|| work(&stand));
    result.unwrap();
    for nth in 1..=steps.len() {
        let stand = prepare();
        let guard = arm("*", u32::try_from(nth).unwrap(), blow);
        let result = work(&stand);
        drop(guard);
        judge(&stand, &format!("{blow:?} at step {nth}, `{}`", steps[nth - 1]), result);
    }
    steps.len()
}

const BLOWS: [Blow; 3] = [Blow::Crash, Blow::Error(rustix::io::Errno::IO), Blow::Error(rustix::io::Errno::NOSPC)];

/// Every listed snapshot reads, none is damaged, and a new one can be made.
fn whole(stand: &Stand, at: &str, known: &[(SnapshotHead, Files)]) {
    let store = Store::open(&stand.path()).unwrap();
    let catalog = store.catalog().unwrap();
    assert_eq!(catalog.damaged, [], "{at}");
    for head in &catalog.snapshots {
        let files = read(&store, head).unwrap_or_else(|error| panic!("{at}: {error}"));
        if let Some((_, wanted)) = known.iter().find(|(known, _)| known == head) {
            assert_eq!(files, *wanted, "{at}");
        }
    }
    let next = mails(50..52);
    let head = snapshot(&store, &next).unwrap_or_else(|error| panic!("{at}: {error}"));
    assert_eq!(read(&store, &head).unwrap(), next, "{at}");
    assert_eq!(std::fs::read_dir(stand.path().join("tmp")).unwrap().count(), 0, "{at}");
}

#[test]
fn a_snapshot_cut_off_at_any_step_is_there_whole_or_not_at_all() {
    for blow in BLOWS {
        let steps = strike_everywhere(
            blow,
            || {
                let stand = Stand::new(Compression::Zstd);
                stand.snapshot(&mails(0..2));
                stand
            },
            |stand| snapshot(&stand.store, &mails(1..4)).map(drop),
            |stand, at, result| {
                let heads = stand.store.catalog().unwrap().snapshots;
                match (heads.len(), &result) {
                    // A failed sync of the directory leaves a file that may or may not be there after a power cut.
                    (2, _) => assert_eq!(read(&stand.store, &heads[1]).unwrap(), mails(1..4), "{at}"),
                    (1, Err(_)) => {}
                    (count, _) => panic!("{at}: {count} snapshots and {result:?}"),
                }
                if blow != Blow::Crash && result.is_err() {
                    assert_eq!(std::fs::read_dir(stand.path().join("tmp")).unwrap().count(), 0, "{at}");
                }
                whole(stand, at, &[]);
            },
        );
        assert!(steps >= 18, "only {steps} steps");
    }
}

#[test]
fn a_creation_cut_off_at_any_step_is_taken_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let create = |name: &str| Store::create(&dir.path().join(name), Compression::Zstd, NOW);
    let (store, steps) = record(|| create("first"));
    store.unwrap();
    for (turn, blow) in BLOWS.into_iter().enumerate() {
        for nth in 1..=steps.len() {
            let name = format!("{turn}-{nth}");
            let guard = arm("*", u32::try_from(nth).unwrap(), blow);
            create(&name).unwrap_err();
            drop(guard);
            let store = match create(&name) {
                // The last step came after it was a store.
                Err(StoreError::NotEmpty { found, .. }) if found == "store.json" => {
                    Store::open(&dir.path().join(&name)).unwrap()
                }
                made => made.unwrap_or_else(|error| panic!("{name} `{}`: {error}", steps[nth - 1])),
            };
            assert_eq!(snapshot(&store, &mails(0..1)).unwrap().sequence.get(), 1);
        }
    }
    assert!(steps.len() >= 10, "{steps:?}");
}

/// INV-15: collection cut off anywhere, again and again, loses nothing that is listed.
#[test]
fn a_collection_cut_off_at_any_step_loses_nothing() {
    for blow in BLOWS {
        let steps = strike_everywhere(
            blow,
            || {
                let stand = Stand::new(Compression::None);
                // One that goes, one of whose pack a little stays, and an older batch to unlink.
                let old = stand.snapshot(&mails(20..22));
                stand.snapshot(&mails(0..12));
                stand.snapshot(&mails(2..5));
                stand.snapshot(&mails(30..33));
                collect(&stand.store, &[&old], NOW).unwrap();
                stand
            },
            |stand| {
                let heads = stand.store.catalog()?.snapshots;
                collect(&stand.store, &[&heads[0], &heads[2]], later(8)).map(drop)
            },
            |stand, at, _| {
                let before = stand.store.catalog().unwrap().snapshots;
                let kept = before.iter().find(|head| head.sequence.get() == 3).unwrap();
                assert_eq!(read(&stand.store, kept).unwrap(), mails(2..5), "{at}");
                whole(stand, at, &[(kept.clone(), mails(2..5))]);
                // The next one goes on, and then there is nothing left to do.
                let gone: Vec<_> = before.iter().filter(|head| head.sequence.get() != 3).collect();
                collect(&stand.store, &gone, later(8)).unwrap_or_else(|error| panic!("{at}: {error}"));
                assert_eq!(read(&stand.store, kept).unwrap(), mails(2..5), "{at}");
                let again = collect(&stand.store, &[], later(8)).unwrap();
                assert_eq!((again.set_aside, again.freed), (0, 0), "{at}: {again:?}");
                collect(&stand.store, &[], later(20)).unwrap();
                assert_eq!(read(&stand.store, kept).unwrap(), mails(2..5), "{at}");
                assert!(stand.store.catalog().unwrap().snapshots.iter().all(|head| head.sequence.get() >= 3), "{at}");
            },
        );
        assert!(steps >= 25, "only {steps} steps");
    }
}

/// Every step of a snapshot is in the order of the format: objects before entries before the snapshot, each synced and
/// renamed before the next refers to it. [spec: STO-3, STO-21]
#[test]
fn the_steps_come_in_their_order() {
    let stand = Stand::new(Compression::None);
    let (head, steps) = record(|| stand.snapshot(&mails(0..2)));
    let order = [
        "store.pack.write",
        "store.pack.sync",
        "store.pack.rename",
        "store.index.sync",
        "store.index.rename",
        "store.pack.directory",
        "store.entries.sync",
        "store.entries.rename",
        "store.entries.directory",
        "store.snapshot.write",
        "store.snapshot.sync",
        "store.snapshot.rename",
        "store.snapshot.directory",
    ];
    let mut rest = steps.iter();
    for step in order {
        assert!(rest.any(|found| *found == step), "`{step}` is missing or too early in {steps:?}");
    }
    assert_eq!(steps.last(), Some(&"store.snapshot.directory"));
    assert!(all_files(&stand.path()).keys().any(|path| path.ends_with(head.file_name())));
}

/// Wherever mending is cut off, the damaged file or the good one has the name: never none, and what was damaged is there
/// under another name once the good one has it. [spec: STO-35]
#[test]
fn mending_cut_off_at_any_step_never_leaves_a_name_without_a_file() {
    let spoil = |path: &std::path::Path, at: usize| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[at] ^= 0x40;
        std::fs::write(path, bytes).unwrap();
    };
    let named = |stand: &Stand| -> Vec<_> {
        let files = all_files(&stand.path()).into_keys();
        files.filter(|name| name.starts_with("packs") || name.starts_with("entries")).collect()
    };
    for (room, end, at) in [("packs", "tar", 700), ("packs", "index", 60), ("entries", "entries", 40)] {
        for blow in BLOWS {
            let steps = strike_everywhere(
                blow,
                || {
                    let stand = Stand::new(Compression::None);
                    stand.snapshot(&mails(0..2));
                    let files = std::fs::read_dir(stand.path().join(room)).unwrap().map(|file| file.unwrap().path());
                    let wanted = |path: &std::path::PathBuf| path.extension().is_some_and(|found| found == end);
                    let [file] = &files.filter(wanted).collect::<Vec<_>>()[..] else { panic!("one {end}") };
                    spoil(file, at);
                    stand
                },
                |stand| {
                    let mut writer = crate::stand::writer(&stand.store)?;
                    writer.distrust(mails(0..2).values().map(|bytes| homeport_volumes::store::ObjectId::of(bytes)));
                    crate::stand::put_files(&mut writer, &mails(0..2))?;
                    writer.seal().map(drop)
                },
                |stand, step, result| {
                    assert_eq!(named(stand).len(), 3, "{end}, {step}: a name is without a file");
                    let head = stand.store.catalog().unwrap().snapshots.remove(0);
                    let is_mended = read(&stand.store, &head).is_ok();
                    assert!(is_mended || result.is_err(), "{end}, {step}: not mended");
                    let aside = all_files(&stand.path()).into_keys().filter(|name| name.starts_with("removed")).count();
                    assert!(aside >= 1 || !is_mended || end == "index", "{end}, {step}: what was damaged is gone");
                },
            );
            assert!(steps > 10, "only {steps} steps");
        }
    }
}
