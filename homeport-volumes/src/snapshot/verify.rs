//! Owns proving that snapshots are whole. Reads the store and nothing else, and repairs nothing.
//!
//! ```text
//! entries of each snapshot -> which members of which packs are needed -> each pack, from its beginning to its end, once
//! -> where anything is missing or damaged: the entries again, for the paths that it touches (see `blame`)
//! ```

use homeport_core::fault::Fault;

use super::blame::blame;
use super::error::SnapshotError;
use super::now;
use super::verified::{Level, Looked, Verified};
use crate::progress::Progress;
use crate::store::{EntriesId, Marks, ObjectId, Objects, SnapshotHead, Store, StoreError};
use crate::tree::{Content, Entry, Kind, Line};

/// How far a snapshot is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Depth {
    /// Entries are read, objects are looked up: [`Level::Presence`].
    Presence,
    /// Every object is read: [`Level::Objects`].
    Objects,
}

/// What looking at a snapshot came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// What is proven; `None` if anything at all is wrong.
    pub verified: Option<Verified>,
    /// What is wrong, with every path that is touched by it; the first thousand.
    pub faults: Vec<Fault>,
    /// How many faults there are.
    pub total: u64,
    /// The objects that are missing or damaged, each once: the next snapshot stores them anew if the files are still
    /// what they were.
    pub damaged: Vec<ObjectId>,
}

/// What looking at several snapshots came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifications {
    /// Each of them, in the order in which they were asked for.
    pub snapshots: Vec<Verification>,
    /// What was looked at for all of them together: what several need is counted, and was read, once.
    pub looked: Looked,
}

/// Looks at one snapshot: its entries and what they name. [spec: STO-9, STO-19]
///
/// # Errors
/// The store cannot be looked at. That the snapshot is damaged is no error but [`Verification::faults`].
pub fn verify(
    store: &Store,
    head: &SnapshotHead,
    depth: Depth,
    progress: &dyn Progress,
) -> Result<Verification, SnapshotError> {
    let mut all = verify_all(store, std::slice::from_ref(head), depth, progress)?;
    // There is one for each head.
    Ok(all.snapshots.pop().unwrap_or(Verification {
        verified: None,
        faults: Vec::new(),
        total: 0,
        damaged: Vec::new(),
    }))
}

/// Looks at several snapshots; an object that more than one of them needs is read once. [spec: STO-9, STO-19]
///
/// Memory: 16 bytes for each object of the store, and three bits. Progress counts entries of each snapshot, and the bytes
/// of objects that are read.
///
/// # Errors
/// The store cannot be looked at. That a snapshot is damaged is no error but [`Verification::faults`].
pub fn verify_all(
    store: &Store,
    heads: &[SnapshotHead],
    depth: Depth,
    progress: &dyn Progress,
) -> Result<Verifications, SnapshotError> {
    let objects = store.objects()?;
    let mut needs = Needs { store, objects: &objects, all: objects.marks(), own: objects.marks(), depth, progress };
    let found: Vec<Found> = heads.iter().map(|head| needs.of(head)).collect();
    let mut looked = Looked { entries: found.iter().map(|one| one.extent.entries).sum(), ..Looked::default() };
    let needed = needs.all;
    let good = match depth {
        Depth::Presence => {
            looked.objects = needed.total();
            None
        }
        Depth::Objects => {
            let proven = objects.prove(&needed, progress)?;
            (looked.objects, looked.bytes) = (proven.good.total(), proven.bytes);
            Some(proven.good)
        }
    };
    let whole = |one: &Found| one.state == State::Found && good.as_ref().is_none_or(|good| *good == needed);
    let level = match depth {
        Depth::Presence => Level::Presence,
        Depth::Objects => Level::Objects,
    };
    let snapshots = heads.iter().zip(&found).map(|(head, one)| {
        let (mut verification, extent) = if whole(one) {
            (Verification { verified: None, faults: Vec::new(), total: 0, damaged: Vec::new() }, one.extent)
        } else {
            blame(store, &objects, head, good.as_ref())
        };
        if verification.total == 0 {
            verification.verified = Some(Verified { snapshot: head.body.uuid, level, at: now(), extent });
        }
        verification
    });
    Ok(Verifications { snapshots: snapshots.collect(), looked })
}

/// What one snapshot needs.
struct Found {
    extent: Looked,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// All of its entries were read, and every object that they name is listed.
    Found,
    /// Something is missing, or cannot be read.
    Lacking,
}

/// What snapshots need, while it is being found.
struct Needs<'a> {
    store: &'a Store,
    objects: &'a Objects,
    /// What any of them needs.
    all: Marks,
    /// What the one that is looked at needs.
    own: Marks,
    depth: Depth,
    progress: &'a dyn Progress,
}

impl Needs<'_> {
    /// Reads all entries of a snapshot for the objects that they name.
    fn of(&mut self, head: &SnapshotHead) -> Found {
        self.own.clear();
        let mut found = Found { extent: Looked::default(), state: State::Found };
        for object in head.body.objects() {
            self.object(&object, None, &mut found);
        }
        for part in &head.body.volumes {
            if self.entries(&part.entries, &mut found).is_err() {
                found.state = State::Lacking;
            }
        }
        found
    }

    fn entries(&mut self, entries: &EntriesId, found: &mut Found) -> Result<(), StoreError> {
        for line in self.store.entries(entries)? {
            match line? {
                Line::Entry(Entry { kind: Kind::File { content: Content::Whole(object), size }, .. }) => {
                    found.extent.entries += 1;
                    self.progress.advance(0, 1);
                    self.object(&object, Some(size), found);
                }
                Line::Piece(piece) => self.object(&piece.object, Some(piece.length.into()), found),
                Line::Entry(_) | Line::HardLink(_) => {
                    found.extent.entries += 1;
                    self.progress.advance(0, 1);
                }
            }
        }
        Ok(())
    }

    /// Notes that an object is needed, whose length is looked up where the one who names it does not say it.
    fn object(&mut self, object: &ObjectId, length: Option<u64>, found: &mut Found) {
        // That an index cannot be read is told by `blame`, with the paths that it touches.
        let Ok(Some(home)) = self.objects.home(object) else {
            found.state = State::Lacking;
            return;
        };
        if self.own.insert(home) {
            self.all.insert(home);
            found.extent.objects += 1;
            if self.depth == Depth::Objects {
                found.extent.bytes += length.unwrap_or_else(|| self.objects.length(home).unwrap_or(0));
            }
        }
    }
}
