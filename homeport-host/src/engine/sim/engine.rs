//! Owns [`SimEngine`]: each call of the contract, written down and failed where a fault is planned, over one world.
//! Never knows what a call does to the world: `image`, `life` and `look` do.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use homeport_core::digest::Digest;
use homeport_core::unit::{Bytes, Seconds};

use super::fault;
use super::world::World;
use crate::engine::cancel::Cancel;
use crate::engine::contract::{ANSWER, Engine};
use crate::engine::error::{Action, EngineError, Operation};
use crate::engine::exec::{ExecSpec, ExecStreams};
use crate::engine::facts::EngineFacts;
use crate::engine::image::{ImageFacts, LoadedImage};
use crate::engine::label::LabelFilter;
use crate::engine::name::{ContainerRef, ImageRef, NetworkId, NetworkName};
use crate::engine::network::NetworkSpec;
use crate::engine::observe::{ContainerEvent, ContainerFacts, EventRequest, Flow, LogRequest, Stream};
use crate::engine::outcome::{
    ContainerCreated, EnsureOutcome, EventsEnd, ExecOutcome, KillOutcome, LogsEnd, RemoveOutcome, StartOutcome,
    StopOutcome, WaitOutcome,
};
use crate::engine::spec::ContainerSpec;

/// An engine in memory. Clones are the same engine.
#[derive(Debug, Clone)]
pub struct SimEngine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    changed: Condvar,
}

impl SimEngine {
    /// An engine without images, networks and containers.
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared { world: Mutex::new(World::new()), changed: Condvar::new() }) }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        // A test that panicked with the world in hand has failed already; its guards still want to clean up.
        self.shared.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the world and wakes who waits for it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.world());
        self.shared.changed.notify_all();
        result
    }

    /// One call of the contract: written down, failed where a fault is planned, else done.
    fn call<T>(
        &self,
        action: Action,
        effect: impl FnOnce(&Action) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let verdict = self.change(|world| world.begin(&action))?;
        let result = effect(&action);
        match verdict {
            fault::Verdict::Pass => result,
            fault::Verdict::Fail => Err(fault::injected(action)),
            fault::Verdict::TimeOut => Err(EngineError::Timeout { action, after: ANSWER }),
            fault::Verdict::Die => {
                self.change(World::die);
                Err(EngineError::Died { action })
            }
        }
    }

    /// One call that is done under the lock.
    fn step<T>(
        &self,
        action: Action,
        effect: impl FnOnce(&mut World, &Action) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.call(action, |action| self.change(|world| effect(world, action)))
    }

    /// Waits for a change of the world, a moment at most: a cancel changes nothing that would wake us.
    pub(super) fn pause<'a>(&self, world: MutexGuard<'a, World>) -> MutexGuard<'a, World> {
        let waited = self.shared.changed.wait_timeout(world, Duration::from_millis(10));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Default for SimEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine for SimEngine {
    fn ping(&self) -> Result<(), EngineError> {
        self.step(Action::new(Operation::Ping), |_, _| Ok(()))
    }

    fn facts(&self) -> Result<EngineFacts, EngineError> {
        self.step(Action::new(Operation::Facts), |world, _| Ok(world.facts.clone()))
    }

    fn image(&self, image: &ImageRef) -> Result<Option<ImageFacts>, EngineError> {
        self.step(Action::on(Operation::Image, image), |world, _| {
            Ok(world.image(image).map(|found| found.facts.clone()))
        })
    }

    fn images(&self, filter: &LabelFilter) -> Result<Vec<ImageFacts>, EngineError> {
        self.step(Action::new(Operation::Images), |world, _| Ok(world.images(filter)))
    }

    fn load_image(&self, archive: Box<dyn Read + Send>) -> Result<Vec<LoadedImage>, EngineError> {
        self.step(Action::new(Operation::LoadImage), |world, action| world.load_image(action, archive))
    }

    fn remove_image(&self, image: &ImageRef) -> Result<RemoveOutcome, EngineError> {
        self.step(Action::on(Operation::RemoveImage, image), |world, action| world.remove_image(action, image))
    }

    fn read_image_file(&self, image: &Digest, path: &str, limit: Bytes) -> Result<Option<Vec<u8>>, EngineError> {
        let action = Action::on(Operation::ReadImageFile, image);
        self.step(action, |world, action| world.read_image_file(action, image, path, limit))
    }

    fn ensure_network(&self, spec: &NetworkSpec) -> Result<EnsureOutcome<NetworkId>, EngineError> {
        let action = Action::on(Operation::EnsureNetwork, &spec.name);
        self.step(action, |world, action| world.ensure_network(action, spec))
    }

    fn network(&self, name: &NetworkName, filter: &LabelFilter) -> Result<Option<NetworkId>, EngineError> {
        self.step(Action::on(Operation::Network, name), |world, _| Ok(world.network(name, filter)))
    }

    fn remove_network(&self, network: &NetworkId) -> Result<RemoveOutcome, EngineError> {
        let action = Action::on(Operation::RemoveNetwork, network);
        self.step(action, |world, action| world.remove_network(action, network))
    }

    fn create(&self, spec: &ContainerSpec) -> Result<ContainerCreated, EngineError> {
        let action = Action::on(Operation::Create, &spec.name);
        self.step(action, |world, action| world.create(action, spec))
    }

    fn start(&self, container: &ContainerRef) -> Result<StartOutcome, EngineError> {
        let action = Action::on(Operation::Start, container);
        self.call(action, |action| {
            let Some(mut boot) = self.change(|world| world.begin_start(action, container))? else {
                return Ok(StartOutcome::AlreadyRunning);
            };
            // Without the lock: the script may look at the engine, or be a whole init.
            let program = boot.program();
            let fate = program(&mut boot);
            self.change(|world| world.finish_start(action, boot, fate))
        })
    }

    fn stop(&self, container: &ContainerRef, grace: Seconds) -> Result<StopOutcome, EngineError> {
        let action = Action::on(Operation::Stop, container);
        self.step(action, |world, action| world.stop(action, container, grace))
    }

    fn kill(&self, container: &ContainerRef) -> Result<KillOutcome, EngineError> {
        self.step(Action::on(Operation::Kill, container), |world, action| world.kill(action, container))
    }

    fn remove(&self, container: &ContainerRef) -> Result<RemoveOutcome, EngineError> {
        self.step(Action::on(Operation::Remove, container), |world, _| Ok(world.remove(container)))
    }

    fn inspect(&self, container: &ContainerRef) -> Result<Option<ContainerFacts>, EngineError> {
        self.step(Action::on(Operation::Inspect, container), |world, _| Ok(world.inspect(container)))
    }

    fn list(&self, filter: &LabelFilter) -> Result<Vec<ContainerFacts>, EngineError> {
        self.step(Action::new(Operation::List), |world, _| Ok(world.list(filter)))
    }

    fn logs(
        &self,
        container: &ContainerRef,
        request: &LogRequest,
        sink: &mut dyn FnMut(Stream, &[u8]) -> Flow,
    ) -> Result<LogsEnd, EngineError> {
        self.call(Action::on(Operation::Logs, container), |action| self.read_logs(action, container, request, sink))
    }

    fn exec(
        &self,
        container: &ContainerRef,
        spec: &ExecSpec,
        streams: ExecStreams<'_>,
    ) -> Result<ExecOutcome, EngineError> {
        self.call(Action::on(Operation::Exec, container), |action| self.run_exec(action, container, spec, streams))
    }

    fn wait(&self, container: &ContainerRef, limit: Duration) -> Result<WaitOutcome, EngineError> {
        self.call(Action::on(Operation::Wait, container), |action| self.wait_for_end(action, container, limit))
    }

    fn events(
        &self,
        request: &EventRequest,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&ContainerEvent) -> Flow,
    ) -> Result<EventsEnd, EngineError> {
        self.call(Action::new(Operation::Events), |action| self.watch(action, request, cancel, sink))
    }
}
