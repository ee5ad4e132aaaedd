//! Owns how the daemon is shown. Never asks it.

use std::time::Duration;

use homeport_host::daemon::{DaemonStatus, Draining, Restarted};
use homeport_host::routes::{RouteState, RouteStatus, Unbound, Wish};

use super::Render;
use super::amount::span;
use super::page::Page;
use super::table::Table;

/// How the daemon is.
#[derive(Debug, serde::Serialize)]
pub(crate) struct DaemonReport {
    running: bool,
    #[serde(flatten)]
    status: Option<DaemonStatus>,
}

impl DaemonReport {
    pub(crate) fn new(status: Option<DaemonStatus>) -> Self {
        Self { running: status.is_some(), status }
    }

    /// One line about the daemon itself.
    pub(crate) fn head(&self, page: &mut Page) {
        match &self.status {
            None => page.line("the daemon does not run; `homeport deploy` and `homeport start` start it"),
            Some(status) => {
                page.line(format_args!(
                    "the daemon runs as process {} since {} (version {})",
                    status.pid, status.since, status.version
                ));
                drainers(page, &status.draining);
                unbound(page, &status.unbound);
            }
        }
    }
}

impl Render for DaemonReport {
    fn text(&self, page: &mut Page) {
        self.head(page);
        let Some(status) = self.status.as_ref().filter(|status| !status.routes.is_empty()) else { return };
        let mut table = Table::new(&["ROUTE", "ADDRESS", "STATE", "OPEN", "ACCEPTED", "REFUSED", "FAILED"]);
        for route in &status.routes {
            table.row([
                route.id.to_string(),
                route.address.to_string(),
                state(route),
                route.open.to_string(),
                route.accepted.to_string(),
                route.refused.to_string(),
                route.failed.to_string(),
            ]);
        }
        table.write(page, "");
        for route in &status.routes {
            if let Some(error) = &route.last_error {
                page.line(format_args!("{}: {}: {error}", route.id, last_error(route)));
            }
        }
    }
}

/// One line about each daemon from before that still has connections.
fn drainers(page: &mut Page, draining: &[Draining]) {
    for one in draining {
        let connections = match one.clients() {
            1 => "1 connection".to_owned(),
            open => format!("{open} connections"),
        };
        page.line(format_args!(
            "process {} carries on {connections} from before {}, until {} at most",
            one.pid, one.since, one.until
        ));
    }
}

/// One line about each address that the daemon should have and has not.
fn unbound(page: &mut Page, unbound: &[Unbound]) {
    for Unbound { id, address, wish, why } in unbound {
        let what = match wish {
            Wish::Open => "is not open",
            Wish::Reserved => "is stopped, and nothing keeps its address",
        };
        page.line(format_args!("`{id}` {what} at {address}: {why}; it is tried again every 5 s"));
    }
}

/// What stands before the last thing that went wrong with a route: it stays when it is past, so when it was belongs to it.
pub(super) fn last_error(route: &RouteStatus) -> String {
    let ago = route.last_error_seconds_ago.map(|seconds| format!(", {} ago", span(Duration::from_secs(seconds))));
    format!("last error{}", ago.unwrap_or_default())
}

/// What happens to a route's clients, in a few words.
pub(super) fn state(route: &RouteStatus) -> String {
    match &route.state {
        RouteState::Held => "clients wait".to_owned(),
        RouteState::Running { target, .. } => format!("leads to {}", target.address),
        RouteState::Closed => "clients are turned away".to_owned(),
    }
}

/// What restarting the daemon did.
#[derive(Debug, serde::Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum DaemonRestarted<'a> {
    /// None ran: one was started.
    Started(&'a DaemonStatus),
    /// A new one has taken the place of the one that ran.
    Restarted(&'a DaemonStatus),
}

impl<'a> DaemonRestarted<'a> {
    pub(crate) fn of(restarted: &'a Restarted) -> Self {
        match restarted {
            Restarted::Started(status) => Self::Started(status),
            Restarted::TakenOver(status) => Self::Restarted(status),
        }
    }

    /// Whether every address is open that should be.
    pub(crate) fn has_all(&self) -> bool {
        let (Self::Started(status) | Self::Restarted(status)) = self;
        status.unbound.iter().all(|one| one.wish == Wish::Reserved)
    }
}

impl Render for DaemonRestarted<'_> {
    fn text(&self, page: &mut Page) {
        match self {
            Self::Started(status) => {
                page.line(format_args!("the daemon did not run; it runs as process {}", status.pid));
                unbound(page, &status.unbound);
            }
            Self::Restarted(status) => {
                page.line(format_args!("the daemon was restarted, and runs as process {}", status.pid));
                drainers(page, &status.draining);
                unbound(page, &status.unbound);
            }
        }
    }
}

/// What ending the daemon did.
#[derive(Debug, serde::Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum DaemonStopped {
    /// It ran, and has ended.
    Stopped,
    /// It did not run.
    Unchanged,
}

impl Render for DaemonStopped {
    fn text(&self, page: &mut Page) {
        match self {
            Self::Stopped => page.line("the daemon has ended, and the public addresses are closed"),
            Self::Unchanged => page.line("the daemon did not run"),
        }
    }
}
