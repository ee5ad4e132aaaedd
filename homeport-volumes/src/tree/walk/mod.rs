//! Every entry of a tree in the order of entries, with what `stat` says of it, in bounded memory.

mod names;
mod walker;

pub use walker::{Scanned, Walk};
