//! Owns where a snapshot's scan puts what it reads: a store's packs and entries. Never commits.

use std::fs::File;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::destination::Destination;
use crate::snapshot::error::SnapshotError;
use crate::store::{EntriesSink, ObjectId, ReadWhole, Sealed, Store, StoreWriter, WrittenEntries};
use crate::tree::Line;

/// A store's writer on its way to a snapshot, and what it has made durable so far.
#[derive(Debug)]
pub(crate) struct Keeper<'a> {
    pub store: &'a Store,
    pub writer: StoreWriter,
    pub sealed: Sealed,
}

impl<'a> Keeper<'a> {
    pub(crate) fn new(store: &'a Store, writer: StoreWriter) -> Self {
        Self { store, writer, sealed: Sealed::default() }
    }

    /// Makes everything durable that was put and finished, read back from the disk. [spec: STO-10]
    pub(crate) fn seal(&mut self) -> Result<(), SnapshotError> {
        let Sealed { packs, objects, bytes, stored } = self.writer.seal()?;
        self.sealed.packs += packs;
        self.sealed.objects += objects;
        self.sealed.bytes += bytes;
        self.sealed.stored += stored;
        Ok(())
    }

    /// A file without a name in the store's `tmp/`, gone when it is closed.
    pub(crate) fn unnamed_file(&self) -> Result<File, SnapshotError> {
        unnamed_file(&self.store.path().as_path().join("tmp"))
    }
}

/// A store that takes the objects and lines of one volume.
#[derive(Debug)]
pub(super) struct Storing<'a> {
    store: &'a Store,
    writer: &'a mut StoreWriter,
    sink: EntriesSink,
}

impl<'a> Storing<'a> {
    pub(super) fn new(keeper: &'a mut Keeper<'_>) -> Result<Self, SnapshotError> {
        let Keeper { store, writer, .. } = keeper;
        let sink = writer.entries()?;
        Ok(Self { store, writer, sink })
    }

    /// The entries, once all lines are there; `read` are those that were read to their end meanwhile.
    pub(super) fn finish(self, read: Option<&ReadWhole>) -> Result<WrittenEntries, SnapshotError> {
        Ok(self.writer.finish_beside(self.sink, read)?)
    }
}

impl Destination for Storing<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<ObjectId, SnapshotError> {
        Ok(self.writer.put(bytes)?)
    }

    fn has(&mut self, object: &ObjectId) -> Result<bool, SnapshotError> {
        Ok(self.writer.contains(object)?)
    }

    fn line(&mut self, line: &Line) -> Result<(), SnapshotError> {
        Ok(self.writer.line(&mut self.sink, line)?)
    }

    fn kept(&mut self, line: &Line) -> Result<(), SnapshotError> {
        Ok(self.writer.line_found(&mut self.sink, line)?)
    }

    fn scratch(&mut self) -> Result<File, SnapshotError> {
        unnamed_file(&self.store.path().as_path().join("tmp"))
    }
}

/// A file without a name in the directory, gone when it is closed.
pub(crate) fn unnamed_file(directory: &Path) -> Result<File, SnapshotError> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)
        .map(File::from)
        .map_err(|errno| SnapshotError::Scratch(errno.into()))
}
