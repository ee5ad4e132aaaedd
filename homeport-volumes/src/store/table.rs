//! Owns the list of all objects in memory: 16 bytes for each. Never asks the disk.
//!
//! An entry is the first 88 bits of the name, the number of the pack and the number of the member there. The whole name,
//! and where the bytes are, stands in the pack's index. Two contents that agree in 88 bits can be made on purpose: what is
//! found here is a candidate, and nobody says that an object is there before its whole name was compared (`objects`).

use super::identity::ObjectId;

/// All objects, sorted by name; one that is in two packs stands there twice.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<u128>);

/// A candidate for where an object is: the names of two objects can begin with the same 88 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(u128);

const NUMBER_BITS: u32 = 20;
const NUMBERS: u128 = (1 << NUMBER_BITS) - 1;
const NAME_SHIFT: u32 = 2 * NUMBER_BITS;

/// The most packs, and the most members of a pack, that can be told apart.
pub(super) const MOST: usize = 1 << NUMBER_BITS;

impl Table {
    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        self.0.reserve(more);
    }

    /// Adds the member of a pack, both less than [`MOST`]. [`sort`](Self::sort) comes before the next search.
    pub(super) fn push(&mut self, object: &ObjectId, pack: u32, member: u32) {
        self.0.push(name(object) << NAME_SHIFT | u128::from(pack) << NUMBER_BITS | u128::from(member));
    }

    /// Puts what was added where it belongs.
    #[expect(clippy::stable_sort_primitive, reason = "the list is sorted but for its end: the stable sort merges runs")]
    pub(super) fn sort(&mut self) {
        self.0.sort();
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Where the object may be: none of them, or more than one. [spec: STO-37]
    pub(super) fn find(&self, object: &ObjectId) -> impl Iterator<Item = Slot> {
        let name = name(object);
        let start = self.0.partition_point(|slot| slot >> NAME_SHIFT < name);
        self.0[start..].iter().map(|slot| Slot(*slot)).take_while(move |slot| slot.0 >> NAME_SHIFT == name)
    }
}

impl Slot {
    /// The pack's number.
    pub(super) fn pack(self) -> u32 {
        (self.0 >> NUMBER_BITS & NUMBERS) as u32
    }

    /// The member's number in the pack.
    pub(super) fn member(self) -> u32 {
        (self.0 & NUMBERS) as u32
    }
}

/// The first 88 bits of a name.
fn name(object: &ObjectId) -> u128 {
    object.as_bytes().first_chunk::<16>().map_or(0, |bytes| u128::from_be_bytes(*bytes)) >> NAME_SHIFT
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Names that differ late, early or not at all: found are exactly those that begin alike.
        #[test]
        fn an_object_is_found_where_it_was_put(
            rows in proptest::collection::vec((0_u8..4, 0_u8..3, 0_u32..1 << 20, 0_u32..1 << 20), 0..40),
        ) {
            let object = |(early, late): (u8, u8)| {
                let mut bytes = [0x5a; 32];
                (bytes[10], bytes[11]) = (early, late);
                ObjectId::new(bytes)
            };
            let mut table = Table::default();
            for (early, late, pack, member) in &rows {
                table.push(&object((*early, *late)), *pack, *member);
                table.sort();
            }
            for early in 0..5 {
                let mut wanted: Vec<(u32, u32)> =
                    rows.iter().filter(|row| row.0 == early).map(|row| (row.2, row.3)).collect();
                wanted.sort_unstable();
                let found: Vec<_> = table.find(&object((early, 9))).map(|slot| (slot.pack(), slot.member())).collect();
                prop_assert_eq!(found, wanted);
            }
            prop_assert_eq!(table.len(), rows.len());
        }
    }
}
