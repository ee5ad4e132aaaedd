//! Owns keeping up what should run: it takes the notices, sees to routes at once, and orders starts.
//! Never decides whether an instance is started again, which `supervise` does, and never performs an operation itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use homeport_core::name::InstanceName;
use homeport_router::RouteId;

use super::addresses::Addresses;
use super::mend;
use super::retire;
use super::serve::say;
use super::supervise::{Decision, Down, Mark, Supervisor, Tried};
use super::watch::Notice;
use super::work::{Did, Task};
use crate::engine::{ContainerId, ContainerRef, ContainerState};
use crate::host::{Host, now};
use crate::ledger::{Desired, InstanceRecord, Ledger, LedgerError};
use crate::oplock::{OperationLock, Wait};
use crate::routes::Unbound;

/// How often everything is looked at, in case an event was missed.
const ROUND: Duration = Duration::from_secs(30);
/// The same while something could not be looked at: an operation goes on, or the engine or the ledger does not answer.
const SOON: Duration = Duration::from_secs(5);

/// Keeps up what should run.
pub(super) struct Keeper {
    host: Host,
    addresses: Addresses,
    tasks: Sender<Task>,
    supervisor: Supervisor,
    next_round: Instant,
    resuming: Resuming,
    /// Instances of which a container that retires is being ended.
    retiring: BTreeSet<InstanceName>,
    said: BTreeMap<String, String>,
}

/// Whether bringing to an end what was cut off is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resuming {
    /// It may be ordered from this moment on.
    From(Instant),
    /// It was ordered.
    Ordered,
}

impl Keeper {
    /// Orders what is to be carried out through `tasks`.
    pub(super) fn new(host: Host, addresses: Addresses, tasks: Sender<Task>) -> Self {
        let now = Instant::now();
        Self {
            host,
            addresses,
            tasks,
            supervisor: Supervisor::default(),
            next_round: now,
            resuming: Resuming::From(now),
            retiring: BTreeSet::new(),
            said: BTreeMap::new(),
        }
    }

    /// Goes on until it is told to end.
    pub(super) fn run(mut self, notices: &Receiver<Notice>) {
        loop {
            let next = self.supervisor.next_due().map_or(self.next_round, |due| due.min(self.next_round));
            let seen = match notices.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(Notice::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Notice::Died(name, container)) => self.died(&name, &container),
                Ok(Notice::Started(name, container)) => self.started(&name, &container),
                Ok(Notice::Did(did)) => self.did(did),
                Ok(Notice::Round) => {
                    self.next_round = Instant::now();
                    Ok(())
                }
                Err(RecvTimeoutError::Timeout) => Ok(()),
            };
            let seen = seen.and_then(|()| if self.next_round <= Instant::now() { self.round() } else { Ok(()) });
            match seen {
                Ok(()) => self.be_silent_about("ledger"),
                Err(error) => {
                    self.say_once("ledger", format!("the ledger cannot be read: {error}"));
                    self.next_round = Instant::now() + SOON;
                }
            }
            for (name, died) in self.supervisor.take_due(Instant::now()) {
                self.tasks.send(Task::Start(name, died)).ok();
            }
        }
    }

    /// A container has ended, whichever of the instance's it was and whether it was to or not: nobody stays connected with it.
    fn died(&mut self, name: &InstanceName, container: &ContainerId) -> Result<(), LedgerError> {
        let seen = self.may_have_failed(name, container);
        self.addresses.end_with(name, container);
        seen
    }

    /// Where it is the one that should run, its clients wait from now on, whatever is found out about it.
    fn may_have_failed(&mut self, name: &InstanceName, container: &ContainerId) -> Result<(), LedgerError> {
        let ledger = Ledger::open(&self.host.layout)?;
        let Some(record) = ledger.instance(name)? else { return Ok(()) };
        if record.container.as_ref() != Some(container) || record.desired != Desired::Running {
            return Ok(());
        }
        if mend::busy(&ledger)?.contains_key(name) {
            // An operation has it in its hands: it is being replaced or stopped, or was not ready yet.
            self.soon();
            return Ok(());
        }
        self.hold(&ledger, &record)?;
        self.look(&ledger, &record)
    }

    fn started(&mut self, name: &InstanceName, container: &ContainerId) -> Result<(), LedgerError> {
        let record = Ledger::open(&self.host.layout)?.instance(name)?;
        if let Some(record) = record.filter(|record| record.container.as_ref() == Some(container)) {
            self.supervisor.runs(name, &Mark::from(&record));
        }
        Ok(())
    }

    fn did(&mut self, did: Did) -> Result<(), LedgerError> {
        let now = Instant::now();
        let (name, tried, why) = match did {
            Did::Resume(why) => {
                self.resuming = Resuming::From(now + if why.is_some() { ROUND } else { SOON });
                match why {
                    Some(why) => self.say_once("resume", format!("what was cut off is not at its end: {why}")),
                    None => self.be_silent_about("resume"),
                }
                self.next_round = now;
                return Ok(());
            }
            Did::Start(name, tried, why) => (name, tried, why),
            Did::Retire(name, why) => {
                self.retiring.remove(&name);
                match why {
                    Some(why) => self.say_once(
                        &format!("retire {name}"),
                        format!("`{name}`: a container that retires is still there: {why}"),
                    ),
                    None => self.be_silent_about(&format!("retire {name}")),
                }
                return Ok(());
            }
        };
        // What it changed in the ledger itself is no sign of somebody else.
        let record = Ledger::open(&self.host.layout).and_then(|ledger| ledger.instance(&name));
        let record = record.inspect_err(|_| self.supervisor.put_off(&name, now + SOON))?;
        let decision = self.supervisor.tried(&name, record.as_ref().map(Mark::from), &tried, now);
        match (why, &tried) {
            (Some(why), Tried::PutOff(_)) => {
                self.say_once(name.as_str(), format!("`{name}` cannot be started yet: {why}"));
            }
            (Some(why), _) => say(&format!("`{name}` could not be started: {why}")),
            (None, _) => self.be_silent_about(name.as_str()),
        }
        match &decision {
            Decision::Again(pause) if matches!(tried, Tried::Failed(_)) => {
                say(&format!("`{name}` is started again in {} s", pause.as_secs()));
            }
            Decision::Leave(why) => say(&format!("`{name}` is left alone: {why}")),
            Decision::Again(_) | Decision::AsDecided => {}
        }
        // What it brought up may be down again, and what it left is to be closed.
        self.next_round = now;
        Ok(())
    }

    /// Looks at everything.
    fn round(&mut self) -> Result<(), LedgerError> {
        let begun = Instant::now();
        self.next_round = begun + ROUND;
        self.addresses.end_dead(&*self.host.engine);
        self.addresses.look_at_way_back();
        let ledger = Ledger::open(&self.host.layout)?;
        let busy = mend::busy(&ledger)?;
        if ledger.open_operation()?.is_some() {
            self.soon();
        }
        if !busy.is_empty() && matches!(self.resuming, Resuming::From(at) if at <= begun) {
            self.resuming = Resuming::Ordered;
            self.tasks.send(Task::Resume).ok();
        }
        let records: Vec<_> =
            ledger.instances()?.into_iter().filter(|record| record.desired == Desired::Running).collect();
        self.supervisor.keep_only(&records.iter().map(|record| record.name.clone()).collect::<BTreeSet<_>>());
        for record in records.iter().filter(|record| !busy.contains_key(&record.name)) {
            self.look(&ledger, record)?;
        }
        self.retire(&ledger, &busy)?;
        self.mend(&ledger)
    }

    /// Orders the end of containers whose last client has left, or whose time is over.
    fn retire(&mut self, ledger: &Ledger, busy: &mend::Busy) -> Result<(), LedgerError> {
        let retiring = ledger.all_retiring()?;
        if retiring.is_empty() {
            return Ok(());
        }
        self.soon();
        // Somebody who does not answer may have clients of any of them.
        let Some(routes) = self.addresses.with_clients() else { return Ok(()) };
        for name in retire::due(&retiring, &routes, &self.host.now()) {
            if busy.contains_key(&name) || !self.retiring.insert(name.clone()) {
                continue;
            }
            let now = self.host.now();
            let own = retiring.iter().filter(|record| record.instance == name);
            let over = own.filter(|record| retire::is_due(record, &routes, &now));
            let containers = over.map(|record| record.container.clone()).collect();
            self.tasks.send(Task::Retire(name, containers)).ok();
        }
        Ok(())
    }

    /// Looks at an instance that should run, and does what is decided about it.
    fn look(&mut self, ledger: &Ledger, record: &InstanceRecord) -> Result<(), LedgerError> {
        let (name, mark) = (&record.name, Mark::from(record));
        let facts = match &record.container {
            None => None,
            Some(container) => {
                let Ok(facts) = self.host.engine.inspect(&ContainerRef::Id(container.clone())) else {
                    // An engine that does not answer says nothing about the port.
                    self.soon();
                    return Ok(());
                };
                Some(facts.map(|facts| facts.state))
            }
        };
        // An operation that began meanwhile has it in its hands now, and one that was performed left its mark.
        let is_same = ledger.instance(name)?.is_some_and(|again| Mark::from(&again) == mark);
        if !is_same || mend::busy(ledger)?.contains_key(name) {
            self.soon();
            return Ok(());
        }
        let (down, how) = match &facts {
            Some(Some(state)) if state.is_running() => {
                self.supervisor.runs(name, &mark);
                return Ok(());
            }
            Some(Some(ContainerState::Exited(exit))) => {
                (Down::Ended(exit), format!("ended with {}", crate::run::exit_meaning(exit)))
            }
            Some(_) => (Down::Gone, "has lost its container".to_owned()),
            None => (Down::Without, "should run and has no container".to_owned()),
        };
        match self.supervisor.down(name, &mark, down, Instant::now()) {
            Decision::Again(pause) => {
                self.hold(ledger, record)?;
                say(&format!("`{name}` {how}; it is started again in {} s", pause.as_secs()));
            }
            Decision::Leave(why) => say(&format!("`{name}` {how}; it is left alone: {why}")),
            Decision::AsDecided => {}
        }
        if self.supervisor.is_left(name) {
            for id in own_routes(ledger, name)? {
                // That it could not be done wholly was said.
                self.addresses.close(&id).ok();
            }
            self.end_clients(ledger, record)?;
        }
        Ok(())
    }

    /// Lets the instance's clients wait, and ends the connections of those that were connected.
    fn hold(&self, ledger: &Ledger, record: &InstanceRecord) -> Result<(), LedgerError> {
        for id in own_routes(ledger, &record.name)? {
            self.addresses.hold(&id).ok();
        }
        self.end_clients(ledger, record)
    }

    /// Ends the connections with the container that should run and does not. One that retires goes on with its own clients.
    fn end_clients(&self, ledger: &Ledger, record: &InstanceRecord) -> Result<(), LedgerError> {
        if let Some(container) = &record.container {
            self.addresses.end_with(&record.name, container);
            return Ok(());
        }
        let retiring: Vec<ContainerId> = ledger.retiring(&record.name)?.into_iter().map(|one| one.container).collect();
        for id in own_routes(ledger, &record.name)? {
            self.addresses.end_others(&id, &retiring);
        }
        Ok(())
    }

    /// Brings the router to what the ledger has, unless an operation goes on: the next round comes soon then.
    fn mend(&mut self, ledger: &Ledger) -> Result<(), LedgerError> {
        let plan = mend::plan(ledger, &self.addresses.bound())?;
        // What is being removed is not tried any more.
        self.addresses
            .keep_unbound(|id| plan.iter().any(|mend| matches!(mend, mend::Mend::Reserve(of, _) if of == id)));
        if !plan.iter().any(|mend| self.can_be_done(mend)) {
            return Ok(());
        }
        let Ok(_lock) = OperationLock::acquire(&self.host.layout, Wait::No, "daemon run", now(), |_| {}) else {
            self.soon();
            return Ok(());
        };
        // With the lock held nothing changes any more, so this is of now.
        let failed = mend::mend(&self.host, &self.addresses, mend::plan(ledger, &self.addresses.bound())?);
        let prefix = "route ";
        let failing: BTreeSet<String> = failed.iter().map(|one| format!("{prefix}{}", one.id)).collect();
        self.said.retain(|about, _| !about.starts_with(prefix) || failing.contains(about));
        if !failed.is_empty() {
            // Whoever has the address may leave it at any moment.
            self.soon();
        }
        for Unbound { id, why, .. } in failed {
            self.say_once(&format!("{prefix}{id}"), format!("route `{id}` does not work: {why}"));
        }
        Ok(())
    }

    /// A route to a container that does not run is pointed by the operation that starts the next one.
    fn can_be_done(&self, mend: &mend::Mend) -> bool {
        match mend {
            mend::Mend::Point(_, container, port) => mend::target(&self.host, container, *port).is_ok(),
            mend::Mend::Reserve(..) | mend::Mend::Close(_) | mend::Mend::SetRules(..) => true,
        }
    }

    fn soon(&mut self) {
        self.next_round = self.next_round.min(Instant::now() + SOON);
    }

    /// Says it, unless it was the last that was said about this.
    fn say_once(&mut self, about: &str, text: String) {
        if self.said.get(about) != Some(&text) {
            say(&text);
            self.said.insert(about.to_owned(), text);
        }
    }

    fn be_silent_about(&mut self, about: &str) {
        self.said.remove(about);
    }
}

fn own_routes(ledger: &Ledger, name: &InstanceName) -> Result<Vec<RouteId>, LedgerError> {
    let routes = ledger.routes(name)?.into_iter();
    Ok(routes.map(|route| RouteId { instance: name.clone(), endpoint: route.endpoint }).collect())
}

#[cfg(test)]
#[path = "keep_tests.rs"]
mod tests;
