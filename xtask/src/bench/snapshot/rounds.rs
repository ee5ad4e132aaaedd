//! Owns in which order things are measured: all of a round once, in an order that changes, and no round begun when the
//! time is over. Never measures by itself.

use std::time::{Duration, Instant};

use anyhow::Result;

/// How often, and how long at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounds {
    pub(super) pairs: usize,
    /// What all tasks may take together.
    pub(super) time: Duration,
}

/// So many rounds are measured however long they take: a median of fewer says nothing.
pub(super) const LEAST: usize = 3;

impl Rounds {
    /// Runs `round` with its number until there are enough, or `percent` of the time is over.
    pub(super) fn each(&self, percent: u32, mut round: impl FnMut(usize) -> Result<()>) -> Result<()> {
        let begun = Instant::now();
        let share = self.time * percent / 100;
        for n in 0..self.pairs {
            // A round takes as long as those before it did.
            let expected = begun.elapsed() + begun.elapsed() / u32::try_from(n.max(1)).unwrap_or(1);
            if n >= LEAST && expected > share {
                return Ok(());
            }
            round(n)?;
        }
        Ok(())
    }
}

/// The same things in another order for each round, so that none always comes after the same.
pub(super) fn shuffled<T: Copy>(things: &[T], round: usize) -> Vec<T> {
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::try_from(round).unwrap_or(0) + 1);
    let mut order = things.to_vec();
    for end in (1..order.len()).rev() {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let other = usize::try_from(chance % (u64::try_from(end).unwrap_or(0) + 1)).unwrap_or(0);
        order.swap(end, other);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_all_and_another_order() {
        let things = [1, 2, 3, 4, 5];
        let orders: std::collections::BTreeSet<Vec<i32>> = (0..8).map(|round| shuffled(&things, round)).collect();
        assert!(orders.len() > 5, "{orders:?}");
        for mut order in orders {
            order.sort_unstable();
            assert_eq!(order, things);
        }
    }

    #[test]
    fn rounds_end_with_the_time_but_not_before_the_third() {
        for (time, wanted) in [(Duration::ZERO, LEAST), (Duration::from_hours(1), 9)] {
            let mut ran = Vec::new();
            let rounds = Rounds { pairs: 9, time };
            rounds
                .each(10, |round| {
                    ran.push(round);
                    Ok(())
                })
                .unwrap();
            assert_eq!(ran, (0..wanted).collect::<Vec<_>>());
        }
    }
}
