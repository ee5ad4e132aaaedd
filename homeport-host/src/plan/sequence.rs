//! Owns the order of steps in each operation. Pure, and the place to read what an operation does.
//!
//! ```text
//! deploy   make volumes, record ─┐
//! start    ──────────────────────┴─> bring up: network, routes, volumes, run dir, container, ready, point, probe, want
//! restart  hold, stop ───────────────> bring up
//! config   hold, stop ───────────────> bring up, reconfigure (nothing is noted before it works)
//! stop     want stopped, close, [retire], stop, let go of volumes
//! remove   want stopped, close, [retire], stop, let go of volumes, container, run dir, routes, network, forget
//! ```
//!
//! What can fail for a reason outside of the port (an address in use, a volume) comes before the container is made, and
//! nothing counts as running before its public address has answered.

use homeport_core::name::InstanceName;
use homeport_core::unit::Seconds;

use super::blueprint::{Blueprint, VolumeWay};
use super::sequence_version::retire_first;
use super::step::{ListenHostText, Step};
use super::{Kind, Plan};
use crate::ledger::RetiringRecord;

/// A new instance.
pub fn deploy(blueprint: &Blueprint) -> Plan {
    let mut steps = make_volumes(blueprint);
    steps.push(Step::Record);
    steps.extend(bring_up(blueprint));
    plan(Kind::Deploy, &blueprint.instance, steps)
}

/// A stopped instance runs again.
pub fn start(blueprint: &Blueprint) -> Plan {
    plan(Kind::Start, &blueprint.instance, bring_up(blueprint))
}

/// A running instance gets a new container.
pub fn restart(blueprint: &Blueprint, grace: Seconds) -> Plan {
    let mut steps = vec![Step::HoldRoutes, Step::StopContainer { grace }, Step::ReleaseVolumes];
    steps.extend(bring_up(blueprint));
    plan(Kind::Restart, &blueprint.instance, steps)
}

/// An instance gets other configuration; `grace` is that of the container that runs now, `None` where none does.
pub fn reconfigure(blueprint: &Blueprint, grace: Option<Seconds>) -> Plan {
    let mut steps = Vec::new();
    if let Some(grace) = grace {
        steps.extend([Step::HoldRoutes, Step::StopContainer { grace }, Step::ReleaseVolumes]);
        steps.extend(bring_up(blueprint));
    }
    steps.push(Step::Reconfigure);
    plan(Kind::Config, &blueprint.instance, steps)
}

/// A running instance stops; its container stays for its logs. Containers that retire have their time to end.
pub fn stop(instance: &InstanceName, grace: Seconds, retiring: &[RetiringRecord]) -> Plan {
    plan(Kind::Stop, instance, take_down(grace, retiring))
}

/// An instance goes; its volumes stay where they are, with everything in them.
pub fn remove(instance: &InstanceName, grace: Seconds, retiring: &[RetiringRecord]) -> Plan {
    let mut steps = take_away(grace, retiring);
    steps.push(Step::Forget);
    plan(Kind::Remove, instance, steps)
}

/// Everything of an instance but its volumes and the ledger's row.
pub(super) fn take_away(grace: Seconds, retiring: &[RetiringRecord]) -> Vec<Step> {
    let mut steps = take_down(grace, retiring);
    steps.extend([Step::RemoveOldContainer, Step::RemoveRunDir, Step::ReleaseRoutes, Step::RemoveNetwork]);
    steps
}

pub(super) fn plan(kind: Kind, instance: &InstanceName, steps: Vec<Step>) -> Plan {
    Plan { kind, instance: instance.clone(), steps }
}

pub(super) fn make_volumes(blueprint: &Blueprint) -> Vec<Step> {
    let made = blueprint.volumes.iter().filter(|(_, volume)| volume.way == VolumeWay::Make);
    made.map(|(name, volume)| Step::MakeVolume {
        volume: name.clone(),
        path: volume.request.path.as_path().to_owned(),
        uuid: volume.uuid,
        before: volume.before,
    })
    .collect()
}

pub(super) fn bring_up(blueprint: &Blueprint) -> Vec<Step> {
    let mut steps = vec![Step::EnsureNetwork];
    steps.extend(blueprint.routes.iter().map(|(endpoint, route)| Step::ReserveRoute {
        endpoint: endpoint.clone(),
        host: ListenHostText(route.host),
        ports: route.ports.clone(),
    }));
    steps.extend([
        Step::RemoveOldContainer,
        Step::UseVolumes,
        Step::PrepareRunDir,
        Step::CreateContainer,
        Step::StartContainer,
        Step::AwaitReady { within: blueprint.image.manifest.ready_within },
    ]);
    steps.extend(blueprint.routes.keys().map(|endpoint| Step::PointRoute { endpoint: endpoint.clone() }));
    steps.extend(blueprint.routes.keys().map(|endpoint| Step::ProbeRoute { endpoint: endpoint.clone() }));
    steps.push(Step::WantRunning);
    steps
}

fn take_down(grace: Seconds, retiring: &[RetiringRecord]) -> Vec<Step> {
    let mut steps = vec![Step::WantStopped, Step::CloseRoutes];
    steps.extend(retire_first(retiring));
    steps.extend([Step::StopContainer { grace }, Step::ReleaseVolumes]);
    steps
}
