//! Owns a file as the rules see it, path and text, and what a rule says about it. Never reads one.

use std::fmt;

/// A text file of the repository.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// From the repository's root, with `/`.
    pub(super) path: String,
    /// Its content.
    pub(super) text: String,
}

impl File {
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// The last part of the path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    fn ending(&self) -> Option<&str> {
        self.name().rsplit_once('.').map(|(_, ending)| ending)
    }

    pub(super) fn is_rust(&self) -> bool {
        self.ending() == Some("rs")
    }

    /// A document of the specification.
    pub(super) fn is_document(&self) -> bool {
        self.ending() == Some("md") && self.path.strip_prefix("spec/").is_some_and(|rest| !rest.contains('/'))
    }

    /// Whether the file holds nothing but tests.
    pub(super) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.name() == "tests.rs" || self.name().ends_with("_tests.rs")
    }

    /// Lines with their numbers from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(n, line)| (n + 1, line))
    }

    /// How many lines stand before the tests: before the first module for tests whose body is in this file. One that is
    /// in a file of its own, and a function for tests, stand among the code and end nothing.
    pub(super) fn lines_before_tests(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().collect();
        let begins = |at: &usize| {
            let mut after = lines[at + 1..].iter().skip_while(|line| line.starts_with("#["));
            lines[*at].starts_with("#[cfg(test)]")
                && after.next().is_some_and(|line| line.contains("mod ") && line.ends_with('{'))
        };
        (0..lines.len()).find(begins).unwrap_or(lines.len())
    }

    pub(super) fn complain(&self, line: usize, message: impl Into<String>) -> Complaint {
        Complaint { path: self.path.clone(), line, message: message.into() }
    }
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Complaint {
    pub(super) path: String,
    /// From 1; 0 where it is about the whole.
    pub(super) line: usize,
    pub(super) message: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}
