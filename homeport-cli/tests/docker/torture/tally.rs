//! Owns what came of all cuts: where they hit, which hit nothing, what was found wrong, and telling it. Never looks at a
//! HomePort.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What took longer is told.
const SLOW: Duration = Duration::from_secs(5);

/// What came of all cuts.
#[derive(Default)]
pub(super) struct Tally(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    hit: BTreeMap<String, usize>,
    missed: BTreeMap<String, usize>,
    by: BTreeMap<String, usize>,
    settled: Duration,
    put_aside: usize,
    wrongs: Vec<String>,
}

impl Tally {
    fn with<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A cut hit here.
    pub(super) fn hit(&self, place: String) {
        let all = self.with(|counts| {
            *counts.hit.entry(place).or_default() += 1;
            counts.hit.values().sum::<usize>()
        });
        if all.is_multiple_of(20) {
            eprintln!("torture: {all} so far");
        }
    }

    /// A cut hit nothing, for this reason: what it was for had ended before, or never came to be.
    pub(super) fn missed(&self, why: String) {
        self.with(|counts| *counts.missed.entry(why).or_default() += 1);
    }

    /// This was what came next, and how that ended.
    pub(super) fn then(&self, what: String) {
        self.with(|counts| *counts.by.entry(what).or_default() += 1);
    }

    /// Everything was right after so long, and so many notes were in the trash. What took long is told.
    pub(super) fn right(&self, story: &str, after: Duration, put_aside: usize) {
        if after > SLOW {
            eprintln!("torture: right after {:.1} s only: {story}", after.as_secs_f32());
        }
        self.with(|counts| {
            counts.settled = counts.settled.max(after);
            counts.put_aside += put_aside;
        });
    }

    /// Something was wrong.
    pub(super) fn wrong(&self, text: String) {
        eprintln!("torture: WRONG {text}");
        self.with(|counts| counts.wrongs.push(text));
    }

    /// Tells everything, and fails where anything was wrong, or nothing was hit.
    pub(super) fn finish(self, what: &str) {
        let counts = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let total: usize = counts.hit.values().sum();
        eprintln!("torture: {what}: {total} times, in {} places", counts.hit.len());
        for (place, count) in &counts.hit {
            eprintln!("torture: {count:>5}  {place}");
        }
        let missed: usize = counts.missed.values().sum();
        eprintln!("torture: {what}: {missed} times more nothing was hit");
        for (why, count) in &counts.missed {
            eprintln!("torture: {count:>5}  {why}");
        }
        for (then, count) in &counts.by {
            eprintln!("torture: {count:>5}  then {then}");
        }
        eprintln!(
            "torture: {what}: right after at most {:.1} s; {} confirmed notes of what was taken back are in the trash",
            counts.settled.as_secs_f32(),
            counts.put_aside
        );
        assert!(counts.wrongs.is_empty(), "{} things were wrong:\n{}", counts.wrongs.len(), counts.wrongs.join("\n"));
        assert!(total > 0, "{what}: none of {missed} hit anything, so nothing was shown: {:?}", counts.missed);
    }
}
