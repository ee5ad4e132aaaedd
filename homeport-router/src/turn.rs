//! Owns how much a bulk transfer moves before the other connections of its thread have their turn: the more transfers are
//! moving, the less. Never moves anything.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What one transfer may move in a turn: two milliseconds at the most that one machine moves. Each turn asks the kernel for
/// news, so that shorter ones cost a tenth of the processor time and more.
const MOST: usize = 8 * 1024 * 1024;
/// What all transfers together may move until a connection that is none of them has its turn again, as long as that leaves
/// each of them the least.
const ROUND: usize = 4 * MOST;
/// Turns that are shorter still would be for nothing but asking the kernel.
const LEAST: usize = 256 * 1024;

/// How many bulk transfers of a router are moving.
#[derive(Debug, Default)]
pub(crate) struct Transfers(AtomicUsize);

/// One of them, until it is dropped: whoever waits for its sender or receiver is none.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    all: &'a Transfers,
    left: usize,
}

impl Transfers {
    /// The first turn of one more.
    pub(crate) fn begin(&self) -> Turn<'_> {
        let others = self.0.fetch_add(1, Ordering::Relaxed);
        Turn { all: self, left: turn(others + 1) }
    }
}

impl Turn<'_> {
    /// How much may be moved at once, which is something.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Counts what was moved. Whether the turn is over; the next one begins then.
    pub(crate) fn is_over_after(&mut self, count: usize) -> bool {
        self.left = self.left.saturating_sub(count);
        let is_over = self.left == 0;
        if is_over {
            self.left = turn(self.all.0.load(Ordering::Relaxed));
        }
        is_over
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.all.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The turn of each of so many transfers, in bytes.
fn turn(transfers: usize) -> usize {
    (ROUND / transfers.max(1)).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_transfers_have_long_turns_and_many_share_a_round() {
        for (transfers, wanted) in [(0, MOST), (1, MOST), (4, MOST), (8, MOST / 2), (32, MOST / 8), (10_000, LEAST)] {
            assert_eq!(turn(transfers), wanted, "{transfers} transfers");
        }
    }

    #[test]
    fn a_transfer_has_its_turn_again_and_again_and_leaves_room_when_it_stops() {
        let transfers = Transfers::default();
        let seven: Vec<Turn<'_>> = (0..7).map(|_| transfers.begin()).collect();
        let mut one = transfers.begin();
        for _ in 0..2 {
            assert_eq!(one.left(), MOST / 2);
            assert!(!one.is_over_after(MOST / 2 - 1) && one.left() == 1);
            assert!(one.is_over_after(1));
        }
        drop(seven);
        assert!(one.is_over_after(MOST / 2));
        assert_eq!(one.left(), MOST);
    }
}
