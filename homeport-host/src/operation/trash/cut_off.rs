//! Owns what the journal says of putting back that has not ended: what it is about, and whether it came to its end since.
//! Changes nothing.

use homeport_core::name::InstanceName;
use homeport_volumes::TxId;

use super::list::TrashView;
use crate::ledger::{Ledger, TrashRecord};
use crate::operation::OperationError;
use crate::plan::Step;
use crate::request::TrashRef;

/// What an operation that has not ended is putting back, where that is what is meant.
pub(super) fn on_its_way(ledger: &Ledger, meant: &TrashRef) -> Result<Option<TrashView>, OperationError> {
    let open = ledger.open_operation()?.map(|(operation, _)| operation);
    for operation in ledger.stuck_operations()?.into_iter().chain(open) {
        let Some((_, steps)) = ledger.operation(operation.id)? else { continue };
        // A step that cannot be read is for whoever resumes the operation to complain of.
        let steps = steps.iter().filter_map(|step| serde_json::from_str(&step.detail).ok());
        let trees: Vec<TxId> = steps
            .filter_map(|step| match step {
                Step::PutBackVolume(tree) => Some(tree.tx),
                _ => None,
            })
            .collect();
        let mut records = ledger.trash()?;
        records.retain(|record| trees.contains(&record.tx));
        if records.iter().any(|record| is_meant(meant, record)) {
            return Ok(TrashView::of_records(&records));
        }
    }
    Ok(None)
}

fn is_meant(meant: &TrashRef, record: &TrashRecord) -> bool {
    meant.names(record.bundle) || meant.names(record.tx)
}

/// Whether all of it is known as volumes again and is not in the trash any more.
pub(super) fn is_back(ledger: &Ledger, what: &TrashView) -> Result<bool, OperationError> {
    for tree in &what.trees {
        if !ledger.trash_of(tree.tx)?.is_empty() || ledger.volume_by_uuid(&tree.uuid)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the ledger has what is meant in the trash of this instance.
pub(super) fn holds(ledger: &Ledger, instance: &InstanceName, meant: &TrashRef) -> bool {
    let records = ledger.trash().unwrap_or_default();
    records.iter().any(|record| record.instance == *instance && is_meant(meant, record))
}
