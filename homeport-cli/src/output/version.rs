//! Owns how a change of version is told: planned, with the command that carries it out, or done, with how to reach what
//! runs and how to get back. Never asks the host.

use homeport_host::approval::Issued;
use homeport_host::operation::{AlreadyThere, Outcome, Running, Upgraded, VersionChanged, VersionPlan};

use super::Render;
use super::amount::moment;
use super::connection::{Connection, PublicName};
use super::consent::warnings;
use super::page::Page;
use super::snapshot::short;
use super::version_plan::way_back;

/// What came of a change of version.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub(crate) enum VersionReport {
    /// It was only planned.
    Planned {
        plan: Box<VersionPlan>,
        approval: Option<Issued>,
        /// What carries exactly this out, for a shell.
        command: String,
    },
    /// It was done.
    Done(Box<ChangedReport>),
    /// There was nothing to do.
    Unchanged(AlreadyThere),
}

/// A change of version that is done.
#[derive(Debug, serde::Serialize)]
pub(crate) struct ChangedReport {
    #[serde(flatten)]
    changed: VersionChanged,
    connections: Vec<Connection>,
}

impl VersionReport {
    /// The report of an upgrade, for which there may be nothing to do.
    pub(crate) fn upgraded(outcome: Outcome<VersionPlan, Upgraded>, command: String, public: &PublicName) -> Self {
        let outcome = match outcome {
            Outcome::Done(Upgraded::Unchanged(there)) => return Self::Unchanged(there),
            Outcome::Done(Upgraded::Changed(changed)) => Outcome::Done(*changed),
            Outcome::Planned { plan, approval } => Outcome::Planned { plan, approval },
        };
        Self::new(outcome, command, public)
    }

    /// The report; `command` is what was asked for, without a token.
    pub(crate) fn new(outcome: Outcome<VersionPlan, VersionChanged>, command: String, public: &PublicName) -> Self {
        match outcome {
            Outcome::Planned { plan, approval } => {
                let command = match &approval {
                    Some(approval) => format!("{command} --approve {}", approval.token),
                    None => command,
                };
                Self::Planned { plan: Box::new(plan), approval, command }
            }
            Outcome::Done(changed) => {
                let connections = changed.running.as_ref().map(|running| connections(running, public));
                Self::Done(Box::new(ChangedReport { connections: connections.unwrap_or_default(), changed }))
            }
        }
    }
}

fn connections(running: &Running, public: &PublicName) -> Vec<Connection> {
    let facts = running.status.as_ref().map(|status| &status.facts);
    let routes = running.routes.iter();
    routes
        .map(|(endpoint, (address, protocol))| Connection::new(endpoint.clone(), *address, protocol, facts, public))
        .collect()
}

impl Render for VersionReport {
    fn text(&self, page: &mut Page) {
        match self {
            Self::Planned { plan, approval, command } => {
                plan.text(page);
                page.line("nothing was changed");
                match approval {
                    Some(approval) => page
                        .line(format_args!("to approve exactly this and do it, until {}:", moment(&approval.expires))),
                    None => page.line("to do it:"),
                }
                page.line(format_args!("  {command}"));
            }
            Self::Done(report) => report.text(page),
            Self::Unchanged(AlreadyThere { instance, version, named }) => {
                let highest = if *named { "" } else { ", and the engine holds no higher one" };
                page.line(format_args!("`{instance}` has version {version} already{highest}; nothing was changed"));
            }
        }
    }
}

impl ChangedReport {
    fn text(&self, page: &mut Page) {
        let changed = &self.changed;
        let (name, from, to) = (&changed.instance, &changed.from, &changed.to);
        match changed.running {
            Some(_) => page.line(format_args!("`{name}` runs version {to} and answers; it was {from}")),
            None => page.line(format_args!("`{name}` has version {to}, and is stopped as before; it was {from}")),
        }
        for connection in &self.connections {
            connection.text(page);
        }
        if changed.running.is_some() && self.connections.is_empty() {
            page.line("  it has no public address");
        }
        if let Some(until) = &changed.lingers_until {
            page.line(format_args!("  clients of {from} that are still connected may stay until {}", moment(until)));
        }
        if let Some(snapshot) = &changed.snapshot {
            page.line(format_args!("  what was there before is snapshot {snapshot}"));
        }
        if let Some(trash) = &changed.trash {
            page.line(format_args!("  data that another took the place of is in the trash as {}", short(trash)));
        }
        page.line(format_args!("  to go back: homeport rollback {name}"));
        way_back(&changed.way_back, "    ", page);
        warnings(&changed.warnings, page);
    }
}
