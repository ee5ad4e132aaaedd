//! Owns when a direction moves so much that a pipe is worth it, and when others have their turn before it. Pure: sizes in, a
//! verdict out.

/// A read of at least so much is part of a bulk transfer; what people type, and most answers, are smaller.
const LARGE: usize = 16 * 1024;
/// So much in large reads in a row is a bulk transfer.
const BULK: u32 = 64 * 1024;
/// So much is copied before a pipe is asked for again where none was to be had.
const WITHOUT_PIPE: u32 = 1024 * 1024;
/// After each so much that was copied others have their turn.
const TURN: u32 = 256 * 1024;

/// Large reads in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    bytes: u32,
    wanted: u32,
    /// What was copied since others had their turn, whatever the reads were.
    turn: u32,
}

impl Default for Run {
    fn default() -> Self {
        Self { bytes: 0, wanted: BULK, turn: 0 }
    }
}

impl Run {
    /// The run of a direction that got no pipe.
    pub(super) fn without_pipe() -> Self {
        Self { bytes: 0, wanted: WITHOUT_PIPE, turn: 0 }
    }

    /// Counts one read.
    pub(super) fn copied(&mut self, count: usize) {
        let size = u32::try_from(count).unwrap_or(u32::MAX);
        self.bytes = if is_large(count) { self.bytes.saturating_add(size) } else { 0 };
        self.turn = self.turn.saturating_add(size);
    }

    /// Whether others have their turn now; the next one of this direction begins then.
    pub(super) fn takes_turns(&mut self) -> bool {
        let is_over = self.turn >= TURN;
        if is_over {
            self.turn = 0;
        }
        is_over
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
    fn others_have_their_turn_whenever_a_quarter_of_a_mebibyte_was_copied() {
        for size in [64 * 1024, 1_000] {
            let mut run = Run::without_pipe();
            let mut turns = || {
                (1..=1_000).find(|_| {
                    run.copied(size);
                    run.takes_turns()
                })
            };
            let wanted = Some((TURN as usize).div_ceil(size));
            assert_eq!([turns(), turns()], [wanted; 2], "reads of {size} bytes");
        }
    }

    #[test]
    fn where_there_was_no_pipe_a_mebibyte_is_copied_first() {
        assert_eq!(reads_until_bulk(Run::without_pipe(), 64 * 1024), Some(16));
    }
}
