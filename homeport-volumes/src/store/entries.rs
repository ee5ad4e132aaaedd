//! Owns the files that hold entries: writing one, and reading one line by line. Never the lines' text.

use super::error::StoreError;
use super::identity::EntriesId;
use crate::tree::Line;

/// Lines on their way into a file; see [`StoreWriter::entries`](super::StoreWriter::entries).
#[derive(Debug)]
pub struct EntriesSink {}

/// Entries that are written and become durable with the next seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenEntries {
    /// Their name.
    pub id: EntriesId,
    /// The number of entries. [spec: STO-12]
    pub count: u64,
    /// The sum of the sizes of regular files. [spec: STO-12]
    pub bytes: u64,
}

/// The lines of entries, each checked as [spec: STO-19] wants; the last item is an error if the text as a whole is not
/// what its name says.
#[derive(Debug)]
pub struct EntriesLines {}

impl Iterator for EntriesLines {
    type Item = Result<Line, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}
