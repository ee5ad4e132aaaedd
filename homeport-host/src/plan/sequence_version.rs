//! Owns the order of steps when one version of a port takes the place of another. Pure, and the place to read what an
//! upgrade, a downgrade and a rollback do.
//!
//! ```text
//! overlap   slot, check new | snapshot, copies, migrations, check copies, exchange | bring up beside, soak, take over
//! replace   slot, check new, read ahead, hold, quit | the same                     | bring up, soak, take over, retire
//! stopped   slot, check new | the same                                             | take over, retire
//! ```
//!
//! Until the last step the ledger has the version from before, and everything is taken back from the failing step to the
//! first: data first, then the version from before runs on it. [spec: UPG-44, UPG-48, UPG-52]

use std::collections::{BTreeMap, BTreeSet};

use homeport_core::name::{EndpointName, InstanceName, VolumeName};
use homeport_core::unit::{Format, Seconds};
use homeport_volumes::store::SnapshotUuid;
use homeport_volumes::{TxId, VolumeUuid};

use super::blueprint::Blueprint;
use super::sequence::{bring_up, make_volumes, plan};
use super::step::{CheckedPort, Clients, MigratedTree, Migrator, Step, Writing};
use super::{Kind, Plan};
use crate::engine::ContainerId;
use crate::ledger::{HasData, RetiringRecord, Slot};
use crate::request::DeviceNodes;

/// How long a port may take to say what it finds wrong. [spec: ENT-12]
const CHECK: Seconds = Seconds::new(30);
/// How long a new version is looked at before it is taken for working.
const SOAK: Seconds = Seconds::new(2);

/// How one version takes over from the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manner {
    /// Both run for a while: new clients come to the new one, those of the old one stay for at most this long.
    Overlap {
        /// How long.
        linger: Seconds,
    },
    /// The old one is stopped first, and clients wait.
    Replace {
        /// Its container; `None` where it has none, though it should run.
        container: Option<ContainerId>,
        /// How long it has to stop by itself.
        grace: Seconds,
    },
    /// Nothing runs, and nothing is started.
    Stopped,
}

/// One volume whose data is not the new version's yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrating {
    /// The volume.
    pub volume: VolumeName,
    /// Its identity.
    pub uuid: VolumeUuid,
    /// Names the copy.
    pub tx: TxId,
    /// Whether the volume is known to have held something.
    pub had: HasData,
    /// The snapshot whose data takes the place of what is there; `None` where a copy of what is there is migrated.
    pub from: Option<SnapshotUuid>,
    /// What is done to the copy, in order.
    pub steps: Vec<MigrationStep>,
}

/// One step of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationStep {
    /// The format before.
    pub from: Format,
    /// The format after.
    pub to: Format,
    /// Whose step it is.
    pub by: Migrator,
    /// How long it may take.
    pub within: Seconds,
}

/// What has to be known of the way from one version to the other.
#[derive(Debug, Clone)]
pub struct Going {
    /// The change, as the trash knows it.
    pub bundle: TxId,
    /// The slot of the new container.
    pub slot: Slot,
    /// How the new one takes over.
    pub manner: Manner,
    /// The volumes of which a snapshot is made before.
    pub present: Vec<VolumeName>,
    /// The volumes that are migrated, or set back.
    pub migrating: Vec<Migrating>,
    /// Containers of earlier changes that still have clients.
    pub retiring: Vec<RetiringRecord>,
}

/// One version takes the place of the other.
pub fn change_version(kind: Kind, blueprint: &Blueprint, going: &Going) -> Plan {
    let clients = if matches!(going.manner, Manner::Replace { .. }) { Clients::Wait } else { Clients::Served };
    // Nobody is cut off, of a version before this one either, where there is no room for the way back.
    let mut steps = vec![Step::TakeSlot { slot: going.slot, clients }];
    steps.extend(retire_first(&going.retiring));
    steps.extend(make_volumes(blueprint));
    let awaited: BTreeSet<VolumeName> = going.migrating.iter().map(|one| one.volume.clone()).collect();
    // What has to be set back from a snapshot is not what this version can look at.
    steps.push(Step::CheckPort(CheckedPort { copies: BTreeMap::new(), awaited, within: CHECK }));
    let mut port = Writing::Stopped;
    match &going.manner {
        Manner::Overlap { .. } => port = Writing::GoesOn,
        Manner::Replace { container, grace } => {
            if !going.present.is_empty() {
                steps.push(Step::ReadAhead { volumes: going.present.clone() });
            }
            steps.push(Step::HoldRoutes);
            steps.extend(container.clone().map(|container| Step::QuitContainer { container, grace: *grace }));
            steps.push(Step::ReleaseVolumes);
        }
        Manner::Stopped => {}
    }
    if !going.present.is_empty() {
        steps.push(Step::SnapshotPresent { volumes: going.present.clone(), port });
    }
    steps.extend(migrate(going));
    if !matches!(going.manner, Manner::Stopped) {
        // That it is to run is noted already.
        steps.extend(bring_up(blueprint).into_iter().filter(|step| *step != Step::WantRunning));
        steps.push(Step::Soak { within: SOAK });
    }
    let linger = match going.manner {
        Manner::Overlap { linger } => Some(linger),
        Manner::Replace { .. } | Manner::Stopped => None,
    };
    steps.push(Step::TakeOver { bundle: going.bundle, linger });
    plan(kind, &blueprint.instance, steps)
}

/// Copies, migrations, the look at what came of them, and the exchange.
fn migrate(going: &Going) -> Vec<Step> {
    let mut steps = Vec::new();
    for one in &going.migrating {
        let (volume, uuid, tx) = (one.volume.clone(), one.uuid, one.tx);
        steps.push(match one.from {
            Some(snapshot) => Step::BuildTree { volume, uuid, tx, snapshot, devices: DeviceNodes::Refuse },
            None => Step::CopyTree { volume, uuid, tx },
        });
        steps.extend(one.steps.iter().map(|step| {
            Step::MigrateTree(MigratedTree {
                volume: one.volume.clone(),
                uuid: one.uuid,
                tx: one.tx,
                from: step.from,
                to: step.to,
                by: step.by,
                within: step.within,
            })
        }));
    }
    if !going.migrating.is_empty() {
        let copies = going.migrating.iter().map(|one| (one.volume.clone(), (one.uuid, one.tx))).collect();
        steps.push(Step::CheckPort(CheckedPort { copies, awaited: BTreeSet::new(), within: CHECK }));
    }
    steps.extend(going.migrating.iter().map(|one| Step::ExchangeTree {
        volume: one.volume.clone(),
        uuid: one.uuid,
        tx: one.tx,
        bundle: going.bundle,
        had: one.had,
    }));
    steps
}

/// What becomes of the addresses of endpoints that the version which took over does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone<'a> {
    /// Nobody can be connected there: they are given up.
    Free(&'a [EndpointName]),
    /// The version from before may have clients there: they are given up with its container, and get no new clients.
    InUse(&'a [EndpointName]),
}

/// Addresses that nobody has any more are given up, trees that were taken out go to the trash, and containers that have
/// retired go. The addresses come first: a client that came to the version from before would have it write to a tree that
/// is no longer the volume's. [spec: UPG-51]
pub fn retire(
    instance: &InstanceName,
    trees: &[(VolumeName, VolumeUuid, TxId)],
    gone: Gone<'_>,
    containers: &[RetiringRecord],
) -> Plan {
    let step = |(volume, uuid, tx): &(VolumeName, VolumeUuid, TxId)| Step::SettleTree {
        volume: volume.clone(),
        uuid: *uuid,
        tx: *tx,
    };
    let mut steps: Vec<Step> = match gone {
        Gone::Free(gone) => gone.iter().map(|endpoint| Step::ReleaseRoute { endpoint: endpoint.clone() }).collect(),
        Gone::InUse(gone) => gone.iter().map(|endpoint| Step::CloseRoute { endpoint: endpoint.clone() }).collect(),
    };
    steps.extend(trees.iter().map(step));
    steps.extend(retire_first(containers));
    plan(Kind::Retire, instance, steps)
}

/// What steps put away for good, in words for the history; nothing where they put nothing away.
pub fn put_away(steps: &[Step]) -> String {
    let (mut trees, mut addresses, mut containers) = (Vec::new(), Vec::new(), 0_usize);
    for step in steps {
        match step {
            Step::SettleTree { volume, .. } => trees.push(format!("`{volume}`")),
            Step::ReleaseRoute { endpoint } => addresses.push(format!("`{endpoint}`")),
            Step::RetireContainer { .. } => containers += 1,
            _ => {}
        }
    }
    let trees = (!trees.is_empty()).then(|| format!("the data from before of {} is in the trash", trees.join(", ")));
    let addresses =
        (!addresses.is_empty()).then(|| format!("the public address of {} was given up", addresses.join(", ")));
    let containers = (containers > 0).then(|| "the container of the version from before was removed".to_owned());
    [trees, addresses, containers].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What an operation begins with that must not find a second container of the instance.
pub fn retire_first(containers: &[RetiringRecord]) -> Vec<Step> {
    let step = |one: &RetiringRecord| Step::RetireContainer {
        container: one.container.clone(),
        slot: one.slot,
        grace: one.grace,
        bundle: one.bundle,
    };
    containers.iter().map(step).collect()
}
