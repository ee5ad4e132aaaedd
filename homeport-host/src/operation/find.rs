//! Owns finding what was asked for: the store, a snapshot in it, volumes of an instance. Never changes anything.

use homeport_core::name::InstanceName;
use homeport_volumes::store::{Catalog, Reason, SnapshotHead, Store};

use super::data_error::DataError;
use super::error::OperationError;
use crate::ledger::{Ledger, LedgerError};
use crate::request::{SnapshotChoice, SnapshotRef};

/// How many names are shown of what there is.
const SHOWN: usize = 10;

/// The store and what is in it; nothing before the first snapshot.
pub(super) fn catalog(ledger: &Ledger) -> Result<Option<(Store, Catalog)>, OperationError> {
    let Some(store) = crate::store::open(ledger)? else { return Ok(None) };
    let catalog = store.catalog().map_err(DataError::from)?;
    Ok(Some((store, catalog)))
}

/// The store and the snapshot that is meant.
pub(super) fn snapshot(ledger: &Ledger, choice: &SnapshotChoice) -> Result<(Store, SnapshotHead), OperationError> {
    match catalog(ledger)? {
        Some((store, catalog)) => {
            let head = pick(&catalog, &choice.instance, &choice.snapshot)?.clone();
            Ok((store, head))
        }
        None => Err(no_snapshot(&choice.instance, &choice.snapshot, &[]).into()),
    }
}

/// The snapshot that is meant.
pub(super) fn pick<'a>(
    catalog: &'a Catalog,
    instance: &InstanceName,
    wanted: &SnapshotRef,
) -> Result<&'a SnapshotHead, DataError> {
    let own: Vec<&SnapshotHead> = catalog.snapshots.iter().filter(|head| head.body.instance == *instance).collect();
    if *wanted == SnapshotRef::Latest {
        // What was there before a restore is what somebody wanted to get rid of: it is named by number, never by chance.
        let meant = own.iter().rev().find(|head| head.body.reason != Reason::Restore).or(own.last());
        return meant.copied().ok_or_else(|| no_snapshot(instance, wanted, &own));
    }
    let found: Vec<&SnapshotHead> =
        own.iter().copied().filter(|head| wanted.names(head.body.uuid, head.sequence)).collect();
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(no_snapshot(instance, wanted, &own)),
        several => Err(DataError::Ambiguous {
            wanted: wanted.to_string(),
            found: several.iter().map(|head| head.body.uuid.to_string()).collect(),
        }),
    }
}

/// That there is any snapshot of the instance.
pub(super) fn known_snapshots(catalog: &Catalog, instance: &InstanceName) -> Result<(), DataError> {
    pick(catalog, instance, &SnapshotRef::Latest).map(|_| ())
}

fn no_snapshot(instance: &InstanceName, wanted: &SnapshotRef, own: &[&SnapshotHead]) -> DataError {
    let known = own.iter().rev().take(SHOWN).map(|head| format!("{:#}", head.sequence)).collect();
    DataError::NoSnapshot { instance: instance.clone(), wanted: wanted.to_string(), known }
}

/// That the instance is there or has left volumes.
pub(super) fn known_or_kept(ledger: &Ledger, name: &InstanceName) -> Result<(), OperationError> {
    let has_volumes = |ledger: &Ledger| -> Result<bool, LedgerError> { Ok(!ledger.volumes(name)?.is_empty()) };
    if ledger.instance(name)?.is_none() && !has_volumes(ledger)? {
        let known = ledger.instances()?.into_iter().map(|record| record.name.to_string()).collect();
        return Err(OperationError::NoInstance { name: name.clone(), known });
    }
    Ok(())
}
