//! Owns finding all packs and their members, and what of them is needed. Never reads an object that only one pack has.

use std::sync::{Arc, Mutex};

use super::draft::{open_file, sync_room};
use super::error::{StoreError, error_text};
use super::handles::Handles;
use super::identity::{ObjectId, PackId};
use super::marks::Marks;
use super::names::Names;
use super::objects::Objects;
use super::pack::header::TRAILER;
use super::pack::index::{self, Index};
use super::pack::name::{index_file, pack_file, parse_pack_file};
use super::pack::rebuild::rebuild;
use super::pack::record::Record;
use super::pack::write::{SealedPack, publish_index};
use super::place::{Place, Room};
use super::table::{MOST, Slot, Table};
use crate::file::{Small, read_small};

/// A pack, and how its members are found.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) id: PackId,
    /// The length of the file.
    pub(super) size: u64,
    /// The members, where the index did not say them.
    pub(super) rebuilt: Option<Vec<Record>>,
    /// How many members it has.
    pub(super) members: u32,
    /// What is wrong with it.
    pub(super) fault: Option<String>,
}

impl Objects {
    /// Reads all indexes, and the packs' headers where an index is missing or damaged. [spec: STO-8]
    pub(super) fn load(place: &Arc<Place>) -> Result<Self, StoreError> {
        let mut objects = Self {
            place: Arc::clone(place),
            packs: Vec::new(),
            table: Table::default(),
            handles: Handles::new(place),
            names: Names::default(),
            scratch: Mutex::default(),
            later: None,
        };
        for name in place.names(Room::Packs)? {
            if let Some(pack) = parse_pack_file(&name) {
                objects.load_pack(pack)?;
            }
        }
        objects.table.sort();
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
        let number = u32::try_from(self.packs.len()).ok().filter(|_| self.packs.len() < MOST && members < MOST);
        pack.members = u32::try_from(members).unwrap_or(u32::MAX);
        if let Some(number) = number {
            self.table.reserve(members);
            for (member, record) in (0_u32..).zip(records) {
                if record.offset + u64::from(record.stored) <= pack.size {
                    self.table.push(&record.object, number, member);
                }
            }
        } else {
            pack.fault = Some(format!("it is one of too many packs, or has too many members: {members}"));
        }
        self.packs.push(pack);
    }

    /// Adds a pack that was written just now.
    pub(super) fn add_sealed(&mut self, sealed: SealedPack) {
        if self.packs.iter().any(|pack| pack.id == sealed.pack && pack.fault.is_none()) {
            return;
        }
        let SealedPack { pack: id, records, size } = sealed;
        self.add(Pack { id, size, rebuilt: None, members: 0, fault: None }, records.into_iter());
        self.table.sort();
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

    /// What is wrong with the pack with this number.
    pub(super) fn fault(&self, number: usize) -> Option<&str> {
        self.packs.get(number)?.fault.as_deref()
    }

    /// Marks for all members of all packs.
    pub(crate) fn marks(&self) -> Marks {
        Marks::new(self.packs.iter().map(|pack| pack.members))
    }

    /// Marks the object in one pack that holds it; whether there is any, by its whole name. Where more than one pack has it,
    /// it is read: one that gives it back whole is marked, so that a collection never keeps a rotten copy and takes out the
    /// good one. [spec: STO-9, STO-29, STO-37]
    pub(super) fn mark(&self, object: &ObjectId, marks: &mut Marks) -> Result<bool, StoreError> {
        let mut homes = Vec::new();
        for slot in self.table.find(object) {
            if !self.is(slot, object)? {
                continue;
            }
            if marks.contains(slot) {
                return Ok(true);
            }
            homes.push(slot);
        }
        let Some(home) = self.best(homes, object)? else { return Ok(false) };
        marks.set(home.pack(), home.member());
        Ok(true)
    }

    /// The home to keep: one that gives the object back whole where there is one, in a sound pack, the largest.
    fn best(&self, homes: Vec<Slot>, object: &ObjectId) -> Result<Option<Slot>, StoreError> {
        let mut whole = Vec::new();
        for slot in homes.iter().filter(|_| homes.len() > 1) {
            if self.is_whole(*slot, object)? {
                whole.push(*slot);
            }
        }
        Ok((if whole.is_empty() { homes } else { whole }).into_iter().max_by_key(|slot| self.rank(*slot)))
    }

    /// The one pack by which an object that is in several is known, without reading it: a sound one where there is one, and
    /// the largest. [spec: STO-37]
    pub(crate) fn home(&self, object: &ObjectId) -> Result<Option<Slot>, StoreError> {
        let mut home: Option<Slot> = None;
        for slot in self.table.find(object) {
            if self.is(slot, object)? && home.is_none_or(|home| self.rank(home) <= self.rank(slot)) {
                home = Some(slot);
            }
        }
        Ok(home)
    }

    fn rank(&self, slot: Slot) -> Option<(bool, u64, PackId)> {
        self.packs.get(slot.pack() as usize).map(|pack| (pack.fault.is_none(), pack.size, pack.id))
    }

    /// Whether the object is marked in any pack. [spec: STO-37]
    pub(super) fn is_marked(&self, object: &ObjectId, marks: &Marks) -> Result<bool, StoreError> {
        for slot in self.table.find(object) {
            if marks.is_set(slot.pack() as usize, slot.member() as usize) && self.is(slot, object)? {
                return Ok(true);
            }
        }
        Ok(false)
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
