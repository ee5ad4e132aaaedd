//! Owns the place of a store: making one, and recognising one. Never reads an object.

use std::path::Path;
use std::time::Duration;

use super::catalog::Catalog;
use super::document::{Compression, Document};
use super::entries::EntriesLines;
use super::error::StoreError;
use super::identity::{EntriesId, StoreUuid};
use super::objects::Objects;
use super::writer::StoreWriter;
use crate::identity::UnixSeconds;
use crate::path::VolumePath;

/// An open store. Cheap to clone; all that it hands out goes through the directories that were opened once.
#[derive(Debug, Clone)]
pub struct Store {
    path: VolumePath,
    document: Document,
}

/// What is free on a store's file system, for root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that can still be written.
    pub bytes: u64,
    /// Inodes that can still be used; `None` where the file system does not count them.
    pub inodes: Option<u64>,
}

impl Store {
    /// Makes a store in the directory `path`, which does not exist or is empty; the directory above exists. A creation
    /// that a crash cut off may be repeated. When this returns the store is on the disk. [spec: STO-1]
    pub fn create(path: &Path, compression: Compression, now: UnixSeconds) -> Result<Self, StoreError> {
        todo!()
    }

    /// Opens the store at `path`; changes nothing. [spec: STO-1]
    ///
    /// # Errors
    /// There is none, it is damaged or newer, a link or another mount stands in the way, or others than root could
    /// change it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        todo!()
    }

    /// Whether it is the store that is meant.
    pub fn expect(&self, wanted: StoreUuid) -> Result<(), StoreError> {
        todo!()
    }

    /// Which store this is.
    pub fn uuid(&self) -> StoreUuid {
        self.document.uuid
    }

    /// What the store says of itself.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Where it is.
    pub fn path(&self) -> &VolumePath {
        &self.path
    }

    /// What is free on its file system.
    pub fn space(&self) -> Result<Space, StoreError> {
        todo!()
    }

    /// The snapshots that exist, and those files that are none. [spec: STO-21]
    pub fn catalog(&self) -> Result<Catalog, StoreError> {
        todo!()
    }

    /// A look at all objects as they are now.
    pub fn objects(&self) -> Result<Objects, StoreError> {
        todo!()
    }

    /// Reads entries line by line.
    pub fn entries(&self, entries: &EntriesId) -> Result<EntriesLines, StoreError> {
        todo!()
    }

    /// Becomes the one writer, and clears `tmp/`. Tries again for `wait` if there is another writer, and says so once
    /// through `waiting`, in words. [spec: STO-2]
    pub fn writer(&self, wait: Duration, waiting: &mut dyn FnMut(&str)) -> Result<StoreWriter, StoreError> {
        todo!()
    }
}
