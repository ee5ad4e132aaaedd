//! Owns showing the snapshots that there are. Never changes anything, needs no lock.

use homeport_core::name::InstanceName;

use super::gone::{self, GoneSnapshot};
use super::view::SnapshotView;
use crate::host::Host;
use crate::ledger::Ledger;
use crate::operation::OperationError;
use crate::operation::find;
use crate::request::SnapshotChoice;
use crate::run::with_causes;

/// The snapshots of one instance, or of all.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SnapshotList {
    /// Those that exist, oldest first.
    pub snapshots: Vec<SnapshotView>,
    /// Files that should be snapshots and are not, whatever instance they were of: name, and what is wrong.
    pub damaged: Vec<(String, String)>,
    /// Snapshots that were made, that nobody removed, and that are not in the store. [spec: STO-39]
    pub gone: Vec<GoneSnapshot>,
}

/// The snapshots of an instance, removed ones too, or of all with `None`. Before the first snapshot there are none.
pub fn snapshot_list(host: &Host, instance: Option<&InstanceName>) -> Result<SnapshotList, OperationError> {
    let ledger = Ledger::open(&host.layout)?;
    let Some(store) = crate::store::open(&ledger)? else {
        return Ok(SnapshotList { snapshots: Vec::new(), damaged: Vec::new(), gone: Vec::new() });
    };
    let (catalog, mut gone) = gone::look(&ledger, &store)?;
    gone.retain(|one| one.concerns(instance));
    let marks = ledger.snapshot_marks()?;
    let own = catalog.snapshots.iter().filter(|head| instance.is_none_or(|instance| head.body.instance == *instance));
    Ok(SnapshotList {
        snapshots: own.map(|head| SnapshotView::of(head, &marks)).collect(),
        damaged: catalog.damaged.iter().map(|(name, fault)| (name.clone(), with_causes(fault))).collect(),
        gone,
    })
}

/// One snapshot.
pub fn snapshot_show(host: &Host, which: &SnapshotChoice) -> Result<SnapshotView, OperationError> {
    let ledger = Ledger::open(&host.layout)?;
    let (_, head) = find::snapshot(&ledger, which)?;
    Ok(SnapshotView::of(&head, &ledger.snapshot_marks()?))
}
