//! Owns showing what is in the trash: what is on the disks, and what the ledger knows of it. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use homeport_core::fault::Fault;
use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::{Bytes, Format};
use homeport_volumes::store::SnapshotUuid;
use homeport_volumes::trash::{Listing, TrashKind, TrashNote, TrashPlace, TrashState, Trashed, list};
use homeport_volumes::{TxId, UnixSeconds, VolumePath};

use crate::host::Host;
use crate::ledger::{Ledger, Time, TrashReason, TrashRecord};
use crate::operation::OperationError;
use crate::operation::data_error::DataError;
use crate::plan::{TrashHome, TrashedTree};
use crate::run::known;

/// What is in the trash.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TrashList {
    /// What was put there, by the command that did, oldest first.
    pub bundles: Vec<TrashView>,
    /// What is there and cannot be named, and what should be there and is not. It is left as it is.
    pub faults: Vec<Fault>,
}

/// What one command put into the trash.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TrashView {
    /// Its id: `homeport trash restore ID` takes it out again.
    pub id: TxId,
    /// Why it is there.
    pub reason: TrashReason,
    /// The instance that it is of.
    pub instance: InstanceName,
    /// The instance's port.
    pub port: PortId,
    /// Since when.
    pub since: Time,
    /// Until when it is kept at least.
    pub until: Option<Time>,
    /// The snapshot that was made of the same data before.
    pub snapshot: Option<SnapshotUuid>,
    /// Its trees, one a volume.
    pub trees: Vec<TreeView>,
}

/// One volume's data in the trash.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TreeView {
    /// Its own id.
    pub tx: TxId,
    /// The volume that it was the data of.
    pub volume: VolumeName,
    /// That volume's identity.
    pub uuid: String,
    /// Where it was.
    pub path: PathBuf,
    /// How the data is laid out, where its note is there to say so.
    pub format: Option<Format>,
    /// How many entries it has with those of `inner`, where they were counted. What would be deleted, and was, is counted
    /// on the disk; HomePort's own files beside a volume's data are among that.
    pub entries: Option<u64>,
    /// The bytes of their files, in the same way.
    pub bytes: Option<Bytes>,
    /// What was in the volume's own trash when the whole volume was purged: it comes back, and ends, with the volume.
    pub inner: Vec<InnerTree>,
}

/// One tree in the trash of a volume that was, or is to be, purged.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct InnerTree {
    /// Its own id.
    pub tx: TxId,
    /// Why it is in the trash.
    pub reason: TrashReason,
    /// The volume that it was the data of.
    pub volume: VolumeName,
    /// Since when it is in the trash.
    pub since: Time,
    /// How many entries it has, where they were counted.
    pub entries: Option<u64>,
    /// The bytes of their files, where they were counted.
    pub bytes: Option<Bytes>,
}

impl InnerTree {
    /// What its note says, and the ledger where the note does not.
    pub(in crate::operation) fn of(note: &TrashNote, record: Option<&TrashRecord>) -> Self {
        Self {
            tx: note.tx,
            reason: record.map_or_else(|| reason(note.kind), |record| record.reason),
            volume: note.volume.clone(),
            since: record.map_or_else(|| time(note.since), |record| record.since.clone()),
            entries: note.entries.or(record.map(|record| record.entries)),
            bytes: note.bytes.or(record.map(|record| record.bytes)),
        }
    }
}

impl TrashView {
    /// What the ledger has of trees that one command put there; `None` without any.
    pub(super) fn of_records(records: &[TrashRecord]) -> Option<Self> {
        let first = records.first()?;
        let tree = |record: &TrashRecord| TreeView {
            tx: record.tx,
            volume: record.name.clone(),
            uuid: record.volume.to_string(),
            path: record.path.clone(),
            format: None,
            entries: Some(record.entries),
            bytes: Some(record.bytes),
            inner: Vec::new(),
        };
        Some(Self {
            id: first.bundle,
            reason: first.reason,
            instance: first.instance.clone(),
            port: first.port.clone(),
            since: first.since.clone(),
            until: Some(first.until.clone()),
            snapshot: first.snapshot,
            trees: records.iter().map(tree).collect(),
        })
    }
}

/// What is in the trash.
pub fn trash_list(host: &Host) -> Result<TrashList, OperationError> {
    let ledger = Ledger::open(&host.layout)?;
    Ok(Look::at(host, &ledger)?.list)
}

/// What is in the trash, with where each tree lies.
pub(super) struct Look {
    pub(super) list: TrashList,
    places: BTreeMap<TxId, (TrashedTree, TrashPlace)>,
    /// Trees of which a part is deleted.
    partial: BTreeSet<TxId>,
}

impl Look {
    /// Looks at the disks and the ledger.
    pub(super) fn at(host: &Host, ledger: &Ledger) -> Result<Self, OperationError> {
        let records = ledger.trash()?;
        let data_root = known::data_root(host)?;
        let volumes = ledger.all_volumes()?.into_iter().map(|volume| volume.path);
        let paths: BTreeSet<PathBuf> = volumes.chain(records.iter().map(|record| record.path.clone())).collect();
        let paths: Vec<VolumePath> =
            paths.iter().filter_map(|path| VolumePath::try_from(path.as_path()).ok()).collect();
        let Listing { trees, faults } = list(&data_root, &paths).map_err(DataError::from)?;
        let mut look =
            Self { list: TrashList { bundles: Vec::new(), faults }, places: BTreeMap::new(), partial: BTreeSet::new() };
        let own: BTreeMap<TxId, &TrashRecord> = records.iter().map(|record| (record.tx, record)).collect();
        let mut seen: BTreeSet<TxId> = BTreeSet::new();
        for tree in &trees {
            seen.insert(tree.note.tx);
            seen.extend(tree.inner.iter().map(|note| note.tx));
            look.add(tree, &own);
        }
        for record in records.iter().filter(|record| !seen.contains(&record.tx)) {
            look.missing(ledger, record)?;
        }
        look.list.bundles.sort_by(|one, other| (&one.since, one.id).cmp(&(&other.since, other.id)));
        Ok(look)
    }

    /// Where a tree lies, for the steps that do something with it.
    pub(super) fn place(&self, tx: TxId) -> Option<&(TrashedTree, TrashPlace)> {
        self.places.get(&tx)
    }

    /// Whether a part of the tree is deleted.
    pub(super) fn is_partial(&self, tx: TxId) -> bool {
        self.partial.contains(&tx)
    }

    fn add(&mut self, tree: &Trashed, own: &BTreeMap<TxId, &TrashRecord>) {
        let note = &tree.note;
        let record = own.get(&note.tx).copied();
        let inner: Vec<InnerTree> =
            tree.inner.iter().map(|note| InnerTree::of(note, own.get(&note.tx).copied())).collect();
        let sum = |first: Option<u64>, more: fn(&InnerTree) -> Option<u64>| {
            inner.iter().map(more).try_fold(first?, |sum, more| Some(sum.saturating_add(more?)))
        };
        let entries = sum(note.entries, |inner| inner.entries);
        let bytes = sum(note.bytes.map(Bytes::get), |inner| inner.bytes.map(Bytes::get)).map(Bytes::new);
        // A volume may have been moved since; what is in its own trash went with it.
        let (home, path) = match &tree.place {
            TrashPlace::DataRoot(_) => (TrashHome::DataRoot, &note.path),
            TrashPlace::Volume(path) => (TrashHome::Volume, path),
        };
        let path = path.as_path().to_owned();
        let trashed =
            TrashedTree { volume: note.volume.clone(), uuid: note.uuid, tx: note.tx, path: path.clone(), home };
        self.places.insert(note.tx, (trashed, tree.place.clone()));
        if tree.state == TrashState::Partial {
            self.partial.insert(note.tx);
        }
        let view = TreeView {
            tx: note.tx,
            volume: note.volume.clone(),
            uuid: note.uuid.to_string(),
            path,
            format: Some(note.format),
            entries,
            bytes,
            inner,
        };
        let id = record.map_or(note.tx, |record| record.bundle);
        if let Some(bundle) = self.list.bundles.iter_mut().find(|bundle| bundle.id == id) {
            bundle.trees.push(view);
            return;
        }
        let until = note.until.map(time);
        self.list.bundles.push(TrashView {
            id,
            reason: record.map_or_else(|| reason(note.kind), |record| record.reason),
            instance: note.instance.clone(),
            port: note.port.clone(),
            since: record.map_or_else(|| time(note.since), |record| record.since.clone()),
            until: record.map(|record| record.until.clone()).or(until),
            snapshot: record.and_then(|record| record.snapshot),
            trees: vec![view],
        });
    }

    /// A tree that the ledger knows and that is not there: its disk may be missing, or it was not put away yet.
    fn missing(&mut self, ledger: &Ledger, record: &TrashRecord) -> Result<(), OperationError> {
        let open = ledger.open_operation()?.map(|(operation, _)| operation);
        let waiting = ledger.stuck_operations()?.into_iter().chain(open);
        let is_on_its_way = waiting.into_iter().any(|operation| operation.instance == record.instance);
        let fault = Fault::new(
            "HP-DAT-010",
            record.tx.to_string(),
            format!("what `{}` of `{}` was should be in the trash and is not there", record.name, record.instance),
        )
        .expected(format!("a tree in the trash of `{}`", record.path.display()))
        .remedy(if is_on_its_way {
            format!("an earlier command on `{}` is not finished: the next one finishes it", record.instance)
        } else {
            "mount the disk that it is on".to_owned()
        });
        self.list.faults.push(fault);
        Ok(())
    }
}

fn time(at: UnixSeconds) -> Time {
    Time::of_unix(i64::try_from(at.get()).unwrap_or(i64::MAX), 0)
}

/// What a note without a ledger says.
fn reason(kind: TrashKind) -> TrashReason {
    match kind {
        TrashKind::Purged => TrashReason::Purge,
        TrashKind::Replaced => TrashReason::Restore,
        TrashKind::TakenBack => TrashReason::Undo,
    }
}
