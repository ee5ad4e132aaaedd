//! Owns watching the engine: a thread that waits for its events and passes on what they say.
//! Never decides or acts.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use homeport_core::name::InstanceName;

use super::work::Did;
use crate::container::{LABEL_INSTANCE, LABEL_ROOT};
use crate::engine::{Cancel, ContainerId, EventKind, EventRequest, Flow, LabelFilter};
use crate::host::Host;
use crate::ledger::Ledger;

/// How long until the engine is asked again after it went away.
const RECONNECT: Duration = Duration::from_secs(1);

/// Something that the keeper has to look at.
#[derive(Debug)]
pub(super) enum Notice {
    /// A container of an instance has ended.
    Died(InstanceName, ContainerId),
    /// A container of an instance was started.
    Started(InstanceName, ContainerId),
    /// Look at everything.
    Round,
    /// What was ordered is over.
    Did(Did),
    /// End.
    Stop,
}

/// Follows the engine's events until it is cancelled; an engine that goes away is waited for.
pub(super) fn follow(host: &Host, cancel: &Cancel, notices: &Sender<Notice>) {
    while !cancel.is_cancelled() {
        let root = Ledger::open(&host.layout).ok().and_then(|ledger| ledger.root_id().ok().flatten());
        if let Some(root) = root {
            let since = Some(time::OffsetDateTime::now_utc());
            let request = EventRequest { since, filter: LabelFilter::any().value(LABEL_ROOT, root.to_string()) };
            // What ended before the stream began is found by looking at everything once.
            notices.send(Notice::Round).ok();
            let ended = host.engine.events(&request, cancel, &mut |event| {
                let instance = event.labels.get(LABEL_INSTANCE).and_then(|name| name.parse().ok());
                let notice = match (instance, &event.kind) {
                    (Some(name), EventKind::Died(_)) => Some(Notice::Died(name, event.id.clone())),
                    (Some(name), EventKind::Started) => Some(Notice::Started(name, event.id.clone())),
                    _ => None,
                };
                match notice.map(|notice| notices.send(notice)) {
                    Some(Err(_)) => Flow::Stop,
                    Some(Ok(())) | None => Flow::Continue,
                }
            });
            if let Err(error) = ended {
                super::serve::say(&format!("the engine's events ended: {error}"));
            }
        }
        let end = Instant::now() + RECONNECT;
        while Instant::now() < end && !cancel.is_cancelled() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
