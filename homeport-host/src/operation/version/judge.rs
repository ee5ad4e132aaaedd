//! Owns what is decided about a change of version before anything is looked at on the disk: whether it may be, which way
//! each volume goes, what becomes of the configuration, and how one gets back. Pure but for the store's catalogue.

use std::collections::BTreeMap;

use homeport_core::fault::Fault;
use homeport_core::manifest::Manifest;
use homeport_core::name::VolumeName;
use homeport_core::unit::Format;
use homeport_core::upgrade::{
    Change, Direction, Image, MigrationPlan, Move, Proposal, Release, Verdict, compare, plan, verdict,
};
use homeport_core::version::PROTOCOL;
use homeport_volumes::TxId;
use homeport_volumes::store::{Catalog, SnapshotHead, SnapshotUuid};

use crate::image::PortImage;
use crate::ledger::{InstanceRecord, VolumeRecord};
use crate::plan::{Migrating, MigrationStep, Migrator};
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
}

/// What is judged.
pub(super) struct Case<'a> {
    pub(super) present: &'a InstanceRecord,
    pub(super) present_manifest: &'a Manifest,
    pub(super) next: &'a PortImage,
    pub(super) volumes: &'a [VolumeRecord],
    pub(super) catalog: Option<&'a Catalog>,
    /// The snapshot that was made before the version from before was left.
    pub(super) former_snapshot: Option<SnapshotUuid>,
}

impl Case<'_> {
    pub(super) fn judge(&self) -> Judged {
        let next = &self.next.manifest;
        let is_up = next.port.version.cmp_precedence(&self.present.version).is_ge();
        let direction = if is_up { Direction::Up } else { Direction::Down };
        let formats = self.formats();
        let offered = self.snapshot_for(next, &formats);
        let offered_formats = offered.map(formats_in);
        let proposal = Proposal {
            installed: Release { manifest: self.present_manifest, image: &self.present.image },
            candidate: Release { manifest: next, image: &self.next.id },
            direction,
            formats: &formats,
            snapshot: offered_formats.as_ref(),
            speaks: PROTOCOL,
        };
        let changes = match direction {
            Direction::Up => compare(self.present_manifest, next),
            Direction::Down => compare(next, self.present_manifest),
        };
        let ways = plan(&proposal).ok();
        let (refused, approvals) = match verdict(&proposal) {
            Verdict::Allowed => (Vec::new(), Vec::new()),
            Verdict::NeedsApproval(asked) => (Vec::new(), asked),
            Verdict::Refused(why) => (why, Vec::new()),
        };
        let restores = |ways: &MigrationPlan| ways.volumes.values().any(|way| matches!(way, Move::Restore { .. }));
        let set_back = offered.filter(|_| ways.as_ref().is_some_and(restores)).cloned();
        Judged { direction, changes, refused, approvals, ways, set_back }
    }

    /// The formats that the volumes of this port have.
    fn formats(&self) -> BTreeMap<VolumeName, Format> {
        let own = self.volumes.iter().filter(|record| record.port == self.present.port);
        own.map(|record| (record.name.clone(), record.format)).collect()
    }

    /// The snapshot by which one gets back: that which was made before the version from before was left, else the newest
    /// one with data that the other version works with.
    fn snapshot_for(&self, next: &Manifest, formats: &BTreeMap<VolumeName, Format>) -> Option<&SnapshotHead> {
        let own = self
            .catalog?
            .snapshots
            .iter()
            .rev()
            .filter(|head| head.body.instance == self.present.name && head.body.port == self.present.port);
        let fits = |head: &&SnapshotHead| {
            next.volumes.iter().filter(|(name, _)| formats.contains_key(*name)).all(|(name, volume)| {
                let works = |part: &homeport_volumes::store::VolumePart| {
                    (volume.min_format..=volume.format).contains(&part.format)
                };
                // A volume that is in no snapshot does not go back.
                head.body.volume(name).is_none_or(works)
            })
        };
        let mut fitting = own.filter(fits).peekable();
        let newest = fitting.peek().copied();
        fitting.find(|head| Some(head.body.uuid) == self.former_snapshot).or(newest)
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
            found.push(Migrating { volume: name.clone(), uuid: known::uuid(record)?, tx: TxId::random(), from, steps });
        }
        Ok(found)
    }
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
