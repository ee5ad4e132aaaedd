//! Owns what every entry has beside its kind: mode, owner, time, attributes, and the key of the last look.
//! Never compares keys for being older: only for being equal.

use homeport_core::unit::{Gid, Mode, Uid};

use super::attribute::Attributes;
use super::time::Timestamp;

/// What every entry has. [spec: STO-13]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Permission, set-id and sticky bits.
    pub mode: Mode,
    /// The owner.
    pub uid: Uid,
    /// The group.
    pub gid: Gid,
    /// The time of the last modification.
    pub modified: Timestamp,
    /// Extended attributes, flags and remarks.
    pub attributes: Attributes,
    /// What the next snapshot compares to know that nothing changed; `None` where that can't be told.
    pub key: Option<StatKey>,
}

/// The inode and the time of its last status change: with size and modification time it says whether an entry has to
/// be read again. It is no property of the content: a restore never brings it back. [spec: STO-18]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatKey {
    /// The inode's number.
    pub inode: u64,
    /// The time of the last status change.
    pub changed: Timestamp,
}
