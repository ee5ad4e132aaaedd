//! Owns the id of an operation. That of the root is the one that volumes carry in their markers.
//! Never makes one up.

use std::fmt;

pub use homeport_volumes::RootId;

/// Names an operation in its ledger; counted up from 1, and no number is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct OperationId(i64);

impl OperationId {
    /// The id with this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The bare number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
