//! Owns looking up and reading objects. Never writes.

use super::error::StoreError;
use super::identity::{ObjectId, PackId};

/// All objects of a store as they were when it was made. Can be shared between threads.
#[derive(Debug)]
pub struct Objects {}

impl Objects {
    /// Whether a pack holds the object; its bytes are not looked at.
    pub fn contains(&self, object: &ObjectId) -> Result<bool, StoreError> {
        todo!()
    }

    /// Puts the object's bytes into `bytes`, after comparing them with its name. On an error `bytes` is empty.
    /// [spec: STO-9]
    pub fn read(&self, object: &ObjectId, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        todo!()
    }

    /// The packs that cannot be read, wholly or in part, and why.
    pub fn damaged(&self) -> &[(PackId, String)] {
        todo!()
    }
}
