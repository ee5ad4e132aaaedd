//! Owns an operator's word that an alarm is as it should be. Never removes anything.

use crate::host::Host;
use crate::ledger::{Ledger, MarkKind, SnapshotMark};
use crate::operation::enter::{as_root, locked};
use crate::operation::{LifecycleOutcome, OperationError, find};
use crate::request::SnapshotChoice;

/// Confirms that the alarm of a snapshot is as it should be: from then on snapshots of its instance may go again.
/// `Unchanged` where it has none, or it was confirmed before. [spec: STO-26]
pub fn snapshot_acknowledge(
    host: &Host,
    which: &SnapshotChoice,
    note: &str,
) -> Result<LifecycleOutcome, OperationError> {
    as_root()?;
    let (_, head) = find::snapshot(&Ledger::open(&host.layout)?, which)?;
    let is_done = |mark: &SnapshotMark| mark.snapshot == head.body.uuid && mark.kind == MarkKind::Acknowledged;
    if head.body.alarms.is_empty() || Ledger::open(&host.layout)?.snapshot_marks()?.iter().any(is_done) {
        return Ok(LifecycleOutcome::Unchanged);
    }
    let mark = SnapshotMark {
        snapshot: head.body.uuid,
        kind: MarkKind::Acknowledged,
        at: host.now(),
        note: homeport_core::text::clip(note, 200),
    };
    locked(host, "snapshot acknowledge", |writer, _| Ok(writer.mark_snapshot(&mark)?))?;
    Ok(LifecycleOutcome::Changed)
}
