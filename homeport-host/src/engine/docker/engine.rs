//! Owns [`DockerEngine`]: each call of the contract, its limit in time, and which file carries it out.
//! Never decides what to start, never retries, never pulls.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use homeport_core::digest::Digest;
use homeport_core::unit::{Bytes, Seconds};

use super::{container, events, exec, image, inspect, logs, network, peek, system};
use crate::engine::cancel::Cancel;
pub(super) use crate::engine::contract::ANSWER;
use crate::engine::contract::Engine;
use crate::engine::error::{Action, EngineError, Operation};
use crate::engine::exec::{ExecSpec, ExecStreams};
use crate::engine::facts::{EngineFacts, OLDEST_API};
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

/// Label of the containers that are made to read a file of an image. They never run and are removed at once; one that a
/// killed process left behind is removed by a later read.
pub const PEEK_LABEL: &str = "io.homeport.peek";

/// Where Docker listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Docker 20.10 and newer behind its Unix socket.
#[derive(Debug, Clone)]
pub struct DockerEngine {
    socket: PathBuf,
}

impl DockerEngine {
    /// The engine at this socket, which need not be there yet.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// The engine at this socket, which answers and is not too old.
    ///
    /// # Errors
    /// [`EngineError::TooOld`] besides those of every call.
    pub fn connect(socket: impl Into<PathBuf>) -> Result<Self, EngineError> {
        let engine = Self::at(socket);
        let found = engine.call(Action::new(Operation::Facts), ANSWER, system::api_version)?;
        if found < OLDEST_API { Err(EngineError::TooOld { found, wanted: OLDEST_API }) } else { Ok(engine) }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Engine for DockerEngine {
    fn ping(&self) -> Result<(), EngineError> {
        self.call(Action::new(Operation::Ping), Duration::from_secs(10), system::ping)
    }

    fn facts(&self) -> Result<EngineFacts, EngineError> {
        self.call(Action::new(Operation::Facts), ANSWER, system::facts)
    }

    fn image(&self, image: &ImageRef) -> Result<Option<ImageFacts>, EngineError> {
        self.call(Action::on(Operation::Image, image), ANSWER, async |call| image::find(call, image).await)
    }

    fn images(&self, filter: &LabelFilter) -> Result<Vec<ImageFacts>, EngineError> {
        self.call(Action::new(Operation::Images), ANSWER, async |call| image::list(call, filter).await)
    }

    fn load_image(&self, archive: Box<dyn Read + Send>) -> Result<Vec<LoadedImage>, EngineError> {
        let limit = Duration::from_mins(30);
        self.call(Action::new(Operation::LoadImage), limit, async |call| image::load(call, archive).await)
    }

    fn remove_image(&self, image: &ImageRef) -> Result<RemoveOutcome, EngineError> {
        self.call(Action::on(Operation::RemoveImage, image), ANSWER, async |call| image::remove(call, image).await)
    }

    fn read_image_file(&self, image: &Digest, path: &str, limit: Bytes) -> Result<Option<Vec<u8>>, EngineError> {
        let action = Action::on(Operation::ReadImageFile, image);
        self.call(action, ANSWER, async |call| peek::read_file(call, image, path, limit).await)
    }

    fn ensure_network(&self, spec: &NetworkSpec) -> Result<EnsureOutcome<NetworkId>, EngineError> {
        let action = Action::on(Operation::EnsureNetwork, &spec.name);
        self.call(action, ANSWER, async |call| network::ensure(call, spec).await)
    }

    fn network(&self, name: &NetworkName, filter: &LabelFilter) -> Result<Option<NetworkId>, EngineError> {
        self.call(Action::on(Operation::Network, name), ANSWER, async |call| network::find(call, name, filter).await)
    }

    fn remove_network(&self, network: &NetworkId) -> Result<RemoveOutcome, EngineError> {
        let action = Action::on(Operation::RemoveNetwork, network);
        self.call(action, ANSWER, async |call| network::remove(call, network).await)
    }

    fn create(&self, spec: &ContainerSpec) -> Result<ContainerCreated, EngineError> {
        let action = Action::on(Operation::Create, &spec.name);
        self.call(action, ANSWER, async |call| container::create(call, spec).await)
    }

    fn start(&self, container: &ContainerRef) -> Result<StartOutcome, EngineError> {
        let action = Action::on(Operation::Start, container);
        self.call(action, ANSWER, async |call| container::start(call, container).await)
    }

    fn stop(&self, container: &ContainerRef, grace: Seconds) -> Result<StopOutcome, EngineError> {
        let action = Action::on(Operation::Stop, container);
        self.call(action, container::stop_limit(grace), async |call| container::stop(call, container, grace).await)
    }

    fn kill(&self, container: &ContainerRef) -> Result<KillOutcome, EngineError> {
        let action = Action::on(Operation::Kill, container);
        self.call(action, ANSWER, async |call| container::kill(call, container).await)
    }

    fn remove(&self, container: &ContainerRef) -> Result<RemoveOutcome, EngineError> {
        let action = Action::on(Operation::Remove, container);
        self.call(action, ANSWER, async |call| container::remove(call, container).await)
    }

    fn inspect(&self, container: &ContainerRef) -> Result<Option<ContainerFacts>, EngineError> {
        let action = Action::on(Operation::Inspect, container);
        self.call(action, ANSWER, async |call| inspect::find(call, container).await)
    }

    fn list(&self, filter: &LabelFilter) -> Result<Vec<ContainerFacts>, EngineError> {
        self.call(Action::new(Operation::List), ANSWER, async |call| inspect::list(call, filter).await)
    }

    fn logs(
        &self,
        container: &ContainerRef,
        request: &LogRequest,
        sink: &mut dyn FnMut(Stream, &[u8]) -> Flow,
    ) -> Result<LogsEnd, EngineError> {
        let action = Action::on(Operation::Logs, container);
        self.stream(action, async |call| logs::read(call, container, request, sink).await)
    }

    fn exec(
        &self,
        container: &ContainerRef,
        spec: &ExecSpec,
        streams: ExecStreams<'_>,
    ) -> Result<ExecOutcome, EngineError> {
        let action = Action::on(Operation::Exec, container);
        self.stream(action, async |call| exec::run(call, container, spec, streams).await)
    }

    fn wait(&self, container: &ContainerRef, limit: Duration) -> Result<WaitOutcome, EngineError> {
        let action = Action::on(Operation::Wait, container);
        self.stream(action, async |call| container::wait(call, container, limit).await)
    }

    fn events(
        &self,
        request: &EventRequest,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&ContainerEvent) -> Flow,
    ) -> Result<EventsEnd, EngineError> {
        self.stream(Action::new(Operation::Events), async |call| events::watch(call, request, cancel, sink).await)
    }
}
