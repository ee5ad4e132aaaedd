//! Owns one session of measuring: every task on every set, in rounds. Judges nothing.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::cost::{self, Cost};
use super::place::{Place, Set};
use super::rounds::Rounds;
use super::samples::{Samples, Task};
use super::tool::{Kept, Tool};
use crate::bench::order::shuffled;
use crate::say;

pub(super) const SMALL_FIRST: Task = Task("small 1: first");
pub(super) const SMALL_RESTORE: Task = Task("small 2: restore");
/// Ours without its comparison.
pub(super) const SMALL_BUILD: Task = Task("small 2: restore, not compared");
pub(super) const SMALL_UNCHANGED: Task = Task("small 3: nothing changed");
pub(super) const SMALL_MORE: Task = Task("small 4: 500 renamed, 500 new");
/// What went into packs then, without entries.
pub(super) const SMALL_MORE_PACKED: Task = Task("small 4: packs alone");
pub(super) const SMALL_VERIFY: Task = Task("small 5: verify");
/// Pass 1 of an upgrade, which the old version still runs beside.
pub(super) const PASS_ONE: Task = Task("small 6: pass 1, nothing changed");
/// Pass 2, while the port stands still, after so much was written since pass 1.
pub(super) const PASS_TWO: Task = Task("small 6: pass 2, 10 MB in 500 files");
pub(super) const PASS_TWO_TENFOLD: Task = Task("small 6: pass 2, 100 MB in 500 files");
pub(super) const PASS_TWO_AFTER: Task = Task("small 6: pass 2, 10 MB, after 100 MB in pass 1");
pub(super) const LARGE_FIRST: Task = Task("large 1: first");
pub(super) const LARGE_RESTORE: Task = Task("large 2: restore");
pub(super) const LARGE_UNCHANGED: Task = Task("large 3: nothing changed");
pub(super) const LARGE_MORE: Task = Task("large 4: 2 MiB appended, 32 pages anew");
pub(super) const NAMES_FIRST: Task = Task("names 1: first");
pub(super) const NAMES_UNCHANGED: Task = Task("names 2: nothing changed");
pub(super) const NAMES_VERIFY: Task = Task("names 3: verify");

/// How many files an incremental round adds, and renames.
pub(super) const MORE_FILES: u64 = 500;
/// The bytes of those that it adds.
pub(super) const MORE_BYTES: u64 = MORE_FILES * 21 * 1024;
/// What is written between the passes.
const DELTA: u64 = 10_000_000;
/// What is added to a large file, and how many pages of 8 KiB are written anew.
pub(super) const APPENDED: u64 = 2 << 20;
pub(super) const PAGES: u64 = 32;

/// Peers that no goal names: measured in the first round only where they take long.
const RARE: [Tool; 2] = [Tool::Borg, Tool::Rsync];

/// Everything of one session.
pub(super) struct Session<'a> {
    pub(super) place: &'a Place,
    pub(super) rounds: Rounds,
    /// Of the full size.
    pub(super) scale: f64,
    pub(super) samples: Samples,
}

impl Session<'_> {
    /// Measures everything.
    pub(super) fn run(&mut self) -> Result<()> {
        self.small()?;
        self.large()?;
        self.names()
    }

    fn small(&mut self) -> Result<()> {
        let place = self.place;
        say::line(format_args!("making the small set in `{}`", place.root().display()));
        place.fill(Set::Small, self.scale)?;
        let (data, cache) = (place.data(Set::Small), place.cache());
        let all = [Tool::Raw, Tool::Zstd, Tool::Restic, Tool::Tar, Tool::Borg, Tool::Rsync];
        let mut kept: Vec<Kept<'_>> = all.map(|tool| place.kept(tool, &data, &cache)).into();
        self.yardstick(Tool::Read, &data)?;
        self.first(SMALL_FIRST, 30, &mut kept, &data)?;
        self.restore(SMALL_RESTORE, Some(SMALL_BUILD), 20, &kept)?;
        give_up(&mut kept, Tool::Tar)?;
        self.unchanged(SMALL_UNCHANGED, 8, &mut kept, &data)?;
        self.small_more(&mut kept)?;
        self.verify(&kept)?;
        kept.truncate(1);
        if let Some(ours) = kept.first_mut() {
            self.passes(ours)?;
        }
        place.clear(Set::Small)
    }

    fn large(&mut self) -> Result<()> {
        let place = self.place;
        say::line("making the large set");
        place.fill(Set::Large, self.scale)?;
        let (data, cache) = (place.data(Set::Large), place.cache());
        let all = [Tool::Raw, Tool::Zstd, Tool::Restic, Tool::Tar, Tool::Borg, Tool::Rsync];
        let mut kept: Vec<Kept<'_>> = all.map(|tool| place.kept(tool, &data, &cache)).into();
        self.yardstick(Tool::Read, &data)?;
        self.first(LARGE_FIRST, 15, &mut kept, &data)?;
        self.restore(LARGE_RESTORE, None, 4, &kept)?;
        give_up(&mut kept, Tool::Tar)?;
        self.unchanged(LARGE_UNCHANGED, 2, &mut kept, &data)?;
        self.large_more(&mut kept)?;
        place.clear(Set::Large)
    }

    /// Memory by the entry; memory does not differ from round to round, so one is enough.
    fn names(&mut self) -> Result<()> {
        let place = self.place;
        say::line("making the names");
        place.fill(Set::Names, self.scale)?;
        let (data, cache) = (place.data(Set::Names), place.cache());
        let mut kept = place.kept(Tool::Raw, &data, &cache);
        kept.again()?;
        for task in [NAMES_FIRST, NAMES_UNCHANGED] {
            let command = kept.save();
            self.measure(task, Tool::Raw, 0, &command)?;
        }
        self.measure(NAMES_VERIFY, Tool::Raw, 0, &kept.verify())?;
        place.clear(Set::Names)
    }

    /// Runs it, keeps what it cost and says it.
    fn measure(&mut self, task: Task, tool: Tool, round: usize, command: &Command) -> Result<Cost> {
        let cost = cost::of(command, self.place.root())?;
        say::line(format_args!(
            "{:<48} {tool:<16} round {}: {:8.3} s, {:8.3} s of processors, {:5.0} MiB",
            task.0,
            round + 1,
            cost.wall,
            cost.cpu,
            cost.peak
        ));
        self.samples.cost(task, tool, round, cost);
        Ok(cost)
    }

    /// Reads all data once, so that nobody pays for the others by being the first.
    fn yardstick(&self, tool: Tool, data: &Path) -> Result<()> {
        let cache = self.place.cache();
        cost::of(&self.place.kept(tool, data, &cache).save(), self.place.root()).map(drop)
    }

    fn first(&mut self, task: Task, percent: u32, kept: &mut [Kept<'_>], data: &Path) -> Result<()> {
        let (rounds, place, cache) = (self.rounds, self.place, self.place.cache());
        let places: Vec<usize> = (0..kept.len() + 2).collect();
        rounds.each(percent, |round| {
            for at in shuffled(&places, round) {
                let Some(kept) = kept.get_mut(at) else {
                    let tool = if at % 2 == 0 { Tool::Read } else { Tool::Hash };
                    self.measure(task, tool, round, &place.kept(tool, data, &cache).save())?;
                    continue;
                };
                if round > 0 && RARE.contains(&kept.tool) {
                    continue;
                }
                kept.again()?;
                self.measure(task, kept.tool, round, &kept.save())?;
                self.samples.stored(task, kept.tool, kept.stored()?);
            }
            Ok(())
        })
    }

    fn restore(&mut self, task: Task, build: Option<Task>, percent: u32, kept: &[Kept<'_>]) -> Result<()> {
        let (rounds, place) = (self.rounds, self.place);
        let places: Vec<usize> = (0..kept.len() + usize::from(build.is_some())).collect();
        rounds.each(percent, |round| {
            for at in shuffled(&places, round) {
                let target = place.target()?;
                match (kept.get(at), build) {
                    (Some(kept), _) if round == 0 || [Tool::Raw, Tool::Restic].contains(&kept.tool) => {
                        self.measure(task, kept.tool, round, &kept.restore(&target)?)?;
                    }
                    (None, Some(build)) => {
                        self.measure(build, kept[0].tool, round, &kept[0].build(&target))?;
                    }
                    _ => {}
                }
                place.target()?;
            }
            Ok(())
        })
    }

    fn unchanged(&mut self, task: Task, percent: u32, kept: &mut [Kept<'_>], data: &Path) -> Result<()> {
        let (rounds, place, cache) = (self.rounds, self.place, self.place.cache());
        let places: Vec<usize> = (0..=kept.len()).collect();
        rounds.each(percent, |round| {
            for at in shuffled(&places, round) {
                let Some(kept) = kept.get_mut(at) else {
                    self.measure(task, Tool::Scan, round, &place.kept(Tool::Scan, data, &cache).save())?;
                    continue;
                };
                let before = kept.stored()?;
                let command = kept.save();
                self.measure(task, kept.tool, round, &command)?;
                self.samples.stored(task, kept.tool, kept.stored()? - before);
            }
            Ok(())
        })
    }

    fn small_more(&mut self, kept: &mut [Kept<'_>]) -> Result<()> {
        let (rounds, place) = (self.rounds, self.place);
        let list = place.root().join("list");
        rounds.each(8, |round| {
            let seed = round.to_string();
            place.mail(&["flag", "small", &seed, &MORE_FILES.to_string()])?;
            let new = place.mail(&["deliver", "small", &seed, &MORE_FILES.to_string(), &MORE_BYTES.to_string()])?;
            std::fs::write(&list, new)?;
            let mut hash = Command::new(place.examples().join("yardstick"));
            hash.arg("hash-listed").arg(&list).current_dir(place.root().join("data"));
            self.measure(SMALL_MORE, Tool::Hash, round, &hash)?;
            self.more(SMALL_MORE, round, kept)
        })
    }

    fn large_more(&mut self, kept: &mut [Kept<'_>]) -> Result<()> {
        let (rounds, place) = (self.rounds, self.place);
        rounds.each(4, |round| {
            let seed = round.to_string();
            place.mail(&["append", "large/07.mbox", &seed, &APPENDED.to_string()])?;
            place.mail(&["overwrite", "large", &seed, &PAGES.to_string()])?;
            self.more(LARGE_MORE, round, kept)
        })
    }

    fn more(&mut self, task: Task, round: usize, kept: &mut [Kept<'_>]) -> Result<()> {
        let places: Vec<usize> = (0..kept.len()).collect();
        for at in shuffled(&places, round) {
            let kept = &mut kept[at];
            let ours = [Tool::Raw, Tool::Zstd].contains(&kept.tool);
            let packed = |kept: &Kept<'_>| if ours { kept.packed() } else { Ok(0.0) };
            let before = (kept.stored()?, packed(kept)?);
            let command = kept.save();
            self.measure(task, kept.tool, round, &command)?;
            self.samples.stored(task, kept.tool, kept.stored()? - before.0);
            if ours && task == SMALL_MORE {
                self.samples.stored(SMALL_MORE_PACKED, kept.tool, packed(kept)? - before.1);
            }
        }
        Ok(())
    }

    fn verify(&mut self, kept: &[Kept<'_>]) -> Result<()> {
        let rounds = self.rounds;
        let places: Vec<usize> = (0..kept.len()).filter(|at| kept[*at].tool != Tool::Rsync).collect();
        rounds.each(5, |round| {
            for at in shuffled(&places, round) {
                if round == 0 || !RARE.contains(&kept[at].tool) {
                    self.measure(SMALL_VERIFY, kept[at].tool, round, &kept[at].verify())?;
                }
            }
            Ok(())
        })
    }

    /// Pass 1 while the port runs, then pass 2 while it stands still.
    fn passes(&mut self, kept: &mut Kept<'_>) -> Result<()> {
        let (rounds, place, files) = (self.rounds, self.place, MORE_FILES.to_string());
        let mut seed = 1000;
        let mut deliver = |bytes: u64| {
            seed += 1;
            place.mail(&["deliver", "small", &seed.to_string(), &files, &bytes.to_string()]).map(drop)
        };
        rounds.each(6, |round| {
            self.measure(PASS_ONE, kept.tool, round, &kept.save())?;
            deliver(DELTA)?;
            self.measure(PASS_TWO, kept.tool, round, &kept.save_still())?;
            deliver(DELTA * 10)?;
            self.measure(PASS_TWO_TENFOLD, kept.tool, round, &kept.save_still())?;
            deliver(DELTA * 10)?;
            cost::of(&kept.save(), place.root())?;
            deliver(DELTA)?;
            self.measure(PASS_TWO_AFTER, kept.tool, round, &kept.save_still()).map(drop)
        })
    }
}

/// Takes a tool out, with all that it keeps.
fn give_up(kept: &mut Vec<Kept<'_>>, tool: Tool) -> Result<()> {
    for kept in kept.iter_mut().filter(|kept| kept.tool == tool) {
        kept.end()?;
    }
    kept.retain(|kept| kept.tool != tool);
    Ok(())
}
