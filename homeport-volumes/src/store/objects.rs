//! Owns looking up and reading objects. Never writes.
//!
//! In memory an object takes 16 bytes: the first 88 bits of its name, the number of its pack and its number there. The
//! whole name, and where the bytes are, is read from the pack's index when it is needed.

use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use super::draft::{open_file, sync_room};
use super::error::{StoreError, error_text};
use super::frame::Expand;
use super::handles::{Handles, With};
use super::identity::{ObjectId, PackId};
use super::marks::Marks;
use super::pack::check::{CheckedPack, check, compare};
use super::pack::header::TRAILER;
use super::pack::index::{self, HEAD, Index, RECORD};
use super::pack::name::{index_file, pack_file, parse_pack_file};
use super::pack::rebuild::rebuild;
use super::pack::record::{Form, Record};
use super::pack::write::{SealedPack, publish_index};
use super::place::{Place, Room};
use crate::file::{Small, read_small};
use crate::progress::Progress;

/// All objects of a store as they were when it was made. Can be shared between threads; at most 64 files are open.
#[derive(Debug)]
pub struct Objects {
    place: Arc<Place>,
    packs: Vec<Pack>,
    /// Sorted; see [`Slot`].
    table: Vec<u128>,
    handles: Handles,
    scratch: Mutex<Vec<Scratch>>,
}

/// A pack, and how its members are found.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) id: PackId,
    /// The length of the file.
    pub(super) size: u64,
    /// The members, where the index did not say them.
    rebuilt: Option<Vec<Record>>,
    /// How many members it has.
    members: u32,
    /// What is wrong with it.
    pub(super) fault: Option<String>,
}

/// An entry of the table: 88 bits of the name, 20 of the pack's number, 20 of the member's. Sorted as numbers they are
/// sorted by name.
#[derive(Debug, Clone, Copy)]
struct Slot(u128);

const NUMBER_BITS: u32 = 20;
const NUMBERS: u128 = (1 << NUMBER_BITS) - 1;

impl Slot {
    fn new(object: &ObjectId, pack: u32, member: u32) -> Self {
        Self(Self::prefix(object) | u128::from(pack) << NUMBER_BITS | u128::from(member))
    }

    /// The name's part of the entry, with zeros in the other places.
    fn prefix(object: &ObjectId) -> u128 {
        let first = object.as_bytes().first_chunk::<16>().map_or(0, |bytes| u128::from_be_bytes(*bytes));
        first & !((1 << (2 * NUMBER_BITS)) - 1)
    }

    fn pack(self) -> u32 {
        (self.0 >> NUMBER_BITS & NUMBERS) as u32
    }

    fn member(self) -> u32 {
        (self.0 & NUMBERS) as u32
    }
}

/// What reading an object needs beside the caller's own buffer.
#[derive(Debug)]
struct Scratch {
    expand: Expand,
    stored: Vec<u8>,
}

impl Objects {
    /// Reads all indexes, and the packs' headers where an index is missing or damaged. [spec: STO-8]
    pub(super) fn load(place: &Arc<Place>) -> Result<Self, StoreError> {
        let mut objects = Self {
            place: Arc::clone(place),
            packs: Vec::new(),
            table: Vec::new(),
            handles: Handles::new(place),
            scratch: Mutex::default(),
        };
        for name in place.names(Room::Packs)? {
            if let Some(pack) = parse_pack_file(&name) {
                objects.load_pack(pack)?;
            }
        }
        objects.table.sort_unstable();
        objects.table.shrink_to_fit();
        Ok(objects)
    }

    fn load_pack(&mut self, id: PackId) -> Result<(), StoreError> {
        let broken = |fault: String| Pack { id, size: 0, rebuilt: Some(Vec::new()), members: 0, fault: Some(fault) };
        let file = match open_file(&self.place, Room::Packs, &pack_file(&id)) {
            Ok(Some(file)) => file,
            // A collection took it away just now.
            Ok(None) => return Ok(()),
            Err(error) => {
                self.packs.push(broken(error_text(&error)));
                return Ok(());
            }
        };
        let at = || self.place.at(Room::Packs, &pack_file(&id));
        let size = file.metadata().map_err(StoreError::io("examine", at()))?.len();
        let index = read_small(self.place.room(Room::Packs), &index_file(&id), index::longest(size));
        if let Ok(Small::Bytes(bytes)) = index
            && let Ok(index) = Index::read(&bytes, &id)
        {
            let fault = (index.pack_size != size).then(|| format!("it has {size} bytes: wanted {}", index.pack_size));
            self.add(Pack { id, size, rebuilt: None, members: 0, fault }, index.records());
            return Ok(());
        }
        match rebuild(&file, &id) {
            Ok(rebuilt) => {
                let records = rebuilt.records;
                let pack = Pack { id, size, rebuilt: Some(records.clone()), members: 0, fault: rebuilt.fault };
                self.add(pack, records.into_iter());
            }
            Err(error) => self.packs.push(broken(format!("it cannot be read: {error}"))),
        }
        Ok(())
    }

    /// Adds a pack and its members to the table; what its file is too short for is not there.
    fn add(&mut self, mut pack: Pack, records: impl ExactSizeIterator<Item = Record>) {
        let members = records.len();
        let number = u32::try_from(self.packs.len()).ok().filter(|number| u128::from(*number) <= NUMBERS);
        pack.members = u32::try_from(members).unwrap_or(u32::MAX);
        match number {
            Some(number) if members as u128 <= NUMBERS => {
                self.table.reserve(members);
                for (member, record) in (0_u32..).zip(records) {
                    if record.offset + u64::from(record.stored) <= pack.size {
                        self.table.push(Slot::new(&record.object, number, member).0);
                    }
                }
            }
            _ => pack.fault = Some(format!("it is one of too many packs, or has too many members: {members}")),
        }
        self.packs.push(pack);
    }

    #[expect(
        clippy::stable_sort_primitive,
        reason = "the table is sorted but for its end: the stable sort merges runs"
    )]
    fn sort(&mut self) {
        self.table.sort();
    }

    /// Adds a pack that was written just now.
    pub(super) fn add_sealed(&mut self, sealed: SealedPack) {
        if self.packs.iter().any(|pack| pack.id == sealed.pack && pack.fault.is_none()) {
            return;
        }
        let SealedPack { pack: id, records, size } = sealed;
        self.add(Pack { id, size, rebuilt: None, members: 0, fault: None }, records.into_iter());
        self.sort();
    }

    /// Writes the index of each pack that has none, or a damaged one, and is whole otherwise. Only for the writer.
    pub(super) fn write_missing_indexes(&self) -> Result<(), StoreError> {
        let mut wrote = false;
        for pack in self.packs.iter().filter(|pack| pack.fault.is_none()) {
            if let Some(records) = &pack.rebuilt {
                publish_index(&self.place, &pack.id, records)?;
                wrote = true;
            }
        }
        if wrote { sync_room(&self.place, Room::Packs, "store.index.directory") } else { Ok(()) }
    }

    /// Whether a pack holds the object; its bytes are not looked at.
    pub fn contains(&self, object: &ObjectId) -> Result<bool, StoreError> {
        for slot in self.slots(object) {
            if self.record(slot, object)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the object, or one whose name has the same first 88 bits, is there. Asks nothing of the disk.
    pub(super) fn may_contain(&self, object: &ObjectId) -> bool {
        self.slots(object).next().is_some()
    }

    /// Puts the object's bytes into `bytes`, after comparing them with its name. On an error `bytes` is empty. Where
    /// more than one pack holds the object, one good copy is enough. [spec: STO-9]
    pub fn read(&self, object: &ObjectId, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        let mut scratch = self.scratch()?;
        let mut result = Err(StoreError::ObjectMissing { object: *object });
        for slot in self.slots(object) {
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

    /// Puts the object's stored bytes into `bytes` as they stand in a pack, after comparing what they stand for with its
    /// name: for writing them into another pack.
    pub(super) fn read_stored(&self, object: &ObjectId, bytes: &mut Vec<u8>) -> Result<Record, StoreError> {
        let mut scratch = self.scratch()?;
        let (mut result, mut plain) = (Err(StoreError::ObjectMissing { object: *object }), Vec::new());
        for slot in self.slots(object) {
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

    /// Reads a whole pack from the disk and compares every byte of it; tells `progress` the bytes of objects.
    pub fn check_pack(&self, pack: &PackId, progress: &dyn Progress) -> Result<CheckedPack, StoreError> {
        let number = self.packs.iter().position(|known| known.id == *pack);
        let gone = || StoreError::PackDamaged { pack: *pack, why: "it is gone".to_owned() };
        let number = number.ok_or_else(gone)?;
        let name = pack_file(pack);
        let file = open_file(&self.place, Room::Packs, &name)?.ok_or_else(gone)?;
        let _dropped = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        let checked = check(&file, &self.members(number)?, progress);
        let mut checked = checked.map_err(StoreError::io("read", self.place.at(Room::Packs, &name)))?;
        checked.faults.extend(self.packs.get(number).and_then(|pack| pack.fault.clone()));
        Ok(checked)
    }

    /// The packs that cannot be read, wholly or in part, and why.
    pub fn damaged(&self) -> Vec<(PackId, String)> {
        self.packs.iter().filter_map(|pack| Some((pack.id, pack.fault.clone()?))).collect()
    }

    /// All packs, in the order of their numbers.
    pub fn packs(&self) -> impl Iterator<Item = PackId> {
        self.packs.iter().map(|pack| pack.id)
    }

    /// What is wrong with the pack with this number.
    pub(super) fn fault(&self, number: usize) -> Option<&str> {
        self.packs.get(number)?.fault.as_deref()
    }

    /// Marks for all members of all packs.
    pub(super) fn marks(&self) -> Marks {
        Marks::new(self.packs.iter().map(|pack| pack.members))
    }

    /// Marks the object in one pack that holds it, a sound one where there is one, and the largest; whether there is
    /// any. Where only one object has the first 88 bits of its name, the disk is not asked.
    pub(super) fn mark(&self, object: &ObjectId, marks: &mut Marks) -> Result<bool, StoreError> {
        let mut slots = self.slots(object);
        let (first, second) = (slots.next(), slots.next());
        let home = match (first, second) {
            (None, _) => return Ok(false),
            (Some(only), None) => only,
            (Some(_), Some(_)) => {
                let mut homes = Vec::new();
                for slot in self.slots(object) {
                    if self.record(slot, object)?.is_some() {
                        homes.push(slot);
                    }
                }
                let rank =
                    |slot: &Slot| self.packs.get(slot.pack() as usize).map(|p| (p.fault.is_none(), p.size, p.id));
                let Some(home) = homes.into_iter().max_by_key(rank) else { return Ok(false) };
                home
            }
        };
        marks.set(home.pack(), home.member());
        Ok(true)
    }

    /// Whether the object, or one whose name has the same first 88 bits, is marked in any pack.
    pub(super) fn is_marked(&self, object: &ObjectId, marks: &Marks) -> bool {
        self.slots(object).any(|slot| marks.is_set(slot.pack() as usize, slot.member() as usize))
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

    /// The entries whose part of the name is the object's.
    fn slots(&self, object: &ObjectId) -> impl Iterator<Item = Slot> {
        let prefix = Slot::prefix(object);
        let start = self.table.partition_point(|slot| *slot < prefix);
        self.table[start..]
            .iter()
            .map(|slot| Slot(*slot))
            .take_while(move |slot| slot.0 >> (2 * NUMBER_BITS) == prefix >> (2 * NUMBER_BITS))
    }

    /// The member of an entry, if it is the object and not only one with nearly the same name.
    fn record(&self, slot: Slot, object: &ObjectId) -> Result<Option<Record>, StoreError> {
        let Some(pack) = self.packs.get(slot.pack() as usize) else { return Ok(None) };
        let record = match &pack.rebuilt {
            Some(records) => records.get(slot.member() as usize).copied(),
            None => Some(self.indexed(slot, pack)?),
        };
        Ok(record.filter(|record| record.object == *object && record.nonsense().is_none()))
    }

    fn indexed(&self, slot: Slot, pack: &Pack) -> Result<Record, StoreError> {
        let handle = self.handles.get(slot.pack(), &pack.id, With::Index)?;
        let mut bytes = [0; RECORD];
        let at = HEAD as u64 + u64::from(slot.member()) * RECORD as u64;
        let read = handle.index.as_ref().map_or(Ok(()), |index| index.read_exact_at(&mut bytes, at));
        read.map_err(StoreError::io("read", self.place.at(Room::Packs, &index_file(&pack.id))))?;
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
        let with = if pack.rebuilt.is_some() { With::PackOnly } else { With::Index };
        let handle = self.handles.get(slot.pack(), &pack.id, with)?;
        let damaged = |why: String| StoreError::ObjectDamaged { object: *object, pack: pack.id, why };
        let stored = match record.form {
            Form::Raw => &mut *bytes,
            Form::Zstd => &mut scratch.stored,
        };
        // All of it is overwritten: what was there need not be cleared.
        stored.resize(record.stored as usize, 0);
        handle
            .pack
            .read_exact_at(stored, record.offset)
            .map_err(|error| damaged(format!("it cannot be read: {error}")))?;
        match record.form {
            Form::Raw => compare(&record, bytes, &mut scratch.expand, &mut Vec::new()),
            Form::Zstd => compare(&record, &scratch.stored, &mut scratch.expand, bytes),
        }
        .map_err(damaged)?;
        Ok(Some(record))
    }

    /// The members of the pack with this number, in the order of their ids.
    pub(super) fn members(&self, number: usize) -> Result<Vec<Record>, StoreError> {
        let Some(pack) = self.packs.get(number) else { return Ok(Vec::new()) };
        if let Some(records) = &pack.rebuilt {
            return Ok(records.clone());
        }
        let name = index_file(&pack.id);
        let small =
            read_small(self.place.room(Room::Packs), &name, index::longest(pack.size.max(TRAILER.len() as u64)));
        let Small::Bytes(bytes) = small.map_err(StoreError::io("read", self.place.at(Room::Packs, &name)))? else {
            return Err(StoreError::PackDamaged { pack: pack.id, why: "its index is gone".to_owned() });
        };
        match Index::read(&bytes, &pack.id) {
            Ok(index) => Ok(index.records().collect()),
            Err(why) => Err(StoreError::PackDamaged { pack: pack.id, why: why.to_owned() }),
        }
    }
}
