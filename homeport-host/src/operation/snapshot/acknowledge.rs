//! Owns an operator's word that an alarm is as it should be. Never removes anything.

use homeport_volumes::store::SnapshotHead;

use crate::host::Host;
use crate::ledger::{Ledger, MarkKind, SnapshotMark};
use crate::operation::data_error::DataError;
use crate::operation::enter::{as_root, locked};
use crate::operation::{LifecycleOutcome, OperationError, find};
use crate::request::{SnapshotChoice, SnapshotRef};

/// Confirms that the alarm of a snapshot is as it should be, or with `latest` those of every snapshot of the instance.
/// `Unchanged` where none is open. [spec: STO-26]
pub fn snapshot_acknowledge(
    host: &Host,
    which: &SnapshotChoice,
    note: &str,
) -> Result<LifecycleOutcome, OperationError> {
    as_root()?;
    let ledger = Ledger::open(&host.layout)?;
    let (store, head) = find::snapshot(&ledger, which)?;
    let heads = if which.snapshot == SnapshotRef::Latest {
        let mut heads = store.catalog().map_err(DataError::from)?.snapshots;
        heads.retain(|head| head.body.instance == which.instance);
        heads
    } else {
        vec![head]
    };
    let marks = ledger.snapshot_marks()?;
    let is_done = |head: &SnapshotHead| {
        marks.iter().any(|mark| mark.snapshot == head.body.uuid && mark.kind == MarkKind::Acknowledged)
    };
    let open: Vec<&SnapshotHead> = heads.iter().filter(|head| !head.body.alarms.is_empty() && !is_done(head)).collect();
    if open.is_empty() {
        return Ok(LifecycleOutcome::Unchanged);
    }
    let (at, note) = (host.now(), homeport_core::text::clip(note, 200));
    locked(host, "snapshot acknowledge", |writer, _| {
        for head in open {
            let (snapshot, kind) = (head.body.uuid, MarkKind::Acknowledged);
            writer.mark_snapshot(&SnapshotMark { snapshot, kind, at: at.clone(), note: note.clone() })?;
        }
        Ok(())
    })?;
    Ok(LifecycleOutcome::Changed)
}
