//! Owns the questions about what is kept beside the live volumes: the store, marks of snapshots, approvals, the trash and
//! schedules. Never changes anything.

use homeport_core::digest::Digest;
use homeport_core::name::InstanceName;
use homeport_volumes::TxId;

use super::approval::ApprovalRecord;
use super::error::LedgerError;
use super::read::Ledger;
use super::row::{self, APPROVAL, MARK, SCHEDULE, STORE, TRASH};
use super::schedule::ScheduleRecord;
use super::snapshot_mark::SnapshotMark;
use super::store::StoreRecord;
use super::trash::TrashRecord;

impl Ledger {
    /// The store of this root; `None` before its first snapshot.
    pub fn store(&self) -> Result<Option<StoreRecord>, LedgerError> {
        self.one(&format!("SELECT {STORE} FROM store"), [], row::store)
    }

    /// Every mark of every snapshot, by snapshot and kind.
    pub fn snapshot_marks(&self) -> Result<Vec<SnapshotMark>, LedgerError> {
        self.all(&format!("SELECT {MARK} FROM snapshot_mark ORDER BY snapshot, kind"), [], row::mark)
    }

    /// The approval whose token has this digest, also where it was used or has expired.
    pub fn approval(&self, token: &Digest) -> Result<Option<ApprovalRecord>, LedgerError> {
        let sql = format!("SELECT {APPROVAL} FROM approval WHERE token = ?1");
        self.one(&sql, [token.to_string()], row::approval)
    }

    /// Everything in the trash, oldest first.
    pub fn trash(&self) -> Result<Vec<TrashRecord>, LedgerError> {
        self.all(&format!("SELECT {TRASH} FROM trash ORDER BY since, bundle, instance, name"), [], row::trash)
    }

    /// The trees of the trash with this bundle, or the one with this transaction.
    pub fn trash_of(&self, bundle_or_tx: TxId) -> Result<Vec<TrashRecord>, LedgerError> {
        let sql = format!("SELECT {TRASH} FROM trash WHERE bundle = ?1 OR tx = ?1 ORDER BY instance, name");
        self.all(&sql, [bundle_or_tx.to_string()], row::trash)
    }

    /// Every schedule, by instance.
    pub fn schedules(&self) -> Result<Vec<ScheduleRecord>, LedgerError> {
        self.all(&format!("SELECT {SCHEDULE} FROM schedule ORDER BY instance"), [], row::schedule)
    }

    /// The schedule of one instance.
    pub fn schedule(&self, instance: &InstanceName) -> Result<Option<ScheduleRecord>, LedgerError> {
        let sql = format!("SELECT {SCHEDULE} FROM schedule WHERE instance = ?1");
        self.one(&sql, [instance.as_str()], row::schedule)
    }
}
