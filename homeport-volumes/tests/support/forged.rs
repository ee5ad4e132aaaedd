//! Packs that say of themselves that they hold objects of any names: as they would stand there if somebody had found
//! contents whose names begin as those of others do. Only what an index says is right about them.

use std::path::{Path, PathBuf};

use homeport_volumes::store::{ObjectId, Store};

/// The name with one bit flipped in the byte `at`: it agrees with `object` in all bytes before.
pub(crate) fn alike(object: &ObjectId, at: usize) -> ObjectId {
    let mut bytes = *object.as_bytes();
    bytes[at] ^= 1;
    ObjectId::new(bytes)
}

/// Puts a pack into the store that claims these members, of a byte each; gives its file. [spec: STO-7, STO-8]
pub(crate) fn forge(store: &Store, members: &[ObjectId]) -> PathBuf {
    let mut members = members.to_vec();
    members.sort_unstable();
    let names = members.iter().fold(String::new(), |names, object| names + &object.to_string() + "\n");
    let mut index = b"HPINDEX1".to_vec();
    index.extend_from_slice(&(members.len() as u64).to_le_bytes());
    for (place, object) in (0_u64..).zip(&members) {
        index.extend_from_slice(object.as_bytes());
        index.extend_from_slice(&(place * 1024 + 512).to_le_bytes());
        index.extend_from_slice(&1_u32.to_le_bytes());
        index.extend_from_slice(&1_u32.to_le_bytes());
    }
    let sum = ObjectId::of(&index);
    index.extend_from_slice(sum.as_bytes());
    let pack = ObjectId::of(names.as_bytes());
    let packs: PathBuf = Path::new(store.path().as_path()).join("packs");
    std::fs::write(packs.join(format!("{pack}.index")), index).unwrap();
    let tar = packs.join(format!("{pack}.tar"));
    std::fs::write(&tar, vec![0; members.len() * 1024 + 1024]).unwrap();
    tar
}
