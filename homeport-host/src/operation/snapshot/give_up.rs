//! Owns giving up what a snapshot was and is no more: a damaged file below `snapshots/`, or one that is gone. The file is
//! moved below `removed/`, where it stays for seven days. Never touches a snapshot that exists. [spec: STO-38, STO-39]

use homeport_core::fault::Fault;
use homeport_core::text::clip;
use homeport_core::unit::Bytes;
use homeport_volumes::store::{DamagedFile, HeadFault, Sequence, SnapshotUuid, Store};

use super::gone::{self, GoneSnapshot};
use crate::approval::Facts;
use crate::host::Host;
use crate::ledger::{EventRecord, LedgerWriter};
use crate::operation::consent::Question;
use crate::operation::data_error::DataError;
use crate::operation::enter::{as_root, locked};
use crate::operation::remove::Execution;
use crate::operation::{OperationError, Outcome, find};
use crate::progress::Event;
use crate::request::GiveUpRequest;
use crate::run::with_causes;
use crate::store::unix;

/// What would be given up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GiveUpPlan {
    /// The name of the file below `snapshots/`.
    pub file: String,
    /// Its size; `None` where it is gone.
    pub size: Option<Bytes>,
    /// The snapshot that it was, by its name.
    pub uuid: Option<SnapshotUuid>,
    /// The number that it had, by its name.
    pub sequence: Option<Sequence>,
    /// Why it is no snapshot.
    pub why: String,
    /// Lines of it that can still be read; nothing vouches for them.
    pub claims: Vec<String>,
    /// What is lost by it, and what is not.
    pub lost: Vec<String>,
}

/// What was given up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GivenUp {
    /// What was planned, and done.
    pub plan: GiveUpPlan,
    /// Other files that are damaged: while there is any, nothing is collected.
    pub damaged_left: u64,
}

/// What is meant.
enum Found {
    Damaged(Box<DamagedFile>),
    Gone(GoneSnapshot),
}

/// Gives up a file that is no snapshot, or the memory of one that is gone.
pub fn snapshot_give_up(host: &Host, request: &GiveUpRequest) -> Result<Outcome<GiveUpPlan, GivenUp>, OperationError> {
    as_root()?;
    let file = &request.file;
    locked(host, &format!("snapshot give-up {}", clip(file, 100)), |writer, _| {
        let Some((store, catalog)) = find::catalog(writer)? else {
            return Err(refused(file, "there is no store yet".to_owned(), &[]));
        };
        let found = found(writer, &store, file)?;
        let others = catalog.damaged.iter().filter(|(name, _)| name != file).count();
        let plan = plan(&found);
        let question = Question {
            command: format!("snapshot give-up {}", plan.file),
            facts: facts(&found),
            needed: Some("a snapshot that could be brought back from a copy is given up".to_owned()),
        };
        if request.execution == Execution::DryRun {
            let approval = question.offer(host, writer)?;
            return Ok(Outcome::Planned { plan, approval });
        }
        let now = host.now();
        if let Some(consent) = question.consent(host, writer, request.approve.as_ref())? {
            consent.use_up(writer, &now)?;
        }
        if let Found::Damaged(_) = found {
            let mut waiting = |what: &str| host.progress.event(&Event::WaitingFor { what: what.to_owned() });
            let mut packs = store.writer(host.patience, &mut waiting).map_err(DataError::from)?;
            packs.give_up(file, unix(&now)).map_err(DataError::from)?;
        }
        // Only now: cut off before, it is missed, and can be given up as one that is gone.
        if let Some(uuid) = plan.uuid.filter(|uuid| catalog.find(uuid).is_none()) {
            writer.forget_snapshot(uuid)?;
        }
        writer.append_event(&EventRecord {
            time: now,
            instance: None,
            operation: None,
            kind: "give-up".to_owned(),
            text: format!("`snapshots/{}` was given up: {}", plan.file, plan.why),
        })?;
        Ok(Outcome::Done(GivenUp { plan, damaged_left: u64::try_from(others).unwrap_or(u64::MAX) }))
    })
}

/// What the name means: a damaged file, or a snapshot that is known and gone.
fn found(writer: &LedgerWriter<'_>, store: &Store, file: &str) -> Result<Found, OperationError> {
    if let Some(damaged) = store.damaged_file(file).map_err(DataError::from)? {
        if let HeadFault::Newer { .. } = damaged.fault {
            return Err(refused(file, with_causes(&damaged.fault), &[]));
        }
        return Ok(Found::Damaged(Box::new(damaged)));
    }
    let (catalog, gone) = gone::look(writer, store)?;
    if catalog.snapshots.iter().any(|head| head.file_name() == file) {
        let why =
            "it is a snapshot, and whole as far as its file goes: `homeport snapshot prune` removes it".to_owned();
        return Err(refused(file, why, &[]));
    }
    let meant = gone.iter().find(|one| one.file() == file || one.uuid.to_string() == file);
    meant.cloned().map(Found::Gone).ok_or_else(|| {
        let damaged = catalog.damaged.into_iter().map(|(name, _)| name);
        let known: Vec<String> = damaged.chain(gone.iter().map(GoneSnapshot::file)).collect();
        refused(file, "no file below `snapshots/` of that name is damaged, and none is missed".to_owned(), &known)
    })
}

fn plan(found: &Found) -> GiveUpPlan {
    let rest = "every other snapshot stays as it is".to_owned();
    match found {
        Found::Damaged(damaged) => GiveUpPlan {
            file: damaged.name.clone(),
            size: Some(Bytes::new(damaged.size)),
            uuid: damaged.named.map(|(_, uuid)| uuid),
            sequence: damaged.named.map(|(sequence, _)| sequence),
            why: with_causes(&damaged.fault),
            claims: damaged.claims.clone(),
            lost: vec![
                "what was in it cannot be restored any more, unless a copy of the file comes back".to_owned(),
                "the file is kept below `removed/` of the store for seven days".to_owned(),
                "entries and objects that no other snapshot needs are set aside by the next prune, and kept for seven days \
                 from then"
                    .to_owned(),
                rest,
            ],
        },
        Found::Gone(gone) => GiveUpPlan {
            file: gone.file(),
            size: None,
            uuid: Some(gone.uuid),
            sequence: gone.sequence,
            why: gone.words(),
            claims: Vec::new(),
            lost: vec![
                "that it is missed is forgotten, and nobody looks for it any more".to_owned(),
                "entries and objects that no other snapshot needs are set aside by the next prune, as they were already"
                    .to_owned(),
                rest,
            ],
        },
    }
}

/// What the consent goes by: this very file, byte by byte.
fn facts(found: &Found) -> Facts {
    match found {
        Found::Damaged(damaged) => Facts::default()
            .with("file", &damaged.name)
            .with("size", damaged.size)
            .with("content", damaged.content.map_or_else(|| "none".to_owned(), |content| content.to_string())),
        Found::Gone(gone) => Facts::default().with("gone", gone.uuid),
    }
}

fn refused(file: &str, why: String, known: &[String]) -> OperationError {
    let file = clip(file, 200);
    let mut fault = Fault::new("HP-DAT-016", file.clone(), format!("`{file}` cannot be given up")).actual(why);
    if !known.is_empty() {
        fault = fault.expected(known.join(", "));
    }
    let fault = fault.remedy("`homeport snapshot list` shows the files that are damaged or gone").clause("STO-38");
    OperationError::Refused { what: "giving up a snapshot".to_owned(), faults: vec![fault] }
}
