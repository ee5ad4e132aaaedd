//! Owns the status file: what a running init says about itself, replaced as a whole whenever it changes.
//! Never measures anything and never blocks init: a file that cannot be written is written later.

use std::collections::BTreeMap;
use std::path::PathBuf;

use homeport_core::entrypoint::{Condition, STATUS_FILE, ServiceState, ServiceStatus, Status};

use super::clock;
use super::context::Context;
use super::machine::{Machine, Unit};
use super::record::replace;

/// The status file and what it says now.
#[derive(Debug)]
pub(crate) struct StatusFile {
    path: PathBuf,
    shown: Option<Status>,
    /// Whether the file says what is shown.
    written: bool,
}

impl StatusFile {
    pub(crate) fn new() -> Self {
        Self { path: STATUS_FILE.into(), shown: None, written: true }
    }

    /// Whether the file says what was shown last; where it could not be written, showing the same again tries again.
    pub(crate) const fn is_written(&self) -> bool {
        self.written
    }

    /// Writes the file if it would say something else than it does; gives the new line for people if that changed.
    /// [spec: ENT-35]
    pub(crate) fn show(&mut self, cx: &Context, facts: &BTreeMap<String, String>, machine: &Machine) -> Option<&str> {
        let mut status = compose(cx, facts, machine);
        if let Some(shown) = &self.shown {
            if shown.condition == status.condition {
                status.since.clone_from(&shown.since);
            }
            if *shown == status && self.written {
                return None;
            }
        }
        if status.since.is_empty() {
            status.since = clock::utc();
        }
        self.written = serde_json::to_vec(&status).is_ok_and(|bytes| replace(&self.path, &bytes).is_ok());
        let is_news = self.shown.as_ref().is_none_or(|shown| shown.text != status.text);
        self.shown = Some(status);
        self.shown.as_ref().filter(|_| is_news).map(|status| status.text.as_str())
    }
}

fn compose(cx: &Context, facts: &BTreeMap<String, String>, machine: &Machine) -> Status {
    let mut services = BTreeMap::new();
    for unit in machine.units() {
        services.insert(unit.name.clone(), service(unit));
    }
    Status {
        hp: 1,
        port: cx.manifest.port.id.clone(),
        version: cx.manifest.port.version.to_string(),
        instance: cx.instance.clone(),
        condition: machine.condition(),
        text: text(machine),
        since: String::new(),
        facts: facts.clone(),
        services,
    }
}

fn service(unit: &Unit) -> ServiceStatus {
    ServiceStatus {
        state: unit.shown(),
        pid: unit.pid().map(|pid| pid.as_raw_nonzero().get()),
        restarts: unit.restarts(),
        last_exit: unit.last().map(|ending| ending.to_string()),
    }
}

fn text(machine: &Machine) -> String {
    let down: Vec<String> = machine
        .units()
        .iter()
        .filter(|unit| matches!(unit.shown(), ServiceState::Backoff | ServiceState::Failed))
        .map(|unit| format!("`{}` is down ({})", unit.name, unit.last().map(|e| e.to_string()).unwrap_or_default()))
        .collect();
    match machine.condition() {
        Condition::Stopping => "stopping".to_owned(),
        _ if !down.is_empty() => down.join(", "),
        Condition::Starting => "starting".to_owned(),
        Condition::Ready => "ready".to_owned(),
        Condition::Degraded => "checking whether the port works again".to_owned(),
    }
}
