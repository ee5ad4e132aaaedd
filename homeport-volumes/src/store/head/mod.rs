//! The file `snapshots/<sequence>-<uuid>.snapshot`: what a snapshot is of, and what it consists of.
//!
//! ```text
//! bytes --parse--> SnapshotHead --render--> the same bytes       (text, pure)
//! ```
//!
//! Writing the file is the writer's work, finding it the catalog's.

mod fault;
mod text;
mod value;

pub use fault::HeadFault;
pub(crate) use text::MAX_BYTES;
pub use value::{Alarm, Consistency, Measure, Reason, SnapshotBody, SnapshotHead, VolumePart};
