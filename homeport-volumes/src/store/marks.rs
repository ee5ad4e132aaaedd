//! Owns which members of which packs are needed: one bit for each. Never decides what is.

use super::table::Slot;

/// A bit for each member of each pack.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    packs: Vec<Vec<u64>>,
}

impl Marks {
    /// No bit set, for packs of so many members.
    pub(super) fn new(members: impl Iterator<Item = u32>) -> Self {
        Self { packs: members.map(|members| vec![0; (members as usize).div_ceil(64)]).collect() }
    }

    /// Marks a member of a pack.
    pub(super) fn set(&mut self, pack: u32, member: u32) {
        if let Some(word) = self.packs.get_mut(pack as usize).and_then(|bits| bits.get_mut(member as usize / 64)) {
            *word |= 1 << (member % 64);
        }
    }

    /// Marks a member; whether it was not marked before.
    pub(crate) fn insert(&mut self, slot: Slot) -> bool {
        let is_new = !self.contains(slot);
        self.set(slot.pack(), slot.member());
        is_new
    }

    /// Whether the member is marked.
    pub(crate) fn contains(&self, slot: Slot) -> bool {
        self.is_set(slot.pack() as usize, slot.member() as usize)
    }

    /// Takes every mark away.
    pub(crate) fn clear(&mut self) {
        self.packs.iter_mut().for_each(|bits| bits.fill(0));
    }

    /// How many members are marked.
    pub(crate) fn total(&self) -> u64 {
        (0..self.packs.len()).map(|pack| self.count(pack)).sum()
    }

    /// Whether a member is marked.
    pub(super) fn is_set(&self, pack: usize, member: usize) -> bool {
        let word = self.packs.get(pack).and_then(|bits| bits.get(member / 64));
        word.is_some_and(|word| word & 1 << (member % 64) != 0)
    }

    /// How many members of a pack are marked.
    pub(super) fn count(&self, pack: usize) -> u64 {
        self.packs.get(pack).map_or(0, |bits| bits.iter().map(|word| u64::from(word.count_ones())).sum())
    }
}
