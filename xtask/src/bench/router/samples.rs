//! Owns everything that was seen, and the figures of it. Never measures.

use std::collections::BTreeMap;

use super::counts::Idle;
use super::path::{Load, Path};
use crate::bench::figure::Figure;

/// What one run showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// Gbit a second of bulk data, or connections or answered datagrams a second.
    pub(super) rate: f64,
    /// Seconds of processors that the proxy used for a GiB, or milliseconds for a connection or a datagram.
    pub(super) cpu: f64,
    /// Milliseconds within which 99 % of the answers came; 0 for bulk data.
    pub(super) p99: f64,
}

/// A figure of a run.
pub(super) type Of = fn(&Seen) -> f64;
pub(super) const RATE: Of = |seen| seen.rate;
pub(super) const CPU: Of = |seen| seen.cpu;
pub(super) const P99: Of = |seen| seen.p99;

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Samples {
    runs: BTreeMap<(Load, Path, usize), Seen>,
    /// System calls of one short connection.
    pub(super) calls: BTreeMap<Path, f64>,
    /// What idle connections cost.
    pub(super) idle: BTreeMap<Path, Idle>,
    /// How many idle connections that was seen with.
    pub(super) idle_connections: usize,
    /// How many runs were rejected, by path.
    pub(super) rejected: BTreeMap<Path, usize>,
}

impl Samples {
    /// Keeps a run.
    pub(super) fn run(&mut self, load: Load, path: Path, round: usize, seen: Seen) {
        self.runs.insert((load, path, round), seen);
    }

    /// Counts a run that counts nowhere.
    pub(super) fn reject(&mut self, path: Path) {
        *self.rejected.entry(path).or_default() += 1;
    }

    /// A figure of a path's runs; `None` without any.
    pub(super) fn value(&self, load: Load, path: Path, of: Of) -> Option<Figure> {
        let values: Vec<f64> =
            self.runs.iter().filter(|(key, _)| (key.0, key.1) == (load, path)).map(|(_, seen)| of(seen)).collect();
        Figure::of(&values)
    }

    /// The ratio of two paths, each round by itself; `None` where no round has both.
    pub(super) fn ratio(&self, load: Load, one: Path, other: Path, of: Of) -> Option<Figure> {
        let ratio = |((_, path, round), seen): (&(Load, Path, usize), &Seen)| {
            let other = self.runs.get(&(load, other, *round)).filter(|_| *path == one)?;
            Some(of(seen) / of(other)).filter(|ratio| ratio.is_finite())
        };
        let ratios: Vec<f64> = self.runs.iter().filter(|(key, _)| key.0 == load).filter_map(ratio).collect();
        Figure::of(&ratios)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_rounds_that_have_both() {
        let mut samples = Samples::default();
        let seen = |rate: f64| Seen { rate, cpu: 0.0, p99: 0.0 };
        for (round, ours, theirs) in [(0, 2.0, Some(1.0)), (1, 9.0, None), (2, 6.0, Some(2.0)), (3, 8.0, Some(2.0))] {
            samples.run(Load::Exchange, Path::Router, round, seen(ours));
            if let Some(theirs) = theirs {
                samples.run(Load::Exchange, Path::Nginx, round, seen(theirs));
            }
        }
        let figure = samples.ratio(Load::Exchange, Path::Router, Path::Nginx, RATE).unwrap();
        assert_eq!((figure.n, format!("{:.1}", figure.median)), (3, "3.0".to_owned()));
        assert_eq!(samples.value(Load::Exchange, Path::Router, RATE).unwrap().n, 4);
        assert!(samples.ratio(Load::Exchange, Path::Router, Path::Nginx, CPU).is_none(), "nothing by nothing");
        assert!(samples.ratio(Load::Paced, Path::Router, Path::Nginx, RATE).is_none());
    }
}
