//! Owns the questions about what is kept beside the live volumes and the running version: the store, marks of snapshots,
//! approvals, the trash, schedules, the version from before, and containers that retire. Never changes anything.

use homeport_core::digest::Digest;
use homeport_core::name::InstanceName;
use homeport_volumes::TxId;

use super::approval::ApprovalRecord;
use super::error::LedgerError;
use super::former::FormerRecord;
use super::read::Ledger;
use super::restored::RestoredRecord;
use super::retiring::RetiringRecord;
use super::row::{self, APPROVAL, FORMER, MARK, RESTORED, RETIRING, SCHEDULE, SNAPSHOT, STORE, TRASH};
use super::schedule::ScheduleRecord;
use super::snapshot_mark::SnapshotMark;
use super::snapshot_record::SnapshotRecord;
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

    /// What volumes were put back to, each the last time, by volume.
    pub fn restored(&self) -> Result<Vec<RestoredRecord>, LedgerError> {
        self.all(&format!("SELECT {RESTORED} FROM restored ORDER BY volume"), [], row::restored)
    }

    /// The snapshots that were made and that nobody removed, oldest first.
    pub fn snapshots(&self) -> Result<Vec<SnapshotRecord>, LedgerError> {
        self.all(&format!("SELECT {SNAPSHOT} FROM snapshot ORDER BY sequence, uuid"), [], row::snapshot)
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

    /// The version that an instance had before; `None` where it never had another, or that is not kept any more.
    pub fn former(&self, instance: &InstanceName) -> Result<Option<FormerRecord>, LedgerError> {
        let sql = format!("SELECT {FORMER} FROM former WHERE instance = ?1");
        self.one(&sql, [instance.as_str()], row::former)
    }

    /// The version from before of every instance that had one, by instance.
    pub fn all_former(&self) -> Result<Vec<FormerRecord>, LedgerError> {
        self.all(&format!("SELECT {FORMER} FROM former ORDER BY instance"), [], row::former)
    }

    /// The containers of an instance that only finish what they began, the oldest first.
    pub fn retiring(&self, instance: &InstanceName) -> Result<Vec<RetiringRecord>, LedgerError> {
        let sql = format!("SELECT {RETIRING} FROM retiring WHERE instance = ?1 ORDER BY since, container");
        self.all(&sql, [instance.as_str()], row::retiring)
    }

    /// The same of every instance.
    pub fn all_retiring(&self) -> Result<Vec<RetiringRecord>, LedgerError> {
        self.all(&format!("SELECT {RETIRING} FROM retiring ORDER BY instance, since, container"), [], row::retiring)
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
