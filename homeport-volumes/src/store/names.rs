//! Owns the whole names of the members of those packs that are asked about most, within a bound: so that most objects are
//! looked up without asking the disk. Never decides what is there, and never reads the disk itself.

use std::sync::{Arc, Mutex, PoisonError};

use super::identity::ObjectId;

/// The most bytes of names that are held.
const HELD: usize = 6 << 20;
/// Reading all names of a pack costs about as much as reading one in so many of them by itself.
const WORTH: u32 = 64;

/// The names of all members of one pack, by the members' numbers.
#[derive(Debug)]
pub(super) struct Members(Vec<ObjectId>);

impl Members {
    pub(super) const fn new(names: Vec<ObjectId>) -> Self {
        Self(names)
    }

    /// The name of the member with this number.
    pub(super) fn get(&self, member: usize) -> Option<&ObjectId> {
        self.0.get(member)
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// The names of the members of some packs, each as its index has it.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// The pack that was asked about last stands last.
    packs: Vec<(u32, Arc<Members>)>,
    bytes: usize,
    /// How often each pack was asked about in vain.
    misses: Vec<u32>,
}

/// What is held of a pack.
#[derive(Debug)]
pub(super) enum Known {
    /// All of its names.
    Names(Arc<Members>),
    /// Nothing.
    Nothing,
    /// Nothing, and it was asked about so often that its names are worth [holding](Names::hold).
    Wanted,
}

impl Names {
    /// What is held of the pack with this number, which has so many members.
    pub(super) fn of(&self, pack: u32, members: u32) -> Known {
        // A thread that panicked while it held the list leaves a list that is as good as before.
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = held.packs.iter().rposition(|(known, _)| *known == pack) {
            if at + 1 < held.packs.len() {
                let found = held.packs.remove(at);
                held.packs.push(found);
            }
            return held.packs.last().map_or(Known::Nothing, |(_, names)| Known::Names(Arc::clone(names)));
        }
        let place = pack as usize;
        if held.misses.len() <= place {
            held.misses.resize(place + 1, 0);
        }
        let Some(misses) = held.misses.get_mut(place) else { return Known::Nothing };
        *misses = misses.saturating_add(1);
        if *misses > members / WORTH && size(members as usize) <= HELD { Known::Wanted } else { Known::Nothing }
    }

    /// Holds the names of a pack, and lets go of those that were not asked about for longest.
    pub(super) fn hold(&self, pack: u32, names: &Arc<Members>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.packs.iter().any(|(known, _)| *known == pack) || size(names.len()) > HELD {
            return;
        }
        while held.bytes + size(names.len()) > HELD && !held.packs.is_empty() {
            let (_, gone) = held.packs.remove(0);
            held.bytes -= size(gone.len());
        }
        held.bytes += size(names.len());
        held.packs.push((pack, Arc::clone(names)));
        if let Some(misses) = held.misses.get_mut(pack as usize) {
            *misses = 0;
        }
    }
}

fn size(members: usize) -> usize {
    members.saturating_mul(size_of::<ObjectId>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(members: u32) -> Arc<Members> {
        Arc::new(Members::new((0..members).map(|n| ObjectId::of(&n.to_le_bytes())).collect()))
    }

    /// A pack that is asked about once in a while is read name by name.
    #[test]
    fn the_names_of_a_pack_are_wanted_once_they_are_worth_it() {
        let names = Names::default();
        for _ in 0..5 {
            assert!(matches!(names.of(3, 320), Known::Nothing));
        }
        assert!(matches!(names.of(3, 320), Known::Wanted));
        names.hold(3, &pack(320));
        assert!(matches!(names.of(3, 320), Known::Names(held) if held.get(7) == pack(320).get(7)));
        assert!(matches!(names.of(2, 320), Known::Nothing));
    }

    /// Whatever is asked, no more is held than the bound, and what was asked about last.
    #[test]
    fn what_is_held_is_bounded() {
        let (names, small) = (Names::default(), pack(60_000));
        for number in 0..50 {
            names.hold(number, &small);
            names.hold(number, &small);
            let held = names.0.lock().unwrap();
            assert_eq!(held.bytes, held.packs.iter().map(|(_, names)| size(names.len())).sum::<usize>());
            assert!(held.bytes <= HELD && held.packs.len() <= 3, "{}", held.bytes);
            drop(held);
            assert!(matches!(names.of(0, 60_000), Known::Names(_)), "{number}");
        }
        let huge = pack(300_000);
        names.hold(99, &huge);
        assert!(matches!(names.of(99, 1), Known::Nothing | Known::Wanted));
        for _ in 0..5_000 {
            assert!(matches!(names.of(99, 300_000), Known::Nothing), "it is too large to be held");
        }
    }
}
