//! Owns what is kept of a container that failed, in its own words, before it is taken away.
//! Never decides whether it failed.

use homeport_core::entrypoint::{Diagnostic, ExitStatus, Level};

use crate::engine::{ContainerRef, ContainerState, Engine, ExitFacts, Flow, LogRequest, LogTail};
use crate::rundir::RunDir;

/// How many lines of the log are kept.
const LINES: u32 = 40;
/// The most bytes of the log that are looked at: its end.
const LOG_LIMIT: usize = 256 << 10;
/// The most bytes of one line that are kept.
const LINE_LIMIT: usize = 500;

/// What a container left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// How its first process ended, if it did.
    pub exit: Option<ExitFacts>,
    /// The errors that init reported, oldest first.
    pub errors: Vec<Diagnostic>,
    /// The last lines of its log that are no diagnostics.
    pub log: Vec<String>,
}

impl Evidence {
    /// Gathers what there is; what cannot be had is left out, since the failure itself is what has to be told.
    pub fn gather(engine: &dyn Engine, container: &ContainerRef, run_dir: &RunDir) -> Self {
        let exit = match engine.inspect(container) {
            Ok(Some(facts)) => match facts.state {
                ContainerState::Exited(exit) => Some(exit),
                _ => None,
            },
            _ => None,
        };
        let (mut reported, log) = log_tail(engine, container);
        if let Some(termination) = run_dir.termination() {
            reported = termination.errors;
        } else {
            let kept = run_dir.diagnostics();
            // Where `/run/port` could not be written, its disk being full, they stand in the log alone. [spec: ENT-21]
            reported = if kept.is_empty() { reported } else { kept };
            reported.retain(|diagnostic| diagnostic.level == Level::Error);
        }
        Self { exit, errors: reported, log }
    }
}

/// What an exit code of an init says, for people. [spec: ENT-25]
pub fn exit_meaning(exit: &ExitFacts) -> String {
    let code = exit.code.get();
    let known = u8::try_from(code).ok().and_then(ExitStatus::from_code);
    match (known, code) {
        (Some(status), _) => format!("exit code {code} ({})", status.meaning()),
        (None, 137) => "exit code 137 (killed from outside)".to_owned(),
        (None, 129..=192) => format!("exit code {code} (ended by signal {})", code - 128),
        (None, _) => format!("exit code {code}, which the protocol gives no meaning"),
    }
}

/// The diagnostics at the end of a log, and the other lines there.
fn log_tail(engine: &dyn Engine, container: &ContainerRef) -> (Vec<Diagnostic>, Vec<String>) {
    let mut text: Vec<u8> = Vec::new();
    let mut sink = |_, bytes: &[u8]| {
        text.extend_from_slice(bytes);
        // What was written last is worth most.
        let excess = text.len().saturating_sub(LOG_LIMIT);
        text.drain(..excess);
        Flow::Continue
    };
    if engine.logs(container, &LogRequest::past(LogTail::Lines(LINES)), &mut sink).is_err() {
        return (Vec::new(), Vec::new());
    }
    let text = String::from_utf8_lossy(&text);
    let (mut diagnostics, mut others) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(diagnostic) => diagnostics.push(diagnostic),
            Err(_) => others.push(homeport_core::text::clip(line, LINE_LIMIT)),
        }
    }
    (diagnostics, others)
}
