//! Owns verifying snapshots, rehearsing a restore, and what the ledger remembers of both.

use std::collections::BTreeSet;
use std::time::Instant;

use homeport_core::fault::{Advice as _, Fault};
use homeport_core::unit::Bytes;
use homeport_volumes::snapshot::{self, SnapshotError};
use homeport_volumes::store::{HeadFault, SnapshotHead, SnapshotUuid, Store, VolumePart};

use super::gone::{self, GoneSnapshot};
use super::source::sources;
use crate::host::Host;
use crate::ledger::{Ledger, MarkKind, SnapshotMark, Time};
use crate::operation::data_error::DataError;
use crate::operation::enter::{as_root, locked};
use crate::operation::{OperationError, find};
use crate::progress::Meter;
use crate::request::{Depth, SnapshotChoice, VerifyRequest};
use crate::run::with_causes;

/// What a verification found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VerifyOutcome {
    /// The snapshots that were looked at, and whether each is whole.
    pub snapshots: Vec<VerifiedSnapshot>,
    /// How much was looked at.
    pub depth: Depth,
    /// The different objects that were read and compared; with `Quick` those that were looked up.
    pub objects: u64,
    /// Their bytes.
    pub bytes: Bytes,
    /// When it ended.
    pub at: Time,
    /// What is wrong beside the snapshots: damaged heads, snapshots that are gone, packs, and files of volumes that have other
    /// bytes than the newest snapshot took them for.
    pub faults: Vec<Fault>,
}

/// One snapshot that was verified.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VerifiedSnapshot {
    /// The snapshot.
    pub uuid: SnapshotUuid,
    /// What is wrong with it; empty where it is whole.
    pub faults: Vec<Fault>,
}

impl VerifyOutcome {
    /// What was looked at and what came of it, in one line.
    pub fn words(&self) -> String {
        let bad = self.snapshots.iter().filter(|one| !one.faults.is_empty()).count() + self.faults.len();
        let found = if bad == 0 { "everything is as it should be".to_owned() } else { format!("{bad} damaged") };
        let how = match self.depth {
            Depth::Quick => "objects looked up",
            Depth::Full => "objects read and compared",
        };
        let snapshots = match self.snapshots.len() {
            1 => "1 snapshot".to_owned(),
            number => format!("{number} snapshots"),
        };
        let objects = match (self.objects, self.depth) {
            (1, Depth::Quick) => "1 object looked up".to_owned(),
            (1, Depth::Full) => "1 object read and compared".to_owned(),
            (number, _) => format!("{number} {how}"),
        };
        format!("{snapshots}, {objects}: {found}")
    }

    /// Whether everything that was looked at is as it should be.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty() && self.snapshots.iter().all(|one| one.faults.is_empty())
    }
}

/// A rehearsal that succeeded: the snapshot can be restored.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Rehearsed {
    /// The snapshot.
    pub uuid: SnapshotUuid,
    /// Entries that were restored and compared with the snapshot, in every byte and attribute.
    pub entries: u64,
    /// The bytes of their files.
    pub bytes: Bytes,
    /// How long it took.
    pub milliseconds: u64,
}

/// Reads snapshots again. That something is damaged is an outcome, not an error; it is remembered in the ledger.
pub fn snapshot_verify(host: &Host, request: &VerifyRequest) -> Result<VerifyOutcome, OperationError> {
    as_root()?;
    let ledger = Ledger::open(&host.layout)?;
    let (store, heads, faults) = match (&request.instance, &request.snapshot) {
        (Some(instance), Some(snapshot)) => {
            let which = SnapshotChoice { instance: instance.clone(), snapshot: snapshot.clone() };
            let (store, head) = find::snapshot(&ledger, &which)?;
            (store, vec![head], Vec::new())
        }
        (instance, _) => match crate::store::open(&ledger)? {
            Some(store) => {
                let (mut catalog, gone) = gone::look(&ledger, &store)?;
                let missed = gone.iter().filter(|one| one.concerns(instance.as_ref())).map(GoneSnapshot::fault);
                let damaged = catalog.damaged.iter().map(|(name, fault)| damaged(name, fault));
                let faults: Vec<Fault> = damaged.chain(missed).collect();
                if let Some(instance) = instance {
                    if faults.is_empty() {
                        find::known_snapshots(&catalog, instance)?;
                    }
                    catalog.snapshots.retain(|head| head.body.instance == *instance);
                }
                (store, catalog.snapshots, faults)
            }
            None => return Ok(nothing(request.depth, host.now())),
        },
    };
    let mut outcome = nothing(request.depth, host.now());
    outcome.faults = faults;
    let depth = match request.depth {
        Depth::Quick => snapshot::Depth::Presence,
        Depth::Full => snapshot::Depth::Objects,
    };
    let found = snapshot::verify_all(&store, &heads, depth, &meter(host, &heads, request.depth));
    let found = found.map_err(DataError::from)?;
    (outcome.objects, outcome.bytes) = (found.looked.objects, Bytes::new(found.looked.bytes));
    let looked = heads.iter().zip(found.snapshots);
    outcome.snapshots =
        looked.map(|(head, one)| VerifiedSnapshot { uuid: head.body.uuid, faults: one.faults }).collect();
    let is_scrub = request.instance.is_none() && request.depth == Depth::Full;
    if is_scrub {
        outcome.faults.extend(packs(&store)?);
        outcome.faults.extend(sources(host, &ledger, &store, &heads)?);
    }
    outcome.at = host.now();
    locked(host, "snapshot verify", |writer, _| {
        // Nothing is removed from now on: what was removed while it was looked at is neither damaged nor whole.
        let there = there(writer)?;
        outcome.snapshots.retain(|one| there.contains(&one.uuid));
        for mark in outcome.snapshots.iter().filter_map(|one| mark(one, &outcome)) {
            writer.mark_snapshot(&mark)?;
        }
        if is_scrub {
            writer.set_scrub(&outcome.at, &outcome.words())?;
        }
        Ok(())
    })?;
    Ok(outcome)
}

/// Counts entries of each snapshot. How many bytes several of them share is not known before.
fn meter<'a>(host: &'a Host, heads: &[SnapshotHead], depth: Depth) -> Meter<'a> {
    let total = |of: fn(&VolumePart) -> u64| -> u64 { heads.iter().flat_map(|head| &head.body.volumes).map(of).sum() };
    let (what, bytes) = match heads {
        [head] if depth == Depth::Full => (format!("verify snapshot {:#}", head.sequence), total(|part| part.bytes)),
        [head] => (format!("look up snapshot {:#}", head.sequence), 0),
        heads => (format!("verify {} snapshots", heads.len()), 0),
    };
    Meter::new(&*host.progress, what).of(bytes, total(|part| part.count))
}

/// Writes down what a scrub of the whole store does, or came to, where [`snapshot_verify`] does not.
pub(crate) fn note_scrub(host: &Host, outcome: &str) -> Result<(), OperationError> {
    locked(host, "scrub", |writer, _| Ok(writer.set_scrub(&host.now(), outcome).map(|_| ())?))
}

/// The snapshots that there are.
fn there(ledger: &Ledger) -> Result<BTreeSet<SnapshotUuid>, OperationError> {
    let catalog = find::catalog(ledger)?.map(|(_, catalog)| catalog.snapshots).unwrap_or_default();
    Ok(catalog.into_iter().map(|head| head.body.uuid).collect())
}

fn nothing(depth: Depth, at: Time) -> VerifyOutcome {
    VerifyOutcome { snapshots: Vec::new(), depth, objects: 0, bytes: Bytes::new(0), at, faults: Vec::new() }
}

/// What is wrong with packs beside the objects in them, whoever needs those: what programs for tar need, and `restore.sh`.
fn packs(store: &Store) -> Result<Vec<Fault>, OperationError> {
    let objects = store.objects().map_err(DataError::from)?;
    let mut faults = Vec::new();
    for pack in objects.packs() {
        let found = objects.check_structure(&pack).unwrap_or_else(|error| vec![with_causes(&error)]);
        faults.extend(found.into_iter().map(|why| {
            Fault::new("HP-STO-032", format!("packs/{pack}.tar"), format!("the pack `{pack}` is damaged"))
                .actual(why)
                .remedy(
                    "check the disk; what snapshots need of it is named beside them, and the rest `tar` may not find",
                )
        }));
    }
    Ok(faults)
}

fn damaged(name: &str, fault: &HeadFault) -> Fault {
    Fault::new("HP-STO-050", format!("snapshots/{name}"), format!("the snapshot `{name}` is damaged"))
        .actual(with_causes(fault))
        .remedy("check the disk; nothing is removed from the store while it is there")
}

/// What the ledger is to remember of one snapshot that was looked at. A quick look proves nothing: it must not overrule what
/// a full one found.
fn mark(one: &VerifiedSnapshot, outcome: &VerifyOutcome) -> Option<SnapshotMark> {
    let (kind, note) = match (one.faults.first(), outcome.depth) {
        (Some(fault), _) => (MarkKind::Damaged, format!("{} of its parts: {fault}", one.faults.len())),
        (None, Depth::Quick) => return None,
        (None, Depth::Full) => (MarkKind::Verified, "every object read and compared".to_owned()),
    };
    Some(SnapshotMark { snapshot: one.uuid, kind, at: outcome.at.clone(), note })
}

/// Restores a snapshot into HomePort's scratch place, compares it in full, and takes it away again.
pub fn snapshot_rehearse(host: &Host, which: &SnapshotChoice) -> Result<Rehearsed, OperationError> {
    as_root()?;
    let begun = Instant::now();
    let (store, head) = find::snapshot(&Ledger::open(&host.layout)?, which)?;
    let scratch = host.layout.scratch_dir();
    crate::layout::prepare_private(scratch)?;
    let meter = Meter::new(&*host.progress, format!("rehearse a restore of snapshot {:#}", head.sequence));
    let total = |of: fn(&VolumePart) -> u64| -> u64 { head.body.volumes.iter().map(of).sum() };
    let meter = meter.of(2 * total(|part| part.bytes), 2 * total(|part| part.count));
    let rehearsed = snapshot::rehearse(&store, &head, scratch, &meter);
    let at = host.now();
    let (kind, note) = match &rehearsed {
        Ok(verified) => (MarkKind::Rehearsed, format!("{} entries restored and compared", verified.extent.entries)),
        Err(error) => (MarkKind::Damaged, format!("a rehearsal failed: {}", with_causes(error))),
    };
    // A scratch place that is full says nothing about the snapshot.
    if rehearsed.is_ok() || rehearsed.as_ref().is_err_and(is_damage) {
        let mark = SnapshotMark { snapshot: head.body.uuid, kind, at, note };
        locked(host, "snapshot rehearse", |writer, _| {
            if !there(writer)?.contains(&mark.snapshot) {
                let (instance, wanted) = (which.instance.clone(), mark.snapshot.to_string());
                return Err(DataError::NoSnapshot { instance, wanted, known: Vec::new() }.into());
            }
            Ok(writer.mark_snapshot(&mark)?)
        })?;
    }
    let verified = rehearsed.map_err(DataError::from)?;
    Ok(Rehearsed {
        uuid: head.body.uuid,
        entries: verified.extent.entries,
        bytes: Bytes::new(verified.extent.bytes),
        milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Whether the snapshot itself is what is wrong.
fn is_damage(error: &SnapshotError) -> bool {
    use homeport_volumes::store::StoreError;
    let code = error.code();
    let of_store = ["HP-STO-030", "HP-STO-031", "HP-STO-032", "HP-STO-040", "HP-STO-041"];
    matches!(error, SnapshotError::Store(StoreError::EntriesDamaged { .. })) || of_store.contains(&code)
}
