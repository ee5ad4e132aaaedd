//! Owns removing snapshots: what may go is decided by rules that no policy and no approval can change. [spec: STO-27]

use std::collections::BTreeSet;

use homeport_core::fault::Fault;
use homeport_core::name::InstanceName;
use homeport_core::unit::Bytes;
use homeport_volumes::snapshot::{AlarmState, Candidate, Fate, Policy, Proof, Protection, Reason as KeptFor, decide};
use homeport_volumes::store::{Catalog, Reason, Removal, Sequence, SnapshotHead, SnapshotUuid};

use crate::approval::Facts;
use crate::host::Host;
use crate::ledger::{EventRecord, Ledger, MarkKind, SnapshotMark, Time};
use crate::operation::consent::Question;
use crate::operation::data_error::DataError;
use crate::operation::enter::{as_root, locked};
use crate::operation::remove::Execution;
use crate::operation::{OperationError, Outcome, find};
use crate::progress::{Event, Meter};
use crate::request::{PruneRequest, PruneWish, SnapshotRef};
use crate::store::unix;

/// What a prune would remove and keep.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PrunePlan {
    /// The instance.
    pub instance: InstanceName,
    /// Every snapshot of it, newest first.
    pub snapshots: Vec<PruneFate>,
    /// What becomes of the store, where that was looked at before anything is done.
    pub collection: Option<Forecast>,
}

/// What a collection would do. [spec: STO-28]
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Forecast {
    /// Bytes of packs and entries that no snapshot would need any more.
    pub bytes_set_aside: Bytes,
    /// Bytes that would be unlinked, of what was set aside seven days ago or earlier.
    pub bytes_freed: Bytes,
}

/// What becomes of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PruneFate {
    /// The snapshot.
    pub uuid: SnapshotUuid,
    /// Its number.
    pub sequence: Sequence,
    /// When it was taken.
    pub taken: Time,
    /// Why it is kept; empty where it goes.
    pub kept_because: Vec<String>,
}

impl PrunePlan {
    /// The snapshots that go.
    pub fn removed(&self) -> impl Iterator<Item = &PruneFate> {
        self.snapshots.iter().filter(|fate| fate.kept_because.is_empty())
    }
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Pruned {
    /// What was planned, and done.
    pub plan: PrunePlan,
    /// Bytes of packs and entries that no snapshot needs any more. They are unlinked seven days later. [spec: STO-29]
    pub bytes_set_aside: Bytes,
    /// Bytes that were unlinked now, of what was set aside seven days ago or earlier.
    pub bytes_freed: Bytes,
    /// What was set aside seven days ago or earlier and stays, because the disk does not give it back.
    pub warnings: Vec<String>,
}

/// Removes snapshots, and collects what no snapshot needs.
pub fn snapshot_prune(host: &Host, request: &PruneRequest) -> Result<Outcome<PrunePlan, Pruned>, OperationError> {
    as_root()?;
    let instance = &request.instance;
    locked(host, &format!("snapshot prune {instance}"), |writer, _| {
        let Some((store, catalog)) = find::catalog(writer)? else {
            let (wanted, known) = ("latest".to_owned(), Vec::new());
            return Err(DataError::NoSnapshot { instance: instance.clone(), wanted, known }.into());
        };
        find::known_snapshots(&catalog, instance)?;
        let mut plan = plan(writer, &catalog, request)?;
        let question = Question {
            command: format!("snapshot prune {instance}"),
            facts: plan
                .removed()
                .fold(Facts::default(), |facts, fate| facts.with(fate.uuid.to_string(), fate.sequence)),
            needed: match request.what {
                PruneWish::BySchedule => None,
                PruneWish::ByPolicy(_) | PruneWish::Named(_) if plan.removed().next().is_none() => None,
                PruneWish::ByPolicy(_) | PruneWish::Named(_) => Some("it removes snapshots for good".to_owned()),
            },
        };
        let now = host.now();
        let snapshots: BTreeSet<SnapshotUuid> = plan.removed().map(|fate| fate.uuid).collect();
        let removal = Removal { snapshots: snapshots.clone(), damaged: BTreeSet::new() };
        if request.execution == Execution::DryRun {
            let meter = Meter::new(&*host.progress, "look for what no snapshot would need");
            let collection = store.plan_collection(&removal, unix(&now), &meter).map_err(DataError::from)?;
            plan.collection = Some(Forecast {
                bytes_set_aside: Bytes::new(collection.set_aside),
                bytes_freed: Bytes::new(collection.freed),
            });
            let approval = question.offer(host, writer)?;
            return Ok(Outcome::Planned { plan, approval });
        }
        if let Some(consent) = question.consent(host, writer, request.approve.as_ref())? {
            consent.use_up(writer, &now)?;
        }
        crate::store::remember(writer, &catalog)?;
        for snapshot in &snapshots {
            // Before it goes: what is known and not in the store is missed.
            writer.forget_snapshot(*snapshot)?;
        }
        let mut waiting = |what: &str| host.progress.event(&Event::WaitingFor { what: what.to_owned() });
        let meter = Meter::new(&*host.progress, "collect what no snapshot needs");
        let collected = store.collect(&removal, unix(&now), host.patience, &mut waiting, &meter);
        let collected = match collected {
            Ok(collected) => collected,
            Err(error) => {
                // Whatever of them is still there is known again.
                if let Ok(left) = store.catalog() {
                    crate::store::remember(writer, &left)?;
                }
                return Err(DataError::from(error).into());
            }
        };
        if !snapshots.is_empty() {
            writer.append_event(&EventRecord {
                time: now,
                instance: Some(instance.clone()),
                operation: None,
                kind: "prune".to_owned(),
                text: match snapshots.len() {
                    1 => "1 snapshot removed".to_owned(),
                    number => format!("{number} snapshots removed"),
                },
            })?;
        }
        Ok(Outcome::Done(Pruned {
            plan,
            bytes_set_aside: Bytes::new(collected.set_aside),
            bytes_freed: Bytes::new(collected.freed),
            warnings: collected
                .unread
                .iter()
                .map(|(name, why)| format!("`{name}` in the store stays: it cannot be read: {why}"))
                .collect(),
        }))
    })
}

/// What becomes of each snapshot of the instance.
fn plan(ledger: &Ledger, catalog: &Catalog, request: &PruneRequest) -> Result<PrunePlan, OperationError> {
    let instance = &request.instance;
    let own: Vec<&SnapshotHead> = catalog.snapshots.iter().filter(|head| head.body.instance == *instance).collect();
    let marks = ledger.snapshot_marks()?;
    // What can be taken back stands on the snapshot that was made before it: of data, and of the version.
    let mut needed: BTreeSet<SnapshotUuid> = ledger.trash()?.iter().filter_map(|record| record.snapshot).collect();
    needed.extend(ledger.former(instance)?.and_then(|former| former.snapshot));
    let candidates: Vec<Candidate> =
        own.iter().map(|head| candidate(head, &own, &marks, &needed, &request.what)).collect();
    let alarm = if own.iter().any(|head| is_alarming(head, &marks)) { AlarmState::Open } else { AlarmState::None };
    let policy = match &request.what {
        PruneWish::ByPolicy(policy) => *policy,
        PruneWish::BySchedule => policy_of(ledger, instance)?,
        // Whatever is named, what no policy could remove stays.
        PruneWish::Named(_) => Policy { last: 1, ..Policy::default() },
    };
    let mut fates = decide(&candidates, &policy, alarm);
    if let PruneWish::Named(names) = &request.what {
        only_named(catalog, instance, names, &mut fates)?;
    }
    let fate = |(uuid, fate): (SnapshotUuid, Fate)| {
        let head = own.iter().find(|head| head.body.uuid == uuid)?;
        let kept_because = match fate {
            Fate::Keep(reasons) => reasons.iter().map(ToString::to_string).collect(),
            Fate::Remove => Vec::new(),
        };
        let taken = Time::of_unix(head.body.taken.seconds(), head.body.taken.nanos());
        Some(PruneFate { uuid, sequence: head.sequence, taken, kept_because })
    };
    let mut snapshots: Vec<PruneFate> = fates.into_iter().filter_map(fate).collect();
    if let PruneWish::Named(names) = &request.what {
        let is_named = |fate: &PruneFate| names.iter().any(|name| name.names(fate.uuid, fate.sequence));
        for fate in snapshots.iter_mut().filter(|fate| fate.kept_because.is_empty() && !is_named(fate)) {
            fate.kept_because.push("not named".to_owned());
        }
    }
    Ok(PrunePlan { instance: instance.clone(), snapshots, collection: None })
}

/// What the retention has to know of one snapshot. [spec: STO-27]
fn candidate(
    head: &SnapshotHead,
    own: &[&SnapshotHead],
    marks: &[SnapshotMark],
    needed: &BTreeSet<SnapshotUuid>,
    wish: &PruneWish,
) -> Candidate {
    let uuid = head.body.uuid;
    // What was new in it was read back when it was made; what was found damaged since has to be found whole again.
    let is_damaged = marks.iter().any(|mark| mark.snapshot == uuid && mark.kind == MarkKind::Damaged);
    let before_change =
        |head: &SnapshotHead| matches!(head.body.reason, Reason::Restore | Reason::Upgrade | Reason::Move);
    let last_change = own.iter().rev().find(|head| before_change(head)).map(|head| head.body.uuid);
    let protection = if needed.contains(&uuid) {
        Some(Protection::BeforeWhatCanBeTakenBack)
    } else if last_change == Some(uuid) {
        Some(Protection::BeforeWhatIsInUse)
    } else if *wish == PruneWish::BySchedule && matches!(head.body.reason, Reason::Manual | Reason::Imported) {
        // What a person made, a person removes.
        Some(Protection::Pinned)
    } else {
        None
    };
    Candidate {
        uuid,
        sequence: head.sequence,
        taken: head.body.taken.seconds(),
        proof: if is_damaged { Proof::Unproven } else { Proof::Verified },
        protection,
    }
}

/// Whether a snapshot has an alarm that nobody has confirmed. [spec: STO-26]
fn is_alarming(head: &SnapshotHead, marks: &[SnapshotMark]) -> bool {
    let is_confirmed = |mark: &SnapshotMark| mark.snapshot == head.body.uuid && mark.kind == MarkKind::Acknowledged;
    !head.body.alarms.is_empty() && !marks.iter().any(is_confirmed)
}

/// The policy that was set with the instance's schedule.
fn policy_of(ledger: &Ledger, instance: &InstanceName) -> Result<Policy, OperationError> {
    let keep = ledger.schedule(instance)?.map(|schedule| schedule.keep).filter(|keep| !keep.is_empty());
    match keep.as_deref().map(str::parse::<Policy>) {
        Some(Ok(policy)) => Ok(policy),
        Some(Err(error)) => {
            Err(refused(instance, "HP-SCH-002", format!("the policy of the schedule cannot be read: {error}")))
        }
        None => Err(refused(instance, "HP-SCH-003", "no policy says what is to be kept".to_owned())),
    }
}

fn refused(instance: &InstanceName, code: &'static str, message: String) -> OperationError {
    let fault = Fault::new(code, "keep", message)
        .remedy(format!("`homeport schedule set {instance} --every daily --keep daily=7,weekly=4`, or name what goes"));
    OperationError::Refused { what: format!("prune of `{instance}`"), faults: vec![fault] }
}

/// Refuses where one that was named has to stay.
fn only_named(
    catalog: &Catalog,
    instance: &InstanceName,
    names: &[SnapshotRef],
    fates: &mut [(SnapshotUuid, Fate)],
) -> Result<(), OperationError> {
    let mut faults = Vec::new();
    for name in names {
        let head = find::pick(catalog, instance, name)?;
        let kept = fates.iter().find_map(|(uuid, fate)| match fate {
            Fate::Keep(reasons) if *uuid == head.body.uuid => Some(reasons),
            _ => None,
        });
        if let Some(reasons) = kept {
            let why: Vec<String> =
                reasons.iter().filter(|reason| **reason != KeptFor::Last).map(ToString::to_string).collect();
            faults.push(
                Fault::new("HP-DAT-013", name.to_string(), format!("snapshot {:#} has to stay", head.sequence))
                    .actual(why.join(", "))
                    .clause("STO-27")
                    .remedy("make another snapshot first, confirm the alarm, or empty the trash, by what is named"),
            );
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(OperationError::Refused { what: format!("prune of `{instance}`"), faults })
    }
}
