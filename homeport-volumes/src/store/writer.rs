//! Owns adding to a store: objects into packs, lines into entries, and the snapshot last.

use super::entries::{EntriesSink, WrittenEntries};
use super::error::StoreError;
use super::head::{SnapshotBody, SnapshotHead};
use super::identity::ObjectId;
use super::objects::Objects;
use crate::tree::Line;

/// The one writer of a store. Any error is final: everything after it fails with [`StoreError::Poisoned`], and what it
/// left in `tmp/` is removed. [spec: STO-2, STO-4]
#[derive(Debug)]
pub struct StoreWriter {}

/// What a seal made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sealed {
    /// New packs.
    pub packs: u64,
    /// New objects.
    pub objects: u64,
    /// Bytes of new objects before compression, all of them read back from the disk and compared.
    pub bytes: u64,
    /// Bytes that the new packs take on the disk.
    pub stored: u64,
}

impl StoreWriter {
    /// The objects that were there when the writer was made; those put since are not among them.
    pub fn objects(&self) -> &Objects {
        todo!()
    }

    /// Whether the object is in the store, or was put and will be with the next seal. A pack's data is not looked at.
    pub fn contains(&self, object: &ObjectId) -> Result<bool, StoreError> {
        todo!()
    }

    /// Takes these objects for unknown, because they were found damaged: [`put`](Self::put) stores them anew.
    pub fn distrust(&mut self, objects: impl IntoIterator<Item = ObjectId>) {
        todo!()
    }

    /// Stores `bytes`, at most 1 MiB, and gives their name; what is known is not stored twice.
    pub fn put(&mut self, bytes: &[u8]) -> Result<ObjectId, StoreError> {
        todo!()
    }

    /// Begins the entries of a volume.
    pub fn entries(&mut self) -> Result<EntriesSink, StoreError> {
        todo!()
    }

    /// Adds a line to entries. Every object that it names was put or is known.
    pub fn line(&mut self, sink: &mut EntriesSink, line: &Line) -> Result<(), StoreError> {
        todo!()
    }

    /// Ends the entries.
    pub fn finish(&mut self, sink: EntriesSink) -> Result<WrittenEntries, StoreError> {
        todo!()
    }

    /// Makes everything durable that was put and finished: packs read back and compared, then entries.
    /// `Store::entries` can read them from then on. [spec: STO-3, STO-10]
    pub fn seal(&mut self) -> Result<Sealed, StoreError> {
        todo!()
    }

    /// Seals, and then makes the snapshot. When this returns, it exists and stays. [spec: STO-21]
    pub fn commit(&mut self, body: SnapshotBody) -> Result<SnapshotHead, StoreError> {
        todo!()
    }
}
