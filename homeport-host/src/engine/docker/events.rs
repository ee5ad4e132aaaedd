//! Owns following Docker's events. Never remembers one: who was away asks again with the time of the last seen.

use std::collections::HashMap;

use bollard::models::{EventActor, EventMessage};
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt as _;
use time::OffsetDateTime;

use super::connect::Call;
use crate::engine::cancel::Cancel;
use crate::engine::error::EngineError;
use crate::engine::observe::{ContainerEvent, EventKind, EventRequest, Flow};
use crate::engine::outcome::{EventsEnd, ExitCode};

/// What Docker adds to a container's labels in an event.
const NOT_LABELS: [&str; 5] = ["image", "name", "exitCode", "execDuration", "signal"];

pub(super) async fn watch(
    call: &Call,
    request: &EventRequest,
    cancel: &Cancel,
    sink: &mut dyn FnMut(&ContainerEvent) -> Flow,
) -> Result<EventsEnd, EngineError> {
    let texts = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let filters = HashMap::from([
        ("type".to_owned(), texts(&["container"])),
        ("event".to_owned(), texts(&["create", "start", "oom", "die", "destroy"])),
        ("label".to_owned(), request.filter.terms()),
    ]);
    let options =
        EventsOptions { since: request.since.map(written), filters: Some(filters), ..EventsOptions::default() };
    let mut messages = call.docker.events(Some(options));
    loop {
        let message = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(EventsEnd::Cancelled),
            message = messages.next() => message,
        };
        match message {
            None => {
                let source = Box::new(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
                return Err(EngineError::Lost { action: call.action.clone(), source });
            }
            Some(Err(error)) => return Err(call.failure(error)),
            Some(Ok(message)) => {
                if let Some(event) = event(message)
                    && sink(&event) == Flow::Stop
                {
                    return Ok(EventsEnd::Stopped);
                }
            }
        }
    }
}

/// Seconds and nanoseconds as Docker reads them.
fn written(moment: OffsetDateTime) -> String {
    format!("{}.{:09}", moment.unix_timestamp(), moment.nanosecond())
}

/// The event in HomePort's words; `None` for one that it does not mind.
fn event(message: EventMessage) -> Option<ContainerEvent> {
    let EventActor { id, attributes } = message.actor?;
    let mut attributes = attributes.unwrap_or_default();
    let kind = match message.action?.as_str() {
        "create" => EventKind::Created,
        "start" => EventKind::Started,
        "oom" => EventKind::OutOfMemory,
        "die" => EventKind::Died(ExitCode::new(attributes.get("exitCode")?.parse().ok()?)),
        "destroy" => EventKind::Removed,
        _ => return None,
    };
    let name = attributes.remove("name")?.parse().ok()?;
    attributes.retain(|key, _| !NOT_LABELS.contains(&key.as_str()));
    Some(ContainerEvent {
        at: OffsetDateTime::from_unix_timestamp_nanos(i128::from(message.time_nano?)).ok()?,
        id: id?.parse().ok()?,
        name,
        labels: attributes.into_iter().collect(),
        kind,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(action: &str) -> EventMessage {
        serde_json::from_value(json!({
            "Type": "container",
            "Action": action,
            "Actor": {
                "ID": "0a".repeat(32),
                "Attributes": { "image": "x", "name": "homeport-a-1", "exitCode": "69", "io.homeport.root": "1" }
            },
            "time": 1_700_000_000,
            "timeNano": 1_700_000_000_000_000_007_i64
        }))
        .unwrap()
    }

    #[test]
    fn a_death_has_its_code_and_labels() {
        let event = event(message("die")).unwrap();
        assert_eq!(event.kind, EventKind::Died(ExitCode::new(69)));
        assert_eq!(event.name.as_str(), "homeport-a-1");
        assert_eq!(event.labels.iter().collect::<Vec<_>>(), [("io.homeport.root", "1")]);
        assert_eq!(written(event.at), "1700000000.000000007");
    }

    #[test]
    fn what_does_not_matter_is_left_out() {
        assert_eq!(event(message("exec_start: sh")), None);
        assert_eq!(event(EventMessage::default()), None);
    }
}
