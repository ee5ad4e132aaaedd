//! Owns what is known of one member of a pack: which object, in which form, and where. Never reads it.

use super::header::BLOCK;
use crate::store::identity::ObjectId;
use crate::store::object::OBJECT_MAX;

/// [`BLOCK`] as a number of bytes on the disk.
const BLOCK_SIZE: u32 = 512;

/// How an object's bytes stand in a pack. [spec: STO-6]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    Raw,
    /// As one zstd frame.
    Zstd,
}

/// One member of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// The object.
    pub(crate) object: ObjectId,
    /// How its bytes stand there.
    pub(crate) form: Form,
    /// Where its data begins; its header is the block before.
    pub(crate) offset: u64,
    /// How many bytes stand there.
    pub(crate) stored: u32,
    /// How many bytes the object has.
    pub(crate) length: u32,
}

impl Record {
    /// Where the next member's header begins, or the end of the pack.
    pub(crate) fn end(&self) -> u64 {
        self.offset + u64::from(padded(self.stored))
    }

    /// Why this can be no member of any pack; `None` if it can.
    pub(crate) fn nonsense(&self) -> Option<&'static str> {
        let lengths = [self.stored, self.length];
        if lengths.iter().any(|length| *length as usize > OBJECT_MAX) {
            Some("it says that an object is longer than 1 MiB")
        } else if self.form == Form::Raw && self.stored != self.length {
            Some("it says that an object has two lengths")
        } else if self.offset < BLOCK as u64
            || !self.offset.is_multiple_of(BLOCK as u64)
            || self.offset > i64::MAX as u64
        {
            Some("it says that an object is where none can be")
        } else {
            None
        }
    }
}

/// The length of data in a pack, up to the next block.
pub(crate) fn padded(stored: u32) -> u32 {
    stored.next_multiple_of(BLOCK_SIZE)
}
