//! Owns a pack while it is being written, up to the moment when it has its name. Never decides what goes into it.

use std::collections::HashMap;
use std::sync::Arc;

use rustix::fs::Advice;

use super::check::check;
use super::header::{self, TRAILER};
use super::index;
use super::name::{index_file, pack_file, pack_id};
use super::rebuild::rebuild;
use super::record::{Form, Record, padded};
use crate::file::{Small, read_small};
use crate::progress::Silent;
use crate::store::draft::{Draft, Published, Steps, open_file, sync_room};
use crate::store::error::StoreError;
use crate::store::identity::{ObjectId, PackId};
use crate::store::place::{Place, Room};
use crate::store::removed;

/// A pack is closed once it is this long.
pub(crate) const PACK_SIZE: u64 = 128 << 20;
/// How much is written at once.
const CHUNK: usize = 1 << 20;

const PACK: Steps = Steps {
    write: "store.pack.write",
    sync: "store.pack.sync",
    rename: "store.pack.rename",
    directory: "store.pack.directory",
};
const INDEX: Steps = Steps {
    write: "store.index.write",
    sync: "store.index.sync",
    rename: "store.index.rename",
    directory: "store.index.directory",
};

/// A pack that grows in `tmp/`.
#[derive(Debug)]
pub(crate) struct PackDraft {
    place: Arc<Place>,
    draft: Draft,
    buffer: Vec<u8>,
    records: Vec<Record>,
    known: HashMap<ObjectId, u32>,
}

/// A pack that is in the store, durable and read back.
#[derive(Debug)]
pub(crate) struct SealedPack {
    pub(crate) pack: PackId,
    /// Its members, in the order of their ids.
    pub(crate) records: Vec<Record>,
    /// Its length.
    pub(crate) size: u64,
}

impl PackDraft {
    /// A pack without members.
    pub(crate) fn new(place: &Arc<Place>) -> Result<Self, StoreError> {
        let draft = Draft::new(place, &PACK)?;
        let buffer = Vec::with_capacity(2 * CHUNK);
        Ok(Self { place: Arc::clone(place), draft, buffer, records: Vec::new(), known: HashMap::new() })
    }

    /// Whether the object is a member.
    pub(crate) fn contains(&self, object: &ObjectId) -> bool {
        self.known.contains_key(object)
    }

    /// How long the pack would be without more members.
    pub(crate) fn size(&self) -> u64 {
        self.draft.length() + (self.buffer.len() + TRAILER.len()) as u64
    }

    /// How many members it has.
    pub(crate) fn members(&self) -> usize {
        self.records.len()
    }

    /// Adds a member; one that is there already stays as it is.
    pub(crate) fn add(&mut self, object: ObjectId, form: Form, stored: &[u8], length: u32) -> Result<(), StoreError> {
        let slot = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        if self.known.insert(object, slot).is_some() {
            return Ok(());
        }
        let size = u32::try_from(stored.len()).unwrap_or(u32::MAX);
        self.buffer.extend_from_slice(&header::render(&object, form, size));
        let offset = self.draft.length() + self.buffer.len() as u64;
        self.buffer.extend_from_slice(stored);
        let padding = padded(size) - size;
        self.buffer.resize(self.buffer.len() + padding as usize, 0);
        self.records.push(Record { object, form, offset, stored: size, length });
        if self.buffer.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.draft.write(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the pack, brings it to the disk, reads it back from there, and gives it and its index their names.
    /// [spec: STO-3, STO-6, STO-10]
    ///
    /// # Errors
    /// The disk gives back something else than what was written, or a step failed. The pack is gone then.
    pub(crate) fn seal(mut self) -> Result<SealedPack, StoreError> {
        self.buffer.extend_from_slice(&TRAILER);
        self.flush()?;
        let Self { place, draft, mut records, .. } = self;
        draft.sync()?;
        let checked = check(draft.file(), &records, &Silent).map_err(StoreError::io("read back", draft.path()))?;
        if let Some(why) = checked.fault() {
            return Err(StoreError::ReadBack { path: draft.path(), why });
        }
        records.sort_unstable_by_key(|record| record.object);
        let (pack, mut size) = (pack_id(&records), draft.length());
        let name = pack_file(&pack);
        if let Published::Taken(draft) = draft.publish(Room::Packs, &name)? {
            // A pack of the same members is there. It stays if the disk gives all of it back.
            if let Some(old) = whole(&place, &pack) {
                (records, size) = old;
            } else {
                removed::replace(&place, Room::Packs, &name, draft)?;
            }
        }
        publish_index(&place, &pack, &records)?;
        sync_room(&place, Room::Packs, PACK.directory)?;
        Ok(SealedPack { pack, records, size })
    }
}

/// Writes the index of a pack, unless the same is there. What is there instead is set aside: it can be no good.
pub(crate) fn publish_index(place: &Arc<Place>, pack: &PackId, records: &[Record]) -> Result<(), StoreError> {
    let (name, bytes) = (index_file(pack), index::render(records));
    let mut index = Draft::new(place, &INDEX)?;
    index.write(&bytes)?;
    index.sync()?;
    let Published::Taken(index) = index.publish(Room::Packs, &name)? else { return Ok(()) };
    let limit = bytes.len();
    let there = read_small(place.room(Room::Packs), &name, limit);
    if matches!(there.map_err(StoreError::io("read", place.at(Room::Packs, &name)))?, Small::Bytes(there) if there == bytes)
    {
        return Ok(());
    }
    removed::replace(place, Room::Packs, &name, index)
}

/// The members of a pack that is there, if all of it is as it should be.
fn whole(place: &Place, pack: &PackId) -> Option<(Vec<Record>, u64)> {
    // A disk that does not answer has not given all of it back.
    let file = open_file(place, Room::Packs, &pack_file(pack)).ok()??;
    let _dropped = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
    let rebuilt = rebuild(&file, pack).ok()?;
    let good = rebuilt.fault.is_none() && check(&file, &rebuilt.records, &Silent).ok()?.fault().is_none();
    let size = file.metadata().ok()?.len();
    good.then_some((rebuilt.records, size))
}
