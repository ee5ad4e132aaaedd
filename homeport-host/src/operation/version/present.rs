//! Owns looking at everything before a change of version: the verdict, the configuration, the volumes, and the plan that
//! comes of it. Changes nothing but a volume's probe file.

use std::collections::BTreeMap;

use homeport_core::config::Given;
use homeport_core::manifest::{Access, Backup, Manifest, Writes};
use homeport_core::name::{EndpointName, InstanceName, VolumeName};
use homeport_core::unit::{Format, Seconds};
use homeport_core::upgrade::{Change, Loss, WayBack, other_port};
use homeport_volumes::TxId;
use homeport_volumes::store::SnapshotHead;

use super::change::{Prepared, what};
use super::judge::{Case, Judged};
use super::room::measured;
use super::view::{ChangeView, ClientsView, MigrationView, SetBackView, VersionPlan, WayBackView};
use super::{configuration, facts};
use crate::container::stop_grace;
use crate::host::Host;
use crate::image::PortImage;
use crate::ledger::{Desired, FormerRecord, InstanceRecord, Ledger, RetiringRecord, RootId, Time, VolumeRecord};
use crate::operation::OperationError;
use crate::operation::consent::Question;
use crate::operation::enter::known;
use crate::operation::find;
use crate::operation::observe;
use crate::operation::survey::{Present, Surveyor, recorded_image};
use crate::plan::{Going, Kind, Manner, Migrating, change_version};
use crate::request::RouteWish;

/// How long clients may stay with the version from before.
const LINGER: Seconds = Seconds::new(24 * 3600);

/// What was asked for.
pub(super) struct Asked<'a> {
    pub(super) kind: Kind,
    pub(super) instance: &'a InstanceName,
    pub(super) given: &'a [Given],
    pub(super) routes: &'a BTreeMap<EndpointName, RouteWish>,
    /// The version from before, where there was one.
    pub(super) former: Option<&'a FormerRecord>,
}

/// What is known of the instance.
struct Instance {
    record: InstanceRecord,
    image: PortImage,
    volumes: Vec<VolumeRecord>,
    runs: bool,
    retiring: Vec<RetiringRecord>,
}

/// Looks at everything, and plans.
pub(super) fn prepare(
    host: &Host,
    ledger: &Ledger,
    root: &RootId,
    asked: &Asked<'_>,
    next: &PortImage,
) -> Result<Prepared, OperationError> {
    let instance = instance(host, ledger, asked.instance)?;
    if let Some(other) = other_port(&instance.image.manifest, &next.manifest) {
        return Err(OperationError::Refused { what: what(asked.kind, asked.instance), faults: vec![other] });
    }
    let catalog = find::catalog(ledger)?.map(|(_, catalog)| catalog);
    let same_version = asked.former.filter(|former| former.image == next.id);
    let case = Case {
        kind: asked.kind,
        present: &instance.record,
        present_manifest: &instance.image.manifest,
        next,
        volumes: &instance.volumes,
        catalog: catalog.as_ref(),
        former: same_version,
    };
    let judged = case.judge();
    let migrating = case.migrating(&judged)?;
    let stored = ledger.config(&instance.record.name)?;
    let (configuration, said, config_faults) =
        configuration::carried(&instance.image.manifest, &next.manifest, &stored, asked.given);
    let (migrations, space_faults) = measured(host, &instance.volumes, &judged, &migrating)?;
    let mut faults = judged.refused.clone();
    faults.extend(config_faults);
    faults.extend(space_faults);
    let formats = formats_until_then(&instance, &judged, &migrations);
    let present = Present {
        manifest: &instance.image.manifest,
        formats: &formats,
        wished: asked.routes,
        former_routes: same_version.map_or(&[], |former| &former.routes),
    };
    let name = &instance.record.name;
    let surveyor = Surveyor::new(host, ledger, root, name, &next.manifest);
    let survey = surveyor.version(what(asked.kind, name), next, configuration, &present, faults)?;
    let bundle = TxId::random();
    let going = Going {
        bundle,
        slot: instance.record.slot.other(),
        manner: manner(&instance, &next.manifest, &migrating),
        present: in_snapshot(&instance, &migrating),
        migrating,
        retiring: instance.retiring.clone(),
    };
    let plan = change_version(asked.kind, &survey.blueprint, &going);
    let needed = needs_approval(&judged);
    let seen = facts::Seen {
        present: &instance.record,
        next,
        judged: &judged,
        migrations: &migrations,
        going: &going,
        blueprint: &survey.blueprint,
    };
    let command = format!("{} {name}", asked.kind);
    let facts = facts::facts(&seen);
    let told = instance.retiring.iter().map(disconnected).chain(judged.told.clone());
    let warnings = told.chain(survey.warnings.iter().cloned()).collect();
    let plan = VersionPlan {
        instance: name.clone(),
        port: instance.record.port.clone(),
        from: instance.record.version.clone(),
        to: next.manifest.port.version.clone(),
        image: next.id,
        reference: next.reference.clone(),
        direction: judged.direction,
        changes: judged.changes.iter().map(change_view).collect(),
        notes: next.manifest.upgrade_notes.clone(),
        configuration: said,
        migrations,
        set_back: judged.set_back.as_ref().map(set_back),
        snapshot: going.present.clone(),
        clients: clients(&going.manner),
        way_back: way_back(&judged),
        needs_approval: needed.clone(),
        warnings,
        hash: facts.digest(&command),
        plan,
    };
    let question = Question { command, facts, needed };
    Ok(Prepared { plan, survey, bundle, question, runs: instance.record.desired == Desired::Running })
}

fn instance(host: &Host, ledger: &Ledger, name: &InstanceName) -> Result<Instance, OperationError> {
    let record = known(ledger, name)?;
    let image = recorded_image(&record)?;
    let runs = observe::is_running(host, &record)?;
    Ok(Instance { image, volumes: ledger.volumes(name)?, runs, retiring: ledger.retiring(name)?, record })
}

/// How the other version takes over: beside the present one only where that runs, both may hold every volume at once, and no
/// data becomes another that the present one still writes to: what it writes after the copy was made would be lost.
/// [spec: UPG-43]
fn manner(instance: &Instance, next: &Manifest, migrating: &[Migrating]) -> Manner {
    if instance.record.desired != Desired::Running {
        return Manner::Stopped;
    }
    let shared = |manifest: &Manifest| manifest.volumes.values().all(|volume| volume.access == Access::Shared);
    let present = &instance.image.manifest;
    let writes_to =
        |one: &Migrating| present.volumes.get(&one.volume).is_none_or(|volume| volume.writes == Writes::Always);
    if instance.runs && shared(present) && shared(next) && !migrating.iter().any(writes_to) {
        return Manner::Overlap { linger: LINGER };
    }
    Manner::Replace { container: instance.record.container.clone(), grace: stop_grace(present) }
}

/// The formats that volumes have now and are not to keep. Where there is no way to those of the other version, which is told
/// already, none has another: that it is not the one that is wanted would only be told again, with a remedy that is none.
fn formats_until_then(
    instance: &Instance,
    judged: &Judged,
    migrations: &[MigrationView],
) -> BTreeMap<VolumeName, Format> {
    if judged.ways.is_none() {
        let own = instance.volumes.iter().filter(|record| record.port == instance.record.port);
        return own.map(|record| (record.name.clone(), record.format)).collect();
    }
    migrations.iter().map(|migration| (migration.volume.clone(), migration.from)).collect()
}

/// The volumes of which a snapshot is made before: those that belong into one, and whatever is migrated or set back: what is
/// there now is had again from nowhere else. [spec: UPG-44]
fn in_snapshot(instance: &Instance, migrating: &[Migrating]) -> Vec<VolumeName> {
    let declared = &instance.image.manifest.volumes;
    let belongs = |record: &&VolumeRecord| {
        let kept = declared.get(&record.name).is_some_and(|volume| volume.backup != Backup::Never);
        record.port == instance.record.port && (kept || migrating.iter().any(|one| one.volume == record.name))
    };
    instance.volumes.iter().filter(belongs).map(|record| record.name.clone()).collect()
}

fn change_view(change: &Change) -> ChangeView {
    ChangeView { rule: change.rule.id, asks_for: change.rule.bump.word(), text: change.to_string() }
}

fn set_back(head: &SnapshotHead) -> SetBackView {
    SetBackView {
        sequence: head.sequence,
        uuid: head.body.uuid,
        taken: Time::of_unix(head.body.taken.seconds(), head.body.taken.nanos()),
        version: head.body.version.clone(),
    }
}

const fn clients(manner: &Manner) -> ClientsView {
    match manner {
        Manner::Overlap { linger } => ClientsView::Overlap { linger: *linger },
        Manner::Replace { .. } => ClientsView::Wait,
        Manner::Stopped => ClientsView::None,
    }
}

fn way_back(judged: &Judged) -> WayBackView {
    match judged.ways.as_ref().map(|ways| &ways.way_back) {
        Some(WayBack::BySnapshot { lost }) => {
            let of =
                |wanted: Loss| lost.iter().filter(|(_, loss)| **loss == wanted).map(|(name, _)| name.clone()).collect();
            WayBackView::Snapshot { volumes: of(Loss::SinceSnapshot), everything: of(Loss::Everything) }
        }
        Some(WayBack::Reversible) | None => WayBackView::Reversible,
    }
}

/// Why it needs consent: each step that cannot be taken back, and what is set back. [spec: UPG-23, UPG-26]
fn needs_approval(judged: &Judged) -> Option<String> {
    let why: Vec<String> = judged.approvals.iter().map(|fault| fault.message.clone()).collect();
    (!why.is_empty()).then(|| why.join("; "))
}

fn disconnected(record: &RetiringRecord) -> String {
    format!(
        "clients that are still connected with version {} since the last change are disconnected: its container has the slot \
         that the new one needs",
        record.version
    )
}
