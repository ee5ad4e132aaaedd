//! Owns watching the engine and starting instances again: threads that wait, and one that acts at a time.
//! Never decides: `supervise` does.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use homeport_core::name::InstanceName;
use homeport_router::{RouteId, Router};

use super::supervise::{Decision, Failures};
use crate::container::{LABEL_INSTANCE, LABEL_ROOT};
use crate::engine::{
    Cancel, ContainerId, ContainerRef, ContainerState, EventKind, EventRequest, ExitFacts, Flow, LabelFilter,
};
use crate::host::Host;
use crate::ledger::{Desired, Ledger};
use crate::operation::{OperationError, start_again};
use crate::run::RunError;

/// How long until the engine is asked again after it went away.
const RECONNECT: Duration = Duration::from_secs(1);
/// How often everything is looked at, in case an event was missed.
const ROUND: Duration = Duration::from_secs(30);

/// Instances that are to be started at a moment, with the container that ended.
type Due = Vec<(Instant, InstanceName, Option<ContainerId>)>;

/// Something that the supervisor has to look at.
#[derive(Debug)]
pub(super) enum Notice {
    /// A container of an instance has ended.
    Died(InstanceName, ContainerId),
    /// A container of an instance was started.
    Started(InstanceName),
    /// Look at everything.
    Round,
    /// End.
    Stop,
}

/// Follows the engine's events until it is cancelled; an engine that goes away is waited for.
pub(super) fn follow(host: &Host, cancel: &Cancel, notices: &Sender<Notice>) {
    while !cancel.is_cancelled() {
        let root = Ledger::open(&host.layout).ok().and_then(|ledger| ledger.root_id().ok().flatten());
        if let Some(root) = root {
            let since = Some(time::OffsetDateTime::now_utc());
            let request = EventRequest { since, filter: LabelFilter::any().value(LABEL_ROOT, root.to_string()) };
            // What ended before the stream began is found by looking at everything once.
            notices.send(Notice::Round).ok();
            let ended = host.engine.events(&request, cancel, &mut |event| {
                let instance = event.labels.get(LABEL_INSTANCE).and_then(|name| name.parse().ok());
                let notice = match (instance, &event.kind) {
                    (Some(name), EventKind::Died(_)) => Some(Notice::Died(name, event.id.clone())),
                    (Some(name), EventKind::Started) => Some(Notice::Started(name)),
                    _ => None,
                };
                match notice.map(|notice| notices.send(notice)) {
                    Some(Err(_)) => Flow::Stop,
                    Some(Ok(())) | None => Flow::Continue,
                }
            });
            if let Err(error) = ended {
                super::serve::say(&format!("the engine's events ended: {error}"));
            }
        }
        let end = Instant::now() + RECONNECT;
        while Instant::now() < end && !cancel.is_cancelled() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Starts again what should run and does not, until it is told to end.
pub(super) fn supervise(host: &Host, router: &Router, notices: &Receiver<Notice>) {
    let mut failures = Failures::default();
    let mut due = Due::new();
    loop {
        let next = due.iter().map(|(at, ..)| *at).min().unwrap_or_else(|| Instant::now() + ROUND);
        match notices.recv_timeout(next.saturating_duration_since(Instant::now()).min(ROUND)) {
            Ok(Notice::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(Notice::Died(name, container)) => ended(host, router, &name, &container, &mut failures, &mut due),
            Ok(Notice::Started(name)) => due.retain(|(_, waiting, _)| *waiting != name),
            Ok(Notice::Round) | Err(RecvTimeoutError::Timeout) => round(host, router, &mut failures, &mut due),
        }
        let now = Instant::now();
        let (ready, later): (Vec<_>, Vec<_>) = due.drain(..).partition(|(at, ..)| *at <= now);
        due = later;
        for (_, name, container) in ready {
            try_again(host, &name, container.as_ref(), &mut failures, &mut due);
        }
    }
}

/// Looks at every instance that should run.
fn round(host: &Host, router: &Router, failures: &mut Failures, due: &mut Due) {
    let Ok(records) = Ledger::open(&host.layout).and_then(|ledger| ledger.instances()) else { return };
    for record in records.into_iter().filter(|record| record.desired == Desired::Running) {
        if due.iter().any(|(_, name, _)| *name == record.name) {
            continue;
        }
        match record.container {
            None => due.push((Instant::now(), record.name, None)),
            Some(id) => match host.engine.inspect(&ContainerRef::Id(id.clone())) {
                Ok(Some(facts)) if facts.state.is_running() => {}
                Ok(_) => ended(host, router, &record.name, &id, failures, due),
                Err(_) => {}
            },
        }
    }
}

/// A container has ended. Its connections are ended too, since a killed container says nothing to its peers.
fn ended(host: &Host, router: &Router, name: &InstanceName, id: &ContainerId, failures: &mut Failures, due: &mut Due) {
    let Ok(ledger) = Ledger::open(&host.layout) else { return };
    let Ok(Some(record)) = ledger.instance(name) else { return };
    // While an operation has it in hand (it is being replaced, stopped or was not ready yet) nothing is done.
    if record.container.as_ref() != Some(id) || record.desired != Desired::Running || is_busy(&ledger, name) {
        return;
    }
    let exit = exit_of(host, id);
    let own_routes: Vec<RouteId> = ledger
        .routes(name)
        .unwrap_or_default()
        .into_iter()
        .map(|route| RouteId { instance: name.clone(), endpoint: route.endpoint })
        .collect();
    let decision = failures.ended(name, exit.as_ref(), Instant::now());
    let how = exit
        .as_ref()
        .map_or_else(|| "is gone".to_owned(), |exit| format!("ended with {}", crate::run::exit_meaning(exit)));
    for route in &own_routes {
        match &decision {
            Decision::Again(_) => router.hold(route).ok(),
            Decision::Leave(_) => router.close(route).ok(),
        };
        if let Ok(container) = id.as_str().parse() {
            router.end_connections(route, &container).ok();
        }
    }
    match decision {
        Decision::Again(pause) => {
            super::serve::say(&format!("`{name}` {how}; it is started again in {} s", pause.as_secs()));
            due.push((Instant::now() + pause, name.clone(), Some(id.clone())));
        }
        Decision::Leave(why) => super::serve::say(&format!("`{name}` {how}; it is left alone: {why}")),
    }
}

fn try_again(host: &Host, name: &InstanceName, id: Option<&ContainerId>, failures: &mut Failures, due: &mut Due) {
    match start_again(host, name, id) {
        Ok(_) => {}
        Err(OperationError::NoInstance { .. }) => failures.forgive(name),
        Err(error) => {
            super::serve::say(&format!("`{name}` could not be started: {}", crate::run::with_causes(&error)));
            let exit = match &error {
                OperationError::Run(RunError::Undone { evidence, .. }) => evidence.exit.clone(),
                _ => None,
            };
            match failures.ended(name, exit.as_ref(), Instant::now()) {
                Decision::Again(pause) => due.push((Instant::now() + pause, name.clone(), None)),
                Decision::Leave(why) => super::serve::say(&format!("`{name}` is left alone: {why}")),
            }
        }
    }
}

fn is_busy(ledger: &Ledger, name: &InstanceName) -> bool {
    matches!(ledger.open_operation(), Ok(Some((operation, _))) if operation.instance == *name)
}

fn exit_of(host: &Host, id: &ContainerId) -> Option<ExitFacts> {
    match host.engine.inspect(&ContainerRef::Id(id.clone())).ok()??.state {
        ContainerState::Exited(exit) => Some(exit),
        _ => None,
    }
}
