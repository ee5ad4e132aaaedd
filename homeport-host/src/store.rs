//! Owns the way to the one store of snapshots of this root: made with the first snapshot, and from then on the very same
//! one. A store that is missing, or another, is refused and never replaced. [spec: STO-1]

use homeport_volumes::UnixSeconds;
use homeport_volumes::store::{Compression, Store, StoreError};

use crate::host::Host;
use crate::layout::{LayoutError, prepare_private};
use crate::ledger::{Change, Ledger, LedgerError, LedgerWriter, StoreRecord, Time};

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
    prepare_private(path)?;
    let store = match Store::open(path) {
        Err(StoreError::Missing { .. }) => Store::create(path, Compression::Zstd, unix(&host.now()))?,
        found => found?,
    };
    let record = StoreRecord { uuid: store.uuid(), path: path.to_owned(), created: host.now(), scrub: None };
    let _change: Change = writer.put_store(&record)?;
    Ok(store)
}

/// A moment as volumes and stores write it; one before 1970 counts as 1970.
pub(crate) fn unix(time: &Time) -> UnixSeconds {
    UnixSeconds::new(u64::try_from(time.unix_seconds()).unwrap_or(0))
}
