//! Owns how Docker's answer about a container becomes facts, and finding exactly the container that was meant.

use std::collections::HashMap;
use std::net::IpAddr;

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, MountPoint};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptions};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::connect::Call;
use super::failure::has_status;
use crate::engine::error::{EngineError, Subject};
use crate::engine::label::LabelFilter;
use crate::engine::mount::{Access, MountFacts, MountKind};
use crate::engine::name::ContainerRef;
use crate::engine::observe::{ContainerFacts, ContainerState};
use crate::engine::outcome::{ExitCode, ExitFacts, MemoryEnd};

/// The container that was meant and no other: Docker also takes the beginning of an id for a name.
pub(super) async fn find(call: &Call, container: &ContainerRef) -> Result<Option<ContainerFacts>, EngineError> {
    let options = None::<InspectContainerOptions>;
    let facts = match call.docker.inspect_container(container.as_str(), options).await {
        Ok(answer) => facts(answer).map_err(|message| call.unexpected(message))?,
        Err(error) if has_status(&error, 404) => return Ok(None),
        Err(error) => return Err(call.failure(error)),
    };
    let is_meant = match container {
        ContainerRef::Id(id) => facts.id == *id,
        ContainerRef::Name(name) => facts.name == *name,
    };
    Ok(is_meant.then_some(facts))
}

/// The container that was meant, or the error that it is not there.
pub(super) async fn existing(call: &Call, container: &ContainerRef) -> Result<ContainerFacts, EngineError> {
    find(call, container).await?.ok_or_else(|| call.not_found(Subject::Container))
}

pub(super) async fn list(call: &Call, filter: &LabelFilter) -> Result<Vec<ContainerFacts>, EngineError> {
    let filters = HashMap::from([("label".to_owned(), filter.terms())]);
    let options = ListContainersOptions { all: true, filters: Some(filters), ..ListContainersOptions::default() };
    let summaries = call.docker.list_containers(Some(options)).await.map_err(|error| call.failure(error))?;
    let mut containers = Vec::with_capacity(summaries.len());
    for summary in summaries {
        let id = summary.id.unwrap_or_default().parse().map_err(|error| call.unexpected(format!("{error}")))?;
        containers.extend(find(call, &ContainerRef::Id(id)).await?);
    }
    containers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(containers)
}

fn facts(answer: ContainerInspectResponse) -> Result<ContainerFacts, String> {
    let config = answer.config.unwrap_or_default();
    let networks = answer.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let mut mounts: Vec<_> = answer.mounts.unwrap_or_default().into_iter().map(mount).collect();
    mounts.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(ContainerFacts {
        id: answer.id.unwrap_or_default().parse().map_err(|error| format!("{error}"))?,
        name: answer.name.unwrap_or_default().trim_start_matches('/').parse().map_err(|error| format!("{error}"))?,
        image: answer.image.unwrap_or_default().parse().map_err(|error| format!("{error}"))?,
        state: state(answer.state.unwrap_or_default()),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        addresses: networks
            .into_iter()
            .filter_map(|(network, settings)| Some((network, settings.ip_address?.parse::<IpAddr>().ok()?)))
            .collect(),
        mounts,
    })
}

fn state(state: bollard::models::ContainerState) -> ContainerState {
    use ContainerStateStatusEnum as Status;
    match state.status.unwrap_or(Status::EMPTY) {
        Status::CREATED | Status::EMPTY => ContainerState::Created,
        Status::RUNNING | Status::STOPPING => ContainerState::Running {
            pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
            since: moment(state.started_at.as_deref()),
        },
        Status::PAUSED => ContainerState::Paused,
        Status::REMOVING | Status::DEAD => ContainerState::Removing,
        // Nothing of HomePort's restarts by itself; somebody else's is down at this instant.
        Status::EXITED | Status::RESTARTING => ContainerState::Exited(ExitFacts {
            code: ExitCode::new(state.exit_code.unwrap_or(0)),
            memory: if state.oom_killed.unwrap_or(false) { MemoryEnd::OutOfMemory } else { MemoryEnd::Enough },
            at: moment(state.finished_at.as_deref()),
            message: state.error.unwrap_or_default(),
        }),
    }
}

/// A time as Docker writes it; the year 1 is its way to say none.
fn moment(text: Option<&str>) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text?, &Rfc3339).ok().filter(|moment| moment.year() > 1)
}

fn mount(point: MountPoint) -> MountFacts {
    let kind = point.typ.unwrap_or_default();
    MountFacts {
        kind: match kind.as_str() {
            "bind" => MountKind::Bind,
            "volume" => MountKind::Volume,
            _ => MountKind::Other(kind),
        },
        source: point.source.unwrap_or_default(),
        target: point.destination.unwrap_or_default(),
        access: if point.rw.unwrap_or(true) { Access::ReadWrite } else { Access::ReadOnly },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(state: &serde_json::Value) -> ContainerInspectResponse {
        serde_json::from_value(json!({
            "Id": "0a".repeat(32),
            "Name": "/homeport-a-1",
            "Image": format!("sha256:{}", "0b".repeat(32)),
            "State": state,
            "Config": { "Labels": { "a": "1" } },
            "Mounts": [
                { "Type": "volume", "Name": "x", "Source": "/v", "Destination": "/z", "RW": true },
                { "Type": "bind", "Source": "/s", "Destination": "/d", "RW": false }
            ],
            "NetworkSettings": { "Networks": { "n": { "IPAddress": "172.18.0.2" }, "down": { "IPAddress": "" } } }
        }))
        .unwrap()
    }

    #[test]
    fn a_running_container_has_a_process_and_addresses() {
        let state = json!({ "Status": "running", "Pid": 42, "StartedAt": "2026-01-02T03:04:05.000000006Z" });
        let facts = facts(answer(&state)).unwrap();
        assert_eq!(facts.name.as_str(), "homeport-a-1");
        let since = OffsetDateTime::parse("2026-01-02T03:04:05.000000006Z", &Rfc3339).unwrap();
        assert_eq!(facts.state, ContainerState::Running { pid: 42, since: Some(since) });
        assert_eq!(
            facts.addresses.into_iter().collect::<Vec<_>>(),
            [("n".to_owned(), "172.18.0.2".parse::<IpAddr>().unwrap())]
        );
        assert_eq!(facts.mounts[0].target, "/d");
        assert_eq!((facts.mounts[0].access, &facts.mounts[0].kind), (Access::ReadOnly, &MountKind::Bind));
        assert_eq!(facts.mounts[1].kind, MountKind::Volume);
    }

    #[test]
    fn an_end_for_want_of_memory_is_told_from_another() {
        for (oom, memory) in [(true, MemoryEnd::OutOfMemory), (false, MemoryEnd::Enough)] {
            let state = json!({
                "Status": "exited", "ExitCode": 137, "OOMKilled": oom, "FinishedAt": "0001-01-01T00:00:00Z"
            });
            let expected = ExitFacts { code: ExitCode::KILLED, memory, at: None, message: String::new() };
            assert_eq!(facts(answer(&state)).unwrap().state, ContainerState::Exited(expected));
        }
    }

    #[test]
    fn an_answer_without_an_id_is_refused() {
        assert!(facts(ContainerInspectResponse::default()).is_err());
    }
}
