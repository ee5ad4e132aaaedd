//! Owns looking up what each volume held when it was last looked at in full. That it cannot be looked up stops nothing.

use homeport_volumes::Counted;
use homeport_volumes::store::SnapshotHead;

use super::{OperationError, find};
use crate::host::Host;
use crate::ledger::{Ledger, RestoredRecord, SnapshotMark, VolumeRecord};
use crate::progress::Event;
use crate::run::with_causes;
use crate::taking;

/// What is known of what volumes held.
pub(super) struct Held {
    snapshots: Vec<SnapshotHead>,
    marks: Vec<SnapshotMark>,
    restored: Vec<RestoredRecord>,
}

impl Held {
    /// Asks the store and the ledger. A store that cannot be read is told of, and says nothing of any volume.
    pub(super) fn of(host: &Host, ledger: &Ledger) -> Result<Self, OperationError> {
        let snapshots = match find::catalog(ledger) {
            Ok(found) => found.map(|(_, catalog)| catalog.snapshots).unwrap_or_default(),
            Err(error) => {
                let why = with_causes(&error);
                let text = format!("whether a volume has lost data since its last snapshot cannot be told: {why}");
                host.progress.event(&Event::Warning { text });
                Vec::new()
            }
        };
        Ok(Self { snapshots, marks: ledger.snapshot_marks()?, restored: ledger.restored()? })
    }

    /// What this volume held; `None` where nothing says so. [spec: VOL-36]
    pub(super) fn counted(&self, volume: &VolumeRecord) -> Option<Counted> {
        taking::counted(&self.snapshots, &self.marks, &self.restored, volume)
    }
}
