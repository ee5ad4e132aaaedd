//! Owns deciding what goes, from what was found. Never touches the disk, and never decides about a snapshot.

use super::value::CollectionPlan;
use crate::identity::UnixSeconds;
use crate::store::identity::PackId;

/// How long what was taken out stays. [spec: STO-29]
pub(super) const GRACE_SECONDS: u64 = 7 * 24 * 60 * 60;
/// A pack smaller than this is worth writing anew together with others.
const SMALL: u64 = 16 << 20;
/// How many small packs may stand beside each other.
const MANY: usize = 16;

/// A pack, and how much of it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PackUse {
    pub(super) id: PackId,
    /// The size of its files.
    pub(super) size: u64,
    /// How many members are needed.
    pub(super) needed: u64,
    /// How many bytes of it those take.
    pub(super) needed_bytes: u64,
    /// Whether all of its members are known.
    pub(super) state: PackState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PackState {
    Sound,
    Damaged,
}

/// A file or a directory, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leftover {
    pub(super) name: String,
    pub(super) size: u64,
}

/// Everything that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Files of snapshots that are to go.
    pub(super) snapshots: Vec<Leftover>,
    /// Files of entries that nothing names.
    pub(super) entries: Vec<Leftover>,
    /// Indexes without a pack.
    pub(super) indexes: Vec<Leftover>,
    pub(super) packs: Vec<PackUse>,
    /// Directories below `removed/`.
    pub(super) batches: Vec<Leftover>,
    /// The latest moment that the store knows of.
    pub(super) latest: u64,
}

/// What to do about it.
pub(super) fn plan(found: &Found, now: UnixSeconds) -> CollectionPlan {
    let unneeded = |pack: &&PackUse| pack.needed == 0;
    let partly = |pack: &&PackUse| pack.needed > 0 && pack.state == PackState::Sound;
    let wasteful = |pack: &PackUse| pack.needed_bytes.saturating_mul(2) < pack.size;
    let candidates: Vec<&PackUse> = found.packs.iter().filter(partly).collect();
    let small = candidates.iter().filter(|pack| !wasteful(pack) && pack.size < SMALL).count();
    let anew = |pack: &&PackUse| wasteful(pack) || (small >= MANY && pack.size < SMALL);
    let rewritten: Vec<&PackUse> = candidates.into_iter().filter(anew).collect();
    let dropped: Vec<&PackUse> = found.packs.iter().filter(unneeded).collect();
    // A clock that was set back must not make anything look old, nor one that was ahead when it was removed.
    let expired: Vec<&Leftover> =
        found.batches.iter().filter(|batch| is_over(&batch.name, now, found.latest)).collect();
    let names = |files: &[Leftover]| files.iter().map(|file| file.name.clone()).collect();
    let sizes = |files: &[Leftover]| files.iter().map(|file| file.size).sum::<u64>();
    CollectionPlan {
        snapshots: names(&found.snapshots),
        entries: names(&found.entries),
        indexes: names(&found.indexes),
        packs: dropped.iter().map(|pack| pack.id).collect(),
        set_aside: sizes(&found.snapshots)
            + sizes(&found.entries)
            + sizes(&found.indexes)
            + dropped.iter().chain(&rewritten).map(|pack| pack.size).sum::<u64>(),
        written: rewritten.iter().map(|pack| pack.needed_bytes).sum(),
        rewritten: rewritten.iter().map(|pack| pack.id).collect(),
        freed: expired.iter().map(|batch| batch.size).sum(),
        expired: expired.iter().map(|batch| batch.name.clone()).collect(),
    }
}

/// Whether the seven days of `removed/<seconds>` are over, on a clock that is not behind what the store knows.
fn is_over(name: &str, now: UnixSeconds, latest: u64) -> bool {
    let since = name.parse::<u64>().ok().filter(|seconds| seconds.to_string() == name);
    now.get() >= latest && since.is_some_and(|since| since.saturating_add(GRACE_SECONDS) <= now.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(id: u8, size: u64, needed: u64, needed_bytes: u64) -> PackUse {
        PackUse { id: PackId::new([id; 32]), size, needed, needed_bytes, state: PackState::Sound }
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_nothing_needs_goes_and_what_is_half_needed_stays() {
        let damaged = PackUse { state: PackState::Damaged, ..pack(5, 100 * MIB, 1, MIB) };
        let rows = [
            (pack(1, 100 * MIB, 0, 0), "gone"),
            (pack(2, 100 * MIB, 5, 50 * MIB), "kept"),
            (pack(3, 100 * MIB, 5, 50 * MIB - 1), "anew"),
            (pack(4, MIB, 5, MIB), "kept"),
            (damaged, "kept"),
            (PackUse { state: PackState::Damaged, ..pack(6, 100 * MIB, 0, 0) }, "gone"),
        ];
        for (pack, wanted) in &rows {
            let found = Found { packs: vec![pack.clone()], ..Found::default() };
            let plan = plan(&found, UnixSeconds::new(0));
            let fate = match (plan.packs.contains(&pack.id), plan.rewritten.contains(&pack.id)) {
                (true, false) => "gone",
                (false, true) => "anew",
                (false, false) => "kept",
                (true, true) => "both",
            };
            assert_eq!(fate, *wanted, "{pack:?}");
            assert_eq!(plan.set_aside, if fate == "kept" { 0 } else { pack.size });
        }
    }

    #[test]
    fn many_small_packs_become_one() {
        let small =
            |count: u8| Found { packs: (0..count).map(|id| pack(id, MIB, 1, MIB)).collect(), ..Found::default() };
        assert_eq!(plan(&small(15), UnixSeconds::new(0)).rewritten.len(), 0);
        let plan = plan(&small(16), UnixSeconds::new(0));
        assert_eq!((plan.rewritten.len(), plan.written, plan.set_aside), (16, 16 * MIB, 16 * MIB));
    }

    /// 64: the clock ten years back, and ahead.
    #[test]
    fn seven_days_are_counted_on_a_clock_that_is_not_behind() {
        let batch = |name: &str| Leftover { name: name.to_owned(), size: 5 };
        let names = ["1000", "604800000", "highest-00000001", "01000", "x"];
        let found = Found { batches: names.map(batch).to_vec(), latest: 500_000, ..Found::default() };
        let expired = |now| plan(&found, UnixSeconds::new(now)).expired;
        assert_eq!(expired(1000 + GRACE_SECONDS - 1), Vec::<String>::new());
        assert_eq!(expired(1000 + GRACE_SECONDS), ["1000"]);
        let later = Found { latest: 1000 + GRACE_SECONDS + 1, ..found.clone() };
        assert_eq!(plan(&later, UnixSeconds::new(1000 + GRACE_SECONDS)).expired, Vec::<String>::new());
    }
}
