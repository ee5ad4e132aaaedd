//! The trash: what was taken out of use and is kept until somebody approves that it goes.
//!
//! ```text
//! VOL/.homeport/trash/<tx>/    note.json, data/ and, where the whole volume was purged, marker.json
//! DATA/.trash/<tx>/            note.json, volume/: a whole volume that was at HomePort's own path
//! ```
//!
//! What is in the trash is found by looking at the disk; the ledger only helps to find it faster.

mod delete;
mod empty;
mod error;
mod list;
mod measure;
pub(crate) mod note;
pub(crate) mod place;
mod purge;
mod put_back;
pub(crate) mod shift;

pub use delete::Deleted;
pub use empty::{Emptied, empty};
pub use error::TrashError;
pub use list::{Listing, Trashed, is_in_trash, list};
pub(crate) use measure::measure_each;
pub use measure::{Measured, measure, measure_live, measure_trashed};
pub use note::{NoteFault, NoteVersion, TrashKind, TrashNote};
pub use place::{TrashPlace, TrashState};
pub(crate) use purge::parent_of;
pub use purge::{Purge, finish_purge, purge};
pub use put_back::{PutBack, can_put_back, put_back};
