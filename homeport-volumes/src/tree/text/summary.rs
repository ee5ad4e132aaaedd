//! Owns what is known of a text of entries once all of it was read or written.
//! Never counts by itself.

/// A whole text, in numbers. [spec: STO-11, STO-12]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The number of entries: the directory `.` and every name of a hard link are one each, pieces are none.
    pub entries: u64,
    /// The sum of the sizes of regular files, each hard link group once.
    pub bytes: u64,
    /// The SHA-256 of the text, which is its name.
    pub sha256: [u8; 32],
}
