//! Owns what was measured: costs by task, tool and round, and the ratios between them. Never measures.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::cost::Cost;
use super::tool::Tool;
use crate::bench::figure::Figure;

/// What each tool did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Task(pub(super) &'static str);

/// Which part of a cost.
pub(super) type Part = fn(&Cost) -> f64;

pub(super) const WALL: Part = |cost| cost.wall;
pub(super) const CPU: Part = |cost| cost.cpu;
pub(super) const PEAK: Part = |cost| cost.peak;

/// Everything that was measured.
#[derive(Debug, Default)]
pub(super) struct Samples {
    costs: BTreeMap<(Task, Tool), BTreeMap<usize, Cost>>,
    bytes: BTreeMap<(Task, Tool), Vec<f64>>,
}

impl Samples {
    pub(super) fn cost(&mut self, task: Task, tool: Tool, round: usize, cost: Cost) {
        self.costs.entry((task, tool)).or_default().insert(round, cost);
    }

    /// Bytes that a tool stored more than before.
    pub(super) fn stored(&mut self, task: Task, tool: Tool, bytes: f64) {
        self.bytes.entry((task, tool)).or_default().push(bytes);
    }

    /// The median of what was stored.
    pub(super) fn bytes(&self, task: Task, tool: Tool) -> Option<Figure> {
        self.bytes.get(&(task, tool)).and_then(|bytes| Figure::of(bytes))
    }

    /// The figure of one part of a task's cost.
    pub(super) fn value(&self, task: Task, tool: Tool, part: Part) -> Result<Figure> {
        let costs = self.costs.get(&(task, tool)).with_context(|| format!("{tool} was not measured at: {}", task.0))?;
        Figure::of(&costs.values().map(part).collect::<Vec<_>>()).context("nothing was measured")
    }

    /// One against another.
    pub(super) fn ratio(&self, a: (Task, Tool), b: (Task, Tool), part: Part) -> Result<Figure> {
        self.formula(&[a, b], part, |of| of[0] / of[1])
    }

    /// A formula of several that were measured in the same rounds: of their medians, with the range that the formula
    /// has from round to round.
    pub(super) fn formula(&self, of: &[(Task, Tool)], part: Part, formula: impl Fn(&[f64]) -> f64) -> Result<Figure> {
        let mut sides = Vec::new();
        for (task, tool) in of {
            let costs = self.costs.get(&(*task, *tool));
            sides.push(costs.with_context(|| format!("{tool} was not measured at: {}", task.0))?);
        }
        let rounds = sides.first().into_iter().flat_map(|side| side.keys());
        let rounds: Vec<Vec<f64>> = rounds
            .filter_map(|round| sides.iter().map(|side| side.get(round).map(part)).collect::<Option<Vec<f64>>>())
            .collect();
        let range = Figure::of(&rounds.iter().map(|round| formula(round)).collect::<Vec<_>>());
        let range = range.context("they were never measured in the same round")?;
        let median = |n: usize| {
            let values: Vec<f64> = rounds.iter().map(|round| round[n]).collect();
            Figure::of(&values).map_or(f64::NAN, |figure| figure.median)
        };
        let medians: Vec<f64> = (0..of.len()).map(median).collect();
        Ok(Figure { median: formula(&medians), ..range })
    }

    /// Every task and tool, in the order of their names.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Task, Tool)> {
        self.costs.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: Task = Task("a task");

    fn cost(wall: f64) -> Cost {
        Cost { wall, cpu: wall * 2.0, peak: 1.0 }
    }

    #[test]
    fn a_ratio_is_that_of_rounds_that_both_ran() {
        let mut samples = Samples::default();
        for (round, wall) in [(0, 2.0), (1, 4.0), (2, 6.0), (3, 1000.0)] {
            samples.cost(TASK, Tool::Raw, round, cost(wall));
        }
        for (round, wall) in [(0, 1.0), (1, 2.0), (2, 2.0)] {
            samples.cost(TASK, Tool::Tar, round, cost(wall));
        }
        let ratio = samples.ratio((TASK, Tool::Raw), (TASK, Tool::Tar), CPU).unwrap();
        let wanted = Figure { median: 2.0, low: 2.0, high: 3.0, n: 3 };
        assert_eq!(ratio, wanted);
        let sum = samples.formula(&[(TASK, Tool::Tar), (TASK, Tool::Raw)], WALL, |of| of[0] + of[1]).unwrap();
        assert!((sum.median - 6.0).abs() < f64::EPSILON, "{sum:?}");
        assert!(samples.ratio((TASK, Tool::Raw), (TASK, Tool::Borg), WALL).is_err());
    }
}
