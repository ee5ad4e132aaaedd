//! What is in a volume, as values and as the text of a snapshot's entries.
//!
//! ```text
//! Walk (names and stat, sorted) -> look (attributes, targets, extents) -> Line -> EntriesWriter -> text
//! text -> EntriesReader -> Line                  every rule of STO-12 to STO-19, in bounded memory
//! ```
//!
//! The format is `spec/store.md`, section 3. Only `make` writes into a tree, for a restore.

mod attribute;
mod entry;
mod escape;
mod extents;
mod fault;
mod hop;
mod line;
mod look;
pub(crate) mod make;
mod meta;
mod number;
mod path;
mod stat;
mod text;
mod time;
mod walk;

pub use attribute::{Attributes, FileFlags, Stability, Xattr, XattrFault, XattrName, XattrsFault};
pub use entry::{Content, DeviceNumbers, Entry, Kind, LinkTarget, LinkTargetFault};
pub use escape::{escaped, unescaped};
pub use extents::Extents;
pub use fault::TreeFault;
pub use hop::{Purpose, open};
pub use line::{HardLink, Line, Piece};
pub use look::Look;
pub use meta::{Meta, StatKey};
pub use path::{NAME_MAX, PathFault, TreePath, check_name};
pub use stat::{Stat, StatKind};
pub use text::{EntriesError, LINE_MAX, LineFault, LineReader, LineWriter, Summary};
pub use time::{Timestamp, TimestampFault};
pub use walk::{Scanned, Walk};
