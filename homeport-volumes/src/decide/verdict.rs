//! Owns what a decision can be. Never decides.

use crate::marker::Marker;

/// What may be done with the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was never there and can be made.
    Create(Start),
    /// It is there and is the right one.
    Attach {
        /// What it says about itself.
        marker: Box<Marker>,
        /// Whether the port may initialise it.
        novelty: Novelty,
    },
}

/// From where a volume is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// From nothing: an empty directory, or none.
    Fresh,
    /// From what an interrupted creation left, which holds no data.
    HalfMade,
}

/// Whether an empty `data/` is empty because nothing was ever in it. [spec: VOL-22]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// Yes: the port may initialise it.
    New,
    /// No: it holds data, or has held some.
    Used,
}
