//! Owns the places that a haproxy has for containers, and which of them a container gets. Pure.
//!
//! A haproxy cannot be given servers while it runs, only other addresses for those that it has. So each has a few *slots* for
//! every way in which a container can be told who its clients are: one for the container of now, and some for those that only
//! finish what they began.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use homeport_router::{Announcement, Moved, Target};
use serde::{Deserialize, Serialize};

use crate::accelerator::Total;

/// How many slots there are of each kind.
pub(super) const OF_EACH: u8 = 4;

/// A place for a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Slot {
    announcement: Announcement,
    number: u8,
}

impl Slot {
    /// Every slot, in the order in which a haproxy tries them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let kinds = [Announcement::None, Announcement::ProxyV1, Announcement::ProxyV2];
        kinds.into_iter().flat_map(|announcement| (1..=OF_EACH).map(move |number| Self { announcement, number }))
    }

    /// How a container in it is told who its clients are.
    pub(super) const fn announcement(self) -> Announcement {
        self.announcement
    }

    /// Its place in the order, from 1.
    pub(super) const fn order(self) -> u8 {
        let kind = match self.announcement {
            Announcement::None => 0,
            Announcement::ProxyV1 => 1,
            Announcement::ProxyV2 => 2,
        };
        kind * OF_EACH + self.number
    }
}

/// As a haproxy knows it: `n1`, `a2`, `b3`.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.announcement {
            Announcement::None => 'n',
            Announcement::ProxyV1 => 'a',
            Announcement::ProxyV2 => 'b',
        };
        write!(f, "{kind}{}", self.number)
    }
}

/// A text that names no slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no slot")]
pub(super) struct NoSlot(String);

impl FromStr for Slot {
    type Err = NoSlot;

    fn from_str(text: &str) -> Result<Self, NoSlot> {
        Self::all().find(|slot| slot.to_string() == text).ok_or_else(|| NoSlot(text.to_owned()))
    }
}

impl TryFrom<String> for Slot {
    type Error = NoSlot;

    fn try_from(text: String) -> Result<Self, NoSlot> {
        text.parse()
    }
}

impl From<Slot> for String {
    fn from(slot: Slot) -> Self {
        slot.to_string()
    }
}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Slot {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

/// What a haproxy counts of one slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count {
    /// Connections that are there now, those that are being made among them.
    pub(super) connections: usize,
    /// Connections since the haproxy began.
    #[serde(default)]
    pub(super) accepted: u64,
    /// Bytes to containers since then.
    pub(super) from_clients: u64,
    /// Bytes from containers.
    pub(super) to_clients: u64,
}

impl Count {
    /// The same, as a part of what is counted of a route.
    pub(super) fn total(&self) -> Total {
        let moved = Moved { from_clients: self.from_clients, to_clients: self.to_clients };
        Total { accepted: self.accepted, moved, ..Total::default() }
    }
}

/// Who has a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lodger {
    /// The container, and where it answers.
    pub(super) target: Target,
    /// What was counted of the slot before.
    pub(super) before: Count,
}

/// Who has which slot of one haproxy, and which of them new clients are led to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lodging {
    /// Those that have had a container.
    pub(super) lodgers: BTreeMap<Slot, Lodger>,
    /// The one that new clients are led to; `None` where they are handed on to the router.
    pub(super) current: Option<Slot>,
}

impl Lodging {
    /// The slot that this target has already, or one that nobody is connected with; `None` where every one of its kind still has
    /// clients of earlier containers.
    pub(super) fn slot_for(&self, target: &Target, counts: &BTreeMap<Slot, Count>) -> Option<Slot> {
        let has = |slot: &Slot| self.lodgers.get(slot).is_some_and(|lodger| lodger.target == *target);
        let is_free = |slot: &Slot| counts.get(slot).is_none_or(|count| count.connections == 0);
        let own = || Slot::all().filter(|slot| slot.announcement == target.announcement);
        own().find(has).or_else(|| own().find(|slot| is_free(slot) && self.current != Some(*slot)))
    }

    /// The same, with the target in the slot and new clients led there.
    pub(super) fn leading_to(&self, slot: Slot, target: &Target, counts: &BTreeMap<Slot, Count>) -> Self {
        let mut after = self.clone();
        let is_there = self.lodgers.get(&slot).is_some_and(|lodger| lodger.target == *target);
        if !is_there {
            let before = Count { connections: 0, ..counts.get(&slot).copied().unwrap_or_default() };
            after.lodgers.insert(slot, Lodger { target: target.clone(), before });
        }
        after.current = Some(slot);
        after
    }

    /// The same, with new clients led to no container.
    pub(super) fn leading_nowhere(&self) -> Self {
        Self { current: None, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(container: u8, announcement: Announcement) -> Target {
        let address = ([10, 0, 0, container], 22).into();
        Target::new(format!("c{container}").parse().unwrap(), address).announcing(announcement)
    }

    #[test]
    fn slots_are_named_and_tried_in_one_order() {
        let all: Vec<Slot> = Slot::all().collect();
        assert_eq!(all.len(), 12);
        for (order, slot) in (1..).zip(&all) {
            assert_eq!((slot.order(), slot.to_string().parse()), (order, Ok(*slot)));
        }
        assert_eq!(all[0].to_string() + &all[4].to_string() + &all[11].to_string(), "n1a1b4");
        for bad in ["", "n0", "n5", "x1", "n1 ", "hold"] {
            assert_eq!(bad.parse::<Slot>(), Err(NoSlot(bad.to_owned())));
        }
    }

    #[test]
    fn a_container_that_is_led_to_again_has_its_slot_and_a_busy_one_is_left_alone() {
        let (a, b) = (target(1, Announcement::None), target(2, Announcement::None));
        let [first, second] = [0, 1].map(|at| Slot::all().nth(at).unwrap());
        let busy = Count { connections: 1, accepted: 3, from_clients: 5, to_clients: 7 };
        let counts = BTreeMap::from([(first, busy)]);
        let lodging = Lodging::default();
        assert_eq!(lodging.slot_for(&a, &BTreeMap::new()), Some(first));
        let lodging = lodging.leading_to(first, &a, &BTreeMap::new());
        assert_eq!(lodging.slot_for(&b, &counts), Some(second));
        let lodging = lodging.leading_to(second, &b, &counts);
        assert_eq!(lodging.slot_for(&a, &counts), Some(first), "it is still there");
        let later = lodging.leading_nowhere();
        assert_eq!((later.current, later.lodgers.len()), (None, 2));
        // Another one in the same slot begins to count anew.
        let c = target(3, Announcement::None);
        let gone = BTreeMap::from([(first, Count { connections: 0, ..busy })]);
        let slot = later.slot_for(&c, &gone).unwrap();
        let after = later.leading_to(slot, &c, &gone);
        assert_eq!((slot, after.lodgers[&first].before.to_clients), (first, 7));
    }

    #[test]
    fn a_note_is_read_back_as_it_was_written() {
        let slot = Slot::all().nth(9).unwrap();
        let lodging = Lodging::default().leading_to(slot, &target(1, Announcement::ProxyV2), &BTreeMap::new());
        let json = serde_json::to_string(&lodging).unwrap();
        assert_eq!(serde_json::from_str::<Lodging>(&json).unwrap(), lodging, "{json}");
        assert!(json.contains(r#""b2""#));
    }

    proptest! {
        /// Containers come, go back and keep clients at will; nobody is ever put where another one has clients.
        #[test]
        fn nobody_gets_a_slot_in_which_another_container_has_clients(
            moves in prop::collection::vec((0_u8..6, 0_usize..3, prop::sample::select(vec![
                Announcement::None, Announcement::ProxyV1, Announcement::ProxyV2,
            ])), 1..40),
        ) {
            let (mut lodging, mut counts) = (Lodging::default(), BTreeMap::<Slot, Count>::new());
            for (container, connections, announcement) in moves {
                let target = target(container, announcement);
                if let Some(slot) = lodging.slot_for(&target, &counts) {
                    let had = lodging.lodgers.get(&slot).map(|lodger| lodger.target.clone());
                    let is_busy = counts.get(&slot).is_some_and(|count| count.connections > 0);
                    prop_assert!(!is_busy || had == Some(target.clone()));
                    prop_assert_eq!(slot.announcement(), announcement);
                    lodging = lodging.leading_to(slot, &target, &counts);
                    prop_assert_eq!(&lodging.lodgers[&slot].target, &target);
                    counts.entry(slot).or_default().connections = connections;
                } else {
                    let is_busy = |slot: &Slot| counts.get(slot).is_some_and(|count| count.connections > 0);
                    let mut own = Slot::all().filter(|slot| slot.announcement() == announcement);
                    prop_assert!(own.all(|slot| lodging.current == Some(slot) || is_busy(&slot)));
                    lodging = lodging.leading_nowhere();
                    counts.clear();
                }
            }
        }
    }
}
