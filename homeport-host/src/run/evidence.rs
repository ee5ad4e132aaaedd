//! Owns what is kept of a container that failed, in its own words, before it is taken away.
//! Never decides whether it failed.

use homeport_core::entrypoint::{Diagnostic, ExitStatus, Level};

use crate::engine::{ContainerRef, ContainerState, Engine, ExitFacts, Flow, LogRequest, LogTail, MemoryEnd};
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
        let tail = log_tail(engine, container, LogTail::Lines(LINES)).unwrap_or_default();
        let (mut reported, log) = (tail.diagnostics, tail.others);
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

/// The engine tells that the kernel has killed something in the container for want of memory, and not whether it was this.
const KILLED_STARVED: &str = "exit code 137 (killed; the kernel has killed in it for want of memory)";

/// What an exit code of an init says, for people. [spec: ENT-25]
pub fn exit_meaning(exit: &ExitFacts) -> String {
    let code = exit.code.get();
    let known = u8::try_from(code).ok().and_then(ExitStatus::from_code);
    match (known, code) {
        (Some(status), _) => format!("exit code {code} ({})", status.meaning()),
        (None, 137) if exit.memory == MemoryEnd::OutOfMemory => KILLED_STARVED.to_owned(),
        (None, 137) => "exit code 137 (killed from outside)".to_owned(),
        (None, 129..=192) => format!("exit code {code} (ended by signal {})", code - 128),
        (None, _) => format!("exit code {code}, which the protocol gives no meaning"),
    }
}

/// Every error that init reported; `None` where there may be more than can be read: it noted less than all, or could not
/// note anything since the disk of `/run/port` was full, and its log is longer than what is looked at, or cannot be had.
pub(super) fn all_errors(engine: &dyn Engine, container: &ContainerRef, run_dir: &RunDir) -> Option<Vec<Diagnostic>> {
    let noted = match run_dir.termination() {
        Some(termination) if termination.omitted == 0 => return Some(termination.errors),
        Some(termination) => termination.errors,
        None => Vec::new(),
    };
    let log = log_tail(engine, container, LogTail::All).filter(|tail| tail.extent == Extent::Whole)?;
    let all = noted.into_iter().chain(run_dir.diagnostics()).chain(log.diagnostics);
    Some(all.filter(|diagnostic| diagnostic.level == Level::Error).collect())
}

/// Whether something was read from its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Extent {
    /// It was.
    Whole,
    /// There was more before it, or there may have been.
    #[default]
    Cut,
}

/// The end of a log.
#[derive(Debug, Default)]
struct Tail {
    diagnostics: Vec<Diagnostic>,
    /// The lines that are none.
    others: Vec<String>,
    /// Whether that is all that was asked for.
    extent: Extent,
}

/// The end of what is asked for; `None` where it cannot be had.
fn log_tail(engine: &dyn Engine, container: &ContainerRef, asked: LogTail) -> Option<Tail> {
    let mut text: Vec<u8> = Vec::new();
    let mut extent = Extent::Whole;
    let mut sink = |_, bytes: &[u8]| {
        text.extend_from_slice(bytes);
        // What was written last is worth most.
        let excess = text.len().saturating_sub(LOG_LIMIT);
        if excess > 0 {
            extent = Extent::Cut;
        }
        text.drain(..excess);
        Flow::Continue
    };
    engine.logs(container, &LogRequest::past(asked), &mut sink).ok()?;
    let text = String::from_utf8_lossy(&text);
    let (mut diagnostics, mut others) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(diagnostic) => diagnostics.push(diagnostic),
            Err(_) => others.push(homeport_core::text::clip(line, LINE_LIMIT)),
        }
    }
    Some(Tail { diagnostics, others, extent })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ExitCode;

    #[test]
    fn who_killed_it_is_told_as_far_as_it_is_known() {
        let meaning = |code, memory| {
            exit_meaning(&ExitFacts { code: ExitCode::new(code), memory, at: None, message: String::new() })
        };
        assert_eq!(meaning(137, MemoryEnd::Enough), "exit code 137 (killed from outside)");
        assert_eq!(meaning(137, MemoryEnd::OutOfMemory), KILLED_STARVED);
        assert_eq!(meaning(143, MemoryEnd::OutOfMemory), "exit code 143 (ended by signal 15)");
        assert_eq!(meaning(78, MemoryEnd::OutOfMemory), "exit code 78 (configuration is not valid)");
    }
}
