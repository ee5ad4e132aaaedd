//! Owns figures: medians and their spread, and the line that machines read. Never measures.

use std::fmt;

/// A median with the range in which it lies with a probability of 95 %, by order statistics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figure {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) n: usize,
}

impl Figure {
    /// The figure of these samples; `None` without any.
    pub(super) fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let last = n.checked_sub(1)?;
        let median = if n % 2 == 1 { sorted[n / 2] } else { f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]) };
        // The ranks n/2 -+ 0.98 * sqrt(n) enclose the median with 95 %.
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a handful of samples"
        )]
        let (low, high) = {
            let half = n as f64 / 2.0;
            let reach = 0.98 * (n as f64).sqrt();
            // Ranks count from 1, places from 0; the upper rank is the mirror of the lower one.
            let rank = (half - reach).floor().max(1.0) as usize;
            (rank - 1, last + 1 - rank)
        };
        Some(Self { median, low: sorted[low], high: sorted[high], n })
    }

    /// The line that machines read: `kind` is `ratio` or `value`.
    pub(super) fn line(&self, metric: &str, kind: &str) -> String {
        let Self { median, low, high, n } = self;
        format!("metric={metric} {kind}={median:.3} low={low:.3} high={high:.3} n={n}")
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ({:.3} to {:.3}, n {})", self.median, self.low, self.high, self.n)
    }
}

#[cfg(test)]
mod tests {
    use super::Figure;

    #[test]
    fn the_median_lies_within_its_range() {
        assert_eq!(Figure::of(&[]), None);
        let one = Figure::of(&[2.0]).unwrap();
        assert!([one.median, one.low, one.high].iter().all(|value| (value - 2.0).abs() < f64::EPSILON));
        let many: Vec<f64> = (1..=15).map(f64::from).collect();
        let figure = Figure::of(&many).unwrap();
        assert!((figure.median - 8.0).abs() < f64::EPSILON);
        assert!(figure.low < 8.0 && figure.high > 8.0);
        assert_eq!(figure.line("x", "ratio"), "metric=x ratio=8.000 low=3.000 high=13.000 n=15");
    }
}
