//! Owns how much is tried: a share of what is possible in each run, far more on demand. Never decides what is right.

/// How many crash images each workload gets on each file system.
pub(crate) fn images(usual: usize) -> usize {
    if exhaust() { usual * 10 } else { usual }
}

/// Whether everything is tried, whatever the time.
pub(crate) fn exhaust() -> bool {
    std::env::var("HOMEPORT_EXHAUST").is_ok_and(|value| value == "1")
}

/// The seed of everything drawn at random: the same in every run, unless somebody asks for another.
pub(crate) fn seed() -> u64 {
    let asked = std::env::var("HOMEPORT_CRASH_SEED").ok();
    asked.map_or(0x0068_6f6d_6570_6f72, |text| text.parse().expect("HOMEPORT_CRASH_SEED is a number"))
}

/// Numbers that look random and are the same for the same seed (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    /// True in one of `n` cases.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
