//! Owns how long the steps of a command took, by the lines in which it tells them. Never runs anything.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::bench::figure::Figure;

/// When each line came.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps(Vec<(String, Instant)>);

impl Steps {
    /// Reads lines until there are no more.
    pub(super) fn listen(from: impl BufRead) -> Result<Self> {
        let mut lines = Vec::new();
        for line in from.lines() {
            lines.push((line?, Instant::now()));
        }
        Ok(Self(lines))
    }

    /// Everything that was said, for an error.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// How long each step took until the next line; what comes after the last is not known.
    fn times(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.0.windows(2).map(|pair| (what(&pair[0].0), pair[1].1.saturating_duration_since(pair[0].1)))
    }
}

/// The step that a line tells: without its number, which another plan has for another step.
fn what(line: &str) -> &str {
    line.strip_prefix("step ").and_then(|rest| rest.split_once(": ")).map_or(line, |(_, what)| what)
}

/// Each step with the median of its times in seconds, the longest first.
pub(super) fn medians(of: &[Steps]) -> Vec<(String, f64)> {
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (what, took) in of.iter().flat_map(Steps::times) {
        times.entry(what).or_default().push(took.as_secs_f64());
    }
    let median = |(what, values): (&str, Vec<f64>)| Some((what.to_owned(), Figure::of(&values)?.median));
    let mut medians: Vec<(String, f64)> = times.into_iter().filter_map(median).collect();
    medians.sort_by(|a, b| b.1.total_cmp(&a.1));
    medians
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_takes_until_the_next_line() {
        let start = Instant::now();
        let at = |text: &str, milliseconds: u64| (text.to_owned(), start + Duration::from_millis(milliseconds));
        let one = Steps(vec![at("step 1 of 3: stop", 0), at("step 2 of 3: start", 500), at("the port says: up", 700)]);
        let other = Steps(vec![at("step 3 of 4: start", 0), at("step 4 of 4: look", 300)]);
        let found = medians(&[one, other]);
        assert_eq!(found, [("stop".to_owned(), 0.5), ("start".to_owned(), 0.25)]);
    }
}
