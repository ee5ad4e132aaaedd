//! Owns putting an instance's volumes back to what they were in a snapshot. What was there goes to the trash, after a
//! snapshot of it was made. [spec: STO-31, STO-32]

use std::path::PathBuf;

use homeport_core::fault::{Advice as _, Fault};
use homeport_core::name::{InstanceName, VolumeName};
use homeport_core::unit::{Bytes, Format};
use homeport_volumes::TxId;
use homeport_volumes::restore::{Devices, Reading, Room, Stored, hold_for_restore, survey};
use homeport_volumes::store::{Objects, SnapshotHead, SnapshotUuid, Store, VolumePart};

use super::consent::Question;
use super::data_error::DataError;
use super::enter::{enter, ready};
use super::find;
use super::lifecycle::Running;
use super::remove::Execution;
use super::replace::{Surroundings, as_faults, is_blank};
use super::snapshot::SnapshotView;
use super::survey::recorded_image;
use super::{OperationError, Outcome};
use crate::approval::Facts;
use crate::host::Host;
use crate::ledger::{InstanceRecord, Ledger, RootId, Time, VolumeRecord};
use crate::plan::{Kind, Plan, Replacing, Step};
use crate::progress::Meter;
use crate::request::{DeviceNodes, RestoreRequest};
use crate::run::{known, with_causes};

/// What a restore would do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RestorePlan {
    /// The snapshot.
    pub snapshot: SnapshotView,
    /// The volumes that are put back.
    pub volumes: Vec<RestoreVolume>,
    /// Why it needs an approval; `None` where it needs none.
    pub needs_approval: Option<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The steps.
    pub plan: Plan,
}

/// One volume that is put back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RestoreVolume {
    /// The volume.
    pub name: VolumeName,
    /// Its directory.
    pub path: PathBuf,
    /// How many entries the snapshot has of it.
    pub entries: u64,
    /// The bytes of their files.
    pub bytes: Bytes,
}

/// A restore that is done.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Restored {
    /// The instance.
    pub instance: InstanceName,
    /// What was restored.
    pub snapshot: SnapshotUuid,
    /// The volumes that were put back.
    pub volumes: Vec<RestoreVolume>,
    /// The snapshot of what was there before; `None` where there was nothing, or nothing that could be read.
    pub before: Option<SnapshotUuid>,
    /// What was there before is in the trash under this id: `homeport trash restore ID` takes the restore back.
    pub undo: TxId,
    /// Until when that is kept at least.
    pub kept_until: Time,
    /// The instance, where it runs again.
    pub running: Option<Running>,
    /// Why the instance, which should run, does not.
    pub not_running: Option<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Everything that is known before a restore.
struct Prepared {
    plan: RestorePlan,
    bundle: TxId,
    around: Surroundings,
    question: Question,
}

/// Puts volumes back to what they were in a snapshot. A running instance is stopped and started; where it does not get
/// ready with the restored data, what was there before is back, and the error says why.
pub fn snapshot_restore(
    host: &Host,
    request: &RestoreRequest,
) -> Result<Outcome<RestorePlan, Restored>, OperationError> {
    ready(host)?;
    let instance = &request.which.instance;
    enter(host, Kind::Restore, instance, |writer, root| {
        let Prepared { plan, bundle, around, question } = prepare(host, writer, root, request)?;
        if request.execution == Execution::DryRun {
            let approval = question.offer(host, writer)?;
            return Ok(Outcome::Planned { plan, approval });
        }
        let approval = question.consent(host, writer, request.approve.as_ref())?;
        let done = around.carry_out(host, writer, root, &plan.plan, approval)?;
        Ok(Outcome::Done(Restored {
            instance: instance.clone(),
            snapshot: plan.snapshot.uuid,
            volumes: plan.volumes,
            before: done.before,
            undo: bundle,
            kept_until: done.kept_until,
            running: done.running,
            not_running: done.not_running,
            warnings: done.warnings,
        }))
    })
}

fn prepare(host: &Host, ledger: &Ledger, root: &RootId, request: &RestoreRequest) -> Result<Prepared, OperationError> {
    let instance = &request.which.instance;
    find::known_or_kept(ledger, instance)?;
    let (store, head) = find::snapshot(ledger, &request.which)?;
    let record = ledger.instance(instance)?;
    let chosen = choose(ledger, request, &head, record.as_ref())?;
    let mut faults = Vec::new();
    let objects = store.objects().map_err(DataError::from)?;
    for (volume, part) in &chosen {
        faults.extend(look(host, ledger, root, record.as_ref(), (volume, part), (&store, &objects), request.devices)?);
    }
    if !faults.is_empty() {
        return Err(OperationError::Refused { what: format!("restore of `{instance}`"), faults });
    }
    let records: Vec<VolumeRecord> = chosen.iter().map(|(record, _)| record.clone()).collect();
    let mut around = Surroundings::of(host, ledger, root, instance, &records)?;
    for (volume, part) in chosen.iter().filter(|(volume, part)| volume.uuid != part.uuid.to_string()) {
        around
            .warnings
            .push(format!("volume `{}` was another one ({}) when the snapshot was made", volume.name, part.uuid));
    }
    let bundle = TxId::random();
    let replacing: Vec<Replacing> = chosen
        .iter()
        .map(|(volume, _)| replacing(volume, head.body.uuid, request.devices))
        .collect::<Result<_, OperationError>>()?;
    let view = SnapshotView::of(&head, &ledger.snapshot_marks()?);
    let needed = needs_approval(&view, &chosen, &around);
    let plan = RestorePlan {
        volumes: chosen.iter().map(|(volume, part)| restored(volume, part)).collect(),
        needs_approval: needed.clone(),
        warnings: around.warnings.clone(),
        plan: around.plan(Kind::Restore, instance, bundle, &replacing),
        snapshot: view,
    };
    let question = Question {
        command: format!("snapshot restore {instance}"),
        facts: facts(&head, &chosen, request.devices, &around),
        needed,
    };
    Ok(Prepared { plan, bundle, around, question })
}

/// The volumes that are put back, each with its part of the snapshot.
fn choose<'a>(
    ledger: &Ledger,
    request: &RestoreRequest,
    head: &'a SnapshotHead,
    record: Option<&InstanceRecord>,
) -> Result<Vec<(VolumeRecord, &'a VolumePart)>, OperationError> {
    let (instance, body) = (&request.which.instance, &head.body);
    let known = || body.volumes.iter().map(|part| part.name.to_string()).collect();
    if let Some(volume) = request.volumes.iter().find(|name| body.volume(name).is_none()) {
        let (instance, volume) = (instance.clone(), volume.clone());
        return Err(DataError::UnknownVolume { instance, volume, known: known() }.into());
    }
    if let Some(record) = record.filter(|record| record.port != body.port) {
        let fault = Fault::new("HP-DAT-008", "port", format!("the snapshot is of another port than `{instance}` is"))
            .actual(format!("`{}`", body.port))
            .expected(format!("`{}`", record.port))
            .remedy("remove the instance, which keeps its data, and deploy the snapshot's port");
        return Err(OperationError::Refused { what: format!("restore of `{instance}`"), faults: vec![fault] });
    }
    let volumes = ledger.volumes(instance)?;
    let wanted = body.volumes.iter().filter(|part| request.volumes.is_empty() || request.volumes.contains(&part.name));
    wanted
        .map(|part| {
            let found = volumes.iter().find(|record| record.name == part.name && record.port == body.port);
            let known = volumes.iter().map(|record| record.name.to_string()).collect();
            let missing = || DataError::UnknownVolume { instance: instance.clone(), volume: part.name.clone(), known };
            Ok((found.cloned().ok_or_else(missing)?, part))
        })
        .collect()
}

/// Everything that stands in the way of putting one volume back.
fn look(
    host: &Host,
    ledger: &Ledger,
    root: &RootId,
    record: Option<&InstanceRecord>,
    (volume, part): (&VolumeRecord, &VolumePart),
    (store, objects): (&Store, &Objects),
    devices: DeviceNodes,
) -> Result<Vec<Fault>, OperationError> {
    let mut faults = Vec::new();
    if let Some(record) = record {
        faults.extend(other_format(record, &volume.name, part.format, "the snapshot")?);
    }
    let source = Stored::new(store, objects, part.entries);
    let meter = Meter::new(&*host.progress, format!("look at `{}` in the snapshot", volume.name));
    let surveyed = match survey(&source, Reading::Present, &meter.of(part.bytes, part.count)) {
        Ok(surveyed) => surveyed,
        Err(error) => {
            let fault = Fault::new(error.code(), format!("volumes.{}", volume.name), with_causes(&error));
            faults.push(fault.remedy(error.help().unwrap_or_default()));
            return Ok(faults);
        }
    };
    let (mut request, known) = known::ask(host, ledger, root, volume)?;
    request.tolerated = known::own_processes(host, root, &volume.instance)?;
    let devices = match devices {
        DeviceNodes::Refuse => Devices::Refuse,
        DeviceNodes::Make => Devices::Make,
    };
    match hold_for_restore(&host.machine, &request, Some(&known)) {
        Ok(held) => {
            let space = Room::of(&held).map_err(DataError::from)?;
            faults.extend(surveyed.judge(&volume.name, &space, devices).err().unwrap_or_default());
        }
        Err(error) => faults.extend(as_faults(&volume.name, error)),
    }
    Ok(faults)
}

/// That the version that is deployed does not work with data of this format, which somebody wants to put back from there.
pub(super) fn other_format(
    record: &InstanceRecord,
    volume: &VolumeName,
    found: Format,
    place: &str,
) -> Result<Option<Fault>, OperationError> {
    let image = recorded_image(record)?;
    let declared = image.manifest.volumes.get(volume);
    let declared = declared.filter(|declared| !(declared.min_format..=declared.format).contains(&found));
    Ok(declared.map(|declared| {
        let (name, version) = (&record.name, &record.version);
        let message = format!("version {version} of the port does not work with what {place} has of `{volume}`");
        Fault::new("HP-DAT-009", format!("volumes.{volume}"), message)
            .actual(format!("format {found}"))
            .expected(format!("format {} to {}", declared.min_format, declared.format))
            .remedy(format!(
                "`homeport remove {name}` keeps its data; restore, and deploy a version that works with it"
            ))
    }))
}

fn replacing(volume: &VolumeRecord, snapshot: SnapshotUuid, devices: DeviceNodes) -> Result<Replacing, OperationError> {
    let uuid = known::uuid(volume)?;
    let (tx, name) = (TxId::random(), volume.name.clone());
    let stage = Step::BuildTree { volume: name.clone(), uuid, tx, snapshot, devices };
    Ok(Replacing { volume: name, uuid, tx, had: volume.has_data, stage })
}

fn restored(volume: &VolumeRecord, part: &VolumePart) -> RestoreVolume {
    RestoreVolume {
        name: volume.name.clone(),
        path: volume.path.clone(),
        entries: part.count,
        bytes: Bytes::new(part.bytes),
    }
}

/// Why a restore needs consent although nothing is lost by it: it is most likely not what is meant, or what is there
/// cannot be kept as a snapshot.
fn needs_approval(
    view: &SnapshotView,
    chosen: &[(VolumeRecord, &VolumePart)],
    around: &Surroundings,
) -> Option<String> {
    let mut why = Vec::new();
    for (volume, part) in chosen.iter().filter(|(volume, _)| !is_blank(&volume.path)) {
        if part.count <= 1 {
            why.push(format!("`{}` is empty in the snapshot and holds data now", volume.name));
        } else if view.is_alarming() && view.alarms.iter().any(|alarm| alarm.volume == volume.name) {
            why.push(format!("`{}` has an alarm in the snapshot that nobody has confirmed", volume.name));
        }
    }
    why.extend(around.cannot_be_kept());
    (!why.is_empty()).then(|| why.join("; "))
}

/// What consent to a restore goes by: which snapshot, over which volumes, not started since; which of them cannot be read,
/// and whether device nodes are made.
fn facts(
    head: &SnapshotHead,
    chosen: &[(VolumeRecord, &VolumePart)],
    devices: DeviceNodes,
    around: &Surroundings,
) -> Facts {
    let devices = match devices {
        DeviceNodes::Refuse => "refused",
        DeviceNodes::Make => "made",
    };
    let facts = Facts::default().with("snapshot", head.body.uuid).with("device nodes", devices);
    let facts = around
        .unreadable
        .iter()
        .fold(facts, |facts, (name, error)| facts.with(format!("volume {name}: no snapshot of what is there"), error));
    chosen.iter().fold(facts, |facts, (volume, part)| {
        let about = |what: &str| format!("volume {}: {what}", volume.name);
        facts
            .with(about("uuid"), &volume.uuid)
            .with(about("path"), volume.path.display())
            .with(about("generation"), volume.generation)
            .with(about("entries in the snapshot"), part.count)
            .with(about("bytes in the snapshot"), part.bytes)
    })
}
