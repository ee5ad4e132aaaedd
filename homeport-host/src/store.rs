//! Owns the way to the one store of snapshots of this root: made with the first snapshot, and from then on the very same
//! one. A store that is missing, or another, is refused and never replaced by itself. [spec: STO-1, STO-40]

use std::path::Path;

use homeport_volumes::store::{Catalog, Compression, SnapshotHead, Store, StoreError, StoreWriter, check_apart};
use homeport_volumes::{UnixSeconds, VolumePath};

use crate::host::Host;
use crate::layout::{LayoutError, prepare_private};
use crate::ledger::{Change, Ledger, LedgerError, LedgerWriter, SnapshotRecord, StoreRecord, Time, VolumeRecord};
use crate::run::known;

/// Why the store cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// The store that the ledger knows; `None` before the first snapshot.
pub(crate) fn open(ledger: &Ledger) -> Result<Option<Store>, OpenError> {
    let Some(record) = ledger.store()? else { return Ok(None) };
    let store = Store::open(&record.path)?;
    store.expect(record.uuid)?;
    Ok(Some(store))
}

/// The store that the ledger knows; before the first snapshot it is made, or taken where a crash or a lost ledger left one.
pub(crate) fn open_or_make(host: &Host, writer: &mut LedgerWriter<'_>) -> Result<Store, OpenError> {
    if let Some(store) = open(writer)? {
        return Ok(store);
    }
    let path = host.layout.store_dir();
    apart(host, path, &writer.all_volumes()?)?;
    prepare_private(path)?;
    let store = match Store::open(path) {
        Err(StoreError::Missing { .. }) => Store::create(path, Compression::Zstd, unix(&host.now()))?,
        // A new disk: nothing is in its top directory, whose mode is that of every new file system.
        Err(StoreError::Insecure { .. }) if Store::check_vacant(path).is_ok() => {
            Store::create(path, Compression::Zstd, unix(&host.now()))?
        }
        found => found?,
    };
    let record = StoreRecord { uuid: store.uuid(), path: path.to_owned(), created: host.now(), scrub: None };
    let _change: Change = writer.put_store(&record)?;
    Ok(store)
}

/// Refuses a store in a volume, or around one. [spec: STO-36]
fn apart(host: &Host, path: &Path, volumes: &[VolumeRecord]) -> Result<(), StoreError> {
    let path = VolumePath::try_from(path).map_err(StoreError::Path)?;
    let mut neighbours = known::neighbours(host, volumes);
    // HomePort's own directories lie where the layout says: what a store must outlive are volumes.
    neighbours.retain(|neighbour| neighbour.uuid.is_some());
    let faults = check_apart(&host.machine, &path, &neighbours)?;
    if faults.is_empty() { Ok(()) } else { Err(StoreError::NotApart { path, faults }) }
}

/// Remembers every snapshot that is in the store, so that it is missed where it is gone. [spec: STO-39]
pub(crate) fn remember(writer: &mut LedgerWriter<'_>, catalog: &Catalog) -> Result<(), LedgerError> {
    let record = |head: &SnapshotHead| SnapshotRecord {
        uuid: head.body.uuid,
        sequence: head.sequence,
        instance: head.body.instance.clone(),
        taken: Time::of_unix(head.body.taken.seconds(), head.body.taken.nanos()),
    };
    let records: Vec<SnapshotRecord> = catalog.snapshots.iter().map(record).collect();
    writer.record_snapshots(&records).map(|_| ())
}

/// Gives what the writer makes a number after every one that is known, also of a snapshot that is gone. [spec: STO-39]
pub(crate) fn number_after(ledger: &Ledger, writer: &mut StoreWriter) -> Result<(), OpenError> {
    if let Some(last) = ledger.snapshots()?.last() {
        writer.number_after(last.sequence)?;
    }
    Ok(())
}

/// A moment as volumes and stores write it; one before 1970 counts as 1970.
pub(crate) fn unix(time: &Time) -> UnixSeconds {
    UnixSeconds::new(u64::try_from(time.unix_seconds()).unwrap_or(0))
}
