//! Names that begin alike: whoever may send what is stored can look for two contents whose names agree in the bits that
//! are held in memory. What is called stored is compared with the whole name. [spec: STO-37]

use std::time::Duration;

use homeport_core::fault::Advice as _;
use homeport_volumes::progress::Silent;
use homeport_volumes::store::{Compression, ObjectId, Removal, StoreError};
use homeport_volumes::tree::{Content, Kind};

use crate::forged::{alike, forge};
use crate::stand::{Files, NOW, Stand, entry, noise, read};

/// In how many leading bytes the names agree: more than the table has, also all but one.
const AGREE: [usize; 4] = [11, 12, 16, 31];

fn one() -> Files {
    [("letter".to_owned(), noise(7, 900))].into()
}

fn name() -> ObjectId {
    ObjectId::of(&noise(7, 900))
}

/// How many other objects are there: names are read one by one at first, and all at once later.
const OTHERS: u32 = 2000;

/// A store that has, for one object that it lacks, `AGREE` others whose names begin alike.
fn forged() -> (Stand, std::path::PathBuf) {
    let stand = Stand::new(Compression::None);
    let mut members: Vec<_> = (0..OTHERS).map(|n| ObjectId::of(&n.to_le_bytes())).collect();
    members.extend(AGREE.map(|at| alike(&name(), at)));
    let pack = forge(&stand.store, &members);
    (stand, pack)
}

#[test]
fn a_name_that_begins_alike_is_not_the_object() {
    let (stand, _) = forged();
    let objects = stand.store.objects().unwrap();
    assert_eq!(objects.count(), u64::from(OTHERS) + 4, "the forged pack is believed as far as its index can be");
    for at in 11..32 {
        assert_eq!(objects.contains(&alike(&name(), at)).unwrap(), AGREE.contains(&at), "{at}");
    }
    assert!(!objects.contains(&name()).unwrap());
    let mut writer = stand.writer();
    assert!(!writer.contains(&name()).unwrap());
    let mut sink = writer.entries().unwrap();
    writer.line(&mut sink, &entry(".", Kind::Directory)).unwrap();
    let line = entry("letter", Kind::File { size: 900, content: Content::Whole(name()) });
    let error = writer.line(&mut sink, &line).unwrap_err();
    assert!(matches!(error, StoreError::ObjectMissing { object } if object == name()), "{error}");
}

/// The second of two contents whose names begin alike is stored like any other, and is the one that is read.
#[test]
fn an_object_is_stored_beside_those_whose_names_begin_alike() {
    let (stand, forged) = forged();
    let head = stand.snapshot(&one());
    assert_eq!(read(&stand.store, &head).unwrap(), one());
    let objects = stand.store.objects().unwrap();
    assert_eq!(objects.count(), u64::from(OTHERS) + 5);
    assert!(objects.contains(&name()).unwrap());
    // A collection keeps the pack that holds it and no other, whichever of the two is larger or comes first.
    let done = stand.store.collect(&Removal::default(), NOW, Duration::ZERO, &mut |_| {}, &Silent).unwrap();
    let kept: Vec<_> = stand.store.objects().unwrap().packs().collect();
    assert_eq!((done.plan.packs.len(), kept.len(), forged.exists()), (1, 1, false));
    assert_eq!(read(&stand.store, &head).unwrap(), one());
}

/// Once its own pack is gone it is missing, though others that begin alike are there.
#[test]
fn an_object_that_is_gone_is_missed_beside_those_whose_names_begin_alike() {
    let (stand, forged) = forged();
    let head = stand.snapshot(&one());
    let packs = std::fs::read_dir(stand.path().join("packs")).unwrap().map(|entry| entry.unwrap().path());
    for file in packs.filter(|file| file.file_stem() != forged.file_stem()) {
        std::fs::remove_file(file).unwrap();
    }
    let objects = stand.store.objects().unwrap();
    assert!(!objects.contains(&name()).unwrap());
    assert!(read(&stand.store, &head).is_err());
    let error = stand.store.plan_collection(&Removal::default(), NOW, &Silent).unwrap_err();
    assert_eq!((error.code(), error.faults()[0].code), ("HP-STO-060", "HP-STO-030"), "{error}");
}
