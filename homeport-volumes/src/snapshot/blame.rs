//! Owns naming what of a snapshot is lost: each path that something missing or damaged touches. Proves nothing: that
//! something is wrong is known before.

use std::collections::HashSet;

use homeport_core::fault::{Advice as _, Fault};
use homeport_core::name::VolumeName;

use super::verified::Looked;
use super::verify::Verification;
use crate::store::{EntriesId, Marks, ObjectId, Objects, SnapshotHead, Store, StoreError};
use crate::tree::{Content, Entry, Kind, Line};

/// How many faults are named.
const NAMED: usize = 1000;

/// What is wrong with a snapshot, if anything is, and what was looked at. An object is right if it is in `good`, or is read
/// now and is right; where nothing was read, if a pack lists it. What a collection wrote into other packs meanwhile is found
/// there. [spec: STO-30]
pub(super) fn blame(
    store: &Store,
    objects: &Objects,
    head: &SnapshotHead,
    good: Option<&Marks>,
) -> (Verification, Looked) {
    let mut blame = Blame {
        objects,
        good,
        found: Verification { verified: None, faults: Vec::new(), total: 0, damaged: Vec::new() },
        extent: Looked::default(),
        own: objects.marks(),
        elsewhere: HashSet::new(),
        bad: HashSet::new(),
        buffer: Vec::new(),
    };
    for object in head.body.objects() {
        blame.object(&object, || "what the snapshot says of the port".to_owned());
    }
    for part in &head.body.volumes {
        // Of a volume whose entries cannot be read in full only that is said.
        let readable = store.entries(&part.entries).and_then(|mut lines| lines.try_for_each(|line| line.map(|_| ())));
        match readable {
            Ok(()) => blame.entries(store, &part.name, &part.entries),
            Err(error) => blame.fault(&error, &format!("the volume `{}`", part.name)),
        }
    }
    (blame.found, blame.extent)
}

struct Blame<'a> {
    objects: &'a Objects,
    good: Option<&'a Marks>,
    found: Verification,
    /// What is right, each object once.
    extent: Looked,
    /// The objects that were counted, by their home.
    own: Marks,
    /// Those that have none in this look at the store, and were counted.
    elsewhere: HashSet<ObjectId>,
    /// What is known to be bad.
    bad: HashSet<ObjectId>,
    buffer: Vec<u8>,
}

impl Blame<'_> {
    fn entries(&mut self, store: &Store, volume: &VolumeName, entries: &EntriesId) {
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
                    self.extent.entries += 1;
                    if let Entry { kind: Kind::File { content: Content::Whole(object), .. }, path, .. } = &entry {
                        self.object(object, || format!("`{volume}/{path}`"));
                    }
                    path = Some(entry.path);
                }
                Line::Piece(piece) => {
                    let path = path.as_ref();
                    self.object(&piece.object, || path.map_or_else(String::new, |path| format!("`{volume}/{path}`")));
                }
                Line::HardLink(_) => self.extent.entries += 1,
            }
        }
    }

    /// Looks at an object that `whose` needs.
    fn object(&mut self, object: &ObjectId, whose: impl Fn() -> String) {
        if self.found.faults.len() >= NAMED && self.bad.contains(object) {
            self.found.total += 1;
            return;
        }
        if let Err(error) = self.judge(object) {
            if self.bad.insert(*object) {
                self.found.damaged.push(*object);
            }
            self.fault(&error, &whose());
        }
    }

    /// Whether the object is right: in the pack where it was looked for, or in another.
    fn judge(&mut self, object: &ObjectId) -> Result<(), StoreError> {
        // That an index cannot be read is told by the look that follows, unless the pack was written anew.
        let home = self.objects.home(object).unwrap_or(None);
        if home.map_or_else(|| self.elsewhere.contains(object), |home| self.own.contains(home)) {
            return Ok(());
        }
        let proven = home.filter(|home| self.good.is_some_and(|good| good.contains(*home)));
        let bytes = match (self.good, proven.and_then(|home| self.objects.length(home).ok())) {
            (Some(_), Some(length)) => length,
            (Some(_), None) => {
                self.objects.read(object, &mut self.buffer)?;
                self.buffer.len() as u64
            }
            (None, _) if self.objects.contains(object)? => 0,
            (None, _) => return Err(StoreError::ObjectMissing { object: *object }),
        };
        match home {
            Some(home) => self.own.insert(home),
            None => self.elsewhere.insert(*object),
        };
        self.extent.objects += 1;
        self.extent.bytes += bytes;
        Ok(())
    }

    fn fault(&mut self, error: &StoreError, whose: &str) {
        self.found.total += 1;
        if self.found.faults.len() < NAMED {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(error);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            let fault = Fault::new(error.code(), whose.replace('`', ""), format!("{whose} cannot be restored: {text}"));
            self.found.faults.push(fault.remedy(error.help().unwrap_or_default()).clause("STO-9"));
        }
    }
}
