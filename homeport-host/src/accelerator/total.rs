//! Owns what an accelerator has counted of a route, as values that add up. Never counts anything.

use homeport_router::{Moved, RefusedBecause};

/// What became of the clients of a route that an accelerator dealt with alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// Those that were led to a container, and did not come to the router since that could not be reached.
    pub accepted: u64,
    /// What went over their connections, as far as it was told by now. What somebody had sent who came to the router then may be
    /// in it too.
    pub moved: Moved,
    /// Those that the rules kept out.
    pub refused: RefusedBecause,
}

impl Total {
    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.each(other, u64::saturating_add)
    }

    /// What has come since the earlier one. A counter that fell began anew, so that all of it has.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        self.each(earlier, |now, then| now.checked_sub(then).unwrap_or(now))
    }

    fn each(self, other: Self, of: impl Fn(u64, u64) -> u64) -> Self {
        let (one, two) = (self.refused, other.refused);
        Self {
            accepted: of(self.accepted, other.accepted),
            moved: Moved {
                from_clients: of(self.moved.from_clients, other.moved.from_clients),
                to_clients: of(self.moved.to_clients, other.moved.to_clients),
            },
            refused: RefusedBecause {
                closed: of(one.closed, two.closed),
                full: of(one.full, two.full),
                source_full: of(one.source_full, two.source_full),
                too_fast: of(one.too_fast, two.too_fast),
                not_allowed: of(one.not_allowed, two.not_allowed),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn total() -> impl Strategy<Value = Total> {
        prop::array::uniform8(0..u64::MAX / 4).prop_map(|[accepted, from_clients, to_clients, rest @ ..]| {
            let [closed, full, source_full, too_fast, not_allowed] = rest;
            let refused = RefusedBecause { closed, full, source_full, too_fast, not_allowed };
            Total { accepted, moved: Moved { from_clients, to_clients }, refused }
        })
    }

    proptest! {
        #[test]
        fn what_came_since_and_what_was_before_are_all(one in total(), other in total()) {
            let both = one.and(other);
            prop_assert_eq!(both.since(one), other);
            prop_assert_eq!(both.since(other), one);
            prop_assert_eq!(one.and(Total::default()), one);
        }
    }

    #[test]
    fn a_counter_that_began_anew_counts_whole() {
        let (before, now) = (Total { accepted: 9, ..Total::default() }, Total { accepted: 4, ..Total::default() });
        assert_eq!(now.since(before).accepted, 4);
    }
}
