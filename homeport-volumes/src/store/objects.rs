//! Owns reading objects, and whether they are there. Never writes, and never finds packs by itself (see `load`).

use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use super::draft::open_file;
use super::error::StoreError;
use super::frame::Expand;
use super::handles::{Handles, Which};
use super::identity::{ObjectId, PackId};
use super::later::Later;
use super::load::Pack;
use super::names::{Known, Members, Names};
use super::pack::check::compare;
use super::pack::index::{self, HEAD, RECORD};
use super::pack::name::{index_file, pack_file};
use super::pack::record::{Form, Record};
use super::pack::structure::structure;
use super::place::{Place, Room};
use super::table::{Slot, Table};

/// How many bytes of an index are read at once: whole records.
const CHUNK: usize = 1024 * RECORD;

/// All objects of a store as they were when it was made; what is not there is looked for once more where packs were written
/// anew since. Can be shared between threads; at most 64 files are open.
#[derive(Debug)]
pub struct Objects {
    pub(super) place: Arc<Place>,
    pub(super) packs: Vec<Pack>,
    pub(super) table: Table,
    pub(super) handles: Handles,
    pub(super) names: Names,
    pub(super) scratch: Mutex<Vec<Scratch>>,
    /// The newest look of a reader; `None` for who holds the lock, for whom no pack goes.
    pub(super) later: Option<Later>,
}

/// What reading an object needs beside the caller's own buffer.
#[derive(Debug)]
pub(super) struct Scratch {
    expand: Expand,
    stored: Vec<u8>,
}

impl Objects {
    /// Whether a pack holds the object; its bytes are not looked at. A yes was compared with all 256 bits of the name, as
    /// the pack's index on the disk has it. [spec: STO-37]
    pub fn contains(&self, object: &ObjectId) -> Result<bool, StoreError> {
        self.look(|now| now.holds(object), |found| matches!(found, Ok(true)))
    }

    fn holds(&self, object: &ObjectId) -> Result<bool, StoreError> {
        for slot in self.table.find(object) {
            if self.is(slot, object)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts the object's bytes into `bytes`, after comparing them with its name. On an error `bytes` is empty. Where
    /// more than one pack holds the object, one good copy is enough. [spec: STO-9]
    pub fn read(&self, object: &ObjectId, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        self.look(|now| now.read_now(object, bytes), Result::is_ok)
    }

    fn read_now(&self, object: &ObjectId, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        let mut scratch = self.scratch()?;
        let mut result = Err(StoreError::ObjectMissing { object: *object });
        for slot in self.table.find(object) {
            match self.read_slot(slot, object, &mut scratch, bytes) {
                Ok(Some(_)) => {
                    result = Ok(());
                    break;
                }
                Ok(None) => {}
                Err(error) => result = Err(error),
            }
        }
        if result.is_err() {
            bytes.clear();
        }
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        result
    }

    /// Whether the pack of this entry gives the object back whole. That the disk does not answer is no error but a no.
    pub(super) fn is_whole(&self, slot: Slot, object: &ObjectId) -> Result<bool, StoreError> {
        let mut scratch = self.scratch()?;
        let whole = matches!(self.read_slot(slot, object, &mut scratch, &mut Vec::new()), Ok(Some(_)));
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        Ok(whole)
    }

    /// Puts the object's stored bytes into `bytes` as they stand in a pack, after comparing what they stand for with its
    /// name: for writing them into another pack.
    pub(super) fn read_stored(&self, object: &ObjectId, bytes: &mut Vec<u8>) -> Result<Record, StoreError> {
        let mut scratch = self.scratch()?;
        let (mut result, mut plain) = (Err(StoreError::ObjectMissing { object: *object }), Vec::new());
        for slot in self.table.find(object) {
            match self.read_slot(slot, object, &mut scratch, &mut plain) {
                Ok(Some(record)) => {
                    match record.form {
                        Form::Raw => std::mem::swap(bytes, &mut plain),
                        Form::Zstd => std::mem::swap(bytes, &mut scratch.stored),
                    }
                    result = Ok(record);
                    break;
                }
                Ok(None) => {}
                Err(error) => result = Err(error),
            }
        }
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        result
    }

    /// What is wrong with a pack outside of objects' data: what programs for tar need to unpack it, and `restore.sh`. The
    /// objects themselves are not read. [spec: STO-6]
    ///
    /// # Errors
    /// The pack is gone, or cannot be opened.
    pub fn check_structure(&self, pack: &PackId) -> Result<Vec<String>, StoreError> {
        let gone = || StoreError::PackDamaged { pack: *pack, why: "it is gone".to_owned() };
        let number = self.packs.iter().position(|known| known.id == *pack).ok_or_else(gone)?;
        let name = pack_file(pack);
        let file = open_file(&self.place, Room::Packs, &name)?.ok_or_else(gone)?;
        let _dropped = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        let mut faults: Vec<String> = self.fault(number).map(str::to_owned).into_iter().collect();
        let found = structure(&file, &self.members(number)?);
        faults.extend(found.map_err(StoreError::io("examine", self.place.at(Room::Packs, &name)))?);
        Ok(faults)
    }

    /// All packs, in the order of their numbers.
    pub fn packs(&self) -> impl Iterator<Item = PackId> {
        self.packs.iter().map(|pack| pack.id)
    }

    /// How many objects there are; one that is in two packs counts twice.
    pub fn count(&self) -> u64 {
        self.table.len() as u64
    }

    fn scratch(&self) -> Result<Scratch, StoreError> {
        let kept = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(scratch) = kept {
            return Ok(scratch);
        }
        let expand = Expand::new().map_err(StoreError::io("expand objects of", self.place.path.as_path()))?;
        Ok(Scratch { expand, stored: Vec::new() })
    }

    /// The member of an entry, if it is the object and not only one whose name begins alike.
    pub(super) fn record(&self, slot: Slot, object: &ObjectId) -> Result<Option<Record>, StoreError> {
        let Some(pack) = self.packs.get(slot.pack() as usize) else { return Ok(None) };
        let record = match &pack.rebuilt {
            Some(records) => records.get(slot.member() as usize).copied(),
            None => Some(self.indexed(slot, pack)?),
        };
        Ok(record.filter(|record| record.object == *object && record.nonsense().is_none()))
    }

    /// Whether the member of an entry is the object, by its whole name. [spec: STO-37]
    pub(super) fn is(&self, slot: Slot, object: &ObjectId) -> Result<bool, StoreError> {
        let Some(pack) = self.packs.get(slot.pack() as usize) else { return Ok(false) };
        let names = match (&pack.rebuilt, self.names.of(slot.pack(), pack.members)) {
            (Some(_), _) | (None, Known::Nothing) => return Ok(self.record(slot, object)?.is_some()),
            (None, Known::Names(names)) => names,
            (None, Known::Wanted) => {
                let names = self.all_names(slot.pack(), pack)?;
                self.names.hold(slot.pack(), &names);
                names
            }
        };
        Ok(names.get(slot.member() as usize) == Some(object))
    }

    /// How many bytes the object of an entry has, by the pack's index.
    pub(crate) fn length(&self, slot: Slot) -> Result<u64, StoreError> {
        let Some(pack) = self.packs.get(slot.pack() as usize) else { return Ok(0) };
        let record = match &pack.rebuilt {
            Some(records) => records.get(slot.member() as usize).copied(),
            None => Some(self.indexed(slot, pack)?),
        };
        Ok(record.map_or(0, |record| record.length.into()))
    }

    /// The names of all members, as the index has them; that they are right was proven when it was read first.
    fn all_names(&self, number: u32, pack: &Pack) -> Result<Arc<Members>, StoreError> {
        let index = self.handles.get(number, &pack.id, Which::Index)?;
        let (mut names, mut at) = (Vec::with_capacity(pack.members as usize), HEAD as u64);
        let mut left = pack.members as usize * RECORD;
        let mut chunk = vec![0; left.min(CHUNK)];
        while left > 0 {
            let part = chunk.get_mut(..left.min(CHUNK)).unwrap_or_default();
            index
                .read_exact_at(part, at)
                .map_err(StoreError::io("read", self.place.at(Room::Packs, &index_file(&pack.id))))?;
            names.extend(part.as_chunks::<RECORD>().0.iter().map(|bytes| index::record(bytes).object));
            at += part.len() as u64;
            left -= part.len();
        }
        Ok(Arc::new(Members::new(names)))
    }

    fn indexed(&self, slot: Slot, pack: &Pack) -> Result<Record, StoreError> {
        let index = self.handles.get(slot.pack(), &pack.id, Which::Index)?;
        let mut bytes = [0; RECORD];
        let at = HEAD as u64 + u64::from(slot.member()) * RECORD as u64;
        index
            .read_exact_at(&mut bytes, at)
            .map_err(StoreError::io("read", self.place.at(Room::Packs, &index_file(&pack.id))))?;
        Ok(index::record(&bytes))
    }

    /// Reads the object of an entry; `None` if the entry is another object's. What stands in the pack is in `bytes` if it
    /// is raw, and otherwise in the scratch.
    fn read_slot(
        &self,
        slot: Slot,
        object: &ObjectId,
        scratch: &mut Scratch,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<Record>, StoreError> {
        let Some(record) = self.record(slot, object)? else { return Ok(None) };
        let Some(pack) = self.packs.get(slot.pack() as usize) else { return Ok(None) };
        let file = self.handles.get(slot.pack(), &pack.id, Which::Pack)?;
        let damaged = |why: String| StoreError::ObjectDamaged { object: *object, pack: pack.id, why };
        let stored = match record.form {
            Form::Raw => &mut *bytes,
            Form::Zstd => &mut scratch.stored,
        };
        // All of it is overwritten: what was there need not be cleared.
        stored.resize(record.stored as usize, 0);
        file.read_exact_at(stored, record.offset).map_err(|error| damaged(format!("it cannot be read: {error}")))?;
        match record.form {
            Form::Raw => compare(&record, bytes, &mut scratch.expand, &mut Vec::new()),
            Form::Zstd => compare(&record, &scratch.stored, &mut scratch.expand, bytes),
        }
        .map_err(damaged)?;
        Ok(Some(record))
    }
}
