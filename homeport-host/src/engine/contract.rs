//! Owns the contract that every engine keeps. Never knows how one of them does it.

use std::io::Read;
use std::time::Duration;

use homeport_core::digest::Digest;
use homeport_core::unit::{Bytes, Seconds};

use super::cancel::Cancel;
use super::error::EngineError;
use super::exec::{ExecSpec, ExecStreams};
use super::facts::EngineFacts;
use super::image::{ImageFacts, LoadedImage};
use super::label::LabelFilter;
use super::name::{ContainerRef, ImageRef, NetworkId, NetworkName};
use super::network::NetworkSpec;
use super::observe::{ContainerEvent, ContainerFacts, EventRequest, Flow, LogRequest, Stream};
use super::outcome::{
    ContainerCreated, EnsureOutcome, EventsEnd, ExecOutcome, KillOutcome, LogsEnd, RemoveOutcome, StartOutcome,
    StopOutcome, WaitOutcome,
};
use super::spec::ContainerSpec;

/// How long an answer may take where nothing else is said: an engine under load takes seconds, one that hangs never answers.
pub(crate) const ANSWER: Duration = Duration::from_mins(2);

/// What HomePort asks of a container engine.
///
/// Every method blocks its caller until the engine has answered, and may be called from several threads at once. In
/// asynchronous code call it on a blocking thread (`spawn_blocking`): [`super::DockerEngine`] panics inside an async task.
///
/// Every method may fail with [`EngineError::SocketMissing`], [`EngineError::NotRunning`],
/// [`EngineError::PermissionDenied`], [`EngineError::Lost`] and [`EngineError::Timeout`]; after the last two it is not
/// known whether the engine did what was asked, so look again before going on. Further errors stand at the method.
/// [`EngineError::Died`] comes from the simulated engine only and means: return at once and touch nothing more.
pub trait Engine: Send + Sync + std::fmt::Debug {
    /// Returns when the engine answers at all: the cheapest question.
    fn ping(&self) -> Result<(), EngineError>;

    /// What this engine is and what it can enforce.
    fn facts(&self) -> Result<EngineFacts, EngineError>;

    /// The image with this id or name; `None` where the engine does not hold it. Never pulls.
    fn image(&self, image: &ImageRef) -> Result<Option<ImageFacts>, EngineError>;

    /// All images whose labels match, by id. An empty filter matches every image.
    fn images(&self, filter: &LabelFilter) -> Result<Vec<ImageFacts>, EngineError>;

    /// Loads an image archive (a hybrid of `docker save` and OCI layout, not compressed) and says what it held.
    ///
    /// Loading the same archive again changes nothing. An archive that is cut short leaves no image behind.
    ///
    /// # Errors
    /// [`EngineError::Refused`] where the archive is not one.
    fn load_image(&self, archive: Box<dyn Read + Send>) -> Result<Vec<LoadedImage>, EngineError>;

    /// Removes one name of an image, or by id the image itself with its last name.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] while a container uses it or, by id, it has several names.
    fn remove_image(&self, image: &ImageRef) -> Result<RemoveOutcome, EngineError>;

    /// The bytes of a regular file in an image, read without running anything of it; `None` where there is none.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] without the image, [`EngineError::TooLarge`] above `limit`,
    /// [`EngineError::Unexpected`] where `path` is not a regular file (a symbolic link is not followed).
    fn read_image_file(&self, image: &Digest, path: &str, limit: Bytes) -> Result<Option<Vec<u8>>, EngineError>;

    /// Makes the network, or finds the one that was made by the same request. There is never a second of the same name.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] where a network of this name has other labels or options, or where there are two.
    fn ensure_network(&self, spec: &NetworkSpec) -> Result<EnsureOutcome<NetworkId>, EngineError>;

    /// The network of this name with these labels, if there is one.
    fn network(&self, name: &NetworkName, filter: &LabelFilter) -> Result<Option<NetworkId>, EngineError>;

    /// Removes a network.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] while a running container is attached to it.
    fn remove_network(&self, network: &NetworkId) -> Result<RemoveOutcome, EngineError>;

    /// Makes a container and does not start it.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] where the description has faults of its own or does not cover the image's volumes
    /// ([`ContainerSpec::check`]),
    /// [`EngineError::Conflict`] where the name is taken, [`EngineError::NotFound`] without the image,
    /// [`EngineError::Refused`] where the engine rejects the description, a missing bind source for example.
    fn create(&self, spec: &ContainerSpec) -> Result<ContainerCreated, EngineError>;

    /// Starts a container. After an error the container still exists and is not running: remove it.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Refused`] with the engine's words where the runtime could not start it.
    fn start(&self, container: &ContainerRef) -> Result<StartOutcome, EngineError>;

    /// Asks the first process to end (SIGTERM), kills it after `grace`, and returns when the container is down.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    fn stop(&self, container: &ContainerRef, grace: Seconds) -> Result<StopOutcome, EngineError>;

    /// Kills the container's first process (SIGKILL). The container may still be going down when this returns.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    fn kill(&self, container: &ContainerRef) -> Result<KillOutcome, EngineError>;

    /// Removes a container, killing it first where it runs, also what the engine does not know of. Never touches what was
    /// bound into it.
    ///
    /// # Errors
    /// [`EngineError::Unexpected`] where a process of it does not end.
    fn remove(&self, container: &ContainerRef) -> Result<RemoveOutcome, EngineError>;

    /// What is true of a container now; `None` where there is none.
    fn inspect(&self, container: &ContainerRef) -> Result<Option<ContainerFacts>, EngineError>;

    /// All containers whose labels match, running or not, by name. One that vanishes meanwhile is left out.
    fn list(&self, filter: &LabelFilter) -> Result<Vec<ContainerFacts>, EngineError>;

    /// Gives a container's output to `sink`, oldest first, until its end, until `sink` says [`Flow::Stop`], or, where the
    /// request follows, until the container is down or the request is cancelled.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    fn logs(
        &self,
        container: &ContainerRef,
        request: &LogRequest,
        sink: &mut dyn FnMut(Stream, &[u8]) -> Flow,
    ) -> Result<LogsEnd, EngineError>;

    /// Runs a program in a running container and gives its output to the streams while it runs.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Conflict`] where the container is not running;
    /// [`EngineError::Timeout`] after the limit in `spec`, when the program has been killed.
    fn exec(
        &self,
        container: &ContainerRef,
        spec: &ExecSpec,
        streams: ExecStreams<'_>,
    ) -> Result<ExecOutcome, EngineError>;

    /// Waits until the container is down, at most `limit`. A container that never ran counts as running: its end is to come.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    fn wait(&self, container: &ContainerRef, limit: Duration) -> Result<WaitOutcome, EngineError>;

    /// Gives what happens to matching containers to `sink` as it happens, until `sink` says [`Flow::Stop`] or `cancel` is
    /// set. With a `since` in the request, first what happened from then on and the engine still remembers.
    ///
    /// # Errors
    /// [`EngineError::Lost`] when the engine goes away; call again with the time of the last event seen.
    fn events(
        &self,
        request: &EventRequest,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&ContainerEvent) -> Flow,
    ) -> Result<EventsEnd, EngineError>;
}
