//! Owns what can be seen of simulated containers: facts, output, events, ends, and programs run in them.

use std::time::{Duration, Instant};

use super::SimEngine;
use super::program::ExecReply;
use super::world::{SimContainer, World};
use crate::engine::cancel::Cancel;
use crate::engine::error::{Action, EngineError};
use crate::engine::exec::{ExecSpec, ExecStreams};
use crate::engine::label::{LabelFilter, Labels};
use crate::engine::mount::{MountFacts, MountKind};
use crate::engine::name::{ContainerId, ContainerRef};
use crate::engine::observe::{
    ContainerEvent, ContainerFacts, ContainerState, EventRequest, Flow, LogFollow, LogRequest, LogTail, LogTimes,
    Stream,
};
use crate::engine::outcome::{EventsEnd, ExecOutcome, LogsEnd, WaitOutcome};
use crate::engine::spec::ContainerSpec;

impl World {
    /// The container's labels over its image's, as Docker merges them.
    pub(super) fn labels_of(&self, spec: &ContainerSpec) -> Labels {
        let image = self.images.get(&spec.image).map(|image| image.facts.labels.clone()).unwrap_or_default();
        spec.labels.iter().fold(image, |labels, (key, value)| labels.with(key, value))
    }

    fn facts_of(&self, id: &ContainerId, container: &SimContainer) -> ContainerFacts {
        let mut mounts: Vec<_> = container
            .spec
            .binds
            .iter()
            .map(|bind| MountFacts {
                kind: MountKind::Bind,
                source: bind.source.to_string(),
                target: bind.target.to_string(),
                access: bind.access,
            })
            .collect();
        mounts.sort_by(|a, b| a.target.cmp(&b.target));
        ContainerFacts {
            id: id.clone(),
            name: container.spec.name.clone(),
            image: container.spec.image,
            state: container.state.clone(),
            labels: self.labels_of(&container.spec),
            addresses: self.addresses_of(container),
            mounts,
        }
    }

    pub(super) fn inspect(&self, container: &ContainerRef) -> Option<ContainerFacts> {
        let id = self.find(container)?;
        self.containers.get(&id).map(|found| self.facts_of(&id, found))
    }

    pub(super) fn list(&self, filter: &LabelFilter) -> Vec<ContainerFacts> {
        let all = self.containers.iter().map(|(id, container)| self.facts_of(id, container));
        let mut containers: Vec<_> = all.filter(|facts| filter.matches(&facts.labels)).collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        containers
    }

    pub(super) fn print(&mut self, id: &ContainerId, stream: Stream, bytes: Vec<u8>) {
        let at = self.now();
        if let Some(found) = self.containers.get_mut(id) {
            found.output.push((at, stream, bytes));
        }
    }

    /// The lines of a container's output, each with its end.
    fn lines(&self, id: &ContainerId, request: &LogRequest) -> Vec<(Stream, Vec<u8>)> {
        let Some(found) = self.containers.get(id) else { return Vec::new() };
        let mut lines = Vec::new();
        for (at, stream, bytes) in &found.output {
            // Docker's own filter knows whole seconds only.
            if request.since.is_some_and(|since| at.unix_timestamp() < since.unix_timestamp()) {
                continue;
            }
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let time = match request.times {
                    LogTimes::Without => String::new(),
                    LogTimes::With => format!("2030-01-01T00:00:00.{:09}Z ", at.nanosecond()),
                };
                lines.push((*stream, [time.as_bytes(), line].concat()));
            }
        }
        lines
    }
}

impl SimEngine {
    pub(super) fn read_logs(
        &self,
        action: &Action,
        container: &ContainerRef,
        request: &LogRequest,
        sink: &mut dyn FnMut(Stream, &[u8]) -> Flow,
    ) -> Result<LogsEnd, EngineError> {
        let mut world = self.world();
        let (id, _) = world.existing(action, container)?;
        let mut given = match request.tail {
            LogTail::All => 0,
            LogTail::Lines(wanted) => {
                world.lines(&id, request).len().saturating_sub(usize::try_from(wanted).unwrap_or(usize::MAX))
            }
        };
        loop {
            let fresh: Vec<_> = world.lines(&id, request).into_iter().skip(given).collect();
            given += fresh.len();
            let is_running = world.containers.get(&id).is_some_and(|found| found.state.is_running());
            let is_dead = world.faults.is_dead();
            drop(world);
            for (stream, line) in fresh {
                if sink(stream, &line) == Flow::Stop {
                    return Ok(LogsEnd::Stopped);
                }
            }
            match &request.follow {
                _ if is_dead => return Err(EngineError::Died { action: action.clone() }),
                LogFollow::Until(cancel) if cancel.is_cancelled() => return Ok(LogsEnd::Cancelled),
                LogFollow::Until(_) if is_running => {}
                LogFollow::No | LogFollow::Until(_) => return Ok(LogsEnd::Complete),
            }
            world = self.pause(self.world());
        }
    }

    pub(super) fn run_exec(
        &self,
        action: &Action,
        container: &ContainerRef,
        spec: &ExecSpec,
        streams: ExecStreams<'_>,
    ) -> Result<ExecOutcome, EngineError> {
        let (program, described) = {
            let mut world = self.world();
            let (_, found) = world.existing(action, container)?;
            if !found.state.is_running() {
                let message = "the container is not running".to_owned();
                return Err(EngineError::Conflict { action: action.clone(), message });
            }
            let described = found.spec.clone();
            let program = world.images.get(&described.image).map(|image| std::sync::Arc::clone(&image.exec));
            (program, described)
        };
        let unexpected = |message: String| EngineError::Unexpected { action: action.clone(), message };
        let program = program.ok_or_else(|| unexpected("the container's image is gone".to_owned()))?;
        let mut input = Vec::new();
        if let Some(mut reader) = streams.input {
            reader
                .read_to_end(&mut input)
                .map_err(|error| unexpected(format!("the input could not be read: {error}")))?;
        }
        // Without the lock: the script may look at the engine.
        match (program(&described, spec, &input), spec.limit) {
            (ExecReply::Ends { code, output }, _) => {
                for (stream, bytes) in output {
                    if (streams.output)(stream, &bytes) == Flow::Stop {
                        return Ok(ExecOutcome::Abandoned);
                    }
                }
                Ok(ExecOutcome::Exited(code))
            }
            (ExecReply::Hangs, Some(after)) => Err(EngineError::Timeout { action: action.clone(), after }),
            (ExecReply::Hangs, None) => Err(unexpected("the program would never end, and has no limit".to_owned())),
        }
    }

    pub(super) fn wait_for_end(
        &self,
        action: &Action,
        container: &ContainerRef,
        limit: Duration,
    ) -> Result<WaitOutcome, EngineError> {
        let deadline = Instant::now() + limit;
        let mut world = self.world();
        loop {
            let (_, found) = world.existing(action, container)?;
            if let ContainerState::Exited(exit) = &found.state {
                return Ok(WaitOutcome::Exited(exit.clone()));
            }
            if world.faults.is_dead() {
                return Err(EngineError::Died { action: action.clone() });
            }
            if Instant::now() >= deadline {
                return Ok(WaitOutcome::StillRunning);
            }
            world = self.pause(world);
        }
    }

    pub(super) fn watch(
        &self,
        action: &Action,
        request: &EventRequest,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&ContainerEvent) -> Flow,
    ) -> Result<EventsEnd, EngineError> {
        let mut world = self.world();
        let mut next = match request.since {
            None => world.events.len(),
            Some(since) => world.events.iter().position(|event| event.at >= since).unwrap_or(world.events.len()),
        };
        loop {
            let fresh: Vec<_> = world.events[next..].to_vec();
            next += fresh.len();
            let is_dead = world.faults.is_dead();
            drop(world);
            for event in fresh.iter().filter(|event| request.filter.matches(&event.labels)) {
                if sink(event) == Flow::Stop {
                    return Ok(EventsEnd::Stopped);
                }
            }
            if is_dead {
                return Err(EngineError::Died { action: action.clone() });
            }
            if cancel.is_cancelled() {
                return Ok(EventsEnd::Cancelled);
            }
            world = self.pause(self.world());
        }
    }
}
