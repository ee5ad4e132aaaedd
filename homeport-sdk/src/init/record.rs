//! Owns writing diagnostics down: a line on standard error and in `diag.jsonl`, and the termination file.
//! Never decides what is an error; a place that cannot be written is passed over, since standard error stays.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use homeport_core::entrypoint::{
    DIAGNOSTICS_FILE, Diagnostic, ExitStatus, Level, MAX_TERMINATION_BYTES, Retry, TERMINATION_FILE, Termination,
};
use homeport_core::fault::Fault;
use homeport_core::text::clip;

use super::clock;
use super::report::Failure;

/// The journal is put aside, and the one put aside before forgotten, when it has this many bytes. [spec: ENT-22]
const JOURNAL_LIMIT: u64 = 1 << 20;
/// Of each text in a termination file at most this many characters are kept where the whole does not fit.
const CLIPPED: usize = 200;

/// Where one phase writes its diagnostics.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    phase: &'static str,
    journal: Option<PathBuf>,
    termination: Option<PathBuf>,
}

impl Record {
    /// For a phase that is the container's main process: journal and termination file. [spec: ENT-24]
    pub(crate) fn of_main(phase: &'static str) -> Self {
        Self { phase, journal: Some(DIAGNOSTICS_FILE.into()), termination: Some(TERMINATION_FILE.into()) }
    }

    /// For the main process of a test, whose places are in this directory.
    #[cfg(test)]
    pub(crate) fn within(phase: &'static str, dir: &Path) -> Self {
        Self { phase, journal: Some(dir.join("diag.jsonl")), termination: Some(dir.join("termination.json")) }
    }

    /// For a phase that runs beside a running init, whose end it must not seem to tell.
    pub(crate) fn beside(phase: &'static str) -> Self {
        Self { phase, journal: Some(DIAGNOSTICS_FILE.into()), termination: None }
    }

    /// For a phase without effect: standard error alone.
    pub(crate) fn quiet(phase: &'static str) -> Self {
        Self { phase, journal: None, termination: None }
    }

    /// Writes one diagnostic down.
    pub(crate) fn tell(&self, level: Level, retry: Retry, fault: &Fault) {
        let diagnostic = Diagnostic::from_fault(fault, level, retry, self.phase, clock::utc());
        let Ok(mut line) = serde_json::to_vec(&diagnostic) else { return };
        line.push(b'\n');
        // One write, so that lines of several processes do not mix. Standard error may be closed: then nobody asks.
        drop(std::io::stderr().lock().write_all(&line));
        if let Some(journal) = &self.journal {
            drop(append(journal, &line));
        }
    }

    /// Forgets how an earlier run ended.
    pub(crate) fn begin(&self) {
        if let Some(termination) = &self.termination {
            drop(std::fs::remove_file(termination));
        }
    }

    /// Writes every error down, then the termination file, and says what to exit with. [spec: ENT-23, ENT-24]
    pub(crate) fn end(&self, failure: &Failure) -> ExitStatus {
        for problem in failure.problems() {
            self.tell(Level::Error, problem.status.retry(), &problem.fault);
        }
        self.terminate(failure);
        failure.status()
    }

    /// Writes the termination file alone, for errors that were told before.
    pub(crate) fn terminate(&self, failure: &Failure) {
        let Some(path) = &self.termination else { return };
        let now = clock::utc();
        let errors = failure
            .problems()
            .iter()
            .map(|p| Diagnostic::from_fault(&p.fault, Level::Error, p.status.retry(), self.phase, now.clone()))
            .collect();
        let exit = failure.status().code();
        let bytes = fit(Termination { hp: 1, exit, phase: self.phase.to_owned(), errors, omitted: 0 });
        drop(replace(path, &bytes));
    }
}

fn append(path: &Path, line: &[u8]) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|found| found.len() >= JOURNAL_LIMIT) {
        std::fs::rename(path, path.with_extension("jsonl.old"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)?.write_all(line)
}

/// Puts a whole file in the place of another, so that a reader sees the one or the other. [spec: ENT-35]
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("json.new");
    File::create(&beside)?.write_all(bytes)?;
    std::fs::rename(&beside, path)
}

/// The termination file's bytes: whole if that is not too much, else with texts cut and the last errors left out.
fn fit(mut termination: Termination) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(&termination).unwrap_or_default();
    if bytes.len() > MAX_TERMINATION_BYTES {
        for error in &mut termination.errors {
            for text in
                [&mut error.subject, &mut error.message, &mut error.expected, &mut error.actual, &mut error.remedy]
            {
                *text = clip(text, CLIPPED);
            }
        }
        bytes = serde_json::to_vec(&termination).unwrap_or_default();
    }
    while bytes.len() > MAX_TERMINATION_BYTES && termination.errors.pop().is_some() {
        termination.omitted += 1;
        bytes = serde_json::to_vec(&termination).unwrap_or_default();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn termination(errors: usize, text: &str) -> Termination {
        let fault = Fault::new("X-TEST-001", "a", text).actual(text).expected(text).remedy(text);
        let one = Diagnostic::from_fault(&fault, Level::Error, Retry::Never, "run", "now".into());
        Termination { hp: 1, exit: 78, phase: "run".into(), errors: vec![one; errors], omitted: 0 }
    }

    #[test]
    fn a_termination_file_never_has_more_bytes_than_it_may_and_counts_what_is_left_out() {
        for (errors, text) in
            [(0, ""), (1, "short"), (1, &"ä\u{1}".repeat(5000)), (500, "short"), (90, &"x".repeat(900))]
        {
            let bytes = fit(termination(errors, text));
            assert!(bytes.len() <= MAX_TERMINATION_BYTES, "{errors} {}", bytes.len());
            let read: Termination = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(read.errors.len() + usize::try_from(read.omitted).unwrap(), errors);
            assert!(errors == 0 || !read.errors.is_empty(), "the first error is always kept");
        }
    }

    #[test]
    fn the_journal_never_grows_without_bound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("diag.jsonl");
        let line = vec![b'x'; 300_000];
        for _ in 0..20 {
            append(&path, &line).unwrap();
        }
        let total: u64 = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!(total <= 2 * (JOURNAL_LIMIT + 300_000), "{total}");
        assert!(path.exists());
    }

    #[test]
    fn a_replaced_file_is_whole_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.json");
        replace(&path, b"{}").unwrap();
        replace(&path, b"[]").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"[]");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
