//! Owns what a write came to, as a value. Never an error: "it was so already" is one of the outcomes.

/// Whether a write had anything to write. Asking twice for the same thing changes it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The ledger is now as asked, and was not before.
    Changed,
    /// The ledger was as asked already, and nothing was written.
    Unchanged,
}

impl Change {
    /// The change that so many changed rows stand for.
    pub(super) const fn of_rows(rows: usize) -> Self {
        if rows == 0 { Self::Unchanged } else { Self::Changed }
    }
}
