//! Owns the question how the version from before was left: by steps, or by setting data back to a snapshot, so that what it
//! had is only in the snapshot that was made then. Pure; never goes back to it.

use homeport_core::fault::Fault;
use homeport_core::manifest;
use homeport_core::name::InstanceName;
use homeport_core::upgrade::{Direction, Past, Proposal, Release, plan};
use homeport_core::version::PROTOCOL;
use homeport_volumes::store::{Catalog, SnapshotHead};
use semver::Version;

use crate::ledger::FormerRecord;

/// How a version was left.
#[derive(Debug, Clone, Copy)]
pub(super) enum Left<'a> {
    /// What it had went along.
    Along,
    /// What it had was set back; this snapshot has it.
    In(&'a SnapshotHead),
    /// What it had was set back, and the snapshot that has it is gone.
    Gone,
}

/// How the version from before was left. It is no record of its own: data was set back exactly if no steps led down from
/// the formats that the version left. [spec: UPG-25, UPG-27]
pub(super) fn left<'a>(former: &FormerRecord, present: Release<'_>, catalog: Option<&'a Catalog>) -> Left<'a> {
    let Ok(manifest) = manifest::parse(&former.manifest) else { return Left::Along };
    if manifest.port.version.cmp_precedence(&present.manifest.port.version).is_lt() {
        return Left::Along;
    }
    let went = Proposal {
        installed: Release { manifest: &manifest, image: &former.image },
        candidate: present,
        direction: Direction::Down,
        formats: &former.formats,
        past: Past::None,
        speaks: PROTOCOL,
    };
    if plan(&went).is_ok() {
        return Left::Along;
    }
    match former.snapshot.zip(catalog).and_then(|(uuid, catalog)| catalog.find(&uuid)) {
        Some(head) => Left::In(head),
        None => Left::Gone,
    }
}

impl Left<'_> {
    /// That what the version had cannot be gone back to.
    pub(super) fn gone(self, name: &InstanceName, version: &Version) -> Option<Fault> {
        let Self::Gone = self else { return None };
        Some(
            Fault::new(
                "HP-VER-005",
                "snapshot",
                format!("the snapshot is gone that has the data of version {version}"),
            )
            .expected(format!("the one that was made when the data of `{name}` was set back"))
            .remedy(format!(
                "take along what is there now: `homeport upgrade {name} --to {version}`; what version {version} left \
                     may be in the trash still (`homeport trash list`)"
            ))
            .clause("UPG-27"),
        )
    }

    /// What an operator who goes back should know.
    pub(super) fn told_before_a_rollback(self, name: &InstanceName, version: &Version) -> Option<String> {
        let Self::In(head) = self else { return None };
        Some(format!(
            "`{name}` gets the data again that version {version} left, from snapshot {:#} ({}); to take along what is there \
             now instead: homeport upgrade {name} --to {version}",
            head.sequence, head.body.uuid
        ))
    }

    /// What an operator who upgrades to the version from before should know.
    pub(super) fn told_before_an_upgrade(self, name: &InstanceName, version: &Version) -> Option<String> {
        let Self::In(head) = self else { return None };
        Some(format!(
            "what is there now is taken along; the data that version {version} left stays in snapshot {:#} ({}), and is what \
             homeport rollback {name} would lead to instead",
            head.sequence, head.body.uuid
        ))
    }
}
