//! Owns how often things are measured: no round is begun when the time is over. Never measures by itself.

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

#[cfg(test)]
mod tests {
    use super::*;

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
