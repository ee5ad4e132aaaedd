//! Owns an object: a string of bytes of at most 1 MiB, and how it gets its name. Never stores one.

use sha2::{Digest as _, Sha256};

use super::identity::ObjectId;

/// The most bytes that an object may have. [spec: STO-5]
pub const OBJECT_MAX: usize = 1 << 20;

impl ObjectId {
    /// The name of the object with this content. [spec: STO-5]
    pub fn of(content: &[u8]) -> Self {
        Self::new(Sha256::digest(content).into())
    }
}
