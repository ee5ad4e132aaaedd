//! Owns when a direction moves so much that a pipe is worth it. Pure: sizes in, a verdict out.

/// A read of at least so much is part of a bulk transfer; what people type, and most answers, are smaller.
const LARGE: usize = 16 * 1024;
/// So much in large reads in a row is a bulk transfer.
const BULK: usize = 64 * 1024;
/// So much is copied before a pipe is asked for again where none was to be had.
const WITHOUT_PIPE: usize = 1024 * 1024;

/// Large reads in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    bytes: usize,
    wanted: usize,
}

impl Default for Run {
    fn default() -> Self {
        Self { bytes: 0, wanted: BULK }
    }
}

impl Run {
    /// The run of a direction that got no pipe.
    pub(super) fn without_pipe() -> Self {
        Self { bytes: 0, wanted: WITHOUT_PIPE }
    }

    /// Counts one read.
    pub(super) fn copied(&mut self, count: usize) {
        self.bytes = if is_large(count) { self.bytes.saturating_add(count) } else { 0 };
    }

    /// Whether it is a bulk transfer.
    pub(super) fn is_bulk(self) -> bool {
        self.bytes >= self.wanted
    }
}

/// Whether what came at once belongs to a bulk transfer.
pub(super) fn is_large(count: usize) -> bool {
    count >= LARGE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads_until_bulk(mut run: Run, size: usize) -> Option<usize> {
        (1..=1_000).find(|_| {
            run.copied(size);
            run.is_bulk()
        })
    }

    #[test]
    fn large_reads_in_a_row_are_bulk_and_small_ones_never_are() {
        assert_eq!(reads_until_bulk(Run::default(), 64 * 1024), Some(1));
        assert_eq!(reads_until_bulk(Run::default(), 16 * 1024), Some(4));
        assert_eq!(reads_until_bulk(Run::default(), 16 * 1024 - 1), None);
    }

    #[test]
    fn a_small_read_begins_the_run_anew() {
        let mut run = Run::default();
        for size in [40_000, 20_000, 100] {
            run.copied(size);
            assert!(!run.is_bulk());
        }
        run.copied(40_000);
        assert!(!run.is_bulk());
        run.copied(40_000);
        assert!(run.is_bulk());
    }

    #[test]
    fn where_there_was_no_pipe_a_mebibyte_is_copied_first() {
        assert_eq!(reads_until_bulk(Run::without_pipe(), 64 * 1024), Some(16));
    }
}
