//! Owns proving that a snapshot is whole. Reads the store and nothing else, and repairs nothing.

use homeport_core::fault::{Advice as _, Fault};
use homeport_core::name::VolumeName;

use super::error::SnapshotError;
use super::now;
use super::verified::{Level, Looked, Verified};
use crate::progress::Progress;
use crate::store::{EntriesId, ObjectId, Objects, SnapshotHead, Store, StoreError};
use crate::tree::{Content, Entry, Kind, Line};

/// How many faults are named.
const NAMED: usize = 1000;

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

/// Looks at one snapshot: its entries and what they name. [spec: STO-9, STO-19]
///
/// Memory: 17 bytes for each object of the snapshot. Progress counts bytes of objects read, and entries.
///
/// # Errors
/// The store cannot be looked at. That the snapshot is damaged is no error but [`Verification::faults`].
pub fn verify(
    store: &Store,
    head: &SnapshotHead,
    depth: Depth,
    progress: &dyn Progress,
) -> Result<Verification, SnapshotError> {
    let mut verifier = Verifier {
        objects: store.objects()?,
        known: Vec::new(),
        looks: Vec::new(),
        depth,
        faults: Vec::new(),
        total: 0,
        damaged: Vec::new(),
        extent: Looked::default(),
        buffer: Vec::new(),
        progress,
    };
    verifier.known.extend(head.body.objects().map(|object| short(&object)));
    let mut whole = Vec::new();
    for part in &head.body.volumes {
        if verifier.collect(store, &part.name, &part.entries) {
            whole.push((&part.name, &part.entries));
        }
    }
    verifier.known.sort_unstable();
    verifier.known.dedup();
    verifier.looks = vec![Look::None; verifier.known.len()];
    for object in head.body.objects() {
        verifier.object(&object, || "what the snapshot says of the port".to_owned());
    }
    for (volume, entries) in whole {
        verifier.read(store, volume, entries);
    }
    Ok(verifier.finish(head))
}

/// What is known of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    None,
    Good,
    Bad,
}

struct Verifier<'a> {
    objects: Objects,
    /// The first half of the name of each object of the snapshot, sorted.
    known: Vec<u128>,
    looks: Vec<Look>,
    depth: Depth,
    faults: Vec<Fault>,
    total: u64,
    damaged: Vec<ObjectId>,
    extent: Looked,
    buffer: Vec<u8>,
    progress: &'a dyn Progress,
}

impl Verifier<'_> {
    /// Reads all entries of a volume for the objects that they name; whether all of them could be read.
    fn collect(&mut self, store: &Store, volume: &VolumeName, entries: &EntriesId) -> bool {
        let read = || -> Result<(Vec<u128>, u64), StoreError> {
            let (mut objects, mut count) = (Vec::new(), 0);
            for line in store.entries(entries)? {
                match line? {
                    Line::Entry(Entry { kind: Kind::File { content: Content::Whole(object), .. }, .. }) => {
                        objects.push(short(&object));
                        count += 1;
                    }
                    Line::Piece(piece) => objects.push(short(&piece.object)),
                    Line::Entry(_) | Line::HardLink(_) => count += 1,
                }
            }
            Ok((objects, count))
        };
        match read() {
            Ok((objects, count)) => {
                self.known.extend(objects);
                self.extent.entries += count;
                true
            }
            Err(error) => {
                self.fault(&error, &format!("the volume `{volume}`"));
                false
            }
        }
    }

    fn read(&mut self, store: &Store, volume: &VolumeName, entries: &EntriesId) {
        let failed = |error| (error, format!("the volume `{volume}`"));
        let lines = match store.entries(entries).map_err(failed) {
            Ok(lines) => lines,
            Err((error, whose)) => return self.fault(&error, &whose),
        };
        let mut path = None;
        for line in lines {
            let line = match line.map_err(failed) {
                Ok(line) => line,
                Err((error, whose)) => return self.fault(&error, &whose),
            };
            match line {
                Line::Entry(entry) => {
                    self.progress.advance(0, 1);
                    if let Kind::File { content: Content::Whole(object), .. } = entry.kind {
                        self.object(&object, || format!("`{volume}/{}`", entry.path));
                    }
                    path = Some(entry.path);
                }
                Line::Piece(piece) => {
                    let path = path.as_ref();
                    self.object(&piece.object, || path.map_or_else(String::new, |path| format!("`{volume}/{path}`")));
                }
                Line::HardLink(_) => self.progress.advance(0, 1),
            }
        }
    }

    /// Looks at an object that `whose` needs, once for all who need it.
    fn object(&mut self, object: &ObjectId, whose: impl Fn() -> String) {
        let Ok(place) = self.known.binary_search(&short(object)) else { return };
        let is_new = self.looks[place] == Look::None;
        if self.looks[place] == Look::Good {
            return;
        }
        let result = match self.depth {
            Depth::Objects => self.objects.read(object, &mut self.buffer),
            Depth::Presence => match self.objects.contains(object) {
                Ok(true) => Ok(()),
                Ok(false) => Err(StoreError::ObjectMissing { object: *object }),
                Err(error) => Err(error),
            },
        };
        match result {
            Ok(()) => {
                let bytes = self.buffer.len() as u64;
                self.looks[place] = Look::Good;
                self.extent.objects += 1;
                self.extent.bytes += bytes;
                self.progress.advance(bytes, 0);
            }
            Err(error) => {
                self.looks[place] = Look::Bad;
                if is_new {
                    self.damaged.push(*object);
                }
                self.fault(&error, &whose());
            }
        }
    }

    fn fault(&mut self, error: &StoreError, whose: &str) {
        self.total += 1;
        if self.faults.len() < NAMED {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(error);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            let fault = Fault::new(error.code(), whose.replace('`', ""), format!("{whose} cannot be restored: {text}"));
            self.faults.push(fault.remedy(error.help().unwrap_or_default()).clause("STO-9"));
        }
    }

    fn finish(self, head: &SnapshotHead) -> Verification {
        let level = match self.depth {
            Depth::Presence => Level::Presence,
            Depth::Objects => Level::Objects,
        };
        let proof = Verified { snapshot: head.body.uuid, level, at: now(), extent: self.extent };
        let verified = (self.total == 0).then_some(proof);
        Verification { verified, faults: self.faults, total: self.total, damaged: self.damaged }
    }
}

/// Enough of a name to know it from a million others.
fn short(object: &ObjectId) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&object.as_bytes()[..16]);
    u128::from_be_bytes(half)
}
