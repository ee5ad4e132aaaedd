//! Owns how figures are said: a table of everything, the goals, and a line for machines each. Never measures.

use anyhow::Result;

use super::goals;
use super::samples::{CPU, PEAK, Samples, WALL};
use crate::say;

/// Says all.
pub(super) fn say(samples: &Samples) -> Result<()> {
    say::line("");
    say::line(format_args!(
        "{:<48} {:<16} {:>3} {:>9} {:>9} {:>6} {:>10}",
        "task", "tool", "n", "wall s", "cpu s", "MiB", "stored MB"
    ));
    for (task, tool) in samples.rows() {
        let (wall, cpu) = (samples.value(task, tool, WALL)?, samples.value(task, tool, CPU)?);
        let peak = samples.value(task, tool, PEAK)?;
        let stored = samples.bytes(task, tool).map_or_else(String::new, |bytes| format!("{:.2}", bytes.median / 1e6));
        say::line(format_args!(
            "{:<48} {tool:<16} {:>3} {:>9.3} {:>9.3} {:>6.0} {stored:>10}",
            task.0, wall.n, wall.median, cpu.median, peak.median
        ));
    }
    let goals = goals::all(samples)?;
    say::line("");
    for goal in &goals {
        let found = if goal.met() { "met" } else { "MISSED" };
        say::line(format_args!(
            "{} {:<96} {} wanted at most {:.2}: {found}",
            goal.id, goal.what, goal.figure, goal.at_most
        ));
    }
    say::line("");
    for goal in &goals {
        say::line(goal.figure.line(goal.metric, goal.kind));
    }
    Ok(())
}
