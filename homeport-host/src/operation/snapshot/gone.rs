//! Owns finding snapshots that were made and are not in the store any more, though nobody removed them. Never forgets one
//! by itself. [spec: STO-39]

use std::collections::BTreeSet;

use homeport_core::fault::Fault;
use homeport_core::name::InstanceName;
use homeport_volumes::store::{Catalog, Sequence, SnapshotUuid, Store};

use crate::ledger::{Ledger, LedgerError, SnapshotMark, SnapshotRecord, Time};
use crate::operation::OperationError;
use crate::operation::data_error::DataError;

/// A snapshot that is gone from the store.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GoneSnapshot {
    /// Its identity.
    pub uuid: SnapshotUuid,
    /// Its number; `None` where only a mark says that there was one.
    pub sequence: Option<Sequence>,
    /// Whose volumes were in it.
    pub instance: Option<InstanceName>,
    /// When it was taken.
    pub taken: Option<Time>,
}

impl GoneSnapshot {
    /// The name of its file below `snapshots/`, or its identity where the number is not known.
    pub fn file(&self) -> String {
        match self.sequence {
            Some(sequence) => format!("{sequence}-{}.snapshot", self.uuid),
            None => self.uuid.to_string(),
        }
    }

    /// What is missed, in one line.
    pub fn words(&self) -> String {
        let number = self.sequence.map_or_else(String::new, |sequence| format!(" {sequence:#}"));
        let whose = self.instance.as_ref().map_or_else(String::new, |instance| format!(" of `{instance}`"));
        let taken = self.taken.as_ref().map_or_else(String::new, |taken| format!(", taken at {taken},"));
        format!("snapshot{number}{whose} ({}){taken} is gone from the store, and nobody removed it", self.uuid)
    }

    /// The same as what is wrong with the store.
    pub(super) fn fault(&self) -> Fault {
        Fault::new("HP-STO-055", format!("snapshots/{}", self.file()), self.words()).clause("STO-39").remedy(format!(
            "check the disk, and bring the file back from a copy; where it is lost for good, `homeport snapshot give-up {}`",
            self.file()
        ))
    }

    /// Whether this is one of the instance's, or may be.
    pub(super) fn concerns(&self, instance: Option<&InstanceName>) -> bool {
        instance.is_none_or(|wanted| self.instance.as_ref().is_none_or(|instance| instance == wanted))
    }
}

/// The snapshots that the store lacks. What is removed or made meanwhile is none of them: it has to be known before and
/// after the store was looked at.
pub(super) fn look(ledger: &Ledger, store: &Store) -> Result<(Catalog, Vec<GoneSnapshot>), OperationError> {
    let before = ledger.snapshots()?;
    let catalog = store.catalog().map_err(DataError::from)?;
    let gone = of(ledger, &catalog)?;
    let was_known = |uuid: SnapshotUuid| before.iter().any(|record| record.uuid == uuid);
    Ok((catalog, gone.into_iter().filter(|one| one.sequence.is_none() || was_known(one.uuid)).collect()))
}

/// The same by a catalog that was read under the operation lock.
pub(super) fn of(ledger: &Ledger, catalog: &Catalog) -> Result<Vec<GoneSnapshot>, LedgerError> {
    Ok(missing(&ledger.snapshots()?, &ledger.snapshot_marks()?, catalog))
}

/// What is known and not there; a file that is damaged is there.
fn missing(records: &[SnapshotRecord], marks: &[SnapshotMark], catalog: &Catalog) -> Vec<GoneSnapshot> {
    let damaged = |uuid: SnapshotUuid| {
        let end = format!("-{uuid}.snapshot");
        catalog.damaged.iter().any(|(name, _)| name.ends_with(&end))
    };
    let is_there = |uuid: SnapshotUuid| catalog.find(&uuid).is_some() || damaged(uuid);
    let known: BTreeSet<SnapshotUuid> = records.iter().map(|record| record.uuid).collect();
    let marked: BTreeSet<SnapshotUuid> = marks.iter().map(|mark| mark.snapshot).collect();
    let of_record = |record: &SnapshotRecord| GoneSnapshot {
        uuid: record.uuid,
        sequence: Some(record.sequence),
        instance: Some(record.instance.clone()),
        taken: Some(record.taken.clone()),
    };
    let of_mark = |uuid: &SnapshotUuid| GoneSnapshot { uuid: *uuid, sequence: None, instance: None, taken: None };
    let recorded = records.iter().filter(|record| !is_there(record.uuid)).map(of_record);
    recorded.chain(marked.difference(&known).filter(|uuid| !is_there(**uuid)).map(of_mark)).collect()
}
