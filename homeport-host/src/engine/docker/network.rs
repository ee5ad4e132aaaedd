//! Owns networks at Docker. Docker 20.10 makes a second network of the same name without a word, so every call looks first.

use std::collections::HashMap;

use bollard::models::{Network, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptions;

use super::connect::Call;
use super::failure::has_status;
use crate::engine::error::EngineError;
use crate::engine::label::{LabelFilter, Labels};
use crate::engine::name::{NetworkId, NetworkName};
use crate::engine::network::{NetworkSpec, PeerTraffic, Reach};
use crate::engine::outcome::{EnsureOutcome, RemoveOutcome};

const ICC: &str = "com.docker.network.bridge.enable_icc";

pub(super) async fn ensure(call: &Call, spec: &NetworkSpec) -> Result<EnsureOutcome<NetworkId>, EngineError> {
    if let Some(found) = single(call, &spec.name).await? {
        return match difference(&found, spec) {
            None => Ok(EnsureOutcome::Unchanged(id(call, &found)?)),
            Some(difference) => Err(conflict(call, difference)),
        };
    }
    let made = call.docker.create_network(request(spec)).await.map_err(|error| call.failure(error))?;
    let made: NetworkId = made.id.parse().map_err(|error| call.unexpected(format!("{error}")))?;
    // Somebody may have made one of the same name since the look; ours is unused and goes.
    if let Err(twice) = single(call, &spec.name).await {
        remove(call, &made).await?;
        return Err(twice);
    }
    Ok(EnsureOutcome::Created(made))
}

pub(super) async fn find(
    call: &Call,
    name: &NetworkName,
    filter: &LabelFilter,
) -> Result<Option<NetworkId>, EngineError> {
    match single(call, name).await? {
        Some(network) if filter.matches(&labels(&network)) => id(call, &network).map(Some),
        _ => Ok(None),
    }
}

pub(super) async fn remove(call: &Call, network: &NetworkId) -> Result<RemoveOutcome, EngineError> {
    match call.docker.remove_network(network.as_str()).await {
        Ok(()) => Ok(RemoveOutcome::Removed),
        Err(error) if has_status(&error, 404) => Ok(RemoveOutcome::Absent),
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 403, message }) => {
            Err(conflict(call, message))
        }
        Err(error) => Err(call.failure(error)),
    }
}

/// The only network of this name. Docker's own filter also takes names that contain it.
async fn single(call: &Call, name: &NetworkName) -> Result<Option<Network>, EngineError> {
    let filters = HashMap::from([("name".to_owned(), vec![name.to_string()])]);
    let options = ListNetworksOptions { filters: Some(filters) };
    let mut networks = call.docker.list_networks(Some(options)).await.map_err(|error| call.failure(error))?;
    networks.retain(|network| network.name.as_deref() == Some(name.as_str()));
    if networks.len() > 1 {
        let ids: Vec<_> = networks.iter().filter_map(|network| network.id.as_deref()).collect();
        return Err(conflict(call, format!("there is more than one network of this name: {}", ids.join(", "))));
    }
    Ok(networks.pop())
}

fn conflict(call: &Call, message: String) -> EngineError {
    EngineError::Conflict { action: call.action.clone(), message }
}

fn id(call: &Call, network: &Network) -> Result<NetworkId, EngineError> {
    network.id.clone().unwrap_or_default().parse().map_err(|error| call.unexpected(format!("{error}")))
}

fn labels(network: &Network) -> Labels {
    network.labels.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn request(spec: &NetworkSpec) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: spec.name.to_string(),
        driver: Some("bridge".to_owned()),
        internal: Some(spec.reach == Reach::HostOnly),
        attachable: Some(false),
        options: Some(HashMap::from([(ICC.to_owned(), icc(spec.peers).to_owned())])),
        labels: Some(spec.labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()),
        ..NetworkCreateRequest::default()
    }
}

const fn icc(peers: PeerTraffic) -> &'static str {
    match peers {
        PeerTraffic::Allowed => "true",
        PeerTraffic::Blocked => "false",
    }
}

/// What of an existing network is not as wanted, in words; `None` where it is.
fn difference(found: &Network, wanted: &NetworkSpec) -> Option<String> {
    if !labels(found).cover(&wanted.labels) {
        return Some("a network of this name exists and was not made by this HomePort: its labels differ".to_owned());
    }
    let option = found.options.as_ref().and_then(|options| options.get(ICC)).map_or("true", String::as_str);
    let rows = [
        ("driver", found.driver.as_deref().unwrap_or_default(), "bridge"),
        ("traffic between containers", option, icc(wanted.peers)),
        (
            "internal",
            if found.internal.unwrap_or(false) { "true" } else { "false" },
            if wanted.reach == Reach::HostOnly { "true" } else { "false" },
        ),
    ];
    rows.into_iter()
        .find(|(_, found, wanted)| found != wanted)
        .map(|(what, found, wanted)| format!("the network exists with {what} `{found}`, wanted `{wanted}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec() -> NetworkSpec {
        NetworkSpec {
            name: "homeport-1".parse().unwrap(),
            labels: Labels::new().with("io.homeport.root", "1f3c5a7b"),
            peers: PeerTraffic::Blocked,
            reach: Reach::Outside,
        }
    }

    #[test]
    fn the_request_is_this() {
        assert_eq!(
            serde_json::to_value(request(&spec())).unwrap(),
            json!({
                "Name": "homeport-1",
                "Driver": "bridge",
                "Internal": false,
                "Attachable": false,
                "Options": { "com.docker.network.bridge.enable_icc": "false" },
                "Labels": { "io.homeport.root": "1f3c5a7b" }
            })
        );
    }

    #[test]
    fn a_network_that_was_made_otherwise_is_not_taken_for_ours() {
        let made = || Network {
            driver: Some("bridge".to_owned()),
            internal: Some(false),
            options: Some(HashMap::from([(ICC.to_owned(), "false".to_owned())])),
            labels: Some(HashMap::from([
                ("io.homeport.root".to_owned(), "1f3c5a7b".to_owned()),
                ("more".to_owned(), String::new()),
            ])),
            ..Network::default()
        };
        assert_eq!(difference(&made(), &spec()), None);
        let rows = [
            (Network { labels: None, ..made() }, "its labels differ"),
            (Network { options: None, ..made() }, "traffic between containers `true`, wanted `false`"),
            (Network { internal: Some(true), ..made() }, "internal `true`, wanted `false`"),
            (Network { driver: Some("macvlan".to_owned()), ..made() }, "driver `macvlan`, wanted `bridge`"),
        ];
        for (found, words) in rows {
            let difference = difference(&found, &spec()).unwrap();
            assert!(difference.contains(words), "{difference}");
        }
    }
}
