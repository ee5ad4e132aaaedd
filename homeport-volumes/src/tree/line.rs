//! Owns what one line of a snapshot's entries says.
//! Never its text: that is `text`'s work.

use super::entry::Entry;
use super::path::TreePath;
use crate::store::ObjectId;

/// One line between the first and the last. A file in pieces is one entry and as many pieces after it, so that no
/// file, however large, has to be in memory as a whole. [spec: STO-13]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// An inode under its first name.
    Entry(Entry),
    /// Another name of an earlier entry.
    HardLink(HardLink),
    /// A piece of the file above.
    Piece(Piece),
}

/// Another name of an entry that is not a directory. [spec: STO-13]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HardLink {
    /// The other name.
    pub path: TreePath,
    /// The name under which the entry stands earlier.
    pub first: TreePath,
}

/// Bytes of a file that are no hole. [spec: STO-16]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Piece {
    /// Where in the file they begin.
    pub offset: u64,
    /// How many they are: 1 to 1 MiB.
    pub length: u32,
    /// What they are.
    pub object: ObjectId,
}

impl Line {
    /// The path that the line is for; `None` for a piece.
    pub fn path(&self) -> Option<&TreePath> {
        match self {
            Self::Entry(entry) => Some(&entry.path),
            Self::HardLink(link) => Some(&link.path),
            Self::Piece(_) => None,
        }
    }
}
