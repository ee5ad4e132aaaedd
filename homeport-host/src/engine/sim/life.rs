//! Owns the life of simulated containers: made, started, stopped, killed, removed.

use homeport_core::unit::Seconds;

use super::program::{Boot, Fate, OnStop};
use super::world::{SimContainer, World, parse_id};
use crate::engine::error::{Action, EngineError, Operation, Subject};
use crate::engine::name::{ContainerId, ContainerRef};
use crate::engine::observe::{ContainerState, EventKind};
use crate::engine::outcome::{
    ContainerCreated, ExitCode, ExitFacts, KillOutcome, MemoryEnd, RemoveOutcome, StartOutcome, StopOutcome,
};
use crate::engine::spec::{ContainerSpec, NetworkMode};

/// The least memory that Docker takes.
const LEAST_MEMORY: u64 = 6 << 20;
/// How many calls a container takes that comes up later.
const LATE: u32 = 60;

impl World {
    pub(super) fn create(&mut self, action: &Action, spec: &ContainerSpec) -> Result<ContainerCreated, EngineError> {
        let declared = self.images.get(&spec.image).map(|image| image.facts.volumes.clone()).unwrap_or_default();
        let faults = spec.check(&declared);
        if !faults.is_empty() {
            return Err(EngineError::Invalid { action: action.clone(), faults });
        }
        if !self.images.contains_key(&spec.image) {
            return Err(missing(action, Subject::Image, &spec.image.to_string()));
        }
        if self.late.as_ref().is_some_and(|(late, _)| late.name == spec.name) {
            self.make_late();
        }
        if self.containers.values().any(|container| container.spec.name == spec.name) {
            let message = format!("the name `{}` is in use", spec.name);
            return Err(EngineError::Conflict { action: action.clone(), message });
        }
        if let Some(message) = rejected(spec) {
            return Err(EngineError::Refused { action: action.clone(), status: 400, message });
        }
        if self.faults.is_later() {
            self.late = Some((spec.clone(), LATE));
            return Err(EngineError::Died { action: action.clone() });
        }
        Ok(ContainerCreated { id: self.put_container(action, spec)?, warnings: Vec::new() })
    }

    fn put_container(&mut self, action: &Action, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
        let (_, digits) = self.next_id();
        let id: ContainerId = parse_id(action, &digits)?;
        let container = SimContainer {
            spec: spec.clone(),
            state: ContainerState::Created,
            address: None,
            on_stop: OnStop::Ignores,
            runs: 0,
            output: Vec::new(),
        };
        self.containers.insert(id.clone(), container);
        self.happened(&id, EventKind::Created);
        Ok(id)
    }

    /// Makes the container that the engine was still at.
    pub(super) fn make_late(&mut self) {
        if let Some((spec, _)) = self.late.take() {
            // What it needs was looked at before, and nobody waits for what comes of it.
            self.put_container(&Action::on(Operation::Create, &spec.name), &spec).ok();
        }
    }

    /// Makes a container run and gives its script what it needs; `None` where it runs already.
    pub(super) fn begin_start(
        &mut self,
        action: &Action,
        container: &ContainerRef,
    ) -> Result<Option<Boot>, EngineError> {
        let (id, found) = self.existing(action, container)?;
        if found.state.is_running() {
            return Ok(None);
        }
        let spec = found.spec.clone();
        let earlier_runs = found.runs;
        if let NetworkMode::Attached(network) = &spec.network
            && !self.networks.contains_key(network)
        {
            return Err(missing(action, Subject::Network, network.as_str()));
        }
        let address = match &spec.network {
            NetworkMode::None => None,
            NetworkMode::Attached(network) => Some(self.free_address(network)),
        };
        let (number, _) = self.next_id();
        let pid = 1000 + number;
        let since = Some(self.now());
        if let Some(found) = self.containers.get_mut(&id) {
            found.state = ContainerState::Running { pid, since };
            found.address = address;
            found.runs += 1;
            // Until the script has said what it does.
            found.on_stop = OnStop::Ignores;
        }
        let program = self.program_of(&spec);
        Ok(Some(Boot { id, spec, earlier_runs, pid, program, output: Vec::new() }))
    }

    pub(super) fn finish_start(
        &mut self,
        action: &Action,
        boot: Boot,
        fate: Fate,
    ) -> Result<StartOutcome, EngineError> {
        let id = boot.id;
        for (stream, bytes) in boot.output {
            self.print(&id, stream, bytes);
        }
        if let Fate::Refused(message) = fate {
            if let Some(found) = self.containers.get_mut(&id) {
                found.state = ContainerState::Created;
                found.address = None;
            }
            return Err(EngineError::Refused { action: action.clone(), status: 400, message });
        }
        self.happened(&id, EventKind::Started);
        match fate {
            Fate::Runs(on_stop) => {
                if let Some(found) = self.containers.get_mut(&id) {
                    found.on_stop = on_stop;
                    if let ContainerState::Running { pid, .. } = &mut found.state {
                        *pid = boot.pid;
                    }
                }
            }
            Fate::Exits(code) => self.end(&id, code, MemoryEnd::Enough),
            Fate::OutOfMemory => self.end(&id, ExitCode::KILLED, MemoryEnd::OutOfMemory),
            Fate::Refused(_) => {}
        }
        Ok(StartOutcome::Started)
    }

    pub(super) fn stop(
        &mut self,
        action: &Action,
        container: &ContainerRef,
        grace: Seconds,
    ) -> Result<StopOutcome, EngineError> {
        let (id, found) = self.existing(action, container)?;
        if !found.state.is_running() {
            return Ok(StopOutcome::AlreadyStopped);
        }
        match found.on_stop {
            OnStop::Exits(code) => self.end(&id, code, MemoryEnd::Enough),
            OnStop::Ignores => {
                self.pass(grace.get());
                self.end(&id, ExitCode::KILLED, MemoryEnd::Enough);
            }
        }
        let (_, found) = self.existing(action, container)?;
        match &found.state {
            ContainerState::Exited(exit) => Ok(StopOutcome::Stopped(exit.clone())),
            state => {
                let message = format!("a stopped container is found {state:?}");
                Err(EngineError::Unexpected { action: action.clone(), message })
            }
        }
    }

    pub(super) fn kill(&mut self, action: &Action, container: &ContainerRef) -> Result<KillOutcome, EngineError> {
        let (id, found) = self.existing(action, container)?;
        if !found.state.is_running() {
            return Ok(KillOutcome::NotRunning);
        }
        self.end(&id, ExitCode::KILLED, MemoryEnd::Enough);
        Ok(KillOutcome::Killed)
    }

    pub(super) fn remove(&mut self, container: &ContainerRef) -> RemoveOutcome {
        let Some(id) = self.find(container) else {
            return RemoveOutcome::Absent;
        };
        self.end(&id, ExitCode::KILLED, MemoryEnd::Enough);
        self.happened(&id, EventKind::Removed);
        self.containers.remove(&id);
        RemoveOutcome::Removed
    }

    /// Ends a running container; one that does not run is left as it is.
    pub(super) fn end(&mut self, id: &ContainerId, code: ExitCode, memory: MemoryEnd) {
        let at = Some(self.now());
        let Some(found) = self.containers.get_mut(id).filter(|found| found.state.is_running()) else {
            return;
        };
        found.state = ContainerState::Exited(ExitFacts { code, memory, at, message: String::new() });
        found.address = None;
        if memory == MemoryEnd::OutOfMemory {
            self.happened(id, EventKind::OutOfMemory);
        }
        self.happened(id, EventKind::Died(code));
    }
}

fn missing(action: &Action, what: Subject, name: &str) -> EngineError {
    EngineError::NotFound { action: action.clone(), what, name: name.to_owned() }
}

/// Why Docker would not take this description, in words like its own.
fn rejected(spec: &ContainerSpec) -> Option<String> {
    if let Some(bind) = spec.binds.iter().find(|bind| !bind.source.as_path().exists()) {
        return Some(format!(
            "invalid mount config for type \"bind\": bind source path does not exist: {}",
            bind.source
        ));
    }
    (spec.limits.memory.get() < LEAST_MEMORY).then(|| "Minimum memory limit allowed is 6MB".to_owned())
}
