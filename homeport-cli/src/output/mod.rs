//! Turning outcomes into text and JSON: the same facts in both, and one door to standard output.
//! Never calls the host, never decides an exit code.

mod amount;
mod config;
mod connection;
mod consent;
mod daemon;
mod failure;
mod files;
mod history;
mod instance;
mod log;
mod metrics;
mod page;
mod plan;
mod port;
mod repair;
mod route;
mod schedule;
mod shell_word;
mod snapshot;
mod snapshot_lost;
mod snapshot_work;
mod table;
mod trash;
mod version;
mod version_plan;
mod volume;

use std::io::{self, Write as _};

pub(crate) use amount::{count, size, span};
pub(crate) use config::{ConfigReport, ReconfiguredReport};
pub(crate) use connection::{PublicName, primary_address};
pub(crate) use daemon::{DaemonReport, DaemonRestarted, DaemonStopped};
pub(crate) use failure::Report;
pub(crate) use files::file_line;
pub(crate) use history::HistoryReport;
pub(crate) use instance::{ListReport, Outcome, RunningReport, StatusReport, StoppedReport};
pub(crate) use log::{LogLines, LogStyle};
pub(crate) use metrics::MetricsReport;
pub(crate) use page::{Page, escape};
pub(crate) use plan::{DeployPlanReport, Removal, RemovedReport};
pub(crate) use port::PortReport;
pub(crate) use repair::RepairReport;
pub(crate) use route::{RatesReport, RouteDetails, RoutesReport};
pub(crate) use schedule::{ScheduleReport, SchedulesReport, UnscheduledReport};
pub(crate) use shell_word::quoted;
pub(crate) use snapshot_work::Acknowledged;
pub(crate) use version::VersionReport;
pub(crate) use volume::{ChecksReport, VolumesReport};

/// For whom a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What a command has to say at its end. As JSON it is what `Serialize` makes of it.
pub(crate) trait Render: serde::Serialize {
    /// Writes the same facts for people.
    fn text(&self, page: &mut Page);
}

/// The result as it goes to standard output.
pub(crate) fn render(format: Format, result: &impl Render) -> io::Result<String> {
    match format {
        Format::Text => {
            let mut page = Page::default();
            result.text(&mut page);
            Ok(page.into_text())
        }
        Format::Json => Ok(serde_json::to_string_pretty(result)? + "\n"),
    }
}

/// Writes to standard output, to the last byte.
pub(crate) fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes to standard error. Where that is gone there is nobody to tell.
pub(crate) fn write_err(text: &str) {
    let mut err = io::stderr().lock();
    err.write_all(text.as_bytes()).and_then(|()| err.flush()).ok();
}

#[cfg(test)]
mod result_tests;
#[cfg(test)]
mod version_tests;
