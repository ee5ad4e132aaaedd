//! Owns the memory of which names a hard link may refer to.
//! Never keeps the names themselves.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

/// How many are kept apart before they are sorted in, at least.
const FRESH_MIN: usize = 4096;

/// A set of names in 8 to 12 bytes each: a hash of 64 bits under a key that is drawn for each text. A name that was never
/// added is taken for one that was with a probability of one in 2^44 for a million names, and nobody who makes a text
/// can aim for it; a restore fails on it all the same, when it links to what is not there.
#[derive(Debug, Default)]
pub(super) struct Targets {
    state: RandomState,
    /// Sorted.
    old: Vec<u64>,
    fresh: HashSet<u64>,
}

impl Targets {
    /// Remembers `name`.
    pub(super) fn add(&mut self, name: &[u8]) {
        self.fresh.insert(self.state.hash_one(name));
        if self.fresh.len() >= FRESH_MIN.max(self.old.len() / 8) {
            self.old.reserve_exact(self.fresh.len());
            self.old.extend(self.fresh.drain());
            self.old.sort_unstable();
        }
    }

    /// Whether `name` was remembered.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        let hash = self.state.hash_one(name);
        self.fresh.contains(&hash) || self.old.binary_search(&hash).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Targets;

    #[test]
    fn a_name_is_known_once_it_was_added_and_not_before() {
        let mut targets = Targets::default();
        for number in 0..100_000_u32 {
            let name = number.to_le_bytes();
            assert!(!targets.has(&name));
            targets.add(&name);
            assert!(targets.has(&name) && targets.has(&(number / 2).to_le_bytes()));
        }
        assert!(targets.old.capacity() <= 110_000, "{}", targets.old.capacity());
    }
}
