//! Owns where a restore takes its lines and bytes from. Never checks them: the store's readers have done that.

use crate::store::ObjectId;
use crate::store::{EntriesId, Objects, Store, StoreError};
use crate::tree::Line;

/// Gives the lines of one volume, as often as they are wanted, and the bytes that they name.
pub trait Source {
    /// The lines in their order, from the first one on.
    ///
    /// # Errors
    /// What the store says; also in the place of a line, and at the end if the lines as a whole are not what they should be.
    fn lines(&self) -> Result<impl Iterator<Item = Result<Line, StoreError>>, StoreError>;

    /// Puts the object's bytes into `bytes`, after comparing them with its name.
    ///
    /// # Errors
    /// What the store says.
    fn read(&self, object: &ObjectId, bytes: &mut Vec<u8>) -> Result<(), StoreError>;

    /// Whether the object is there, without reading it.
    ///
    /// # Errors
    /// What the store says.
    fn contains(&self, object: &ObjectId) -> Result<bool, StoreError>;

    /// What the lines are called.
    fn name(&self) -> EntriesId;
}

/// The entries of one volume in a store.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    store: &'a Store,
    objects: &'a Objects,
    entries: EntriesId,
}

impl<'a> Stored<'a> {
    /// The entries `entries` of `store`; `objects` is a look at the same store.
    pub fn new(store: &'a Store, objects: &'a Objects, entries: EntriesId) -> Self {
        Self { store, objects, entries }
    }
}

impl Source for Stored<'_> {
    fn lines(&self) -> Result<impl Iterator<Item = Result<Line, StoreError>>, StoreError> {
        self.store.entries(&self.entries)
    }

    fn read(&self, object: &ObjectId, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        self.objects.read(object, bytes)
    }

    fn contains(&self, object: &ObjectId) -> Result<bool, StoreError> {
        self.objects.contains(object)
    }

    fn name(&self) -> EntriesId {
        self.entries
    }
}
