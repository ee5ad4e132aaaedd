//! Owns who a directory belongs to and what its mode is, as one value. Never changes either.

use std::fmt;

use homeport_core::unit::{Gid, Mode, Uid};

/// Owner, group and mode of a directory, by numbers. [spec: VOL-6]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: Uid,
    /// The group.
    pub gid: Gid,
    /// The permission bits.
    pub mode: Mode,
}

impl Owner {
    /// What `VOL/` and `VOL/.homeport/` have to be: root's, and closed to everybody else. [spec: VOL-5]
    pub const PRIVATE: Self = Self { uid: Uid::new(0), gid: Gid::new(0), mode: Mode::new(0o700) };
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {}", self.uid, self.gid, self.mode)
    }
}
