//! Owns an open store and the ways into it. Never holds anything in memory but its directories.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::catalog::Catalog;
use super::collect::{Collected, CollectionPlan, Removal, look};
use super::create;
use super::document::{Compression, Document};
use super::entries::EntriesLines;
use super::error::StoreError;
use super::give_up::{self, DamagedFile};
use super::identity::{EntriesId, StoreUuid};
use super::objects::Objects;
use super::place::{Place, Space, store_path};
use super::writer::StoreWriter;
use crate::identity::UnixSeconds;
use crate::path::VolumePath;
use crate::progress::Progress;

/// An open store. Cheap to clone; all that it hands out goes through the directories that were opened once.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) place: Arc<Place>,
}

impl Store {
    /// Makes a store in the directory `path`, which does not exist or is empty; the directory above exists. A creation
    /// that a crash cut off may be repeated. When this returns the store is on the disk. [spec: STO-1]
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] if anything is there, a store too.
    pub fn create(path: &Path, compression: Compression, now: UnixSeconds) -> Result<Self, StoreError> {
        let path = store_path(path)?;
        create::create(&path, &Document { uuid: StoreUuid::random(), created: now, compression })?;
        Ok(Self { place: Arc::new(Place::open(path)?) })
    }

    /// Opens the store at `path`; changes nothing. [spec: STO-1]
    ///
    /// # Errors
    /// There is none, it is damaged or newer, a link or another mount stands in the way, or others than root could
    /// change it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { place: Arc::new(Place::open(store_path(path)?)?) })
    }

    /// Whether a store could be made at `path`: nothing is there, or an empty directory, or what a creation leaves that was
    /// cut off. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] if anything else is there.
    pub fn check_vacant(path: &Path) -> Result<(), StoreError> {
        create::check_vacant(&store_path(path)?)
    }

    /// Whether it is the store that is meant.
    pub fn expect(&self, wanted: StoreUuid) -> Result<(), StoreError> {
        let found = self.uuid();
        if found == wanted { Ok(()) } else { Err(StoreError::Another { path: self.place.path.clone(), found, wanted }) }
    }

    /// Which store this is.
    pub fn uuid(&self) -> StoreUuid {
        self.place.document.uuid
    }

    /// What the store says of itself.
    pub fn document(&self) -> &Document {
        &self.place.document
    }

    /// Where it is.
    pub fn path(&self) -> &VolumePath {
        &self.place.path
    }

    /// What is free on its file system.
    pub fn space(&self) -> Result<Space, StoreError> {
        self.place.space()
    }

    /// The snapshots that exist, and those files that are none. [spec: STO-21]
    pub fn catalog(&self) -> Result<Catalog, StoreError> {
        Catalog::read(&self.place)
    }

    /// What is known of a file below `snapshots/` that is no snapshot; `None` where there is no such file, or it is one.
    pub fn damaged_file(&self, name: &str) -> Result<Option<DamagedFile>, StoreError> {
        give_up::look(&self.place, name)
    }

    /// A look at all objects as they are now: reads every index. A collection that goes on meanwhile takes nothing away from
    /// whoever reads what a snapshot that stays needs.
    pub fn objects(&self) -> Result<Objects, StoreError> {
        Objects::load_for_reader(&self.place)
    }

    /// Reads entries line by line.
    pub fn entries(&self, entries: &EntriesId) -> Result<EntriesLines, StoreError> {
        EntriesLines::open(&self.place, entries)
    }

    /// What a collection would do now; changes nothing and needs no lock. [spec: STO-28]
    ///
    /// # Errors
    /// [`StoreError::Stopped`] with everything that stands in the way.
    pub fn plan_collection(
        &self,
        removal: &Removal,
        now: UnixSeconds,
        progress: &dyn Progress,
    ) -> Result<CollectionPlan, StoreError> {
        look(&self.place, &Objects::load(&self.place)?, removal, now, progress)
    }

    /// Becomes the one writer, and takes out what is asked for and what no snapshot that stays needs; unlinks what was
    /// taken out seven days ago. Progress counts lines of entries, and bytes that are written anew. [spec: STO-29]
    ///
    /// # Errors
    /// [`StoreError::Stopped`] if anything cannot be read that has to be: then nothing was changed. Any other error may
    /// come in the middle: every snapshot that is listed is whole, and the next collection goes on from there.
    pub fn collect(
        &self,
        removal: &Removal,
        now: UnixSeconds,
        wait: Duration,
        waiting: &mut dyn FnMut(&str),
        progress: &dyn Progress,
    ) -> Result<Collected, StoreError> {
        self.writer(wait, waiting)?.collect(removal, now, progress)
    }

    /// Becomes the one writer, and clears `tmp/`. Tries again for `wait` if there is another writer, and says so once
    /// through `waiting`, in words. [spec: STO-2]
    pub fn writer(&self, wait: Duration, waiting: &mut dyn FnMut(&str)) -> Result<StoreWriter, StoreError> {
        StoreWriter::new(&self.place, wait, waiting)
    }
}
