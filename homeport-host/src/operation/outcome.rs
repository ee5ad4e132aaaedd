//! Owns the shape of what operations on data come to: planned or done. Pure.

use crate::approval::Issued;

/// What came of something that can be planned first.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome<P, D> {
    /// It was only planned. Nothing was changed; a token may have been written down.
    Planned {
        /// What would be done.
        plan: P,
        /// The token by which exactly that is allowed; `None` where it needs none.
        approval: Option<Issued>,
    },
    /// It was done.
    Done(D),
}
