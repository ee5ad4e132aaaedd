//! Owns the open files of packs: a few at a time, however many packs there are. Never reads them.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use super::draft::open_file;
use super::error::StoreError;
use super::identity::PackId;
use super::pack::name::{index_file, pack_file};
use super::place::{Place, Room};

/// How many packs are open at once, with two files each.
const OPEN: usize = 32;

/// The files of one pack.
#[derive(Debug)]
pub(super) struct Handle {
    /// The objects.
    pub(super) pack: File,
    /// Where they are; `None` where that was found from the pack itself.
    pub(super) index: Option<File>,
}

/// The packs that were used last.
#[derive(Debug)]
pub(super) struct Handles {
    place: Arc<Place>,
    recent: Mutex<Vec<(u32, Arc<Handle>)>>,
}

impl Handles {
    pub(super) fn new(place: &Arc<Place>) -> Self {
        Self { place: Arc::clone(place), recent: Mutex::new(Vec::with_capacity(OPEN)) }
    }

    /// The files of the pack with this number and name.
    pub(super) fn get(&self, number: u32, pack: &PackId, index: With) -> Result<Arc<Handle>, StoreError> {
        // A thread that panicked while it held the list leaves a list that is as good as before.
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = recent.iter().rposition(|(known, _)| *known == number) {
            // The one used last stands last.
            let found = recent.remove(at);
            let handle = Arc::clone(&found.1);
            recent.push(found);
            return Ok(handle);
        }
        let open = |name: &str| {
            let gone = || StoreError::PackDamaged { pack: *pack, why: format!("`{name}` is gone") };
            open_file(&self.place, Room::Packs, name)?.ok_or_else(gone)
        };
        let index = match index {
            With::Index => Some(open(&index_file(pack))?),
            With::PackOnly => None,
        };
        let handle = Arc::new(Handle { pack: open(&pack_file(pack))?, index });
        if recent.len() == OPEN {
            recent.remove(0);
        }
        recent.push((number, Arc::clone(&handle)));
        Ok(handle)
    }
}

/// Which files of a pack are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum With {
    /// Both.
    Index,
    /// Only the objects.
    PackOnly,
}
