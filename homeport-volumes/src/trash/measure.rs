//! Owns counting what a tree holds, for the people who decide about it. Never reads a file's content.

use homeport_core::unit::Bytes;

/// What was counted in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// How many entries there are, the topmost directory not among them.
    pub entries: u64,
    /// The sum of the sizes of regular files.
    pub bytes: Bytes,
}
