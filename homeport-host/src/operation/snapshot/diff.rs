//! Owns telling what differs between two snapshots, or a snapshot and the present data. Changes nothing.

use homeport_core::name::VolumeName;
use homeport_volumes::check_readable;
use homeport_volumes::snapshot::{Compared, Difference, Subject, diff, diff_with_live};
use homeport_volumes::store::{SnapshotHead, SnapshotUuid, Store};
use homeport_volumes::tree::TreePath;

use crate::host::Host;
use crate::ledger::Ledger;
use crate::operation::data_error::DataError;
use crate::operation::replace::volume_of;
use crate::operation::{OperationError, find};
use crate::progress::Meter;
use crate::request::{DiffRequest, SnapshotChoice};
use crate::run::known;

/// What differs.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Differences {
    /// The older side.
    pub from: SnapshotUuid,
    /// The newer side; `None` is the data as it is now.
    pub to: Option<SnapshotUuid>,
    /// Each volume of either side.
    pub volumes: Vec<VolumeDifferences>,
}

/// What differs in one volume.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VolumeDifferences {
    /// The volume.
    pub volume: VolumeName,
    /// Paths that are new.
    pub added: u64,
    /// Paths that are gone.
    pub removed: u64,
    /// Paths that are otherwise than they were.
    pub changed: u64,
    /// Paths that are as they were.
    pub same: u64,
    /// The first of them, at most as many as were asked for, in the order of paths.
    pub listed: Vec<Differing>,
}

/// One path that differs.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Differing {
    /// The path, relative to the volume's data.
    pub path: TreePath,
    /// What became of it.
    pub change: homeport_volumes::snapshot::Change,
}

/// What differs. Nothing is stored, and no lock is taken.
pub fn snapshot_diff(host: &Host, request: &DiffRequest) -> Result<Differences, OperationError> {
    let ledger = Ledger::open(&host.layout)?;
    let choice = SnapshotChoice { instance: request.instance.clone(), snapshot: request.from.clone() };
    let (store, from) = find::snapshot(&ledger, &choice)?;
    match &request.to {
        Some(to) => {
            let to = find::pick(&store.catalog().map_err(DataError::from)?, &request.instance, to)?.clone();
            between(&store, &from, &to, request.limit)
        }
        None => with_present(host, &ledger, &store, &from, request),
    }
}

fn between(store: &Store, from: &SnapshotHead, to: &SnapshotHead, limit: usize) -> Result<Differences, OperationError> {
    let mut volumes = Vec::new();
    for old in &from.body.volumes {
        let mut found = Found::new(limit);
        let compared = match to.body.volume(&old.name) {
            Some(new) => {
                diff(store, &old.entries, &new.entries, &mut |one| found.hear(one)).map_err(DataError::from)?
            }
            None => Compared { removed: old.count, ..Compared::default() },
        };
        volumes.push(found.of(&old.name, compared));
    }
    for new in to.body.volumes.iter().filter(|new| from.body.volume(&new.name).is_none()) {
        volumes.push(Found::new(limit).of(&new.name, Compared { added: new.count, ..Compared::default() }));
    }
    Ok(Differences { from: from.body.uuid, to: Some(to.body.uuid), volumes })
}

fn with_present(
    host: &Host,
    ledger: &Ledger,
    store: &Store,
    from: &SnapshotHead,
    request: &DiffRequest,
) -> Result<Differences, OperationError> {
    let root = ledger.root_id()?.unwrap_or_else(|| from.body.root.clone());
    let mut volumes = Vec::new();
    for old in &from.body.volumes {
        let record = volume_of(ledger, &request.instance, &old.name)?;
        let (asked, known) = known::ask(host, ledger, &root, &record)?;
        let readable = check_readable(&host.machine, &asked, &known).map_err(DataError::from)?;
        let subject = Subject::of(&old.name, &readable);
        let meter = Meter::new(&*host.progress, format!("compare `{}`", old.name)).of(old.bytes, old.count);
        let mut found = Found::new(request.limit);
        let compared = diff_with_live(store, &old.entries, &subject, &mut |one| found.hear(one), &meter);
        volumes.push(found.of(&old.name, compared.map_err(DataError::from)?));
    }
    Ok(Differences { from: from.body.uuid, to: None, volumes })
}

/// The first differences that are heard of.
struct Found {
    limit: usize,
    listed: Vec<Differing>,
}

impl Found {
    fn new(limit: usize) -> Self {
        Self { limit, listed: Vec::new() }
    }

    fn hear(&mut self, difference: Difference) {
        if self.listed.len() < self.limit {
            self.listed.push(Differing { path: difference.path, change: difference.change });
        }
    }

    fn of(self, volume: &VolumeName, compared: Compared) -> VolumeDifferences {
        VolumeDifferences {
            volume: volume.clone(),
            added: compared.added,
            removed: compared.removed,
            changed: compared.changed,
            same: compared.same,
            listed: self.listed,
        }
    }
}
