//! The trash: what was taken out of use and is kept until somebody approves that it goes.
//!
//! ```text
//! VOL/.homeport/trash/<tx>/    note.json, data/ and, where the whole volume was purged, marker.json
//! DATA/.trash/<tx>/            note.json, volume/: a whole volume that was at HomePort's own path
//! ```
//!
//! What is in the trash is found by looking at the disk; the ledger only helps to find it faster.

pub(crate) mod note;

pub use note::{NoteFault, NoteVersion, TrashKind, TrashNote};
