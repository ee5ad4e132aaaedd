//! Owns what all numbered lists of `spec/` have in common: they are complete and in order, each entry names tests that
//! exist or says why there is none, and a test that is named after a number is named beside it. Never knows how a list is
//! written.

use super::file::{Complaint, File};
use super::requirement::{exists, tests};

/// How short a reason may be.
const REASON: usize = 40;

/// One entry of a list.
pub(super) struct Entry<'a> {
    /// Where it begins.
    pub(super) line: usize,
    /// What a complaint calls it.
    pub(super) title: &'a str,
    /// Its number, where it has one.
    pub(super) number: Option<usize>,
    /// The tests that show it.
    pub(super) names: Vec<&'a str>,
    /// Why no test can, where that is said.
    pub(super) reason: Option<&'a str>,
}

/// A list that somebody else has read.
pub(super) struct Numbered<'a> {
    pub(super) list: &'a File,
    pub(super) entries: Vec<Entry<'a>>,
    /// How many there are to be.
    pub(super) count: usize,
    /// What one of them is called.
    pub(super) noun: &'static str,
    /// The numbers that a test is named after.
    pub(super) numbers: fn(&str) -> Vec<usize>,
}

impl Numbered<'_> {
    /// Complaints about the list, measured by the tests that exist.
    pub(super) fn check(&self, files: &[File]) -> Vec<Complaint> {
        let Self { list, entries, count, noun, numbers } = self;
        let tests = tests(files);
        let mut found = Vec::new();
        for (at, Entry { line, title, number, names, reason }) in entries.iter().enumerate() {
            if *number != Some(at + 1) {
                found.push(list.complain(*line, format!("`{title}`: wanted number {}, and a title", at + 1)));
            }
            for name in names.iter().filter(|name| !exists(name, &tests)) {
                found.push(list.complain(*line, format!("`{title}` names `{name}`, which is no test")));
            }
            if names.is_empty() && reason.is_none_or(|reason| reason.trim().len() < REASON) {
                found.push(list.complain(*line, format!("`{title}` is shown by no test, and nothing says why")));
            }
        }
        let is_named = |number: usize, test: &str| {
            let mut names = entries.iter().filter(|entry| entry.number == Some(number)).flat_map(|entry| &entry.names);
            names.any(|name| name.rsplit("::").next() == Some(test))
        };
        for (path, test) in &tests {
            for number in numbers(test).into_iter().filter(|number| !is_named(*number, test)) {
                found.push(list.complain(0, format!("{noun} {number} does not name `{test}` of {path}")));
            }
        }
        if entries.len() != *count {
            found.push(list.complain(0, format!("tells of {noun} 1 to {}: wanted 1 to {count}", entries.len())));
        }
        found
    }
}

/// The words in backquotes.
pub(super) fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}
