//! Owns beginning a new store where the one that is known is lost for good. Never touches a directory with anything in it,
//! and never takes a disk that is not mounted for one that is lost without being told. [spec: STO-40]

use std::path::PathBuf;

use homeport_core::fault::Fault;
use homeport_volumes::store::{Store, StoreError, StoreUuid};

use super::gone::GoneSnapshot;
use crate::approval::Facts;
use crate::host::Host;
use crate::ledger::{EventRecord, Ledger, StoreRecord, Time};
use crate::operation::consent::Question;
use crate::operation::data_error::DataError;
use crate::operation::enter::{as_root, locked};
use crate::operation::remove::Execution;
use crate::operation::{OperationError, Outcome};
use crate::request::BeginStoreRequest;

/// What would be given up, and where a new store would be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BeginStorePlan {
    /// The store that is lost.
    pub lost: StoreUuid,
    /// When it was made.
    pub since: Time,
    /// Where it was, and the new one is to be.
    pub path: PathBuf,
    /// The snapshots that are known to have been in it, oldest first.
    pub snapshots: Vec<GoneSnapshot>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// A new store.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StoreBegun {
    /// What was planned, and done.
    pub plan: BeginStorePlan,
    /// The new store; it has no snapshot yet.
    pub store: StoreUuid,
}

/// Gives the store that is known up, and makes a new one in its place, where nothing is.
pub fn store_begin(
    host: &Host,
    request: &BeginStoreRequest,
) -> Result<Outcome<BeginStorePlan, StoreBegun>, OperationError> {
    as_root()?;
    locked(host, "snapshot begin-store", |writer, _| {
        let record = lost(writer)?;
        let plan = plan(writer, &record)?;
        let question = Question {
            command: "snapshot begin-store".to_owned(),
            facts: facts(&plan),
            needed: Some("every snapshot of the store that was there is given up".to_owned()),
        };
        if request.execution == Execution::DryRun {
            let approval = question.offer(host, writer)?;
            return Ok(Outcome::Planned { plan, approval });
        }
        let now = host.now();
        let consent = question.consent(host, writer, request.approve.as_ref())?;
        let event = EventRecord {
            time: now.clone(),
            instance: None,
            operation: None,
            kind: "store".to_owned(),
            text: format!(
                "the store {} at `{}` was given up, with {}",
                plan.lost,
                plan.path.display(),
                match plan.snapshots.len() {
                    1 => "1 snapshot".to_owned(),
                    number => format!("{number} snapshots"),
                }
            ),
        };
        writer.together(|writer| -> Result<(), OperationError> {
            if let Some(consent) = consent {
                consent.use_up(writer, &now)?;
            }
            writer.give_up_store(plan.lost)?;
            writer.append_event(&event)?;
            Ok(())
        })?;
        // Cut off here, no store is known, and the next snapshot begins one.
        let store = crate::store::open_or_make(host, writer)?;
        Ok(Outcome::Done(StoreBegun { store: store.uuid(), plan }))
    })
}

/// The store that is known, if nothing of it is where it should be.
fn lost(ledger: &Ledger) -> Result<StoreRecord, OperationError> {
    let Some(record) = ledger.store()? else {
        return Err(refused("no store is known: the first snapshot makes one".to_owned(), "take a snapshot"));
    };
    match Store::open(&record.path).and_then(|store| store.expect(record.uuid)) {
        Ok(()) => Err(refused(
            format!("the store is at `{}`, where it should be", record.path.display()),
            "`homeport snapshot verify` looks whether its snapshots are whole",
        )),
        Err(StoreError::Missing { .. }) => {
            Store::check_vacant(&record.path).map_err(DataError::from)?;
            Ok(record)
        }
        // The top directory of a new disk.
        Err(StoreError::Insecure { .. }) if Store::check_vacant(&record.path).is_ok() => Ok(record),
        Err(error) => Err(DataError::from(error).into()),
    }
}

fn plan(ledger: &Ledger, record: &StoreRecord) -> Result<BeginStorePlan, OperationError> {
    let snapshots = ledger.snapshots()?.into_iter().map(|one| GoneSnapshot {
        uuid: one.uuid,
        sequence: Some(one.sequence),
        instance: Some(one.instance),
        taken: Some(one.taken),
    });
    let mut warnings = vec![
        "where the disk of the store is only not mounted, mount it instead: its snapshots are in no other store"
            .to_owned(),
        "the volumes themselves are not touched; the next snapshot of each reads all of it".to_owned(),
    ];
    if ledger.trash()?.iter().any(|tree| tree.snapshot.is_some()) {
        warnings.push("what a restore took out stays in the trash, though the snapshot of it is lost".to_owned());
    }
    for former in ledger.all_former()?.iter().filter(|former| former.snapshot.is_some()) {
        warnings.push(format!("`{}` cannot go back to the data that its version from before had", former.instance));
    }
    Ok(BeginStorePlan {
        lost: record.uuid,
        since: record.created.clone(),
        path: record.path.clone(),
        snapshots: snapshots.collect(),
        warnings,
    })
}

/// What the consent goes by: which store, where, and which snapshots.
fn facts(plan: &BeginStorePlan) -> Facts {
    let facts = Facts::default().with("store", plan.lost).with("path", plan.path.display());
    plan.snapshots
        .iter()
        .fold(facts, |facts, one| facts.with("snapshot ".to_owned() + &one.uuid.to_string(), one.file()))
}

fn refused(why: String, remedy: &str) -> OperationError {
    let fault =
        Fault::new("HP-DAT-017", "store", "no new store can be begun").actual(why).clause("STO-40").remedy(remedy);
    OperationError::Refused { what: "beginning a new store".to_owned(), faults: vec![fault] }
}
