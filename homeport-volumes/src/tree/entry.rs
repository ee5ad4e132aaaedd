//! Owns one thing in a volume: where it is, what kind it is, and what it carries.
//! Never says where bytes are stored, only what they are called.

use std::fmt;

use super::escape;
use super::meta::Meta;
use super::path::TreePath;
use crate::store::ObjectId;

/// The longest target that a symbolic link can have.
const TARGET_MAX: usize = 4095;

/// One inode of a volume under its first name. Its other names are [`HardLink`](super::HardLink)s. [spec: STO-13]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: TreePath,
    /// What it carries.
    pub meta: Meta,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its length in bytes, holes among them; at most 2^63 - 1.
        size: u64,
        /// What is in it.
        content: Content,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: LinkTarget,
    },
    /// A FIFO.
    Fifo,
    /// A socket; only its place is kept.
    Socket,
    /// A character device.
    Character(DeviceNumbers),
    /// A block device.
    Block(DeviceNumbers),
}

/// What is in a regular file. [spec: STO-16]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// Nothing: the file is empty or only a hole.
    Empty,
    /// One object; the file has 1 byte to 1 MiB and no hole.
    Whole(ObjectId),
    /// One object for each [`Piece`](super::Piece) that follows, at least one; holes between them.
    Pieces,
}

/// The numbers of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceNumbers {
    /// The driver.
    pub major: u32,
    /// The device of that driver.
    pub minor: u32,
}

/// Where a symbolic link points: 1 to 4095 bytes without a zero; any path, never followed. As text it is escaped.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LinkTarget(Vec<u8>);

/// Bytes that no symbolic link can have as its target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a symbolic link cannot point to `{found}`: {reason}")]
pub struct LinkTargetFault {
    /// The target, escaped, at most its first 1024 bytes.
    pub found: String,
    /// What is wrong with it, in words.
    pub reason: &'static str,
}

impl LinkTarget {
    /// The target with these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, LinkTargetFault> {
        let bytes = bytes.into();
        let reason = match &bytes[..] {
            b"" => "it is empty",
            target if target.len() > TARGET_MAX => "it is longer than 4095 bytes",
            target if target.contains(&0) => "it has a zero byte",
            _ => return Ok(Self(bytes)),
        };
        Err(LinkTargetFault { found: escape::escaped(&bytes[..bytes.len().min(1024)]), reason })
    }

    /// The target's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for LinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::escaped(&self.0))
    }
}

impl fmt::Debug for LinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkTarget({self})")
    }
}
