//! Damage: every byte of a small store flipped, one at a time, and the ways in which disks and people damage stores.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use homeport_core::fault::Advice as _;
use homeport_volumes::store::{Compression, SnapshotHead, Store, StoreError};

use crate::stand::{Files, Stand, all_files, noise, prose, read, snapshot, writer};

fn letters() -> Files {
    [("a", prose(1, 1500)), ("b", noise(1, 300)), ("c", vec![]), ("d", noise(2, 20))]
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .collect()
}

/// What opening, listing and reading a store comes to: the files of every snapshot, or an error.
fn all(path: &Path) -> Result<Vec<(SnapshotHead, Files)>, StoreError> {
    let store = Store::open(path)?;
    let catalog = store.catalog()?;
    if let Some((file, fault)) = catalog.damaged.into_iter().next() {
        return Err(StoreError::Snapshot { file, fault });
    }
    catalog.snapshots.into_iter().map(|head| read(&store, &head).map(|files| (head, files))).collect()
}

/// G14: each byte of each file of a small store, in one bit. It is noticed, or everything reads as it did; and where
/// the data still reads, a look at the whole pack notices what is damaged beside it.
#[test]
fn every_flipped_byte_is_noticed_or_has_no_effect() {
    for compression in [Compression::Zstd, Compression::None] {
        let stand = Stand::new(compression);
        stand.snapshot(&letters());
        let good = all(&stand.path()).unwrap();
        let mut tally: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for (name, bytes) in all_files(&stand.path()) {
            let path = stand.path().join(&name);
            // The files are 0400; root writes all the same.
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            let kind = name.extension().unwrap_or_default().to_string_lossy().into_owned();
            for (at, byte) in bytes.iter().enumerate() {
                {
                    let flip = 1_u8 << (at % 8);
                    file.write_all_at(&[byte ^ flip], at as u64).unwrap();
                    let counts = tally.entry(kind.clone()).or_default();
                    match all(&stand.path()) {
                        Err(_) => counts.0 += 1,
                        Ok(found) => {
                            counts.1 += 1;
                            assert_eq!(found, good, "{} at {at}", name.display());
                            match &*kind {
                                // A header or what lies between members: no object's.
                                "tar" => {
                                    let objects = stand.store.objects().unwrap();
                                    let pack = objects.packs().next().unwrap();
                                    let faults = objects.check_structure(&pack).unwrap();
                                    // Or a bit of a frame's header that says nothing about the object.
                                    assert!(!faults.is_empty() || compression == Compression::Zstd, "{at}");
                                }
                                // Made again from the pack; bits of a zstd header that say nothing about the text.
                                "index" | "zst" => {}
                                _ => panic!("{} at {at} was not noticed", name.display()),
                            }
                        }
                    }
                    file.write_all_at(&[*byte], at as u64).unwrap();
                }
            }
        }
        assert_eq!(all(&stand.path()).unwrap(), good);
        assert!(tally["tar"].0 > 300 && tally["snapshot"].0 > 400 && tally["json"].0 > 200, "{tally:?}");
        assert_eq!((tally["index"].0, tally["snapshot"].1, tally["json"].1), (0, 0, 0), "{tally:?}");
    }
}

fn find(stand: &Stand, room: &str, suffix: &str) -> PathBuf {
    let files = std::fs::read_dir(stand.path().join(room)).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.to_string_lossy().ends_with(suffix)).unwrap()
}

fn patch(path: &Path, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

fn cut(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

/// Damage, and the code of what reading says; `None` where everything is read all the same.
type Row = (&'static str, fn(&Stand), Option<&'static str>);

/// 48 to 56, 60: one row for each kind of damage. Then the next snapshot of the same files mends it, wherever what is
/// damaged can be stored anew.
#[test]
fn damage_is_named_and_the_next_snapshot_mends_it() {
    let rows: [Row; 17] = [
        ("48: pack cut at a header", |s| cut(&find(s, "packs", ".tar"), 1024), Some("HP-STO-030")),
        (
            "48: cut, and no index",
            |s| {
                std::fs::remove_file(find(s, "packs", ".index")).unwrap();
                cut(&find(s, "packs", ".tar"), 1024);
            },
            Some("HP-STO-030"),
        ),
        ("pack empty", |s| cut(&find(s, "packs", ".tar"), 0), Some("HP-STO-030")),
        (
            "pack without its end",
            |s| {
                let path = find(s, "packs", ".tar");
                cut(&path, path.metadata().unwrap().len() - 512);
            },
            None,
        ),
        ("49: data flipped", |s| patch(&find(s, "packs", ".tar"), 530, b"\x55"), Some("HP-STO-031")),
        ("50: header flipped", |s| patch(&find(s, "packs", ".tar"), 3, b"g"), None),
        (
            "50: header flipped, and no index",
            |s| {
                std::fs::remove_file(find(s, "packs", ".index")).unwrap();
                patch(&find(s, "packs", ".tar"), 3, b"g");
            },
            Some("HP-STO-030"),
        ),
        ("51: index flipped", |s| patch(&find(s, "packs", ".index"), 40, b"\xee\xee"), None),
        ("index cut", |s| cut(&find(s, "packs", ".index"), 100), None),
        ("index empty", |s| cut(&find(s, "packs", ".index"), 0), None),
        ("index gone", |s| std::fs::remove_file(find(s, "packs", ".index")).unwrap(), None),
        ("52: a zeroed block", |s| patch(&find(s, "packs", ".tar"), 512, &[0; 512]), Some("HP-STO-031")),
        ("53: pack gone", |s| std::fs::remove_file(find(s, "packs", ".tar")).unwrap(), Some("HP-STO-030")),
        (
            "53: pack a directory",
            |s| {
                let path = find(s, "packs", ".tar");
                std::fs::remove_file(&path).unwrap();
                std::fs::create_dir(&path).unwrap();
            },
            Some("HP-STO-030"),
        ),
        ("entries gone", |s| std::fs::remove_file(find(s, "entries", "")).unwrap(), Some("HP-STO-040")),
        ("entries cut", |s| cut(&find(s, "entries", ""), 60), Some("HP-STO-041")),
        (
            "entries of another",
            |s| std::fs::write(find(s, "entries", ""), "homeport-entries 1\n").unwrap(),
            Some("HP-STO-041"),
        ),
    ];
    for compression in [Compression::None, Compression::Zstd] {
        for (what, damage, code) in &rows {
            let stand = Stand::new(compression);
            let head = stand.snapshot(&letters());
            damage(&stand);
            let found = read(&stand.store, &head);
            assert_eq!(found.as_ref().err().map(StoreError::code), *code, "{what}: {found:?}");
            assert!(found.as_ref().err().is_none_or(|error| error.help().is_some()), "{what}");
            if let Ok(files) = found {
                assert_eq!(files, letters(), "{what}");
            }
            // What was found damaged is taken for unknown, as a snapshot after a verification does.
            let mut writer = writer(&stand.store).unwrap();
            let bad: Vec<_> = letters().values().map(|bytes| homeport_volumes::store::ObjectId::of(bytes)).collect();
            writer.distrust(bad);
            let entries = crate::stand::put_files(&mut writer, &letters()).unwrap();
            writer.seal().unwrap();
            drop(writer);
            assert_eq!(entries, head.body.volumes[0].entries);
            assert_eq!(
                read(&stand.store, &head).unwrap_or_else(|error| panic!("{what}: {error}")),
                letters(),
                "{what}"
            );
            // Nothing that was damaged was overwritten.
            let second = snapshot(&stand.store, &letters()).unwrap();
            assert_eq!(read(&stand.store, &second).unwrap(), letters(), "{what}");
        }
    }
}

/// An edit of a snapshot's file, given its path and its bytes.
type Edit = (&'static str, fn(&Path, Vec<u8>));

/// 54 and 55: a snapshot without its last line, edited, under another's name, twice.
#[test]
fn a_damaged_snapshot_is_listed_as_damaged_and_never_as_a_snapshot() {
    let rows: [Edit; 8] = [
        ("54: last line missing", |path, bytes| std::fs::write(path, &bytes[..bytes.len() - 72]).unwrap()),
        ("cut in the middle", |path, bytes| std::fs::write(path, &bytes[..100]).unwrap()),
        ("empty", |path, _| std::fs::write(path, "").unwrap()),
        ("55: edited", |path, bytes| {
            let text = String::from_utf8(bytes).unwrap().replace("reason manual", "reason upgrade");
            std::fs::write(path, text).unwrap();
        }),
        ("renamed", |path, _| std::fs::rename(path, path.with_file_name("notes.txt")).unwrap()),
        ("another number", |path, _| {
            let name = path.file_name().unwrap().to_str().unwrap().replace("00000001", "00000007");
            std::fs::rename(path, path.with_file_name(name)).unwrap();
        }),
        ("a directory", |path, _| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        }),
        ("a link", |path, bytes| {
            let away = path.parent().unwrap().parent().unwrap().join("tmp/away");
            std::fs::write(&away, bytes).unwrap();
            std::fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink(away, path).unwrap();
        }),
    ];
    for (what, damage) in rows {
        let stand = Stand::new(Compression::Zstd);
        let head = stand.snapshot(&letters());
        let path = stand.path().join("snapshots").join(head.file_name());
        damage(&path, std::fs::read(&path).unwrap());
        let catalog = stand.store.catalog().unwrap();
        assert_eq!((catalog.snapshots.len(), catalog.damaged.len()), (0, 1), "{what}");
        let error = all(&stand.path()).expect_err(what);
        assert_eq!(error.code(), "HP-STO-050", "{what}: {error}");
        assert!(error.help().is_some_and(|help| help.contains("homeport snapshot verify")), "{what}: {error}");
        // Its number is not given again.
        if !what.starts_with("renamed") {
            assert!(stand.snapshot(&letters()).sequence > head.sequence, "{what}");
        }
    }
}

#[test]
fn two_snapshots_of_one_number_are_noticed() {
    let stand = Stand::new(Compression::Zstd);
    let other = Stand::new(Compression::Zstd);
    let (head, twin) = (stand.snapshot(&letters()), other.snapshot(&letters()));
    let name = twin.file_name();
    std::fs::copy(other.path().join("snapshots").join(&name), stand.path().join("snapshots").join(&name)).unwrap();
    let catalog = stand.store.catalog().unwrap();
    assert_eq!((catalog.snapshots.len(), catalog.damaged.len()), (1, 1));
    assert!(catalog.damaged[0].1.to_string().contains("same sequence"), "{:?}", catalog.damaged);
    assert!([head, twin].contains(&catalog.snapshots[0]));
}

/// What programs for tar need of a pack, though every object in it is whole. [spec: STO-6]
#[test]
fn a_pack_that_tar_cannot_unpack_is_named() {
    type Damage = fn(&Path);
    let rows: [(&str, Damage); 3] = [
        ("the header of", |pack| patch(pack, 3, b"g")),
        ("is not empty", |pack| patch(pack, 512 + 1400, b"x")),
        ("its end is damaged", |pack| cut(pack, pack.metadata().unwrap().len() - 512)),
    ];
    for (what, damage) in rows {
        let stand = Stand::new(Compression::None);
        let files: Files = [("a".to_owned(), noise(1, 1300))].into();
        let head = stand.snapshot(&files);
        let pack = stand.store.objects().unwrap().packs().next().unwrap();
        assert_eq!(stand.store.objects().unwrap().check_structure(&pack).unwrap(), [""; 0]);
        damage(&find(&stand, "packs", ".tar"));
        assert_eq!(read(&stand.store, &head).unwrap(), files, "{what}");
        let faults = stand.store.objects().unwrap().check_structure(&pack).unwrap();
        assert!(faults.iter().any(|fault| fault.contains(what)), "{what}: {faults:?}");
        std::fs::remove_file(find(&stand, "packs", ".tar")).unwrap();
        let objects = stand.store.objects().unwrap();
        assert_eq!(objects.check_structure(&pack).unwrap_err().code(), "HP-STO-032");
    }
}

/// A disk that gives back something else than what it was given is noticed while the data is still at hand, and nothing of
/// it gets a name. [spec: STO-10]
#[test]
fn the_disk_is_asked_before_a_pack_gets_its_name() {
    let stand = Stand::new(Compression::None);
    for what in ["a pack", "entries"] {
        let mut writer = stand.writer();
        if what == "a pack" {
            // More than is gathered before it is written.
            writer.put(&noise(1, 1 << 20)).unwrap();
            writer.put(&noise(2, 1 << 20)).unwrap();
        } else {
            crate::stand::put_files(&mut writer, &Files::new()).unwrap();
        }
        patch(&find(&stand, "tmp", ""), 30, b"\x07");
        let error = writer.seal().unwrap_err();
        assert_eq!(error.code(), "HP-STO-024", "{what}: {error}");
        drop(writer);
        assert_eq!(all_files(&stand.path()).len(), 2, "{what}: only the document and the lock");
    }
}

/// 60: a frame that gives more than it says, or asks for much memory, under a name that somebody chose.
#[test]
fn a_bomb_in_a_pack_or_in_entries_is_refused() {
    let stand = Stand::new(Compression::Zstd);
    let head = stand.snapshot(&[("a".to_owned(), prose(1, 100_000))].into());
    let bomb = zstd::bulk::compress(&vec![0; 256 << 20], 19).unwrap();
    let refused = |code: &str| {
        let error = read(&stand.store, &head).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.help().is_some_and(|help| help.contains("homeport snapshot verify")), "{error}");
    };
    let pack = find(&stand, "packs", ".tar");
    patch(&pack, 512, &bomb[..300]);
    refused("HP-STO-031");
    let entries = find(&stand, "entries", ".zst");
    std::fs::write(&entries, &bomb).unwrap();
    refused("HP-STO-041");
}

/// Two packs have the object: the old one a rotten copy, the new one the mended one. A collection keeps the one that reads,
/// though the old pack is larger. [spec: STO-9, STO-29]
#[test]
fn a_collection_after_mending_keeps_the_copy_that_reads() {
    for compression in [Compression::None, Compression::Zstd] {
        let stand = Stand::new(compression);
        let files: Files = (0..20).map(|seed| (format!("m{seed:02}"), noise(seed + 1, 20_000))).collect();
        let head = stand.snapshot(&files);
        let old = find(&stand, "packs", ".tar");
        patch(&old, 700, b"\x55\xaa\x55\xaa");
        let objects = stand.store.objects().unwrap();
        let ids: Vec<_> = files.values().map(|bytes| homeport_volumes::store::ObjectId::of(bytes)).collect();
        let bad: Vec<_> = ids.into_iter().filter(|id| objects.read(id, &mut Vec::new()).is_err()).collect();
        assert_eq!(bad.len(), 1);
        let mut writer = writer(&stand.store).unwrap();
        writer.distrust(bad);
        crate::stand::put_files(&mut writer, &files).unwrap();
        writer.seal().unwrap();
        drop(writer);
        assert_eq!(read(&stand.store, &head).unwrap(), files, "mended");
        for day in [0, 1, 8, 16] {
            let done = crate::collect::collect(&stand.store, &[], crate::collect::later(day)).unwrap();
            assert_eq!(read(&stand.store, &head).unwrap(), files, "day {day}: {done:?}");
            assert_eq!(done.brought_back, [], "day {day}");
        }
    }
}

/// Where no pack gives the object back, the choice falls on one all the same, and nothing of it is unlinked.
#[test]
fn where_every_copy_is_rotten_one_is_kept() {
    let stand = Stand::new(Compression::None);
    let files: Files = [("a".to_owned(), noise(1, 20_000)), ("b".to_owned(), noise(2, 20_000))].into();
    let head = stand.snapshot(&files);
    let old = find(&stand, "packs", ".tar");
    patch(&old, 700, b"\x55\xaa\x55\xaa");
    let object = |name: &str| homeport_volumes::store::ObjectId::of(&files[name]);
    let bad = if stand.store.objects().unwrap().read(&object("a"), &mut Vec::new()).is_err() { "a" } else { "b" };
    let mut writer = writer(&stand.store).unwrap();
    writer.distrust([object(bad)]);
    crate::stand::put_files(&mut writer, &files).unwrap();
    writer.seal().unwrap();
    drop(writer);
    let packs = std::fs::read_dir(stand.path().join("packs")).unwrap().map(|entry| entry.unwrap().path());
    let new = packs.into_iter().find(|path| path.extension().is_some_and(|end| end == "tar") && *path != old).unwrap();
    patch(&new, 700, b"\x55\xaa\x55\xaa");
    for day in [0, 1, 8] {
        crate::collect::collect(&stand.store, &[], crate::collect::later(day)).unwrap();
        assert_eq!(read(&stand.store, &head).unwrap_err().code(), "HP-STO-031", "day {day}: there, and damaged");
    }
}
