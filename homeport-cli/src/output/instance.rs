//! Owns how instances are shown: one that was brought up, all in a table, one in full. Never asks the host.

use homeport_core::entrypoint::{ServiceState, Status};
use homeport_core::fault::Fault;
use homeport_core::name::{EndpointName, InstanceName, PortId};
use homeport_host::daemon::DaemonStatus;
use homeport_host::engine::ContainerId;
use homeport_host::operation::{AddressState, InstanceView, Running, UnfinishedView};

use super::amount::moment;
use super::connection::{Connection, PublicName, SSH_FACTS};
use super::page::Page;
use super::table::Table;
use super::{DaemonReport, Render};

/// An instance that an operation brought up, and how to reach it.
#[derive(Debug, serde::Serialize)]
pub(crate) struct RunningReport {
    outcome: Outcome,
    instance: InstanceName,
    port: PortId,
    version: semver::Version,
    container: Option<ContainerId>,
    connections: Vec<Connection>,
    status: Option<Status>,
    /// What was told as warnings meanwhile.
    notices: Vec<Fault>,
}

/// What an operation changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Created,
    Started,
    Restarted,
    Unchanged,
}

impl Outcome {
    const fn words(self) -> &'static str {
        match self {
            Self::Created => "is deployed and answers",
            Self::Started => "runs again",
            Self::Restarted => "runs in a new container",
            Self::Unchanged => "runs already; nothing was changed",
        }
    }
}

impl RunningReport {
    pub(crate) fn new(outcome: Outcome, running: Running, public: &PublicName) -> Self {
        let facts = running.status.as_ref().map(|status| &status.facts);
        let routes = running.routes.into_iter();
        Self {
            outcome,
            connections: routes
                .map(|(endpoint, (address, protocol))| Connection::new(endpoint, address, &protocol, facts, public))
                .collect(),
            instance: running.instance,
            port: running.port,
            version: running.version,
            container: running.container,
            status: running.status,
            notices: running.notices,
        }
    }
}

impl Render for RunningReport {
    fn text(&self, page: &mut Page) {
        page.line(format_args!("`{}` ({} {}) {}", self.instance, self.port, self.version, self.outcome.words()));
        for connection in &self.connections {
            connection.text(page);
        }
        if self.connections.is_empty() {
            page.line("  it has no public address");
        }
    }
}

/// An instance that was stopped.
#[derive(Debug, serde::Serialize)]
pub(crate) struct StoppedReport {
    pub(crate) instance: InstanceName,
    pub(crate) outcome: homeport_host::operation::LifecycleOutcome,
}

impl Render for StoppedReport {
    fn text(&self, page: &mut Page) {
        use homeport_host::operation::LifecycleOutcome::{Changed, Unchanged};
        match self.outcome {
            Changed => page.line(format_args!("`{}` is stopped; its public addresses stay reserved", self.instance)),
            Unchanged => page.line(format_args!("`{}` is stopped already; nothing was changed", self.instance)),
        }
    }
}

/// Every instance, one a row.
#[derive(Debug, serde::Serialize)]
pub(crate) struct ListReport {
    pub(crate) instances: Vec<InstanceView>,
}

impl Render for ListReport {
    fn text(&self, page: &mut Page) {
        if self.instances.is_empty() {
            page.line("there are no instances; `homeport deploy PORT` makes one");
            return;
        }
        let mut table = Table::new(&["NAME", "PORT", "VERSION", "STATE", "ADDRESSES"]);
        for view in &self.instances {
            let addresses: Vec<String> =
                view.routes.iter().map(|(endpoint, address)| format!("{endpoint}={address}")).collect();
            table.row([
                view.name.to_string(),
                view.port.to_string(),
                view.version.to_string(),
                view.state.clone(),
                addresses.join(" "),
            ]);
        }
        table.write(page, "");
        if self.instances.iter().any(|view| closed(view).next().is_some()) {
            page.line("`homeport start NAME` opens an address again that is closed, or says why that cannot be");
        }
        if self.instances.iter().filter_map(|view| view.unfinished.as_ref()).any(|one| one.stuck.is_some()) {
            page.line("`homeport status NAME` says why something is stuck; `homeport repair` tries again");
        }
    }
}

/// The public addresses of an instance that should be open and are not.
fn closed(view: &InstanceView) -> impl Iterator<Item = &EndpointName> {
    let is_wanted = view.desired == "running";
    let closed = view.addresses.iter().filter(move |(_, state)| is_wanted && **state == AddressState::Closed);
    closed.map(|(endpoint, _)| endpoint)
}

/// One instance in full, or every one with the daemon.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "snake_case", untagged)]
pub(crate) enum StatusReport {
    One(Box<InstanceReport>),
    All { daemon: DaemonReport, instances: Vec<InstanceView> },
}

/// One instance in full.
#[derive(Debug, serde::Serialize)]
pub(crate) struct InstanceReport {
    instance: InstanceView,
    connections: Vec<Connection>,
}

impl StatusReport {
    pub(crate) fn one(view: InstanceView, public: &PublicName) -> Self {
        let facts = view.status.as_ref().map(|status| &status.facts);
        let connections = view.routes.iter().map(|(endpoint, address)| {
            let protocol = view.protocols.get(endpoint).map_or("", String::as_str);
            Connection::new(endpoint.clone(), *address, protocol, facts, public)
        });
        Self::One(Box::new(InstanceReport { connections: connections.collect(), instance: view }))
    }

    pub(crate) fn all(daemon: Option<DaemonStatus>, instances: Vec<InstanceView>) -> Self {
        Self::All { daemon: DaemonReport::new(daemon), instances }
    }
}

impl Render for StatusReport {
    fn text(&self, page: &mut Page) {
        match self {
            Self::One(report) => report.text(page),
            Self::All { daemon, instances } => {
                daemon.head(page);
                page.gap();
                ListReport { instances: instances.clone() }.text(page);
            }
        }
    }
}

impl InstanceReport {
    fn text(&self, page: &mut Page) {
        let view = &self.instance;
        page.line(format_args!("`{}` ({} {})", view.name, view.port, view.version));
        page.line(format_args!("  state: {}", view.state));
        match &view.unfinished {
            Some(UnfinishedView { stuck: Some(why), .. }) => {
                page.line(format_args!("    why: {why}"));
                page.line("    mend what is named, then: homeport repair");
            }
            Some(UnfinishedView { stuck: None, .. }) => {
                page.line("    where nothing does it any more, it was cut off, and this brings it to its end: homeport repair");
            }
            None => {}
        }
        for endpoint in closed(view) {
            let why = view.why_closed.get(endpoint).map_or("the daemon does not hold its address", String::as_str);
            page.line(format_args!("    `{endpoint}` is closed: {why}"));
            page.line(format_args!(
                "      a daemon that runs tries again every 5 s; where none runs: homeport start {}",
                view.name
            ));
        }
        page.line(format_args!("  deployed: {}", view.created));
        page.line(format_args!("  image: {}", view.image));
        if let Some(container) = &view.container {
            page.line(format_args!("  container: {}", &container.as_str()[..12]));
        }
        if let Some(former) = &view.former {
            page.line(format_args!(
                "  had version {} before, and left it at {}; to go back: homeport rollback {}",
                former.version,
                moment(&former.until),
                view.name
            ));
        }
        for retiring in &view.retiring {
            page.line(format_args!(
                "  still serves clients that were connected before: version {}, until {} at the latest",
                retiring.version,
                moment(&retiring.until)
            ));
        }
        for connection in &self.connections {
            connection.text(page);
        }
        for volume in &view.volumes {
            page.line(format_args!(
                "  volume `{}`: `{}` (format {}, {})",
                volume.name,
                volume.path.display(),
                volume.format,
                volume.uuid
            ));
        }
        if let Some(schedule) = &view.schedule {
            match &schedule.last {
                Some((at, what)) => page.line(format_args!("  snapshots: {what} ({at})")),
                None => page.line(format_args!("  snapshots: none yet; the first is due at {}", schedule.next)),
            }
            if schedule.missed > 0 {
                page.line(format_args!("  snapshots missed: {}", schedule.missed));
            }
        }
        let Some(status) = &view.status else { return };
        if !status.text.is_empty() {
            page.line(format_args!("  the port says: {}", status.text));
        }
        // What stands with the connections already.
        let is_told = |key: &str| {
            self.connections.iter().any(|connection| connection.protocol == "ssh") && SSH_FACTS.contains(&key)
        };
        for (key, value) in status.facts.iter().filter(|(key, _)| !is_told(key)) {
            page.line(format_args!("  {key}: {}", value.trim()));
        }
        for (name, service) in &status.services {
            let mut words = vec![state_word(service.state).to_owned()];
            words.extend(service.pid.map(|pid| format!("pid {pid}")));
            words.extend((service.restarts > 0).then(|| format!("{} restarts", service.restarts)));
            words.extend(service.last_exit.as_ref().map(|exit| format!("last ended with {exit}")));
            page.line(format_args!("  service `{name}`: {}", words.join(", ")));
        }
    }
}

const fn state_word(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Waiting => "not started yet",
        ServiceState::Running => "running",
        ServiceState::Backoff => "ended, starts again after a while",
        ServiceState::Failed => "gave up",
        ServiceState::Stopped => "stopped",
    }
}
