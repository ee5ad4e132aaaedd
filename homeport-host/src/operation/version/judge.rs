//! Owns what is decided about a change of version before anything is looked at on the disk: whether it may be, which way
//! each volume goes, what becomes of the configuration, and how one gets back. Pure but for the store's catalogue.

use std::collections::BTreeMap;

use homeport_core::fault::Fault;
use homeport_core::manifest::Manifest;
use homeport_core::name::VolumeName;
use homeport_core::unit::Format;
use homeport_core::upgrade::{
    Change, Direction, Image, MigrationPlan, Move, Past, Proposal, Release, Verdict, compare, plan, verdict,
};
use homeport_core::version::PROTOCOL;
use homeport_volumes::TxId;
use homeport_volumes::store::{Catalog, SnapshotHead};

use super::left::{Left, left};
use crate::image::PortImage;
use crate::ledger::{FormerRecord, InstanceRecord, VolumeRecord};
use crate::plan::{Kind, Migrating, MigrationStep, Migrator};
use crate::run::{StepError, known};

/// What was decided.
pub(super) struct Judged {
    pub(super) direction: Direction,
    /// Every difference of the two manifests.
    pub(super) changes: Vec<Change>,
    /// Why it may not be; empty where it may.
    pub(super) refused: Vec<Fault>,
    /// What an operator has to agree to.
    pub(super) approvals: Vec<Fault>,
    /// Which way each volume goes; `None` where it may not be.
    pub(super) ways: Option<MigrationPlan>,
    /// The snapshot that data is set back to, where any is.
    pub(super) set_back: Option<SnapshotHead>,
    /// What an operator should know of the data that the other version left, where that is not what is there.
    pub(super) told: Option<String>,
}

/// What is judged.
pub(super) struct Case<'a> {
    pub(super) kind: Kind,
    pub(super) present: &'a InstanceRecord,
    pub(super) present_manifest: &'a Manifest,
    pub(super) next: &'a PortImage,
    pub(super) volumes: &'a [VolumeRecord],
    pub(super) catalog: Option<&'a Catalog>,
    /// The version from before, where that is the one to go to.
    pub(super) former: Option<&'a FormerRecord>,
}

impl Case<'_> {
    pub(super) fn judge(&self) -> Judged {
        let next = &self.next.manifest;
        let is_up = next.port.version.cmp_precedence(&self.present.version).is_ge();
        let direction = if is_up { Direction::Up } else { Direction::Down };
        let formats = self.formats();
        let bare = Proposal {
            installed: Release { manifest: self.present_manifest, image: &self.present.image },
            candidate: Release { manifest: next, image: &self.next.id },
            direction,
            formats: &formats,
            past: Past::None,
            speaks: PROTOCOL,
        };
        let left = self.former.map_or(Left::Along, |former| left(former, bare.installed, self.catalog));
        let head = match (self.kind, left) {
            (Kind::Rollback, Left::In(head)) => Some(head),
            _ => self.snapshot_for(&bare),
        };
        let then = head.map(formats_in);
        let past = match (self.kind, left, &then) {
            (_, _, None) => Past::None,
            (Kind::Rollback, Left::In(_), Some(then)) => Past::Left(then),
            (_, _, Some(then)) => Past::Offered(then),
        };
        let proposal = Proposal { past, ..bare };
        let changes = match direction {
            Direction::Up => compare(self.present_manifest, next),
            Direction::Down => compare(next, self.present_manifest),
        };
        let ways = plan(&proposal).ok();
        let (mut refused, approvals) = match verdict(&proposal) {
            Verdict::Allowed => (Vec::new(), Vec::new()),
            Verdict::NeedsApproval(asked) => (Vec::new(), asked),
            Verdict::Refused(why) => (why, Vec::new()),
        };
        let (name, version) = (&self.present.name, &next.port.version);
        let told = if self.kind == Kind::Rollback {
            refused.extend(left.gone(name, version));
            left.told_before_a_rollback(name, version)
        } else {
            left.told_before_an_upgrade(name, version)
        };
        let restores = |ways: &MigrationPlan| ways.volumes.values().any(|way| matches!(way, Move::Restore { .. }));
        let set_back = head.filter(|_| ways.as_ref().is_some_and(restores)).cloned();
        Judged { direction, changes, refused, approvals, ways, set_back, told }
    }

    /// The formats that the volumes of this port have.
    fn formats(&self) -> BTreeMap<VolumeName, Format> {
        let own = self.volumes.iter().filter(|record| record.port == self.present.port);
        own.map(|record| (record.name.clone(), record.format)).collect()
    }

    /// The snapshot by which one gets down where steps alone do not lead there: of those that leave least in the way the one
    /// that was made before the version from before was left, else the newest. [spec: UPG-25]
    fn snapshot_for(&self, bare: &Proposal<'_>) -> Option<&SnapshotHead> {
        let without = in_the_way(bare, Past::None);
        if bare.direction == Direction::Up || without == 0 {
            return None;
        }
        let former = self.former.and_then(|former| former.snapshot);
        let own = self.catalog?.snapshots.iter().rev();
        let own = own.filter(|head| head.body.instance == self.present.name && head.body.port == self.present.port);
        let (before, others): (Vec<_>, Vec<_>) = own.partition(|head| Some(head.body.uuid) == former);
        let judged = before.into_iter().chain(others);
        let judged = judged.map(|head| (in_the_way(bare, Past::Offered(&formats_in(head))), head));
        judged.filter(|(faults, _)| *faults < without).min_by_key(|(faults, _)| *faults).map(|(_, head)| head)
    }

    /// The volumes whose data is not the other version's yet, each with the steps that lead there.
    pub(super) fn migrating(&self, judged: &Judged) -> Result<Vec<Migrating>, StepError> {
        let Some(ways) = &judged.ways else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for (name, way) in &ways.volumes {
            let (from, steps) = match way {
                Move::Migrate(steps) => (None, steps.iter().map(migration_step).collect()),
                Move::Restore { .. } => (judged.set_back.as_ref().map(|head| head.body.uuid), Vec::new()),
                Move::Create(_) | Move::Stay(_) | Move::SetAside(_) => continue,
            };
            let own = |record: &&VolumeRecord| record.name == *name && record.port == self.present.port;
            let Some(record) = self.volumes.iter().find(own) else { continue };
            let (uuid, had) = (known::uuid(record)?, record.has_data);
            found.push(Migrating { volume: name.clone(), uuid, tx: TxId::random(), had, from, steps });
        }
        Ok(found)
    }
}

/// How much keeps the volumes from going there.
fn in_the_way(bare: &Proposal<'_>, past: Past<'_>) -> usize {
    plan(&Proposal { past, ..*bare }).map_or_else(|faults| faults.len(), |_| 0)
}

fn migration_step(step: &homeport_core::upgrade::Step) -> MigrationStep {
    let by = match step.by {
        Image::Candidate => Migrator::Next,
        Image::Installed => Migrator::Present,
    };
    MigrationStep { from: step.from, to: step.to, by, within: step.within }
}

fn formats_in(head: &SnapshotHead) -> BTreeMap<VolumeName, Format> {
    head.body.volumes.iter().map(|part| (part.name.clone(), part.format)).collect()
}
