//! Owns finding out what is needed: reads every snapshot that stays, and all of its entries. Never changes anything.
//!
//! What cannot be read in full stops the collection, and all of it is named. [spec: STO-28]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use homeport_core::fault::{Advice as _, Fault};

use super::plan::{Found, Leftover, PackState, PackUse};
use super::value::Removal;
use crate::progress::Progress;
use crate::store::catalog::Catalog;
use crate::store::entries::{EntriesLines, parse_file_name};
use crate::store::error::{StoreError, error_text};
use crate::store::head::SnapshotHead;
use crate::store::identity::{EntriesId, ObjectId, Sequence};
use crate::store::line::named;
use crate::store::marks::Marks;
use crate::store::objects::Objects;
use crate::store::pack::name::{index_file, pack_file, parse_index_file};
use crate::store::pack::record::padded;
use crate::store::place::{Place, Room};
use crate::store::removed::{latest, open_batch};

/// What is needed, and everything that was found.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) found: Found,
    pub(super) marks: Marks,
    /// The highest number among the snapshots that go.
    pub(super) highest: Option<Sequence>,
}

/// Reads the store.
///
/// # Errors
/// [`StoreError::Stopped`] with everything that cannot be read; [`StoreError::SnapshotUnknown`] if `removal` names a
/// snapshot that is not there.
pub(super) fn survey(
    place: &Arc<Place>,
    objects: &Objects,
    removal: &Removal,
    progress: &dyn Progress,
) -> Result<Survey, StoreError> {
    let catalog = Catalog::read(place)?;
    if let Some(snapshot) = removal.snapshots.iter().find(|uuid| catalog.find(uuid).is_none()) {
        return Err(StoreError::SnapshotUnknown { path: place.path.clone(), snapshot: *snapshot });
    }
    let (gone, kept): (Vec<&SnapshotHead>, Vec<_>) =
        catalog.snapshots.iter().partition(|head| removal.snapshots.contains(&head.body.uuid));
    let mut marker = Marker { place, objects, marks: objects.marks(), faults: Vec::new(), progress };
    for (name, fault) in catalog.damaged.iter().filter(|(name, _)| !removal.damaged.contains(name)) {
        marker.faults.push(damaged_snapshot(name, &fault.to_string()));
    }
    marker.heads(&kept)?;
    let Marker { marks, faults, .. } = marker;
    if !faults.is_empty() {
        return Err(StoreError::Stopped { path: place.path.clone(), faults });
    }
    let named: BTreeSet<EntriesId> = kept.iter().flat_map(|head| &head.body.volumes).map(|part| part.entries).collect();
    let mut files: Vec<String> = gone.iter().map(|head| head.file_name()).collect();
    files.extend(catalog.damaged.iter().map(|(name, _)| name.clone()));
    let sequences = files.iter().filter_map(|name| Sequence::from_digits(name.get(..8)?));
    let found = Found {
        snapshots: sized(place, Room::Snapshots, files.clone())?,
        entries: sized(place, Room::Entries, unnamed_entries(place, &named)?)?,
        indexes: sized(place, Room::Packs, lost_indexes(place)?)?,
        packs: packs(place, objects, &marks)?,
        batches: batches(place)?,
        latest: latest(place, &catalog),
    };
    Ok(Survey { found, marks, highest: sequences.max() })
}

struct Marker<'a> {
    place: &'a Place,
    objects: &'a Objects,
    marks: Marks,
    faults: Vec<Fault>,
    progress: &'a dyn Progress,
}

impl Marker<'_> {
    /// Marks what these snapshots need.
    fn heads(&mut self, heads: &[&SnapshotHead]) -> Result<(), StoreError> {
        // Many snapshots share entries; each is read once.
        let mut entries: BTreeMap<EntriesId, &SnapshotHead> = BTreeMap::new();
        for head in heads {
            for object in head.body.objects() {
                if !self.objects.mark(&object, &mut self.marks)? {
                    self.missing(head, 1, &object);
                }
            }
            entries.extend(head.body.volumes.iter().map(|part| (part.entries, *head)));
        }
        for (entries, head) in entries {
            self.entries(&entries, head)?;
        }
        Ok(())
    }

    fn entries(&mut self, entries: &EntriesId, head: &SnapshotHead) -> Result<(), StoreError> {
        let (mut missing, mut first) = (0, None);
        let lines = match EntriesLines::open(self.place, entries) {
            Ok(lines) => lines,
            Err(error) => {
                self.unreadable(head, &error);
                return Ok(());
            }
        };
        for line in lines {
            let line = match line {
                Ok(line) => line,
                Err(error) => {
                    self.unreadable(head, &error);
                    return Ok(());
                }
            };
            self.progress.advance(0, 1);
            if let Some(object) = named(&line)
                && !self.objects.mark(&object, &mut self.marks)?
            {
                missing += 1;
                first.get_or_insert(object);
            }
        }
        if let Some(first) = first {
            self.missing(head, missing, &first);
        }
        Ok(())
    }

    fn missing(&mut self, head: &SnapshotHead, count: u64, first: &ObjectId) {
        let error = StoreError::ObjectMissing { object: *first };
        let message = format!("the snapshot `{}` lacks {count} objects, for example `{first}`", head.file_name());
        self.fault(head, message, &error);
    }

    fn unreadable(&mut self, head: &SnapshotHead, error: &StoreError) {
        let message = format!("the snapshot `{}` cannot be read in full: {}", head.file_name(), error_text(error));
        self.fault(head, message, error);
    }

    fn fault(&mut self, head: &SnapshotHead, message: String, error: &StoreError) {
        self.faults.push(Fault::new(error.code(), head.file_name(), message).remedy(REMEDY).clause("STO-28"));
    }
}

const REMEDY: &str =
    "check the disk, bring back the file from a copy, or give this snapshot up by removing it by its name";

fn damaged_snapshot(name: &str, why: &str) -> Fault {
    let message = format!("`{name}` is damaged, and what it needs cannot be known: {why}");
    Fault::new("HP-STO-050", name, message).remedy(REMEDY).clause("STO-28")
}

/// The files with their sizes, where they are still there.
fn sized(place: &Place, room: Room, names: Vec<String>) -> Result<Vec<Leftover>, StoreError> {
    names.into_iter().map(|name| Ok(Leftover { size: place.size(room, &name)?, name })).collect()
}

/// Files of entries that no snapshot names. What has another kind of name is nobody's to remove.
fn unnamed_entries(place: &Place, named: &BTreeSet<EntriesId>) -> Result<Vec<String>, StoreError> {
    let unnamed = |name: &String| parse_file_name(name).is_some_and(|(entries, _)| !named.contains(&entries));
    Ok(place.names(Room::Entries)?.into_iter().filter(unnamed).collect())
}

fn lost_indexes(place: &Place) -> Result<Vec<String>, StoreError> {
    let names = place.names(Room::Packs)?;
    let there: BTreeSet<&String> = names.iter().collect();
    let lost = |name: &&String| parse_index_file(name).is_some_and(|pack| !there.contains(&pack_file(&pack)));
    Ok(names.iter().filter(lost).cloned().collect())
}

fn packs(place: &Place, objects: &Objects, marks: &Marks) -> Result<Vec<PackUse>, StoreError> {
    let mut packs = Vec::new();
    for (number, id) in objects.packs().enumerate() {
        let needed = marks.count(number);
        let state = if objects.fault(number).is_some() { PackState::Damaged } else { PackState::Sound };
        let needed_bytes = if needed == 0 {
            0
        } else {
            let members = objects.members(number)?;
            let marked = members.iter().enumerate().filter(|(member, _)| marks.is_set(number, *member));
            marked.map(|(_, record)| u64::from(padded(record.stored)) + 512).sum()
        };
        let size = place.size(Room::Packs, &pack_file(&id))? + place.size(Room::Packs, &index_file(&id))?;
        packs.push(PackUse { id, size, needed, needed_bytes, state });
    }
    Ok(packs)
}

/// The directories below `removed/`, with the bytes in them.
fn batches(place: &Place) -> Result<Vec<Leftover>, StoreError> {
    let names = place.names(Room::Removed)?;
    let mut batches = Vec::new();
    for name in names.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        let mut size = 0;
        // One that cannot be opened is named when its time has come.
        if let Ok(directory) = open_batch(place, &name) {
            for file in crate::directory::names(&directory, usize::MAX).unwrap_or_default() {
                let stat = rustix::fs::statat(&directory, &*file, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
                size += stat.map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
            }
        }
        batches.push(Leftover { name, size });
    }
    Ok(batches)
}
