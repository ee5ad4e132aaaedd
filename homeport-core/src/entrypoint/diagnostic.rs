//! Owns how an init tells what is wrong: diagnostics, one JSON object a line, and the termination file.
//! Never reads a clock: the time comes in as text.

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// How grave a diagnostic is. Init exits with other than 0 if and only if it reported an error. [spec: ENT-23]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The port cannot do what it was asked.
    Error,
    /// The port works, but somebody should look.
    Warn,
    /// Worth knowing.
    Info,
}

/// When it makes sense to try again. [spec: ENT-26]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Not before somebody did something about it.
    Never,
    /// Not before the configuration changed.
    Config,
    /// After a while, and each time later.
    Backoff,
    /// Not before there is space.
    Space,
}

/// One line of `/run/port/diag.jsonl` and of standard error. [spec: ENT-21]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The version of this shape: 1.
    pub hp: u8,
    /// When, in RFC 3339 with `Z`.
    pub ts: String,
    /// The phase that reported it.
    pub phase: String,
    /// How grave it is.
    pub level: Level,
    /// Stable code: `HP-*` is HomePort's, `X-<port>-*` the port's own.
    pub code: String,
    /// What it is about, for example `volumes.home` or `config.shell`.
    pub subject: String,
    /// One sentence that names the thing.
    pub message: String,
    /// What would have been right; may be empty.
    pub expected: String,
    /// What was there; may be empty, never a secret's value.
    pub actual: String,
    /// What to do next; may be empty.
    pub remedy: String,
    /// When to try again.
    pub retry: Retry,
}

impl Diagnostic {
    /// The diagnostic that reports `fault` from `phase` at `ts`.
    pub fn from_fault(fault: &Fault, level: Level, retry: Retry, phase: &str, ts: String) -> Self {
        Self {
            hp: 1,
            ts,
            phase: phase.to_owned(),
            level,
            code: fault.code.to_owned(),
            subject: fault.subject.clone(),
            message: fault.message.clone(),
            expected: fault.expected.clone(),
            actual: fault.actual.clone(),
            remedy: fault.remedy.clone(),
            retry,
        }
    }
}

/// What `/run/port/termination.json` holds: why init exited, in its own words. [spec: ENT-24]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Termination {
    /// The version of this shape: 1.
    pub hp: u8,
    /// The code that init is about to exit with.
    pub exit: u8,
    /// The phase that ended.
    pub phase: String,
    /// The errors, oldest first; the first ones are kept where not all fit into 4096 bytes.
    pub errors: Vec<Diagnostic>,
    /// How many errors did not fit.
    pub omitted: u32,
}
