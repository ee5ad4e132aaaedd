//! Owns what consent to a change of version goes by, and what makes two plans the same. Pure.

use homeport_core::digest::Digest;
use sha2::Digest as _;

use super::judge::Judged;
use super::view::{MigrationView, MigrationWay};
use crate::approval::Facts;
use crate::image::PortImage;
use crate::ledger::InstanceRecord;
use crate::plan::{Blueprint, Going, Manner};

/// What was seen.
pub(super) struct Seen<'a> {
    pub(super) present: &'a InstanceRecord,
    pub(super) next: &'a PortImage,
    pub(super) judged: &'a Judged,
    pub(super) migrations: &'a [MigrationView],
    pub(super) going: &'a Going,
    /// The configuration that the other version gets.
    pub(super) blueprint: &'a Blueprint,
}

/// Every fact that the plan stands on. Names that are made anew each time are none.
pub(super) fn facts(seen: &Seen<'_>) -> Facts {
    let manner = match seen.going.manner {
        Manner::Overlap { .. } => "overlap",
        Manner::Replace { .. } => "replace",
        Manner::Stopped => "stopped",
    };
    let mut facts = Facts::default()
        .with("from version", &seen.present.version)
        .with("from image", seen.present.image)
        .with("to version", &seen.next.manifest.port.version)
        .with("to image", seen.next.id)
        .with("manner", manner)
        .with("configuration", configuration(seen.blueprint));
    for migration in seen.migrations {
        let about = |what: &str| format!("volume {}: {what}", migration.volume);
        let way = match migration.way {
            MigrationWay::StepsOfNext => "steps of the new version",
            MigrationWay::StepsOfPresent => "steps of the present version",
            MigrationWay::Snapshot => "snapshot",
        };
        facts = facts
            .with(about("format"), migration.from)
            .with(about("format after"), migration.to)
            .with(about("way"), way);
    }
    for one in &seen.going.migrating {
        facts = facts.with(format!("volume {}: uuid", one.volume), one.uuid);
    }
    if let Some(head) = &seen.judged.set_back {
        facts = facts.with("set back to", head.body.uuid);
    }
    for (number, fault) in seen.judged.approvals.iter().enumerate() {
        facts = facts.with(format!("approved {}", number + 1), &fault.message);
    }
    facts
}

/// What the configuration is, without showing any of it.
fn configuration(blueprint: &Blueprint) -> Digest {
    let mut hash = sha2::Sha256::new();
    for (key, value) in blueprint.effective.open.iter().chain(&blueprint.effective.secret) {
        let value = value.to_json().to_string();
        hash.update(format!("{key} {} {value}\n", value.len()));
    }
    Digest::new(hash.finalize().into())
}
