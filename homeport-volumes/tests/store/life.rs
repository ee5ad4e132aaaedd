//! What goes into a store comes out of it.

use std::process::Command;

use homeport_core::fault::Advice as _;
use homeport_volumes::store::{Compression, OBJECT_MAX, Store, StoreError};
use proptest::prelude::*;

use crate::stand::{Files, NOW, Stand, all_files, noise, prose, put_files, read, snapshot, writer};

fn files(rows: &[(&str, Vec<u8>)]) -> Files {
    rows.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect()
}

#[test]
fn a_snapshot_comes_back_as_it_was() {
    for compression in [Compression::Zstd, Compression::None] {
        let stand = Stand::new(compression);
        let one = files(&[
            ("empty", vec![]),
            ("letter", prose(1, 9000)),
            ("noise", noise(1, 5000)),
            ("one", vec![b'x']),
            ("piece", noise(2, OBJECT_MAX)),
            ("pieces", prose(2, 3 * OBJECT_MAX + 77)),
        ]);
        let head = stand.snapshot(&one);
        assert_eq!(head.sequence.get(), 1);
        let again = Store::open(&stand.path()).unwrap();
        assert_eq!(again.uuid(), stand.store.uuid());
        let catalog = again.catalog().unwrap();
        assert_eq!((&catalog.snapshots[..], &catalog.damaged[..]), (&[head.clone()][..], &[][..]));
        assert_eq!(read(&again, &head).unwrap(), one);
        // The same again stores nothing new but the snapshot itself.
        let before = all_files(&stand.path());
        let second = stand.snapshot(&one);
        assert_eq!((second.sequence.get(), &second.body.volumes), (2, &head.body.volumes));
        let mut after = all_files(&stand.path());
        assert!(after.remove(std::path::Path::new(&format!("snapshots/{}", second.file_name()))).is_some());
        assert_eq!(after, before);
        assert_eq!(std::fs::read_dir(stand.path().join("tmp")).unwrap().count(), 0);
    }
}

/// Anybody can read a pack: `tar` lists and unpacks it, and each member's name is what `sha256sum` says.
#[test]
fn a_pack_is_an_ordinary_tar_file() {
    let stand = Stand::new(Compression::Zstd);
    stand.snapshot(&files(&[("a", prose(1, 4000)), ("b", noise(1, 700)), ("c", noise(3, 512))]));
    let pack = std::fs::read_dir(stand.path().join("packs")).unwrap().map(|entry| entry.unwrap().path());
    let pack = pack.into_iter().find(|path| path.extension().unwrap() == "tar").unwrap();
    let script =
        "set -e; cd \"$1\"; tar xf \"$2\"; zstd -q -d --rm *.zst; ls | sed 's/.*/&  &/' | sha256sum -c --quiet; ls";
    let out = stand.dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(&out).arg(&pack).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 3);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// The name of a pack can be made with `tar`, `sort` and `sha256sum`.
#[test]
fn a_packs_name_is_that_of_its_members() {
    let stand = Stand::new(Compression::Zstd);
    stand.snapshot(&files(&[("a", prose(1, 4000)), ("b", noise(1, 700)), ("c", prose(3, 5120))]));
    let script =
        "cd \"$1\" && for p in *.tar; do tar tf $p | LC_ALL=C sort | sha256sum | cut -c-64; echo ${p%.tar}; done";
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(stand.path().join("packs")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let [one, two] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert_eq!(one, two);
}

#[test]
fn packs_are_cut_and_all_of_them_are_found() {
    let stand = Stand::new(Compression::None);
    let mut writer = stand.writer();
    let mut ids = Vec::new();
    for seed in 0..140 {
        ids.push(writer.put(&noise(seed, OBJECT_MAX)).unwrap());
    }
    let sealed = writer.seal().unwrap();
    assert_eq!((sealed.packs, sealed.objects, sealed.bytes), (2, 140, 140 << 20));
    assert_eq!(writer.seal().unwrap(), homeport_volumes::store::Sealed::default());
    drop(writer);
    let objects = stand.store.objects().unwrap();
    let mut bytes = Vec::new();
    for (seed, id) in (0..).zip(&ids) {
        objects.read(id, &mut bytes).unwrap();
        assert_eq!(bytes, noise(seed, OBJECT_MAX));
    }
    assert_eq!((objects.count(), objects.packs().count()), (140, 2));
    for pack in objects.packs() {
        assert_eq!(objects.check_structure(&pack).unwrap(), [""; 0]);
    }
}

#[test]
fn entries_can_be_read_once_they_are_sealed() {
    let stand = Stand::new(Compression::Zstd);
    let mut writer = stand.writer();
    let id = put_files(&mut writer, &files(&[("a", prose(1, 100))])).unwrap();
    assert!(matches!(stand.store.entries(&id), Err(StoreError::EntriesMissing { .. })));
    writer.seal().unwrap();
    let totals = stand.store.entries(&id).unwrap().finish().unwrap();
    assert_eq!((totals.count, totals.bytes), (2, 100));
    assert!(stand.store.catalog().unwrap().snapshots.is_empty());
}

/// 61: two writers.
#[test]
fn there_is_one_writer_and_the_other_says_whom_it_waits_for() {
    let stand = Stand::new(Compression::Zstd);
    let first = stand.writer();
    let error = writer(&stand.store).unwrap_err();
    let me = format!("process {}", std::process::id());
    assert!(matches!(&error, StoreError::Busy { holder, .. } if *holder == me), "{error}");
    assert_eq!(error.code(), "HP-STO-007");
    assert!(error.help().is_some_and(|help| help.contains("has ended")), "{error}");
    let (mut told, wait) = (Vec::new(), std::time::Duration::from_millis(300));
    stand.store.writer(wait, &mut |text| told.push(text.to_owned())).unwrap_err();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains(&me), "{told:?}");
    std::thread::scope(|scope| {
        let second = scope.spawn(|| stand.store.writer(std::time::Duration::from_secs(20), &mut |_| {}).map(drop));
        std::thread::sleep(std::time::Duration::from_millis(100));
        drop(first);
        second.join().unwrap().unwrap();
    });
}

/// Readers need no lock, and see nothing of what is not committed.
#[test]
fn a_reader_beside_a_writer_sees_whole_snapshots_only() {
    let stand = Stand::new(Compression::Zstd);
    let one = files(&[("a", prose(1, 100))]);
    let head = stand.snapshot(&one);
    let mut writer = stand.writer();
    put_files(&mut writer, &files(&[("b", noise(1, 100))])).unwrap();
    writer.seal().unwrap();
    assert_eq!(stand.store.catalog().unwrap().snapshots, std::slice::from_ref(&head));
    assert_eq!(read(&stand.store, &head).unwrap(), one);
}

#[test]
fn what_a_dead_writer_left_is_cleared() {
    let stand = Stand::new(Compression::Zstd);
    std::fs::write(stand.path().join("tmp/left"), "x").unwrap();
    drop(stand.writer());
    assert!(!stand.path().join("tmp/left").exists());
}

#[test]
fn a_snapshot_of_what_is_not_there_is_refused_and_the_writer_is_done() {
    let stand = Stand::new(Compression::Zstd);
    let head = stand.snapshot(&files(&[("a", prose(1, 100))]));
    let mut first = stand.writer();
    let mut missing = head.body.clone();
    missing.uuid = homeport_volumes::store::SnapshotUuid::random();
    missing.volumes[0].entries = homeport_volumes::store::EntriesId::new([9; 32]);
    assert!(matches!(first.commit(missing), Err(StoreError::EntriesMissing { .. })));
    assert!(matches!(first.put(b"x"), Err(StoreError::Poisoned { .. })));
    assert!(matches!(first.commit(head.body.clone()), Err(StoreError::Poisoned { .. })));
    drop(first);
    let mut second = stand.writer();
    assert!(matches!(second.commit(head.body.clone()), Err(StoreError::SnapshotExists { .. })));
    drop(second);
    for of in [0, 1] {
        let never_put = Some(homeport_volumes::store::ObjectId::of(b"never put"));
        let mut missing = head.body.clone();
        missing.uuid = homeport_volumes::store::SnapshotUuid::random();
        *[&mut missing.manifest, &mut missing.configuration][of] = never_put;
        let refused = stand.writer().commit(missing);
        assert!(matches!(refused, Err(StoreError::ObjectMissing { .. })), "{refused:?}");
    }
    let mut third = stand.writer();
    let mut sink = third.entries().unwrap();
    let content = homeport_volumes::tree::Content::Whole(homeport_volumes::store::ObjectId::of(b"never put"));
    let line = crate::stand::entry(".", homeport_volumes::tree::Kind::Directory);
    third.line(&mut sink, &line).unwrap();
    let line = crate::stand::entry("a", homeport_volumes::tree::Kind::File { size: 9, content });
    assert!(matches!(third.line(&mut sink, &line), Err(StoreError::ObjectMissing { .. })));
    drop(sink);
    drop(third);
    let mut fourth = stand.writer();
    assert!(matches!(fourth.put(&vec![0; OBJECT_MAX + 1]), Err(StoreError::TooLarge { .. })));
    assert_eq!(stand.store.catalog().unwrap().snapshots.len(), 1);
    assert_eq!(std::fs::read_dir(stand.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_store_is_made_once_and_only_where_nothing_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    Store::create(&path, Compression::Zstd, NOW).unwrap();
    assert!(matches!(Store::create(&path, Compression::Zstd, NOW), Err(StoreError::NotEmpty { .. })));
    let full = dir.path().join("full");
    std::fs::create_dir_all(full.join("data")).unwrap();
    assert!(matches!(Store::create(&full, Compression::Zstd, NOW), Err(StoreError::NotEmpty { .. })));
    assert_eq!(std::fs::read_dir(&full).unwrap().count(), 1);
    // An empty directory of an operator's becomes root's alone.
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let store = Store::create(&empty, Compression::None, NOW).unwrap();
    assert_eq!(snapshot(&store, &Files::new()).unwrap().sequence.get(), 1);
    assert!(Store::create(&dir.path().join("no/such"), Compression::None, NOW).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any series of snapshots: each comes back as it was, whatever they share.
    #[test]
    fn every_snapshot_comes_back(
        series in proptest::collection::vec(
            proptest::collection::btree_map("[a-e]{1,2}", (0_u64..9, 0_usize..3000, any::<bool>()), 0..6),
            1..5,
        ),
        zstd: bool,
    ) {
        let stand = Stand::new(if zstd { Compression::Zstd } else { Compression::None });
        let mut taken = Vec::new();
        for volume in series {
            let make = |(seed, length, plain): (u64, usize, bool)| if plain { prose(seed, length) } else { noise(seed, length) };
            let files: Files = volume.into_iter().map(|(name, content)| (name, make(content))).collect();
            taken.push((stand.snapshot(&files), files));
        }
        let heads: Vec<_> = taken.iter().map(|(head, _)| head.clone()).collect();
        prop_assert_eq!(stand.store.catalog().unwrap().snapshots, heads);
        for (head, files) in taken {
            prop_assert_eq!(read(&stand.store, &head).unwrap(), files);
        }
    }
}
