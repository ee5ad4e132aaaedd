//! Owns deleting for good what is in the trash: the only place where data of a person ends. [spec: STO-32]

use std::collections::BTreeMap;

use homeport_core::fault::Fault;
use homeport_core::unit::Bytes;
use homeport_volumes::TxId;
use homeport_volumes::progress::Progress as _;
use homeport_volumes::trash::{Measured, TrashError, measure_trashed};
use homeport_volumes::tree::Timestamp;

use super::age::Age;
use super::list::{Look, TrashView};
use super::put_back::pick;
use crate::approval::{Facts, TokenUse};
use crate::host::Host;
use crate::ledger::{Ledger, LedgerWriter, RootId};
use crate::operation::consent::Question;
use crate::operation::data_error::DataError;
use crate::operation::enter::{as_root, locked};
use crate::operation::remove::Execution;
use crate::operation::{OperationError, Outcome};
use crate::plan::{self, Kind, TrashedTree};
use crate::progress::Meter;
use crate::request::{EmptyRequest, TrashChoice};
use crate::run::Session;

/// What emptying would delete.
#[derive(Debug, Clone, serde::Serialize)]
pub struct EmptyPlan {
    /// What goes, oldest first.
    pub what: Vec<TrashView>,
    /// Why it needs an approval; `None` where all of it has been there for its full time.
    pub needs_approval: Option<String>,
}

/// What was deleted.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Emptied {
    /// What is gone.
    pub what: Vec<TrashView>,
    /// How many entries were deleted.
    pub entries: u64,
    /// The bytes of their files.
    pub bytes: Bytes,
    /// What could not be deleted, and stays in the trash.
    pub faults: Vec<Fault>,
}

/// Deletes what is in the trash.
pub fn trash_empty(host: &Host, request: &EmptyRequest) -> Result<Outcome<EmptyPlan, Emptied>, OperationError> {
    as_root()?;
    super::super::enter::resume_cut_off(host)?;
    locked(host, "trash empty", |writer, root| {
        let look = Look::at(host, writer)?;
        let oldest = look.list.bundles.iter().map(|view| &view.since).min();
        let age = Age::read(host, writer, oldest)?;
        let mut what = choose(&look, &age, &request.what)?;
        let question = question(host, writer, &look, &age, &mut what)?;
        if request.execution == Execution::DryRun {
            let approval = question.offer(host, writer)?;
            return Ok(Outcome::Planned { plan: EmptyPlan { what, needs_approval: question.needed }, approval });
        }
        let mut approval = question.consent(host, writer, request.approve.as_ref())?;
        let mut done = Emptied { what: Vec::new(), entries: 0, bytes: Bytes::new(0), faults: Vec::new() };
        let stuck = writer.stuck_operations()?;
        for view in what {
            if let Some(operation) = stuck.iter().find(|operation| operation.instance == view.instance) {
                done.faults.push(unfinished(&view, &operation.message));
                continue;
            }
            empty_one(host, writer, root, &look, view, approval.take(), &mut done)?;
        }
        Ok(Outcome::Done(done))
    })
}

/// Where an earlier operation on the instance could not be brought to an end, nothing new is begun.
fn unfinished(view: &TrashView, reason: &str) -> Fault {
    let message = format!("`{}` stays in the trash: nothing can be done to `{}` yet", view.id, view.instance);
    let fault = Fault::new("HP-OPN-023", view.id.to_string(), message).actual(reason.to_owned());
    fault.remedy("mend what is named, and repeat the command: it tries again")
}

/// Whether all of it has been there for its full time.
fn is_due(view: &TrashView, age: &Age) -> bool {
    view.until.as_ref().is_some_and(|until| age.is_over(&view.since, until))
}

/// What is meant.
fn choose(look: &Look, age: &Age, wanted: &TrashChoice) -> Result<Vec<TrashView>, OperationError> {
    Ok(match wanted {
        TrashChoice::All => look.list.bundles.clone(),
        TrashChoice::Due => look.list.bundles.iter().filter(|view| is_due(view, age)).cloned().collect(),
        TrashChoice::Named(names) => {
            let mut views: Vec<TrashView> = Vec::new();
            for name in names {
                let view = pick(look, name)?;
                if !views.contains(&view) {
                    views.push(view);
                }
            }
            views
        }
    })
}

/// What consent is needed to: everything that has not been there for its full time. All of it is counted now, so that what
/// is shown before is what is deleted.
fn question(
    host: &Host,
    ledger: &Ledger,
    look: &Look,
    age: &Age,
    what: &mut [TrashView],
) -> Result<Question, OperationError> {
    let early = what.iter().filter(|view| !is_due(view, age)).count();
    let needed = (early > 0).then(|| format!("{early} of {} are deleted before their time", what.len()));
    let mut newest: BTreeMap<TxId, Timestamp> = BTreeMap::new();
    for tree in what.iter_mut().flat_map(|view| &mut view.trees) {
        match count(host, look, tree.tx) {
            Ok(Some(counted)) => {
                (tree.entries, tree.bytes) = (Some(counted.entries), Some(counted.bytes));
                newest.insert(tree.tx, counted.newest);
            }
            Ok(None) => {}
            Err(error) if needed.is_some() => return Err(error),
            // Its time is over: what can be deleted is, and what cannot says why.
            Err(_) => (tree.entries, tree.bytes) = (None, None),
        }
    }
    let mut facts = Facts::default();
    if needed.is_some() {
        for tree in what.iter().flat_map(|view| &view.trees) {
            let about = |what: &str| format!("{}: {what}", tree.tx);
            let inner = tree.inner.iter().map(|inner| inner.tx.to_string()).collect::<Vec<_>>().join(", ");
            facts = facts
                .with(about("volume"), &tree.uuid)
                .with(about("entries"), tree.entries.unwrap_or(0))
                .with(about("bytes"), tree.bytes.map_or(0, Bytes::get))
                .with(about("newest"), newest.get(&tree.tx).map_or_else(|| "not there".to_owned(), moment))
                .with(about("with it"), inner);
        }
        for record in ledger.trash()?.iter().filter(|record| what.iter().any(|view| view.id == record.bundle)) {
            facts = facts.with(format!("{}: bundle", record.tx), record.bundle);
        }
    }
    Ok(Question { command: "trash empty".to_owned(), facts, needed })
}

fn moment(time: &Timestamp) -> String {
    format!("{}.{:09}", time.seconds(), time.nanos())
}

fn count(host: &Host, look: &Look, tx: TxId) -> Result<Option<Measured>, OperationError> {
    let Some((tree, place)) = look.place(tx) else { return Ok(None) };
    let meter = Meter::new(&*host.progress, format!("count what was in `{}`", tree.volume));
    let mut told = Measured { entries: 0, bytes: Bytes::new(0), newest: Timestamp::EPOCH };
    let counted = measure_trashed(place, tx, &mut |now| {
        meter.advance(now.bytes.get() - told.bytes.get(), now.entries - told.entries);
        told = *now;
    });
    match counted {
        Ok(counted) => Ok(Some(counted)),
        Err(TrashError::Absent { .. }) => Ok(None),
        Err(error) => Err(DataError::from(error).into()),
    }
}

/// Deletes what one command put into the trash.
fn empty_one(
    host: &Host,
    writer: &mut LedgerWriter<'_>,
    root: &RootId,
    look: &Look,
    view: TrashView,
    approval: Option<TokenUse>,
    done: &mut Emptied,
) -> Result<(), OperationError> {
    let trees: Vec<TrashedTree> =
        view.trees.iter().filter_map(|tree| look.place(tree.tx).map(|(tree, _)| tree.clone())).collect();
    let plan = plan::empty(&view.instance, &trees);
    let mut session = Session::new(host, writer, root.clone(), Kind::Empty, view.instance.clone()).approved(approval);
    let ran = session.run(&plan);
    let ((entries, bytes), undeleted) = (session.deleted, std::mem::take(&mut session.undeleted));
    done.entries += entries;
    done.bytes = Bytes::new(done.bytes.get() + bytes);
    let is_whole = undeleted.is_empty();
    done.faults.extend(undeleted.into_values().flatten());
    match ran {
        Ok(()) if is_whole => done.what.push(view),
        Ok(()) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
