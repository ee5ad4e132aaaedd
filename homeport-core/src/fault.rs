//! Owns the shape of a complaint: what is wrong with what, found and wanted, and what to do next.
//! Never prints and never decides an exit code by itself.

use std::fmt;

/// One thing that is wrong. A check returns every fault that it finds, not the first. [spec: ENT-20]
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// Stable code, for example `HP-CFG-002`: messages may be reworded, codes never change meaning.
    pub code: &'static str,
    /// What is wrong: a JSON pointer into a document (`/volumes/home/uid`) or a dotted subject (`config.shell`).
    pub subject: String,
    /// One lowercase sentence without a period that names the thing in backticks.
    pub message: String,
    /// What would have been right; empty where the message says it.
    pub expected: String,
    /// What was there instead; empty where there was nothing. Never a secret's value.
    pub actual: String,
    /// What to do next; empty where nothing sensible can be advised.
    pub remedy: String,
    /// The clause of the specification that was broken, for example `MAN-7`.
    pub clause: Option<&'static str>,
}

impl Fault {
    /// A fault with this code, subject and message, and nothing else said yet.
    pub fn new(code: &'static str, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            subject: subject.into(),
            message: message.into(),
            expected: String::new(),
            actual: String::new(),
            remedy: String::new(),
            clause: None,
        }
    }

    /// The same fault, saying what would have been right.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    /// The same fault, saying what was there instead.
    #[must_use]
    pub fn actual(mut self, actual: impl Into<String>) -> Self {
        self.actual = actual.into();
        self
    }

    /// Says what would have been right.
    pub(crate) fn set_expected(&mut self, expected: impl Into<String>) -> &mut Self {
        self.expected = expected.into();
        self
    }

    /// Says what was there instead.
    pub(crate) fn set_actual(&mut self, actual: impl Into<String>) -> &mut Self {
        self.actual = actual.into();
        self
    }

    /// The same fault, saying what to do next.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// The same fault, naming the clause that it breaks.
    #[must_use]
    pub fn clause(mut self, clause: &'static str) -> Self {
        self.clause = Some(clause);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match (self.actual.is_empty(), self.expected.is_empty()) {
            (false, false) => write!(f, ": found {}, wanted {}", self.actual, self.expected),
            (false, true) => write!(f, ": found {}", self.actual),
            (true, false) => write!(f, ": wanted {}", self.expected),
            (true, true) => Ok(()),
        }
    }
}

/// What every error that reaches a person can say beside its text.
///
/// Help lives beside the variant that needs it, so that the command line only has to print it.
pub trait Advice: std::error::Error {
    /// The stable code, for example `HP-VOL-003`.
    fn code(&self) -> &'static str;

    /// What to do next, as a sentence; `None` where nothing sensible can be advised.
    fn help(&self) -> Option<String>;

    /// Every single fault behind the error, where it stands for several.
    fn faults(&self) -> &[Fault] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn a_fault_reads_as_one_sentence() {
        let fault = Fault::new("HP-CFG-003", "config.shell", "`shell` has a value that is not offered")
            .actual("`fish`")
            .expected("one of `bash`, `zsh`");
        assert_eq!(
            fault.to_string(),
            "`shell` has a value that is not offered: found `fish`, wanted one of `bash`, `zsh`"
        );
    }
}
