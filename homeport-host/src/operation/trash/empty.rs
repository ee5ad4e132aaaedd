//! Owns deleting for good what is in the trash: the only place where data of a person ends.

use homeport_core::fault::Fault;
use homeport_core::unit::Bytes;

use super::list::TrashView;
use crate::host::Host;
use crate::operation::{OperationError, Outcome};
use crate::request::EmptyRequest;

/// What emptying would delete.
#[derive(Debug, Clone, serde::Serialize)]
pub struct EmptyPlan {
    /// What goes, oldest first.
    pub what: Vec<TrashView>,
    /// Why it needs an approval; `None` where all of it has been there for its full time.
    pub needs_approval: Option<String>,
}

/// What was deleted.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Emptied {
    /// What is gone.
    pub what: Vec<TrashView>,
    /// How many entries were deleted.
    pub entries: u64,
    /// The bytes of their files.
    pub bytes: Bytes,
    /// What could not be deleted, and stays in the trash.
    pub faults: Vec<Fault>,
}

/// Deletes what is in the trash.
pub fn trash_empty(host: &Host, request: &EmptyRequest) -> Result<Outcome<EmptyPlan, Emptied>, OperationError> {
    let (_, _) = (host, request);
    Err(OperationError::Unbuilt)
}
