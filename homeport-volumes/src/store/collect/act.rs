//! Owns carrying a collection out, under the lock of a writer. Never decides what goes.
//!
//! ```text
//! expired batches: proven again, unlinked
//! snapshots -> removed/, synced; then entries, synced; then packs that nothing needs, synced
//! packs of which little is needed: that is written anew, read back, in the store; only then -> removed/
//! ```
//!
//! Wherever it is cut off, every snapshot that is listed is whole.

use std::sync::Arc;

use super::expire::expire;
use super::plan::plan;
use super::survey::{Survey, survey};
use super::value::{Collected, CollectionPlan, Removal, Rewriting};
use crate::identity::UnixSeconds;
use crate::progress::Progress;
use crate::store::error::StoreError;
use crate::store::identity::PackId;
use crate::store::objects::Objects;
use crate::store::pack::name::{index_file, pack_file};
use crate::store::pack::write::{PACK_SIZE, PackDraft};
use crate::store::place::{Place, Room};
use crate::store::removed::{self, Batch};

/// What has to stay free beside what is written anew.
const RESERVE: u64 = 64 << 20;

/// What a collection would do now.
pub(in crate::store) fn look(
    place: &Arc<Place>,
    objects: &Objects,
    removal: &Removal,
    now: UnixSeconds,
    progress: &dyn Progress,
) -> Result<CollectionPlan, StoreError> {
    Ok(plan(&survey(place, objects, removal, progress)?.found, now))
}

/// Collects. The caller holds the lock, and `objects` was read under it.
pub(in crate::store) fn collect(
    place: &Arc<Place>,
    objects: &Objects,
    removal: &Removal,
    now: UnixSeconds,
    progress: &dyn Progress,
) -> Result<Collected, StoreError> {
    let survey = survey(place, objects, removal, progress)?;
    let plan = plan(&survey.found, now);
    let mut done = Collected { plan: plan.clone(), ..Collected::default() };
    for name in &plan.expired {
        let expired = expire(place, name, objects, &survey)?;
        done.freed += expired.freed;
        done.brought_back.extend(expired.brought_back);
        done.unread.extend(expired.unread);
    }
    let mut mover = Mover { place, now, latest: survey.found.latest, batch: None, set_aside: 0 };
    if let Some(highest) = survey.highest {
        removed::remember_highest(place, highest)?;
    }
    mover.take(Room::Snapshots, plan.snapshots.iter().cloned())?;
    mover.take(Room::Entries, plan.entries.iter().cloned())?;
    let packs = plan.packs.iter().filter(|pack| !done.brought_back.contains(pack));
    mover.take(Room::Packs, plan.indexes.iter().cloned().chain(packs.flat_map(files)))?;
    if plan.rewritten.is_empty() {
        done.rewriting = Rewriting::Done;
    } else if place.space()?.bytes < plan.written.saturating_mul(2).saturating_add(RESERVE) {
        done.rewriting = Rewriting::NoRoom;
    } else {
        let Rewritten { fresh, unreadable } = rewrite(place, objects, &survey, &plan.rewritten, progress)?;
        // What was written anew can have the name of an old pack: of one with the same members.
        let stays = |pack: &&PackId| !fresh.contains(pack) && !unreadable.contains(pack);
        mover.take(Room::Packs, plan.rewritten.iter().filter(stays).flat_map(files))?;
        done.unreadable = unreadable;
    }
    done.set_aside = mover.set_aside;
    Ok(done)
}

/// The files of a pack.
fn files(pack: &PackId) -> [String; 2] {
    [pack_file(pack), index_file(pack)]
}

/// Moves files into one new directory below `removed/`, which is made with the first.
struct Mover<'a> {
    place: &'a Place,
    now: UnixSeconds,
    latest: u64,
    batch: Option<Batch<'a>>,
    set_aside: u64,
}

impl Mover<'_> {
    /// Moves what is there of these files. When this returns they are out of the store, on the disk too.
    fn take(&mut self, room: Room, names: impl Iterator<Item = String>) -> Result<(), StoreError> {
        let mut moved = false;
        for name in names {
            let size = self.place.size(room, &name)?;
            let batch = match &self.batch {
                Some(batch) => batch,
                None => self.batch.insert(Batch::new(self.place, self.now, self.latest)?),
            };
            if batch.take(room, &name)? == removed::Move::Done {
                self.set_aside += size;
                moved = true;
            }
        }
        match &self.batch {
            Some(batch) if moved => batch.sync(room),
            _ => Ok(()),
        }
    }
}

/// New packs, and old ones that were left as they are because something needed in them cannot be read.
struct Rewritten {
    fresh: Vec<PackId>,
    unreadable: Vec<PackId>,
}

/// Writes what is needed of these packs into new ones. When this returns they are in the store, durable and read back.
fn rewrite(
    place: &Arc<Place>,
    objects: &Objects,
    survey: &Survey,
    packs: &[PackId],
    progress: &dyn Progress,
) -> Result<Rewritten, StoreError> {
    let (mut fresh, mut unreadable) = (Vec::new(), Vec::new());
    let (mut draft, mut bytes) = (PackDraft::new(place)?, Vec::new());
    for (number, pack) in objects.packs().enumerate().filter(|(_, pack)| packs.contains(pack)) {
        let mut members: Vec<_> = objects.members(number)?.into_iter().enumerate().collect();
        members.retain(|(member, _)| survey.marks.is_set(number, *member));
        // In the order of the old pack: what was read one after the other stays so.
        members.sort_unstable_by_key(|(_, record)| record.offset);
        for (_, member) in members {
            let Ok(record) = objects.read_stored(&member.object, &mut bytes) else {
                unreadable.push(pack);
                break;
            };
            draft.add(record.object, record.form, &bytes, record.length)?;
            progress.advance(record.length.into(), 0);
            if draft.size() >= PACK_SIZE {
                fresh.push(std::mem::replace(&mut draft, PackDraft::new(place)?).seal()?.pack);
            }
        }
    }
    if draft.members() > 0 {
        fresh.push(draft.seal()?.pack);
    }
    Ok(Rewritten { fresh, unreadable })
}
