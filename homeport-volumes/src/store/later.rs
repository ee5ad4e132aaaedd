//! Owns the later look of a reader that holds no lock: where a collection wrote packs anew meanwhile, what it took away is
//! looked for once more in the packs that there are now. Never looks again where no pack came or went.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::StoreError;
use super::identity::PackId;
use super::objects::Objects;
use super::pack::name::parse_pack_file;
use super::place::{Place, Room};

/// The newest look after the first one.
pub(super) type Later = Mutex<Option<Arc<Objects>>>;

impl Objects {
    /// A look for a reader, who holds no lock: while it reads, packs may be written anew.
    pub(super) fn load_for_reader(place: &Arc<Place>) -> Result<Self, StoreError> {
        Ok(Self { later: Some(Mutex::default()), ..Self::load(place)? })
    }

    /// Does `look` on this look at the store. Where that does not come to what is wanted, it is done on a later one, which
    /// is made anew if packs came or went since. [spec: STO-30]
    pub(super) fn look<T>(
        &self,
        mut look: impl FnMut(&Self) -> Result<T, StoreError>,
        is_wanted: impl Fn(&Result<T, StoreError>) -> bool,
    ) -> Result<T, StoreError> {
        let mut found = look(self);
        let Some(later) = self.later.as_ref().filter(|_| !is_wanted(&found)) else { return found };
        // Whoever else reads waits, and finds the look that is made here.
        let mut later = later.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(later) = later.as_ref() {
            found = look(later);
        }
        if is_wanted(&found) || later.as_deref().unwrap_or(self).is_as_listed() {
            return found;
        }
        match Self::load(&self.place) {
            Ok(loaded) => look(later.insert(Arc::new(loaded))),
            Err(_) => found,
        }
    }

    /// Whether the packs are those that there are now. Where they cannot be listed, nothing else would be found either.
    fn is_as_listed(&self) -> bool {
        let Ok(names) = self.place.names(Room::Packs) else { return true };
        let now: BTreeSet<PackId> = names.iter().filter_map(|name| parse_pack_file(name)).collect();
        now == self.packs().collect()
    }
}
