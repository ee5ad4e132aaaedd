//! Owns taking something out of the trash: a purged volume comes back to its place, a restore is taken back.

use homeport_core::fault::{Advice as _, Fault};
use homeport_core::name::InstanceName;
use homeport_volumes::TxId;
use homeport_volumes::store::SnapshotUuid;
use homeport_volumes::trash::{TrashError, can_put_back};

use super::cut_off::{holds, is_back, on_its_way};
use super::list::{Look, TrashView};
use crate::approval::Facts;
use crate::host::Host;
use crate::ledger::{Ledger, LedgerWriter, RootId, TrashReason, VolumeRecord};
use crate::operation::consent::Question;
use crate::operation::data_error::DataError;
use crate::operation::enter::{enter, ready, resume_all};
use crate::operation::lifecycle::Running;
use crate::operation::remove::Execution;
use crate::operation::replace::{Surroundings, volume_of};
use crate::operation::restore::other_format;
use crate::operation::{OperationError, Outcome};
use crate::plan::{self, Kind, Plan, Replacing, Step, TrashedTree};
use crate::request::{TrashRef, TrashRestoreRequest};
use crate::run::{Session, with_causes};

/// What taking something out would do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PutBackPlan {
    /// What is taken out.
    pub what: TrashView,
    /// Why it needs an approval; `None` where it needs none.
    pub needs_approval: Option<String>,
    /// What a person should know: what was written since the restore goes to the trash, for example.
    pub warnings: Vec<String>,
    /// The steps.
    pub plan: Plan,
}

/// What was taken out.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PutBack {
    /// What was taken out, and is not in the trash any more.
    pub what: TrashView,
    /// The instance that has it again, or whose removed volumes these are.
    pub instance: InstanceName,
    /// Where a restore was taken back: the snapshot of what was there until now.
    pub before: Option<SnapshotUuid>,
    /// Where a restore was taken back: what was there until now is in the trash under this id.
    pub undo: Option<TxId>,
    /// The instance, where it runs again.
    pub running: Option<Running>,
    /// Why the instance, which should run, does not.
    pub not_running: Option<String>,
    /// What could not be taken out, and stays in the trash.
    pub faults: Vec<Fault>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Takes something out of the trash again. Needs no approval but where what is there now cannot be kept as a snapshot.
/// [spec: STO-32]
///
/// What was cut off is brought to its end before anything is looked for, so that the same command can be repeated after
/// its process died. Where that put back just what is asked for, it is what this returns.
pub fn trash_restore(
    host: &Host,
    request: &TrashRestoreRequest,
) -> Result<Outcome<PutBackPlan, PutBack>, OperationError> {
    ready(host)?;
    let on_its_way = on_its_way(&Ledger::open(&host.layout)?, &request.what)?;
    let stuck = resume_all(host)?;
    let ledger = Ledger::open(&host.layout)?;
    let view = match (pick(&Look::at(host, &ledger)?, &request.what), on_its_way) {
        (Ok(view), _) => view,
        (Err(_), Some(what)) if request.execution == Execution::Real && is_back(&ledger, &what)? => {
            return done(&ledger, what).map(Outcome::Done);
        }
        (Err(error), _) => {
            let stands = |(name, _): &(InstanceName, String)| holds(&ledger, name, &request.what);
            let stuck = stuck.into_iter().find(stands);
            return Err(stuck.map_or(error, |(name, reason)| OperationError::Stuck { name, reason }));
        }
    };
    drop(ledger);
    let kind = if view.reason == TrashReason::Purge { Kind::PutBack } else { Kind::Undo };
    enter(host, kind, &view.instance.clone(), |writer, root| {
        // What was cut off was brought to its end on the way in here, and may have been just this.
        let look = Look::at(host, writer)?;
        let what = wanted(writer, pick(&look, &request.what)?, &request.what)?;
        let trees = trees(&look, &what)?;
        refuse(&what, partial(&look, &trees))?;
        if kind == Kind::PutBack {
            refuse(&what, taken(writer, &what, &trees)?)?;
            refuse(&what, unfit(&look, &trees))?;
            return put_back(host, writer, root, request, what, &trees);
        }
        refuse(&what, of_other_format(writer, &what)?)?;
        undo(host, writer, root, request, what, &trees)
    })
}

/// Purged volumes that are back.
fn done(ledger: &Ledger, what: TrashView) -> Result<PutBack, OperationError> {
    let instance = what.instance.clone();
    let warnings = match ledger.instance(&instance)? {
        Some(_) => Vec::new(),
        None => {
            vec![format!("the instance is gone: `homeport deploy {} --name {instance}` takes its data up", what.port)]
        }
    };
    let (before, undo, running, not_running) = (None, None, None, None);
    Ok(PutBack { what, instance, before, undo, running, not_running, faults: Vec::new(), warnings })
}

/// What is meant: a bundle, or the one that has the tree.
pub(super) fn pick(look: &Look, wanted: &TrashRef) -> Result<TrashView, OperationError> {
    let names = |view: &&TrashView| wanted.names(view.id) || view.trees.iter().any(|tree| wanted.names(tree.tx));
    let found: Vec<&TrashView> = look.list.bundles.iter().filter(names).collect();
    match found.as_slice() {
        [only] => Ok((*only).clone()),
        [] => {
            let known = look.list.bundles.iter().take(10).map(|view| view.id.to_string()).collect();
            Err(DataError::NotInTrash { wanted: wanted.to_string(), known }.into())
        }
        several => {
            let found = several.iter().map(|view| view.id.to_string()).collect();
            Err(DataError::Ambiguous { wanted: wanted.to_string(), found }.into())
        }
    }
}

/// What is taken out: all that one command put there, or the one tree that was named by its own id.
fn wanted(ledger: &Ledger, mut what: TrashView, named: &TrashRef) -> Result<TrashView, OperationError> {
    if !named.names(what.id) {
        what.trees.retain(|tree| named.names(tree.tx));
        return Ok(what);
    }
    let there = what.trees.iter().map(|tree| format!("`homeport trash restore {}`", tree.tx)).collect::<Vec<_>>();
    let records = ledger.trash()?;
    let missing =
        records.iter().filter(|record| record.bundle == what.id && !what.trees.iter().any(|tree| tree.tx == record.tx));
    let faults: Vec<Fault> = missing
        .map(|record| {
            let message = format!("what `{}` of `{}` was is not in the trash", record.name, record.instance);
            Fault::new("HP-DAT-010", format!("volumes.{}", record.name), message)
                .expected(format!("tree {} in the trash of `{}`", record.tx, record.path.display()))
                .actual("nothing there: its disk is not mounted, or it went with a purge of the whole volume")
                .remedy(format!(
                    "mount the disk that it is on, and repeat the command; to have only what is there back: {}",
                    there.join(", ")
                ))
        })
        .collect();
    refuse(&what, faults)?;
    Ok(what)
}

/// Nothing is begun while anything is wrong.
fn refuse(what: &TrashView, faults: Vec<Fault>) -> Result<(), OperationError> {
    if faults.is_empty() {
        return Ok(());
    }
    Err(OperationError::Refused { what: format!("taking `{}` out of the trash", what.id), faults })
}

/// Everything of which a part is deleted: what is left of it never takes the place of anything.
fn partial(look: &Look, trees: &[TrashedTree]) -> Vec<Fault> {
    let found = trees.iter().filter(|tree| look.is_partial(tree.tx));
    found.map(|tree| fault(tree, &TrashError::Partial { tx: tree.tx })).collect()
}

/// Everything that cannot go back to its place, as it is found there.
fn unfit(look: &Look, trees: &[TrashedTree]) -> Vec<Fault> {
    let unfit = |tree: &TrashedTree| {
        let (_, place) = look.place(tree.tx)?;
        can_put_back(place, tree.tx).err().map(|error| fault(tree, &error))
    };
    trees.iter().filter_map(unfit).collect()
}

/// Everything that the version that is deployed does not work with: what an upgrade took out, for example.
fn of_other_format(ledger: &Ledger, what: &TrashView) -> Result<Vec<Fault>, OperationError> {
    let Some(record) = ledger.instance(&what.instance)?.filter(|record| record.port == what.port) else {
        return Ok(Vec::new());
    };
    let mut faults = Vec::new();
    for tree in &what.trees {
        if let Some(format) = tree.format {
            faults.extend(other_format(&record, &tree.volume, format, "the trash")?);
        }
    }
    Ok(faults)
}

fn fault(tree: &TrashedTree, error: &TrashError) -> Fault {
    let fault = Fault::new(error.code(), format!("volumes.{}", tree.volume), with_causes(error));
    fault.remedy(error.help().unwrap_or_default())
}

fn trees(look: &Look, what: &TrashView) -> Result<Vec<TrashedTree>, OperationError> {
    let tree = |tx: TxId| {
        let missing = || DataError::NotInTrash { wanted: tx.to_string(), known: Vec::new() };
        Ok(look.place(tx).map(|(tree, _)| tree.clone()).ok_or_else(missing)?)
    };
    what.trees.iter().map(|one| tree(one.tx)).collect()
}

/// A purged volume comes back to where it was.
fn put_back(
    host: &Host,
    writer: &mut LedgerWriter<'_>,
    root: &RootId,
    request: &TrashRestoreRequest,
    mut what: TrashView,
    trees: &[TrashedTree],
) -> Result<Outcome<PutBackPlan, PutBack>, OperationError> {
    let instance = what.instance.clone();
    let plan = plan::put_back(&instance, trees);
    if request.execution == Execution::DryRun {
        let plan = PutBackPlan { what, needs_approval: None, warnings: Vec::new(), plan };
        return Ok(Outcome::Planned { plan, approval: None });
    }
    let question = Question { command: command(&what), facts: Facts::default(), needed: None };
    let _none = question.consent(host, writer, request.approve.as_ref())?;
    let mut session = Session::new(host, writer, root.clone(), Kind::PutBack, instance);
    session.run(&plan)?;
    let unreturned = std::mem::take(&mut session.unreturned);
    what.trees.retain(|tree| !unreturned.contains_key(&tree.tx));
    let faults = unreturned.into_values().collect();
    Ok(Outcome::Done(PutBack { faults, ..done(writer, what)? }))
}

/// Everything that has the place of a purged volume by now.
fn taken(ledger: &Ledger, what: &TrashView, trees: &[TrashedTree]) -> Result<Vec<Fault>, OperationError> {
    let mut faults = Vec::new();
    for tree in trees {
        let at_path = ledger.volume_by_path(&tree.path)?;
        let same_name = ledger.volumes(&what.instance)?;
        let same_name = same_name.into_iter().find(|volume| volume.port == what.port && volume.name == tree.volume);
        let Some(other) = at_path.or(same_name).filter(|other| other.uuid != tree.uuid.to_string()) else { continue };
        faults.push(
            Fault::new(
                "HP-DAT-011",
                format!("volumes.{}", tree.volume),
                format!("another volume has the place of `{}` of `{}` by now", tree.volume, what.instance),
            )
            .actual(format!("volume `{}` of `{}` at `{}`", other.name, other.instance, other.path.display()))
            .expected(format!("none there, and none of that name; volume {} comes back", tree.uuid))
            .remedy(format!("`homeport purge {}` gives the other one up first", other.instance)),
        );
    }
    Ok(faults)
}

fn command(what: &TrashView) -> String {
    format!("trash restore {}", what.id)
}

/// What consent to taking a restore back goes by: which trees, into which volumes, not started since.
fn facts(trees: &[TrashedTree], volumes: &[VolumeRecord]) -> Facts {
    trees.iter().zip(volumes).fold(Facts::default(), |facts, (tree, volume)| {
        let about = |what: &str| format!("volume {}: {what}", volume.name);
        facts
            .with(about("uuid"), &volume.uuid)
            .with(about("path"), volume.path.display())
            .with(about("generation"), volume.generation)
            .with(about("tree"), tree.tx)
    })
}

/// A restore is taken back: what it took out is exchanged with what is there.
fn undo(
    host: &Host,
    writer: &mut LedgerWriter<'_>,
    root: &RootId,
    request: &TrashRestoreRequest,
    what: TrashView,
    trees: &[TrashedTree],
) -> Result<Outcome<PutBackPlan, PutBack>, OperationError> {
    let (instance, bundle) = (what.instance.clone(), TxId::random());
    let mut volumes = Vec::new();
    let mut replacing = Vec::new();
    for tree in trees {
        // By its identity: another port may have left a volume of the same name.
        let known = writer.volume_by_uuid(&tree.uuid.to_string())?.filter(|known| known.instance == instance);
        let record = known.map_or_else(|| volume_of(writer, &instance, &tree.volume), Ok)?;
        let tx = TxId::random();
        let (volume, uuid, trashed) = (tree.volume.clone(), tree.uuid, tree.tx);
        let stage = Step::StageTrashed { volume: volume.clone(), uuid, tx, trashed };
        replacing.push(Replacing { volume, uuid, tx, had: record.has_data, stage });
        volumes.push(record);
    }
    let mut around = Surroundings::of(host, writer, root, &instance, &volumes)?;
    let question = Question { command: command(&what), facts: facts(trees, &volumes), needed: around.cannot_be_kept() };
    around.warnings.push("what was written since then is not in it; it goes to the trash".to_owned());
    let plan = around.plan(Kind::Undo, &instance, bundle, &replacing);
    if request.execution == Execution::DryRun {
        let approval = question.offer(host, writer)?;
        let (needs_approval, warnings) = (question.needed, around.warnings);
        return Ok(Outcome::Planned { plan: PutBackPlan { what, needs_approval, warnings, plan }, approval });
    }
    let approval = question.consent(host, writer, request.approve.as_ref())?;
    let done = around.carry_out(host, writer, root, &plan, approval)?;
    Ok(Outcome::Done(PutBack {
        what,
        instance,
        before: done.before,
        undo: Some(bundle),
        running: done.running,
        not_running: done.not_running,
        faults: Vec::new(),
        warnings: done.warnings,
    }))
}
