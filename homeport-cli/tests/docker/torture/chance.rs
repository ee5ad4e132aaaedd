//! Owns chance that can be had again: the same seed draws the same. Never asks a clock.

use std::time::Duration;

/// A row of draws.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another row, whose length changes nothing of this one.
    pub(super) const fn fork(&mut self) -> Self {
        Self(self.next())
    }

    const fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// Once in so many draws.
    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// A time from 0 to below `end`: the same part of it, whatever `end` is.
    pub(super) fn within(&mut self, end: Duration) -> Duration {
        const PARTS: u32 = 10_000;
        end * u32::try_from(self.below(PARTS as usize)).unwrap() / PARTS
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

#[test]
fn the_same_seed_draws_the_same() {
    let draws = |seed| (0..20).map(|n| Chance(seed).below(n + 1)).collect::<Vec<_>>();
    assert_eq!(draws(7), draws(7));
    assert_ne!(draws(7), draws(8));
    let half = |seconds| Chance(7).within(Duration::from_secs(seconds));
    assert_eq!(half(3) * 2, half(6), "a part of whatever time it is");
}
