//! Owns the goals: what is wanted of the router, and the least that is. Never measures.

use super::path::{Load, Path};
use super::samples::{CPU, Of, P99, RATE, Samples};
use crate::bench::figure::Figure;

/// What a figure may be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wanted {
    /// At least the first, and never below the second.
    AtLeast(f64, f64),
    /// At most the first, and never above the second.
    AtMost(f64, f64),
}

/// How a figure stands to its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As wanted.
    Met,
    /// Not as wanted, but what it may be with a probability of 95 % is not out of bounds.
    Within,
    /// Out of bounds.
    Missed,
}

/// A goal with its figure.
#[derive(Debug, Clone)]
pub(super) struct Goal {
    /// For people.
    pub(super) what: String,
    /// The name for machines.
    pub(super) metric: String,
    /// `ratio` or `value`.
    pub(super) kind: &'static str,
    pub(super) figure: Figure,
    wanted: Option<Wanted>,
}

impl Goal {
    /// How it stands; `None` where nothing is wanted.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        let Figure { median, low, high, .. } = self.figure;
        let (met, out) = match self.wanted? {
            Wanted::AtLeast(wanted, bound) => (median >= wanted, low < bound),
            Wanted::AtMost(wanted, bound) => (median <= wanted, high > bound),
        };
        Some(if out {
            Verdict::Missed
        } else if met {
            Verdict::Met
        } else {
            Verdict::Within
        })
    }

    /// What is wanted, in words.
    pub(super) fn wanted(&self) -> String {
        match self.wanted {
            None => String::new(),
            Some(Wanted::AtLeast(wanted, bound)) => format!("wanted at least {wanted}, never below {bound}"),
            Some(Wanted::AtMost(wanted, bound)) => format!("wanted at most {wanted}, never above {bound}"),
        }
    }
}

/// All goals of which there is a figure.
pub(super) fn all(samples: &Samples) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (load, name, tuned) in
        [(Load::Bulk(1), "bulk_1", Some((1.0, 0.85))), (Load::Bulk(4), "bulk_4", Some((1.0, 0.85)))]
    {
        let of = |path: Path| match path {
            Path::Direct => Some(Wanted::AtLeast(0.85, 0.65)).filter(|_| load == Load::Bulk(1)),
            Path::HaproxyTuned => tuned.map(|(wanted, bound)| Wanted::AtLeast(wanted, bound)),
            Path::Haproxy | Path::Nginx => Some(Wanted::AtLeast(2.5, 2.0)),
            Path::DockerProxy => Some(Wanted::AtLeast(1.25, 1.0)),
            _ => None,
        };
        goals.extend(against_all(samples, load, name, RATE, of));
        for (path, wanted) in
            [(Path::HaproxyTuned, Wanted::AtMost(1.1, 1.4)), (Path::DockerProxy, Wanted::AtMost(0.5, 0.65))]
        {
            let figure = samples.ratio(load, Path::Router, path, CPU);
            goals.extend(figure.map(|figure| ratio(&format!("{name}_cpu_per_gib"), path, figure, Some(wanted))));
        }
    }
    goals.extend(against_all(samples, Load::Exchange, "connections", RATE, |path| match path {
        Path::Haproxy | Path::Nginx => Some(Wanted::AtLeast(1.1, 0.95)),
        Path::DockerProxy => Some(Wanted::AtLeast(1.4, 1.15)),
        _ => None,
    }));
    for (path, wanted) in [(Path::Direct, None), (Path::Haproxy, Some(Wanted::AtMost(1.1, 1.4))), (Path::Nginx, None)] {
        let figure = samples.ratio(Load::Paced, Path::Router, path, P99);
        goals.extend(figure.map(|figure| ratio("p99_at_half_load", path, figure, wanted)));
    }
    for (load, name) in [(Load::Datagrams(1), "datagrams_1"), (Load::Datagrams(8), "datagrams_8")] {
        goals.extend(against_all(samples, load, name, RATE, |path| match path {
            Path::DockerProxy => Some(Wanted::AtLeast(1.5, 1.1)),
            _ => None,
        }));
        let figure = samples.ratio(load, Path::Router, Path::DockerProxy, CPU);
        goals.extend(figure.map(|figure| ratio(&format!("{name}_cpu"), Path::DockerProxy, figure, None)));
    }
    goals.extend(counted(samples));
    goals
}

fn against_all(
    samples: &Samples,
    load: Load,
    name: &str,
    of: Of,
    wanted: impl Fn(Path) -> Option<Wanted>,
) -> Vec<Goal> {
    let against = |path: &Path| {
        let figure = samples.ratio(load, Path::Router, *path, of)?;
        Some(ratio(name, *path, figure, wanted(*path)))
    };
    [Path::Direct].iter().chain(&Path::PEERS).filter_map(against).collect()
}

fn ratio(name: &str, path: Path, figure: Figure, wanted: Option<Wanted>) -> Goal {
    let (what, metric) = (format!("{name} to that of {}", path.name()), format!("router_{name}_vs_{}", path.name()));
    Goal { what, metric, kind: "ratio", figure, wanted }
}

/// What is counted, once.
fn counted(samples: &Samples) -> Vec<Goal> {
    let idle = samples.idle.get(&Path::Router);
    let rejected = samples.rejected.get(&Path::Router).copied().unwrap_or(0);
    let errors = f64::from(u32::try_from(rejected).unwrap_or(u32::MAX));
    [
        ("calls_per_connection", samples.calls.get(&Path::Router).copied(), Wanted::AtMost(24.0, 28.0)),
        ("idle_mib_per_10000", idle.map(|idle| idle.mib), Wanted::AtMost(25.0, 30.0)),
        ("idle_descriptors_each", idle.map(|idle| idle.descriptors), Wanted::AtMost(2.0, 2.0)),
        ("runs_with_errors", Some(errors), Wanted::AtMost(0.0, 0.0)),
    ]
    .into_iter()
    .filter_map(|(name, value, wanted)| {
        let figure = Figure::of(&[value?])?;
        let (what, metric) = (name.to_owned(), format!("router_{name}"));
        Some(Goal { what, metric, kind: "value", figure, wanted: Some(wanted) })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(median: f64, low: f64, high: f64, wanted: Wanted) -> Verdict {
        let figure = Figure { median, low, high, n: 9 };
        ratio("x", Path::Haproxy, figure, Some(wanted)).verdict().unwrap()
    }

    #[test]
    fn a_goal_is_met_by_the_median_and_missed_by_the_range() {
        let least = Wanted::AtLeast(1.0, 0.85);
        assert_eq!(verdict(1.1, 0.9, 1.2, least), Verdict::Met);
        assert_eq!(verdict(0.95, 0.9, 1.2, least), Verdict::Within);
        assert_eq!(verdict(1.1, 0.8, 1.2, least), Verdict::Missed);
        let most = Wanted::AtMost(1.1, 1.4);
        assert_eq!(verdict(1.0, 0.9, 1.3, most), Verdict::Met);
        assert_eq!(verdict(1.2, 0.9, 1.3, most), Verdict::Within);
        assert_eq!(verdict(1.0, 0.9, 1.5, most), Verdict::Missed);
    }

    #[test]
    fn errors_are_told_also_where_nothing_else_was_seen() {
        let goals = all(&Samples::default());
        assert_eq!(goals.iter().map(|goal| goal.metric.as_str()).collect::<Vec<_>>(), ["router_runs_with_errors"]);
        assert_eq!(goals[0].verdict(), Some(Verdict::Met));
    }
}
