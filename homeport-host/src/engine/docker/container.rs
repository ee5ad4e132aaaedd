//! Owns the life of a container: made, started, stopped, killed, removed, waited for.
//!
//! Every call looks first, for two reasons: Docker answers "already so" like success, and it takes the beginning of an id
//! for a name. What follows uses the full id.

use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::{
    CreateContainerOptions, KillContainerOptions, RemoveContainerOptions, StartContainerOptions, StopContainerOptions,
    WaitContainerOptions,
};
use futures_util::StreamExt as _;
use homeport_core::unit::Seconds;

use super::connect::Call;
use super::failure::has_status;
use super::{body, image, inspect, orphan};
use crate::engine::error::EngineError;
use crate::engine::name::{ContainerId, ContainerRef};
use crate::engine::observe::{ContainerFacts, ContainerState};
use crate::engine::outcome::{
    ContainerCreated, ExitFacts, KillOutcome, RemoveOutcome, StartOutcome, StopOutcome, WaitOutcome,
};
use crate::engine::spec::ContainerSpec;

/// How long to wait for a removal that somebody else began.
const REMOVAL: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// How long a stop may take in all: the container's grace and time for the engine to clean up behind it. Docker goes on
/// stopping when a client with less patience has gone away.
pub(super) fn stop_limit(grace: Seconds) -> Duration {
    Duration::from_secs(u64::from(grace.get()) + 30)
}

pub(super) async fn create(call: &Call, spec: &ContainerSpec) -> Result<ContainerCreated, EngineError> {
    let image = image::find(call, &spec.image.into()).await?;
    let declared = image.map(|image| image.volumes).unwrap_or_default();
    let faults = spec.check(&declared);
    if !faults.is_empty() {
        return Err(EngineError::Invalid { action: call.action.clone(), faults });
    }
    let options = CreateContainerOptions { name: Some(spec.name.to_string()), ..CreateContainerOptions::default() };
    let made = call.docker.create_container(Some(options), body::container(spec)).await;
    let made = made.map_err(|error| call.failure(error))?;
    let id = made.id.parse().map_err(|error| call.unexpected(format!("{error}")))?;
    Ok(ContainerCreated { id, warnings: made.warnings })
}

pub(super) async fn start(call: &Call, container: &ContainerRef) -> Result<StartOutcome, EngineError> {
    let facts = inspect::existing(call, container).await?;
    if facts.state.is_running() {
        return Ok(StartOutcome::AlreadyRunning);
    }
    let started = call.docker.start_container(facts.id.as_str(), None::<StartContainerOptions>).await;
    started.map(|()| StartOutcome::Started).map_err(|error| call.failure(error))
}

pub(super) async fn stop(call: &Call, container: &ContainerRef, grace: Seconds) -> Result<StopOutcome, EngineError> {
    let facts = inspect::existing(call, container).await?;
    if !facts.state.is_running() {
        return Ok(StopOutcome::AlreadyStopped);
    }
    let options = StopContainerOptions {
        t: Some(i32::try_from(grace.get()).unwrap_or(i32::MAX)),
        ..StopContainerOptions::default()
    };
    call.docker.stop_container(facts.id.as_str(), Some(options)).await.map_err(|error| call.failure(error))?;
    Ok(StopOutcome::Stopped(end(call, &facts.id).await?))
}

pub(super) async fn kill(call: &Call, container: &ContainerRef) -> Result<KillOutcome, EngineError> {
    let facts = inspect::existing(call, container).await?;
    if !facts.state.is_running() {
        return Ok(KillOutcome::NotRunning);
    }
    let options = KillContainerOptions { signal: "SIGKILL".to_owned() };
    match call.docker.kill_container(facts.id.as_str(), Some(options)).await {
        Ok(()) => Ok(KillOutcome::Killed),
        // It ended between the look and the signal.
        Err(error) if has_status(&error, 409) => Ok(KillOutcome::NotRunning),
        Err(error) => Err(call.failure(error)),
    }
}

pub(super) async fn remove(call: &Call, container: &ContainerRef) -> Result<RemoveOutcome, EngineError> {
    let Some(facts) = inspect::find(call, container).await? else {
        return Ok(RemoveOutcome::Absent);
    };
    if !facts.state.is_running() {
        // Before the removal: whoever dies in between finds the container again, and does it then.
        orphan::end_left(call, &facts.id).await?;
    }
    let removed = remove_id(call, &facts.id).await?;
    orphan::end_left(call, &facts.id).await?;
    Ok(removed)
}

/// Removes by id. A nameless volume, which no container of HomePort's has, is left: what is in it is nobody's to delete here.
async fn remove_id(call: &Call, id: &ContainerId) -> Result<RemoveOutcome, EngineError> {
    let options = RemoveContainerOptions { force: true, v: false, link: false };
    match call.docker.remove_container(id.as_str(), Some(options)).await {
        Ok(()) => Ok(RemoveOutcome::Removed),
        Err(error) if has_status(&error, 404) => Ok(RemoveOutcome::Absent),
        // Somebody else is removing it: it is gone when they are done.
        Err(error) if has_status(&error, 409) => {
            let deadline = tokio::time::Instant::now() + REMOVAL;
            while tokio::time::Instant::now() < deadline {
                if inspect::find(call, &ContainerRef::from(id)).await?.is_none() {
                    return Ok(RemoveOutcome::Removed);
                }
                tokio::time::sleep(POLL).await;
            }
            Err(call.failure(error))
        }
        Err(error) => Err(call.failure(error)),
    }
}

pub(super) async fn wait(call: &Call, container: &ContainerRef, limit: Duration) -> Result<WaitOutcome, EngineError> {
    let facts = inspect::existing(call, container).await?;
    if let ContainerState::Exited(exit) = facts.state {
        return Ok(WaitOutcome::Exited(exit));
    }
    // `not-running` is true of a container that was never started; its end is to come.
    let condition = if matches!(facts.state, ContainerState::Created) { "next-exit" } else { "not-running" };
    let options = WaitContainerOptions { condition: condition.to_owned() };
    let mut answers = call.docker.wait_container(facts.id.as_str(), Some(options));
    match tokio::time::timeout(limit, answers.next()).await {
        Err(_) => Ok(WaitOutcome::StillRunning),
        // A code that is not 0 comes as an error; the facts that count are looked up anyway.
        Ok(Some(Ok(_) | Err(Error::DockerContainerWaitError { .. }))) => {
            Ok(WaitOutcome::Exited(end(call, &facts.id).await?))
        }
        Ok(Some(Err(error))) => Err(call.failure(error)),
        Ok(None) => Err(call.unexpected("the answer to waiting ended without an exit code")),
    }
}

/// How a container that the engine says is down has ended. The state may lag the answer by a moment.
async fn end(call: &Call, id: &ContainerId) -> Result<ExitFacts, EngineError> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let ContainerFacts { state, .. } = inspect::existing(call, &ContainerRef::from(id)).await?;
        match state {
            ContainerState::Exited(exit) => return Ok(exit),
            _ if tokio::time::Instant::now() >= deadline => {
                return Err(call.unexpected(format!("the container is said to be down, and is found {state:?}")));
            }
            _ => tokio::time::sleep(POLL).await,
        }
    }
}
