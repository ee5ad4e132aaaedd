//! Owns the goals: what each is measured by, and the bound that it is compared with. Measures nothing, fails nobody.

use anyhow::{Context as _, Result};

use super::samples::{CPU, PEAK, Part, Samples, Task, WALL};
use super::session::{
    APPENDED, LARGE_FIRST, LARGE_MORE, LARGE_RESTORE, MORE_BYTES, NAMES_FIRST, NAMES_UNCHANGED, NAMES_VERIFY, PAGES,
    PASS_ONE, PASS_TWO, PASS_TWO_AFTER, PASS_TWO_TENFOLD, SMALL_BUILD, SMALL_FIRST, SMALL_MORE, SMALL_MORE_PACKED,
    SMALL_RESTORE, SMALL_UNCHANGED, SMALL_VERIFY,
};
use super::tool::Tool;
use crate::bench::figure::Figure;

/// One goal and what was found.
#[derive(Debug)]
pub(super) struct Goal {
    pub(super) id: &'static str,
    /// What is compared with what.
    pub(super) what: &'static str,
    /// For machines.
    pub(super) metric: &'static str,
    /// `ratio`, or the unit.
    pub(super) kind: &'static str,
    pub(super) figure: Figure,
    /// The most that is wanted.
    pub(super) at_most: f64,
}

impl Goal {
    pub(super) fn met(&self) -> bool {
        self.figure.median <= self.at_most
    }
}

const RATIO: &str = "ratio";
const MIB: &str = "mebibytes";
const KIB: &str = "kibibytes";

/// Every goal with its figure.
#[expect(clippy::too_many_lines, reason = "a table, a row a goal")]
pub(super) fn all(samples: &Samples) -> Result<Vec<Goal>> {
    let against = |task: Task, ours: Tool, theirs: Tool, part: Part| samples.ratio((task, ours), (task, theirs), part);
    let hashed = |task: Task| {
        let of = [(task, Tool::Tar), (task, Tool::Hash), (task, Tool::Read)];
        samples.formula(&of, CPU, |of| (of[0] + of[1] - of[2]) / of[0])
    };
    let ours = |a: Task, b: Task| samples.ratio((a, Tool::Raw), (b, Tool::Raw), WALL);
    let bytes = |task: Task, tool: Tool| {
        samples.bytes(task, tool).with_context(|| format!("nothing says what {tool} stored at: {}", task.0))
    };
    let zstd_stored = bytes(SMALL_FIRST, Tool::Zstd)?;
    let restic_stored = bytes(SMALL_FIRST, Tool::Restic)?;
    let page = |stored: f64| (stored - number(APPENDED)) / number(PAGES) / 1024.0;
    let peak = |tasks: &[Task]| -> Result<Figure> {
        let figures = tasks.iter().map(|task| samples.value(*task, Tool::Raw, PEAK));
        let figures = figures.collect::<Result<Vec<_>>>()?;
        figures.into_iter().max_by(|a, b| a.high.total_cmp(&b.high)).context("no task")
    };
    let more = {
        let of = [(SMALL_MORE, Tool::Raw), (SMALL_UNCHANGED, Tool::Raw), (SMALL_MORE, Tool::Hash)];
        samples.formula(&of, WALL, |of| of[0] / 3.0_f64.mul_add(of[2], of[1]))?
    };
    let goal = |id, what, metric, kind, figure, at_most| Goal { id, what, metric, kind, figure, at_most };
    Ok(vec![
        goal(
            "G1",
            "small, first, raw: processors against tar",
            "snapshot_small_first_cpu_vs_tar",
            RATIO,
            against(SMALL_FIRST, Tool::Raw, Tool::Tar, CPU)?,
            3.0,
        ),
        goal(
            "G1",
            "large, first, raw: processors against tar",
            "snapshot_large_first_cpu_vs_tar",
            RATIO,
            against(LARGE_FIRST, Tool::Raw, Tool::Tar, CPU)?,
            4.0,
        ),
        goal(
            "G1",
            "small, first, raw: processors against restic",
            "snapshot_small_first_cpu_vs_restic",
            RATIO,
            against(SMALL_FIRST, Tool::Raw, Tool::Restic, CPU)?,
            0.30,
        ),
        goal(
            "G1",
            "large, first, raw: processors against restic",
            "snapshot_large_first_cpu_vs_restic",
            RATIO,
            against(LARGE_FIRST, Tool::Raw, Tool::Restic, CPU)?,
            0.30,
        ),
        goal(
            "G2",
            "small, first, zstd: processors against restic",
            "snapshot_small_first_zstd_cpu_vs_restic",
            RATIO,
            against(SMALL_FIRST, Tool::Zstd, Tool::Restic, CPU)?,
            0.50,
        ),
        goal(
            "G2",
            "large, first, zstd: processors against restic",
            "snapshot_large_first_zstd_cpu_vs_restic",
            RATIO,
            against(LARGE_FIRST, Tool::Zstd, Tool::Restic, CPU)?,
            0.50,
        ),
        goal(
            "G2",
            "small, first, zstd: stored bytes against restic",
            "snapshot_small_first_zstd_bytes_vs_restic",
            RATIO,
            one(&zstd_stored, restic_stored.median),
            1.05,
        ),
        goal(
            "G3",
            "small: processors of tar and of hashing every file, against tar",
            "snapshot_small_tar_and_hash_cpu_vs_tar",
            RATIO,
            hashed(SMALL_FIRST)?,
            1.5,
        ),
        goal(
            "G3",
            "large: processors of tar and of hashing every file, against tar",
            "snapshot_large_tar_and_hash_cpu_vs_tar",
            RATIO,
            hashed(LARGE_FIRST)?,
            1.5,
        ),
        goal(
            "G4",
            "small, nothing changed: wall against restic",
            "snapshot_small_unchanged_wall_vs_restic",
            RATIO,
            against(SMALL_UNCHANGED, Tool::Raw, Tool::Restic, WALL)?,
            0.25,
        ),
        goal(
            "G4",
            "small, nothing changed: wall against a bare scan",
            "snapshot_small_unchanged_wall_vs_scan",
            RATIO,
            against(SMALL_UNCHANGED, Tool::Raw, Tool::Scan, WALL)?,
            4.0,
        ),
        goal(
            "G5",
            "small, 500 renamed and 500 new: wall against nothing changed and three times hashing what is new",
            "snapshot_small_incremental_wall_vs_bound",
            RATIO,
            more,
            1.0,
        ),
        goal(
            "G5",
            "small, 500 renamed and 500 new: bytes of new packs against new ones",
            "snapshot_small_incremental_packed_vs_new",
            RATIO,
            one(&bytes(SMALL_MORE_PACKED, Tool::Raw)?, number(MORE_BYTES)),
            1.02,
        ),
        goal(
            "G5",
            "small, 500 renamed and 500 new: all stored bytes, with entries, against new ones",
            "snapshot_small_incremental_bytes_vs_new",
            RATIO,
            one(&bytes(SMALL_MORE, Tool::Raw)?, number(MORE_BYTES)),
            1.02,
        ),
        goal(
            "G5",
            "small, 500 renamed and 500 new, zstd: all stored bytes, with entries, against new ones",
            "snapshot_small_incremental_zstd_bytes_vs_new",
            RATIO,
            one(&bytes(SMALL_MORE, Tool::Zstd)?, number(MORE_BYTES)),
            1.02,
        ),
        goal(
            "G5",
            "large: KiB stored for each page of 8 KiB that was written anew",
            "snapshot_large_kibibytes_stored_per_page",
            KIB,
            each(&bytes(LARGE_MORE, Tool::Raw)?, page),
            300.0,
        ),
        goal(
            "G6",
            "small: pass 2 with 10 MB, wall against nothing changed",
            "snapshot_pass_two_wall_vs_unchanged",
            RATIO,
            ours(PASS_TWO, PASS_ONE)?,
            1.3,
        ),
        goal(
            "G6",
            "small: pass 2 with 100 MB written before pass 1 and 10 MB since, wall against 10 MB alone",
            "snapshot_pass_two_wall_after_tenfold_vs_before",
            RATIO,
            ours(PASS_TWO_AFTER, PASS_TWO)?,
            1.1,
        ),
        goal(
            "G6",
            "small: pass 2 with 100 MB written since pass 1, wall against 10 MB",
            "snapshot_pass_two_wall_tenfold",
            RATIO,
            ours(PASS_TWO_TENFOLD, PASS_TWO)?,
            1.1,
        ),
        goal(
            "G7",
            "MiB of memory, snapshots of both sets",
            "snapshot_peak_mebibytes",
            MIB,
            peak(&[SMALL_FIRST, SMALL_UNCHANGED, SMALL_MORE, LARGE_FIRST, LARGE_MORE])?,
            48.0,
        ),
        goal(
            "G7",
            "MiB of memory, snapshots of a million files",
            "snapshot_million_peak_mebibytes",
            MIB,
            peak(&[NAMES_FIRST, NAMES_UNCHANGED])?,
            64.0,
        ),
        goal(
            "G7",
            "MiB of memory, restore of both sets, verify of a million files",
            "restore_peak_mebibytes",
            MIB,
            peak(&[SMALL_RESTORE, SMALL_VERIFY, LARGE_RESTORE, NAMES_VERIFY])?,
            64.0,
        ),
        goal(
            "G8",
            "small, restore with full comparison: wall against restic",
            "restore_small_wall_vs_restic",
            RATIO,
            against(SMALL_RESTORE, Tool::Raw, Tool::Restic, WALL)?,
            1.5,
        ),
        goal(
            "G8",
            "large, restore with full comparison: wall against restic",
            "restore_large_wall_vs_restic",
            RATIO,
            against(LARGE_RESTORE, Tool::Raw, Tool::Restic, WALL)?,
            1.5,
        ),
        goal(
            "G8",
            "small, restore without comparison: wall against restic",
            "restore_small_only_wall_vs_restic",
            RATIO,
            samples.ratio((SMALL_BUILD, Tool::Raw), (SMALL_RESTORE, Tool::Restic), WALL)?,
            1.0,
        ),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn number(bytes: u64) -> f64 {
    bytes as f64
}

/// Every value of a figure, changed alike.
fn each(figure: &Figure, change: impl Fn(f64) -> f64) -> Figure {
    Figure { median: change(figure.median), low: change(figure.low), high: change(figure.high), n: figure.n }
}

/// A figure as a multiple of one number.
fn one(figure: &Figure, of: f64) -> Figure {
    each(figure, |value| value / of)
}
