//! Owns what is told at the end: a line a case, figures for machines, and whether anything was wrong.

use std::fmt::Write as _;

use super::attempt::{End, Tally};
use super::case::{Backend, Case};

/// What came of one case.
pub(super) struct Row {
    pub(super) backend: Backend,
    pub(super) asked: u32,
    pub(super) case: Case,
    pub(super) times: u32,
    pub(super) tally: Tally,
    /// Long connections that broke with their container, or with what carried them where that was killed.
    pub(super) long_with: usize,
    /// Long connections that broke without a reason.
    pub(super) long_without: usize,
    /// What else was wrong.
    pub(super) wrongs: Vec<String>,
}

impl Row {
    /// Whether everything was as it has to be.
    pub(super) fn is_right(&self) -> bool {
        self.tally.all_failed() == 0 && self.tally.made > 0 && self.long_without == 0 && self.wrongs.is_empty()
    }

    fn failed(&self) -> String {
        let words = self.tally.failed.iter().map(|(end, count)| format!("{count} {}", end.word()));
        let words: Vec<String> = words.collect();
        if words.is_empty() { "0".to_owned() } else { words.join(", ") }
    }

    fn name(&self) -> String {
        format!("router_{}_{}_{}", self.backend.word(), self.asked, self.case.word())
    }
}

const HEAD: [&str; 12] = [
    "backend",
    "asked/s",
    "made/s",
    "case",
    "times",
    "made",
    "failed",
    "in flight",
    "held",
    "longest s",
    "long broken",
    "verdict",
];

/// All rows, with a line of words above.
pub(super) fn table(rows: &[Row]) -> String {
    let cells = rows.iter().map(|row| {
        let tally = &row.tally;
        let long = match row.long_without {
            0 => row.long_with.to_string(),
            without => format!("{} and {without} without a reason", row.long_with),
        };
        [
            row.backend.word().to_owned(),
            row.asked.to_string(),
            format!("{:.0}", tally.rate()),
            row.case.word().to_owned(),
            row.times.to_string(),
            tally.made.to_string(),
            row.failed(),
            tally.in_flight.to_string(),
            tally.held.to_string(),
            format!("{:.2}", tally.longest.as_secs_f64()),
            long,
            if row.is_right() { "right" } else { "WRONG" }.to_owned(),
        ]
    });
    lines(&std::iter::once(HEAD.map(str::to_owned)).chain(cells).collect::<Vec<_>>())
}

/// Columns as wide as their widest cell.
pub(super) fn lines<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(text, "{}", cells.join("  ").trim_end()).unwrap();
    }
    text
}

/// A line a figure, for machines.
pub(super) fn metrics(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let (name, n) = (row.name(), row.tally.made);
        writeln!(text, "metric={name}_failed value={} n={n}", row.tally.all_failed()).unwrap();
        let refused = row.tally.failed.get(&End::Refused).unwrap_or(&0);
        writeln!(text, "metric={name}_refused value={refused} n={n}").unwrap();
        writeln!(text, "metric={name}_in_flight value={} n={n}", row.tally.in_flight).unwrap();
        writeln!(text, "metric={name}_longest_wait_seconds value={:.3} n={n}", row.tally.longest.as_secs_f64())
            .unwrap();
        writeln!(text, "metric={name}_long_without_reason value={}", row.long_without).unwrap();
    }
    text
}
