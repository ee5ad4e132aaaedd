//! Owns the order of steps in operations on data. Pure, and the place to read what such an operation does.
//!
//! ```text
//! restore   [read ahead, hold, stop] snapshot of now, build and compare each, exchange each, [hook] [bring up], note what was taken out
//! undo      the same, with trees out of the trash in the place of built ones
//! settle    each tree that was taken out goes to the trash; begun together with the end of the two above
//! purge     [as remove] each volume goes to the trash, given up
//! put back  each volume comes back to its place, known again
//! empty     each tree is deleted, forgotten
//! adopt     the directory becomes a volume, or the volume another; known
//! move      the volume is renamed, or found; known there
//! ```
//!
//! Every volume is built and compared before the first one is exchanged, and nothing is put away before everything works.

use homeport_core::name::{CommandName, InstanceName, VolumeName};
use homeport_core::unit::Seconds;
use homeport_volumes::{TxId, VolumeUuid};

use super::blueprint::Blueprint;
use super::sequence::{bring_up, plan, take_away};
use super::sequence_version::retire_first;
use super::step::{AdoptedDirectory, ChangedVolume, PurgedVolume, Step, TrashedTree, Writing};
use super::{Kind, Plan};
use crate::ledger::{HasData, RetiringRecord};

/// One volume whose tree is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacing {
    /// The volume.
    pub volume: VolumeName,
    /// Its identity.
    pub uuid: VolumeUuid,
    /// Names the tree that takes the place.
    pub tx: TxId,
    /// Whether the volume is known to have held something.
    pub had: HasData,
    /// The step that puts this tree beside the live one.
    pub stage: Step,
}

/// Whether the port writes to its volumes when an operation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Now {
    /// It does: what is there is read ahead, so that it stands still for as short as can be.
    Runs,
    /// It does not.
    Stands,
}

/// What has to be known of the instance whose volumes are replaced.
#[derive(Debug, Clone)]
pub struct Around<'a> {
    /// How long a container has to stop; `None` where none can run.
    pub stop: Option<Seconds>,
    /// Whether one runs.
    pub now: Now,
    /// What is to run again; `None` where nothing is.
    pub running: Option<&'a Blueprint>,
    /// What is run after a restore, and how long it may take.
    pub hook: Option<(CommandName, Seconds)>,
    /// The volumes of which a snapshot is made before.
    pub present: Vec<VolumeName>,
    /// Containers of an earlier version that still have clients: they have the volumes too.
    pub retiring: Vec<RetiringRecord>,
}

/// Volumes become what they were in a snapshot.
pub fn restore(instance: &InstanceName, bundle: TxId, volumes: &[Replacing], around: &Around<'_>) -> Plan {
    plan(Kind::Restore, instance, replace(bundle, volumes, around))
}

/// A restore is taken back.
pub fn undo(instance: &InstanceName, bundle: TxId, volumes: &[Replacing], around: &Around<'_>) -> Plan {
    plan(Kind::Undo, instance, replace(bundle, volumes, around))
}

fn replace(bundle: TxId, volumes: &[Replacing], around: &Around<'_>) -> Vec<Step> {
    let mut steps = retire_first(&around.retiring);
    if around.now == Now::Runs && !around.present.is_empty() {
        steps.push(Step::ReadAhead { volumes: around.present.clone() });
    }
    if let Some(grace) = around.stop {
        steps.extend([Step::HoldRoutes, Step::StopContainer { grace }, Step::ReleaseVolumes]);
    }
    if !around.present.is_empty() {
        steps.push(Step::SnapshotPresent { volumes: around.present.clone(), port: Writing::Stopped });
    }
    steps.extend(volumes.iter().map(|one| one.stage.clone()));
    steps.extend(volumes.iter().map(|one| Step::ExchangeTree {
        volume: one.volume.clone(),
        uuid: one.uuid,
        tx: one.tx,
        bundle,
        had: one.had,
    }));
    if let Some((command, within)) = &around.hook {
        steps.extend([Step::EnsureNetwork, Step::RemoveOldContainer, Step::UseVolumes, Step::PrepareRunDir]);
        steps.push(Step::PostRestore { command: command.clone(), within: *within });
        steps.push(Step::ReleaseVolumes);
    }
    if let Some(blueprint) = around.running {
        steps.extend(bring_up(blueprint));
    }
    steps.push(Step::KeepReplaced);
    steps
}

/// Trees that were taken out go to the trash.
pub fn settle(instance: &InstanceName, trees: &[(VolumeName, VolumeUuid, TxId)]) -> Plan {
    let step = |(volume, uuid, tx): &(VolumeName, VolumeUuid, TxId)| Step::SettleTree {
        volume: volume.clone(),
        uuid: *uuid,
        tx: *tx,
    };
    plan(Kind::Settle, instance, trees.iter().map(step).collect())
}

/// Volumes are given up; `going` is what there is of the instance's containers and how long they have, `None` where there is
/// no instance any more.
/// Of those that are `lost` nothing is there to be put away.
pub fn purge(
    instance: &InstanceName,
    bundle: TxId,
    volumes: &[PurgedVolume],
    lost: &[VolumeUuid],
    going: Option<(Seconds, &[RetiringRecord])>,
) -> Plan {
    let mut steps = going.map(|(grace, retiring)| take_away(grace, retiring)).unwrap_or_default();
    steps.extend(volumes.iter().cloned().map(Step::PurgeVolume));
    steps.push(Step::ForgetPurged { bundle, volumes: volumes.to_vec(), lost: lost.to_vec() });
    plan(Kind::Purge, instance, steps)
}

/// Purged volumes come back.
pub fn put_back(instance: &InstanceName, trees: &[TrashedTree]) -> Plan {
    let mut steps: Vec<Step> = trees.iter().cloned().map(Step::PutBackVolume).collect();
    steps.push(Step::RecordPutBack { trees: trees.to_vec() });
    plan(Kind::PutBack, instance, steps)
}

/// What is in the trash is deleted.
pub fn empty(instance: &InstanceName, trees: &[TrashedTree]) -> Plan {
    let mut steps: Vec<Step> = trees.iter().cloned().map(Step::EmptyTree).collect();
    steps.push(Step::ForgetTrash { trees: trees.to_vec() });
    plan(Kind::Empty, instance, steps)
}

/// A plain directory becomes a volume.
pub fn adopt(instance: &InstanceName, directory: AdoptedDirectory) -> Plan {
    plan(Kind::Adopt, instance, vec![Step::AdoptDirectory(directory), Step::RecordVolume])
}

/// A volume says something else about itself, or is elsewhere.
pub fn change(kind: Kind, instance: &InstanceName, volume: ChangedVolume) -> Plan {
    plan(kind, instance, vec![Step::ChangeVolume(volume), Step::RecordVolume])
}

/// An adoption is for good.
pub fn settle_adoption(instance: &InstanceName, directory: AdoptedDirectory) -> Plan {
    plan(Kind::Settle, instance, vec![Step::SettleAdoption(directory)])
}
