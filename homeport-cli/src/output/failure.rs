//! Owns how an error is told: what failed, why, what to do next, and what the port itself said, each once.
//! Pure; never decides an exit code.

use std::path::PathBuf;

use homeport_core::entrypoint::Diagnostic;
use homeport_core::fault::{Advice as _, Fault};
use homeport_core::name::VolumeName;
use homeport_host::engine::{ExitCode, ExitFacts, MemoryEnd};
use homeport_host::operation::OperationError;
use homeport_host::run::{Evidence, RunError, StepError, exit_meaning};

use super::page::Page;
use super::{Format, Render};
use crate::exit::Exit;
use crate::failure::{Failure, USAGE};

/// An error as it is told.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Report {
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<Fault>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<EvidenceView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_taken_back: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept: Vec<KeptView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    exit_code: u8,
}

/// The object that stands on standard error.
#[derive(serde::Serialize)]
struct Told<'a> {
    error: &'a Report,
}

/// What a container that failed left behind.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct EvidenceView {
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<ExitView>,
    errors: Vec<Diagnostic>,
    log: Vec<String>,
}

#[derive(Debug, serde::Serialize)]
struct ExitView {
    code: i64,
    meaning: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip)]
    telling: Telling,
}

/// Whether the text tells how the first process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    /// It does, unless a cause has the same words.
    Itself,
    /// The cause is this very end in other words.
    ByTheCause,
}

#[derive(Debug, serde::Serialize)]
struct KeptView {
    volume: VolumeName,
    path: PathBuf,
}

impl EvidenceView {
    /// What is shown of it, beside the `cause` of the failure. Where the kernel killed for want of memory, whether it took
    /// the first process as well, and whether the engine has seen that, is no second thing to tell.
    fn of(evidence: &Evidence, cause: &StepError) -> Option<Self> {
        let starved = matches!(cause, StepError::OutOfMemory { .. });
        let exit = evidence.exit.as_ref().map(|exit| {
            let killed = starved && exit.code == ExitCode::KILLED;
            let memory = if killed { MemoryEnd::OutOfMemory } else { exit.memory };
            ExitView {
                code: exit.code.get(),
                meaning: exit_meaning(&ExitFacts { memory, ..exit.clone() }),
                message: exit.message.clone(),
                telling: if killed { Telling::ByTheCause } else { Telling::Itself },
            }
        });
        let view = Self { exit, errors: evidence.errors.clone(), log: evidence.log.clone() };
        (view.exit.is_some() || !view.errors.is_empty() || !view.log.is_empty()).then_some(view)
    }
}

impl Report {
    /// The report of a command that failed.
    pub(crate) fn of(failure: &Failure) -> Self {
        let faults = failure.faults().to_vec();
        let mut texts = vec![failure.to_string()];
        let mut report = Self {
            code: failure.code().to_owned(),
            message: String::new(),
            causes: Vec::new(),
            faults: Vec::new(),
            evidence: None,
            not_taken_back: Vec::new(),
            kept: Vec::new(),
            help: failure.help(),
            exit_code: failure.exit().code(),
        };
        if let Failure::Operation(error) = failure {
            report.add_operation(error, &mut texts);
        }
        texts.extend(Failure::causes(failure));
        let mut told: Vec<String> = Vec::new();
        for text in texts {
            let text = without_faults(&text, &faults);
            if !told.iter().any(|before| before.contains(&text)) {
                told.push(text);
            }
        }
        let mut told = told.into_iter();
        report.message = told.next().unwrap_or_default();
        report.causes = told.collect();
        report.faults = faults;
        report
    }

    /// The report of a command line that is wrong.
    pub(crate) fn of_usage(message: &str) -> Self {
        Self {
            code: USAGE.to_owned(),
            message: message.to_owned(),
            causes: Vec::new(),
            faults: Vec::new(),
            evidence: None,
            not_taken_back: Vec::new(),
            kept: Vec::new(),
            help: Some("`homeport help` lists what there is".to_owned()),
            exit_code: Exit::Usage.code(),
        }
    }

    /// What only errors of operations have.
    fn add_operation(&mut self, error: &OperationError, texts: &mut Vec<String>) {
        match error {
            OperationError::Run(error) => self.add_run(error),
            OperationError::NotReady { failed, .. } => self.add_run(failed),
            // Why it failed at first stands in the message only, and not among the causes.
            OperationError::NotRestored { failed, .. } => {
                texts.extend(Failure::causes(failed.as_ref()));
                self.add_operation(failed, texts);
            }
            _ => {}
        }
    }

    /// What only errors of operations that were begun have.
    fn add_run(&mut self, error: &RunError) {
        match error {
            RunError::Undone { evidence, cause, kept, .. } => {
                self.evidence = self.evidence.take().or_else(|| EvidenceView::of(evidence, cause));
                let kept = kept.iter().map(|kept| KeptView { volume: kept.volume.clone(), path: kept.path.clone() });
                self.kept.extend(kept);
            }
            RunError::Stuck { evidence, cause, left, .. } => {
                self.evidence = self.evidence.take().or_else(|| EvidenceView::of(evidence, cause));
                self.not_taken_back.extend(left.iter().cloned());
            }
            RunError::Unfinished { .. } | RunError::Journal { .. } | RunError::Died { .. } => {}
        }
    }

    /// The report as it goes to standard error.
    pub(crate) fn render(&self, format: Format) -> String {
        match format {
            Format::Text => {
                let mut page = Page::default();
                self.text(&mut page);
                page.into_text()
            }
            Format::Json => {
                let text = serde_json::to_string(&Told { error: self });
                // Strings and numbers always have a form in JSON; if they had not, the code still helps.
                text.unwrap_or_else(|_| format!("{{\"error\":{{\"code\":\"{}\"}}}}", self.code)) + "\n"
            }
        }
    }
}

impl Render for Report {
    fn text(&self, page: &mut Page) {
        page.line(format_args!("error: {}", self.message));
        for cause in &self.causes {
            page.line(format_args!("  caused by: {cause}"));
        }
        let mut helps: Vec<&str> = Vec::new();
        for fault in &self.faults {
            Block {
                code: fault.code,
                subject: &fault.subject,
                message: &fault.message,
                found: &fault.actual,
                wanted: &fault.expected,
                help: &fault.remedy,
                clause: fault.clause,
            }
            .text(page, &mut helps);
        }
        if let Some(evidence) = &self.evidence {
            evidence_text(page, evidence, &mut helps, &self.causes);
        }
        for left in &self.not_taken_back {
            page.line(format_args!("  not taken back: {left}"));
        }
        for kept in &self.kept {
            page.line(format_args!(
                "  kept: volume `{}` at `{}`, with what is in it",
                kept.volume,
                kept.path.display()
            ));
        }
        page.line(format_args!("  code: {}", self.code));
        if let Some(help) = self.help.as_deref().filter(|help| !helps.contains(help)) {
            page.line(format_args!("  help: {help}"));
        }
    }
}

fn evidence_text<'a>(page: &mut Page, evidence: &'a EvidenceView, helps: &mut Vec<&'a str>, causes: &[String]) {
    if let Some(exit) = &evidence.exit {
        if exit.telling == Telling::Itself && !causes.iter().any(|cause| cause.contains(&exit.meaning)) {
            page.line(format_args!("  the port ended with {}", exit.meaning));
        }
        if !exit.message.is_empty() {
            page.line(format_args!("  the engine says: {}", exit.message));
        }
    }
    if !evidence.errors.is_empty() {
        page.line("  the port reported:");
    }
    for error in &evidence.errors {
        Block {
            code: &error.code,
            subject: &error.subject,
            message: &error.message,
            found: &error.actual,
            wanted: &error.expected,
            help: &error.remedy,
            clause: None,
        }
        .text(page, helps);
    }
    if !evidence.log.is_empty() {
        page.line("  the port's last words:");
    }
    for line in &evidence.log {
        page.line(format_args!("      {line}"));
    }
}

/// One thing that is wrong.
struct Block<'a> {
    code: &'a str,
    subject: &'a str,
    message: &'a str,
    found: &'a str,
    wanted: &'a str,
    help: &'a str,
    clause: Option<&'a str>,
}

impl<'a> Block<'a> {
    fn text(&self, page: &mut Page, helps: &mut Vec<&'a str>) {
        page.line(format_args!("  [{}] {}: {}", self.code, self.subject, self.message));
        for (label, text) in [("found", self.found), ("wanted", self.wanted)] {
            if !text.is_empty() {
                page.line(format_args!("      {label}: {text}"));
            }
        }
        if !self.help.is_empty() && !helps.contains(&self.help) {
            page.line(format_args!("      help: {}", self.help));
            helps.push(self.help);
        }
        if let Some(clause) = self.clause {
            page.line(format_args!("      spec: {clause}"));
        }
    }
}

/// The text less the faults at its end: they are told one by one.
fn without_faults(text: &str, faults: &[Fault]) -> String {
    let Some(first) = faults.first() else { return text.to_owned() };
    let all = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let more = format!("{first} (and {} more)", faults.len() - 1);
    let bare = [all, more, first.to_string()].iter().find_map(|end| text.strip_suffix(end.as_str()));
    bare.map_or(text, |bare| bare.trim_end_matches([':', ' '])).to_owned()
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
