//! Owns making a snapshot of an instance as it is.

use std::collections::BTreeSet;
use std::time::Instant;

use homeport_core::manifest::Backup;
use homeport_core::name::{InstanceName, VolumeName};
use homeport_core::unit::Bytes;
use homeport_volumes::snapshot::Mode;
use homeport_volumes::store::{Reason, Store};
use homeport_volumes::tree::TreePath;

use super::gone::{self, GoneSnapshot};
use super::view::SnapshotView;
use crate::host::Host;
use crate::ledger::{EventRecord, InstanceRecord, Ledger, VolumeRecord};
use crate::operation::data_error::DataError;
use crate::operation::enter::{as_root, locked};
use crate::operation::find::known_or_kept;
use crate::operation::survey::recorded_image;
use crate::operation::{OperationError, observe};
use crate::progress::Event;
use crate::request::SnapshotRequest;
use crate::run::with_causes;
use crate::taking::{Hook, Taking, Took, what_may_write};

/// A snapshot that was made.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SnapshotMade {
    /// The snapshot.
    pub snapshot: SnapshotView,
    /// What making it took.
    pub work: SnapshotWork,
    /// Files that changed each time they were read: which bytes of which moment are in it is not known. [spec: STO-23]
    pub unstable: Vec<(VolumeName, TreePath)>,
    /// What a person should know: alarms, hooks that failed, volumes that are no part of it.
    pub warnings: Vec<String>,
}

/// What making a snapshot took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct SnapshotWork {
    /// Files that were read.
    pub files_read: u64,
    /// Bytes that were read.
    pub bytes_read: Bytes,
    /// Entries that were taken as unchanged.
    pub unchanged: u64,
    /// Entries that vanished while they were looked at; a running port's only. [spec: STO-23]
    pub vanished: u64,
    /// Bytes that the store has grown by, all of them read back from the disk and compared.
    pub bytes_stored: Bytes,
    /// How long it took.
    pub milliseconds: u64,
}

/// Makes a snapshot, every new byte of it read back from the disk. A running instance goes on; its hooks `freeze` and
/// `thaw` are run around the reading. [spec: STO-10, STO-21, STO-22]
pub fn snapshot_create(host: &Host, request: &SnapshotRequest) -> Result<SnapshotMade, OperationError> {
    as_root()?;
    let note = request.note.as_deref().map(|note| homeport_core::text::clip(note, 200)).filter(|note| !note.is_empty());
    make(host, &request.instance, Reason::Manual, note)
}

/// Makes a snapshot for this reason.
pub(crate) fn make(
    host: &Host,
    instance: &InstanceName,
    reason: Reason,
    note: Option<String>,
) -> Result<SnapshotMade, OperationError> {
    let begun = Instant::now();
    let ledger = Ledger::open(&host.layout)?;
    known_or_kept(&ledger, instance)?;
    let record = ledger.instance(instance)?;
    let mut warnings = Vec::new();
    let volumes = volumes_for(&ledger, instance, record.as_ref(), &mut warnings)?;
    let store = store(host, &ledger, instance)?;
    // An older ledger was brought up to date on the way.
    let ledger = Ledger::open(&host.layout)?;
    let root = ledger.root_id()?.ok_or_else(|| no_volume(instance, "nothing was ever deployed here"))?;
    let runs = match &record {
        Some(record) => observe::is_running(host, record)?,
        None => false,
    };
    let writes = if runs { None } else { what_may_write(host, &ledger, &root, instance, &volumes)? };
    let mode = if runs || writes.is_some() { Mode::Running } else { Mode::Still };
    warnings.extend(writes);
    let took = Taking {
        host,
        ledger: &ledger,
        root: &root,
        store: &store,
        instance,
        volumes: &volumes,
        reason,
        note,
        mode,
        hook: record.as_ref().filter(|_| runs).and_then(|record| hook(host, record)),
        ahead: None,
    }
    .take()?;
    warnings.extend(took.warnings.iter().cloned());
    remember(host, &store, instance, &took, &mut warnings);
    let marks = Ledger::open(&host.layout)?.snapshot_marks()?;
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(made(&took, SnapshotView::of(&took.taken.head, &marks), milliseconds, warnings))
}

fn no_volume(instance: &InstanceName, why: &str) -> DataError {
    DataError::NoVolume { instance: instance.clone(), why: why.to_owned() }
}

/// The volumes that belong into a snapshot of the instance.
pub(crate) fn volumes_for(
    ledger: &Ledger,
    instance: &InstanceName,
    record: Option<&InstanceRecord>,
    warnings: &mut Vec<String>,
) -> Result<Vec<VolumeRecord>, OperationError> {
    let mut left_out = BTreeSet::new();
    let mut volumes = ledger.volumes(instance)?;
    if let Some(record) = record {
        volumes.retain(|volume| volume.port == record.port);
        let manifest = recorded_image(record)?.manifest;
        let never = manifest.volumes.iter().filter(|(_, volume)| volume.backup == Backup::Never);
        left_out.extend(never.map(|(name, _)| name.clone()));
    } else if let Some(port) = volumes.first().map(|volume| volume.port.clone()) {
        // Volumes that instances of several ports left under one name are of one snapshot each.
        volumes.retain(|volume| volume.port == port);
    }
    for name in &left_out {
        warnings.push(format!("`{name}` is no part of it: the port declares `backup` of it as `never`"));
    }
    volumes.retain(|volume| !left_out.contains(&volume.name));
    if volumes.is_empty() {
        return Err(no_volume(instance, "none that belongs into a snapshot").into());
    }
    Ok(volumes)
}

/// The store; made under the operation lock where there is none yet.
pub(crate) fn store(host: &Host, ledger: &Ledger, instance: &InstanceName) -> Result<Store, OperationError> {
    match crate::store::open(ledger)? {
        Some(store) => Ok(store),
        None => {
            locked(host, &format!("snapshot of {instance}"), |writer, _| Ok(crate::store::open_or_make(host, writer)?))
        }
    }
}

/// The port's own commands around a snapshot of it while it runs.
fn hook<'a>(host: &'a Host, record: &InstanceRecord) -> Option<Hook<'a>> {
    let image = recorded_image(record).ok()?;
    Hook::new(host, &record.name, &image.manifest, record.container.clone()?)
}

/// Writes the snapshot into the instance's history. That it exists does not hang on it.
fn remember(host: &Host, store: &Store, instance: &InstanceName, took: &Took, warnings: &mut Vec<String>) {
    let head = &took.taken.head;
    let text = format!("snapshot {:#} ({}, {})", head.sequence, head.body.reason, head.body.consistency);
    let alarm = if head.body.alarms.is_empty() { String::new() } else { ", with an alarm".to_owned() };
    let event = EventRecord {
        time: host.now(),
        instance: Some(instance.clone()),
        operation: None,
        kind: "snapshot".to_owned(),
        text: text + &alarm,
    };
    let noted = locked(host, "snapshot", |writer, _| {
        let catalog = store.catalog().map_err(DataError::from)?;
        crate::store::remember(writer, &catalog)?;
        warnings.extend(gone::of(writer, &catalog)?.iter().map(GoneSnapshot::words));
        Ok(writer.append_event(&event)?)
    });
    if let Err(error) = noted {
        let why = with_causes(&error);
        host.progress.event(&Event::Warning { text: format!("the history does not say so: {why}") });
        warnings.push(format!("the snapshot is not in the history: {why}"));
    }
}

fn made(took: &Took, snapshot: SnapshotView, milliseconds: u64, warnings: Vec<String>) -> SnapshotMade {
    let volumes = &took.taken.volumes;
    let sum = |of: fn(&homeport_volumes::snapshot::Ingested) -> u64| volumes.iter().map(|(_, one)| of(one)).sum();
    let unstable = volumes.iter().flat_map(|(name, one)| one.unstable.iter().map(|path| (name.clone(), path.clone())));
    SnapshotMade {
        snapshot,
        work: SnapshotWork {
            files_read: sum(|one| one.files_read),
            bytes_read: Bytes::new(sum(|one| one.bytes_read)),
            unchanged: sum(|one| one.unchanged),
            vanished: sum(|one| one.vanished),
            bytes_stored: Bytes::new(took.taken.sealed.stored),
            milliseconds,
        },
        unstable: unstable.collect(),
        warnings,
    }
}
