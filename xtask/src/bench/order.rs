//! Owns orders: the same things in another one for each round. Never measures.

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
}
