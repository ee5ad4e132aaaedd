//! Owns what a snapshot says of the instance beside its data: enough to run it again. Pure.

use homeport_core::manifest::Transport;
use homeport_core::name::{InstanceName, PortId};
use homeport_volumes::RootId;
use homeport_volumes::snapshot::About;
use homeport_volumes::store::{Consistency, Reason, SnapshotHead};

use crate::ledger::{InstanceConfig, InstanceRecord, RouteRecord};

/// What is known of the instance when a snapshot of it is taken.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) root: &'a RootId,
    pub(super) instance: &'a InstanceName,
    /// `None` where the instance was removed and its volumes are kept.
    pub(super) record: Option<&'a InstanceRecord>,
    pub(super) config: &'a InstanceConfig,
    pub(super) routes: &'a [RouteRecord],
    pub(super) port: &'a PortId,
    pub(super) parent: Option<&'a SnapshotHead>,
}

impl Known<'_> {
    /// What the snapshot says. Of an instance that was removed it says what the snapshot before said.
    pub(super) fn about(&self, reason: Reason, consistency: Consistency, note: Option<String>) -> About {
        let before = || self.parent.map(|head| head.body.version.clone());
        About {
            root: self.root.clone(),
            instance: self.instance.clone(),
            port: self.port.clone(),
            version: self.record.map(|record| record.version.to_string()).or_else(before).unwrap_or_else(unknown),
            image: self.record.map(|record| record.image),
            manifest: self.record.map(|record| record.manifest.clone()),
            configuration: self.record.map(|_| self.configuration()),
            reason,
            consistency,
            note,
        }
    }

    /// What the operator set, secrets included, and the public addresses: `{"given": {...}, "routes": [...]}`.
    fn configuration(&self) -> Vec<u8> {
        let given: serde_json::Map<String, serde_json::Value> =
            self.config.given.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect();
        let routes: Vec<serde_json::Value> = self
            .routes
            .iter()
            .map(|route| {
                let mut told = serde_json::json!({
                    "endpoint": route.endpoint, "listen": route.listen, "port": route.port, "choice": route.choice,
                });
                if route.transport == Transport::Udp {
                    told["transport"] = Transport::Udp.word().into();
                }
                told
            })
            .collect();
        serde_json::json!({ "given": given, "routes": routes }).to_string().into_bytes()
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}
