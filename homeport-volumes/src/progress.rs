//! Owns the one word that long work says about how far it is. Never turns it into text or into time.

/// Is told of work done, from the thread that does it. Bytes and entries are those since the last call.
pub trait Progress {
    /// So many more bytes and entries are done.
    fn advance(&self, bytes: u64, entries: u64);
}

/// Nobody wants to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn advance(&self, _bytes: u64, _entries: u64) {}
}
