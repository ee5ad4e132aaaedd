//! Owns the open files of packs: a few at a time, however many packs there are. Never reads them.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use super::draft::open_file;
use super::error::StoreError;
use super::identity::PackId;
use super::pack::name::{index_file, pack_file};
use super::place::{Place, Room};

/// How many files of one kind are open at once.
const OPEN: usize = 32;

/// Which file of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The objects.
    Pack,
    /// Where they are. There is none to open where that was found from the pack itself.
    Index,
}

/// The files that were used last: looking objects up opens no pack, and reading them closes no index.
#[derive(Debug)]
pub(super) struct Handles {
    place: Arc<Place>,
    packs: Mutex<Recent>,
    indexes: Mutex<Recent>,
}

/// Files by the number of their pack; the one used last stands last.
type Recent = Vec<(u32, Arc<File>)>;

impl Handles {
    pub(super) fn new(place: &Arc<Place>) -> Self {
        let recent = || Mutex::new(Vec::with_capacity(OPEN));
        Self { place: Arc::clone(place), packs: recent(), indexes: recent() }
    }

    /// The file of the pack with this number and name.
    pub(super) fn get(&self, number: u32, pack: &PackId, which: Which) -> Result<Arc<File>, StoreError> {
        let (recent, name) = match which {
            Which::Pack => (&self.packs, pack_file as fn(&PackId) -> String),
            Which::Index => (&self.indexes, index_file as fn(&PackId) -> String),
        };
        // A thread that panicked while it held the list leaves a list that is as good as before.
        let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, file)) = recent.last()
            && *known == number
        {
            return Ok(Arc::clone(file));
        }
        if let Some(at) = recent.iter().rposition(|(known, _)| *known == number) {
            let found = recent.remove(at);
            let file = Arc::clone(&found.1);
            recent.push(found);
            return Ok(file);
        }
        let name = name(pack);
        let gone = || StoreError::PackDamaged { pack: *pack, why: format!("`{name}` is gone") };
        let file = Arc::new(open_file(&self.place, Room::Packs, &name)?.ok_or_else(gone)?);
        if recent.len() == OPEN {
            recent.remove(0);
        }
        recent.push((number, Arc::clone(&file)));
        Ok(file)
    }
}
