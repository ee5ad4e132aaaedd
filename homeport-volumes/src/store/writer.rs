//! Owns adding to a store: objects into packs, lines into entries, and the snapshot last.
//!
//! ```text
//! put, line -> tmp/ -> seal: sync, read back, rename, sync of the directory; packs first, then entries
//!                      commit: seal, then the snapshot in the same way
//! ```
//!
//! Never changes or removes a file that has its name.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::catalog::{parse_name, read_head};
use super::collect::{Collected, Removal, collect};
use super::draft::{Draft, Published, Steps, sync_room};
use super::entries::ReadWhole;
use super::error::StoreError;
use super::frame::Press;
use super::give_up::{DamagedFile, give_up};
use super::head::{SnapshotBody, SnapshotHead};
use super::identity::{EntriesId, ObjectId, Sequence, SnapshotUuid};
use super::line::named;
use super::lock::{self, StoreLock};
use super::object::OBJECT_MAX;
use super::objects::Objects;
use super::pack::write::{PACK_SIZE, PackDraft};
use super::place::{Place, Room};
use super::sink::{self, EntriesSink, PendingEntries};
use super::{removed, tmp};
use crate::identity::UnixSeconds;
use crate::progress::Progress;
use crate::tree::Line;

const STEPS: Steps = Steps {
    write: "store.snapshot.write",
    sync: "store.snapshot.sync",
    rename: "store.snapshot.rename",
    directory: "store.snapshot.directory",
};

/// The one writer of a store. Any error is final: everything after it fails with [`StoreError::Poisoned`], and what it
/// left in `tmp/` is removed. [spec: STO-2, STO-4]
///
/// Dropping it without a commit leaves whole packs and entries that no snapshot names: no harm, and room that the next
/// collection frees.
#[derive(Debug)]
pub struct StoreWriter {
    // Dropped in this order: what is in `tmp/` goes before the lock does.
    pack: Option<PackDraft>,
    pending: Vec<PendingEntries>,
    objects: Objects,
    press: Press,
    distrusted: HashSet<ObjectId>,
    /// Entries that this writer read back, or found whole.
    whole: HashSet<EntriesId>,
    sealed: Sealed,
    state: State,
    place: Arc<Place>,
    _lock: StoreLock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Sound,
    Poisoned,
}

/// What a seal made durable since the seal before. Every byte of it was read back from the disk and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sealed {
    /// New packs.
    pub packs: u64,
    /// New objects.
    pub objects: u64,
    /// Bytes of new objects before compression.
    pub bytes: u64,
    /// Bytes that the new packs take on the disk.
    pub stored: u64,
}

/// Entries that are written, and become durable with the next seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenEntries {
    /// Their name.
    pub id: EntriesId,
    /// How many there are.
    pub count: u64,
    /// The sum of the sizes of regular files, each hard link group once.
    pub bytes: u64,
}

impl StoreWriter {
    pub(super) fn new(place: &Arc<Place>, wait: Duration, waiting: &mut dyn FnMut(&str)) -> Result<Self, StoreError> {
        place.writable()?;
        let lock = lock::take(place, wait, waiting)?;
        tmp::clear(place)?;
        let objects = Objects::load(place)?;
        objects.write_missing_indexes()?;
        let press = Press::new(place.document.compression);
        Ok(Self {
            pack: None,
            pending: Vec::new(),
            objects,
            press: press.map_err(StoreError::io("compress objects for", place.path.as_path()))?,
            distrusted: HashSet::new(),
            whole: HashSet::new(),
            sealed: Sealed::default(),
            state: State::Sound,
            place: Arc::clone(place),
            _lock: lock,
        })
    }

    /// The objects that are in the store: those put since the last seal may be missing.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Whether the object is in the store, or was put and will be with the next seal; by its whole name, and its bytes are
    /// not looked at. [spec: STO-37]
    pub fn contains(&self, object: &ObjectId) -> Result<bool, StoreError> {
        let put = self.pack.as_ref().is_some_and(|pack| pack.contains(object));
        Ok(put || (!self.distrusted.contains(object) && self.objects.contains(object)?))
    }

    /// Takes these objects for unknown, because they were found damaged: [`put`](Self::put) stores them anew, and a line
    /// that names one which was not put is refused.
    pub fn distrust(&mut self, objects: impl IntoIterator<Item = ObjectId>) {
        self.distrusted.extend(objects);
    }

    /// Stores `bytes`, at most 1 MiB, and gives their name; what is known is not stored twice. [spec: STO-5]
    pub fn put(&mut self, bytes: &[u8]) -> Result<ObjectId, StoreError> {
        self.attempt(|writer| writer.add(bytes))
    }

    fn add(&mut self, bytes: &[u8]) -> Result<ObjectId, StoreError> {
        if bytes.len() > OBJECT_MAX {
            return Err(StoreError::TooLarge { found: bytes.len(), limit: OBJECT_MAX });
        }
        let object = ObjectId::of(bytes);
        if self.contains(&object)? {
            return Ok(object);
        }
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let pressed = self.press.press(bytes);
        let (form, stored) = pressed.map_err(StoreError::io("compress an object for", self.place.path.as_path()))?;
        let pack = match &mut self.pack {
            Some(pack) => pack,
            none => none.insert(PackDraft::new(&self.place)?),
        };
        pack.add(object, form, stored, length)?;
        if pack.size() >= PACK_SIZE {
            self.seal_pack()?;
        }
        Ok(object)
    }

    /// Begins the entries of a volume.
    pub fn entries(&mut self) -> Result<EntriesSink, StoreError> {
        self.attempt(|writer| EntriesSink::new(&writer.place))
    }

    /// Adds a line to entries. Every object that it names was put, or is in the store, by its whole name. [spec: STO-37]
    ///
    /// # Errors
    /// [`StoreError::ObjectMissing`] if it is not; [`StoreError::Line`] if the line may not stand there.
    pub fn line(&mut self, sink: &mut EntriesSink, line: &Line) -> Result<(), StoreError> {
        self.attempt(|writer| {
            if let Some(object) = named(line)
                && !writer.contains(&object)?
            {
                return Err(StoreError::ObjectMissing { object });
            }
            sink.line(&writer.place, line)
        })
    }

    /// The same where this writer was asked before whether it [contains](Self::contains) each of those objects, and does: only
    /// it could take one away. [spec: STO-37]
    pub(crate) fn line_found(&mut self, sink: &mut EntriesSink, line: &Line) -> Result<(), StoreError> {
        self.attempt(|writer| sink.line(&writer.place, line))
    }

    /// Ends the entries.
    pub fn finish(&mut self, sink: EntriesSink) -> Result<WrittenEntries, StoreError> {
        self.attempt(|writer| {
            let pending = sink.finish(&writer.place)?;
            let written = WrittenEntries { id: pending.id, count: pending.totals.count, bytes: pending.totals.bytes };
            writer.pending.push(pending);
            Ok(written)
        })
    }

    /// The same beside entries that were read to their end while this writer was there, with whose lock nobody takes them away.
    /// Where nothing differs they are the ones that stay: two snapshots of an unchanged volume have the same, which was read
    /// back from the disk when it was written. [spec: STO-11, STO-21]
    pub(crate) fn finish_beside(
        &mut self,
        sink: EntriesSink,
        read: Option<&ReadWhole>,
    ) -> Result<WrittenEntries, StoreError> {
        let written = self.finish(sink)?;
        if read.is_some_and(|read| read.id() == written.id) {
            // What was written anew is thrown away.
            self.pending.retain(|pending| pending.id != written.id);
            self.whole.insert(written.id);
        }
        Ok(written)
    }

    /// Makes everything durable that was put and finished: packs read back and compared, then entries.
    /// `Store::entries` can read them from then on. [spec: STO-3, STO-10]
    pub fn seal(&mut self) -> Result<Sealed, StoreError> {
        self.attempt(Self::seal_all)
    }

    fn seal_all(&mut self) -> Result<Sealed, StoreError> {
        self.seal_pack()?;
        if !self.pending.is_empty() {
            for pending in std::mem::take(&mut self.pending) {
                let id = pending.id;
                pending.seal(&self.place)?;
                self.whole.insert(id);
            }
            sink::sync(&self.place)?;
        }
        Ok(std::mem::take(&mut self.sealed))
    }

    fn seal_pack(&mut self) -> Result<(), StoreError> {
        let Some(pack) = self.pack.take() else { return Ok(()) };
        let sealed = pack.seal()?;
        self.sealed.packs += 1;
        self.sealed.objects += sealed.records.len() as u64;
        self.sealed.bytes += sealed.records.iter().map(|record| u64::from(record.length)).sum::<u64>();
        self.sealed.stored += sealed.size;
        self.distrusted.retain(|object| sealed.records.binary_search_by_key(object, |record| record.object).is_err());
        self.objects.add_sealed(sealed);
        Ok(())
    }

    /// Seals, and then makes the snapshot, with the number after the highest that the store ever had. When this returns,
    /// it exists and stays. [spec: STO-20, STO-21]
    ///
    /// # Errors
    /// Also where `body` names entries or objects that are not in the store.
    pub fn commit(&mut self, body: SnapshotBody) -> Result<SnapshotHead, StoreError> {
        self.attempt(|writer| writer.write_head(body))
    }

    fn write_head(&mut self, body: SnapshotBody) -> Result<SnapshotHead, StoreError> {
        let sealed = self.seal_all()?;
        self.sealed = sealed;
        for part in &body.volumes {
            if !self.whole.contains(&part.entries) && !sink::is_whole(&self.place, &part.entries) {
                return Err(StoreError::EntriesMissing { entries: part.entries });
            }
        }
        for object in body.objects() {
            if !self.contains(&object)? {
                return Err(StoreError::ObjectMissing { object });
            }
        }
        let head = SnapshotHead { sequence: self.next_sequence(&body.uuid)?, body };
        let name = head.file_name();
        let wrong = |fault| StoreError::Snapshot { file: name.clone(), fault };
        head.consistent().map_err(wrong)?;
        let bytes = head.render();
        // A snapshot that could not be read again must not be written.
        SnapshotHead::parse(&bytes).map_err(wrong)?;
        let mut draft = Draft::new(&self.place, &STEPS)?;
        draft.write(&bytes)?;
        draft.sync()?;
        if let Published::Taken(_) = draft.publish(Room::Snapshots, &name)? {
            return Err(StoreError::SnapshotExists { path: self.place.path.clone(), snapshot: head.body.uuid });
        }
        sync_room(&self.place, Room::Snapshots, STEPS.directory)?;
        match read_head(&self.place, &name)? {
            Some(Ok(found)) if found == head => Ok(head),
            found => {
                let why = match found {
                    Some(Err(fault)) => fault.to_string(),
                    _ => "it is another snapshot".to_owned(),
                };
                Err(StoreError::ReadBack { path: self.place.at(Room::Snapshots, &name), why })
            }
        }
    }

    /// Gives the next snapshot a number after this one also, which the store is known to have had. [spec: STO-20]
    pub fn number_after(&mut self, known: Sequence) -> Result<(), StoreError> {
        self.attempt(|writer| {
            let names = writer.place.names(Room::Snapshots)?;
            let highest = names.iter().filter_map(|name| parse_name(name)).map(|(sequence, _)| sequence).max();
            if highest >= Some(known) { Ok(()) } else { removed::remember_highest(&writer.place, known) }
        })
    }

    /// Moves a file below `snapshots/` that is no snapshot below `removed/`, where it stays for seven days like everything
    /// that is taken out. What only it could name is found by the next collection. [spec: STO-38]
    ///
    /// # Errors
    /// [`StoreError::NotGivenUp`] if it is a snapshot, or HomePort never made it.
    pub fn give_up(&mut self, name: &str, now: UnixSeconds) -> Result<DamagedFile, StoreError> {
        self.attempt(|writer| give_up(&writer.place, name, now))
    }

    fn next_sequence(&self, uuid: &SnapshotUuid) -> Result<Sequence, StoreError> {
        let names = self.place.names(Room::Snapshots)?;
        let known: Vec<_> = names.iter().filter_map(|name| parse_name(name)).collect();
        if known.iter().any(|(_, known)| known == uuid) {
            return Err(StoreError::SnapshotExists { path: self.place.path.clone(), snapshot: *uuid });
        }
        let highest = known.iter().map(|(sequence, _)| *sequence).max().max(removed::highest(&self.place)?);
        Sequence::after(highest).ok_or_else(|| StoreError::Exhausted { path: self.place.path.clone() })
    }

    /// Takes out what is asked for and what no snapshot needs. [spec: STO-27, STO-30]
    pub(super) fn collect(
        mut self,
        removal: &Removal,
        now: UnixSeconds,
        progress: &dyn Progress,
    ) -> Result<Collected, StoreError> {
        // What a sink has open is not in the store; a new writer has put nothing.
        self.pack = None;
        self.pending.clear();
        collect(&self.place, &self.objects, removal, now, progress)
    }

    /// Does one thing, and nothing any more after anything failed, or panicked. [spec: STO-4]
    fn attempt<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if std::mem::replace(&mut self.state, State::Poisoned) == State::Poisoned {
            return Err(StoreError::Poisoned { path: self.place.path.clone() });
        }
        match work(self) {
            Ok(result) => {
                self.state = State::Sound;
                Ok(result)
            }
            Err(error) => {
                // What was reserved is free again at once, not only when the writer goes.
                self.pack = None;
                self.pending.clear();
                Err(error)
            }
        }
    }
}
