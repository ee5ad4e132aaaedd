//! Owns where a scan puts what it reads: bytes of objects, and lines. Never reads.

use std::fs::File;

use crate::snapshot::error::SnapshotError;
use crate::store::ObjectId;
use crate::tree::Line;

/// Takes what a scan finds.
pub(crate) trait Destination {
    /// Takes the bytes of an object, at most 1 MiB, and gives its name.
    fn put(&mut self, bytes: &[u8]) -> Result<ObjectId, SnapshotError>;

    /// Whether an object that an earlier snapshot names is really there.
    fn has(&mut self, object: &ObjectId) -> Result<bool, SnapshotError>;

    /// Takes the next line of the entries.
    fn line(&mut self, line: &Line) -> Result<(), SnapshotError>;

    /// The same for a line whose objects this has [found](Self::has): they are not looked for again.
    fn kept(&mut self, line: &Line) -> Result<(), SnapshotError> {
        self.line(line)
    }

    /// A file without a name, for what does not fit into memory.
    fn scratch(&mut self) -> Result<File, SnapshotError>;
}
