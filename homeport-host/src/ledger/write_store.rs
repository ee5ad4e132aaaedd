//! Owns the writes about the store, its snapshots, and what volumes were put back to. A store that is known is never
//! replaced by another, but given up first.

use homeport_volumes::store::{Sequence, SnapshotUuid, StoreUuid};

use super::change::Change;
use super::error::LedgerError;
use super::refusal::Refusal;
use super::restored::RestoredRecord;
use super::snapshot_mark::{MarkKind, SnapshotMark};
use super::snapshot_record::SnapshotRecord;
use super::store::StoreRecord;
use super::time::Time;
use super::write_trash::stored;
use super::writer::LedgerWriter;

impl LedgerWriter<'_> {
    /// Remembers the root's store. One that is known stays: put again it changes nothing, also not its last scrub.
    ///
    /// # Errors
    /// `OtherStore` where another one is known; `Unstorable` for a path that is not absolute and UTF-8.
    pub fn put_store(&mut self, record: &StoreRecord) -> Result<Change, LedgerError> {
        let path = record.path.to_str().filter(|_| record.path.is_absolute()).ok_or_else(|| Refusal::Unstorable {
            what: "the path of a store",
            found: record.path.display().to_string(),
            wanted: "an absolute path in UTF-8",
        })?;
        self.write(|ledger, connection| {
            if let Some(found) = ledger.store()? {
                if (found.uuid, &found.path) == (record.uuid, &record.path) {
                    return Ok(Change::Unchanged);
                }
                return Err(Refusal::OtherStore { found: found.uuid, path: found.path, wanted: record.uuid }.into());
            }
            connection
                .prepare_cached("INSERT INTO store (one, uuid, path, created) VALUES (1, ?1, ?2, ?3)")?
                .execute((record.uuid.to_string(), path, record.created.as_str()))?;
            Ok(Change::Changed)
        })
    }

    /// Gives the store up, if it is this one, with everything that is known of its snapshots: from then on none is known.
    pub fn give_up_store(&mut self, store: StoreUuid) -> Result<Change, LedgerError> {
        self.write(|_, connection| {
            let gone = connection.prepare_cached("DELETE FROM store WHERE uuid = ?1")?.execute([store.to_string()])?;
            if gone > 0 {
                connection.execute("DELETE FROM snapshot_mark", [])?;
                connection.execute("DELETE FROM snapshot", [])?;
                // Another store counts from one: whatever it gets is newer than what volumes were put back to.
                connection.execute("UPDATE restored SET newest = 0", [])?;
            }
            Ok(Change::of_rows(gone))
        })
    }

    /// Remembers when every object of the store was read, and what came of it. Without a store nothing is written.
    pub fn set_scrub(&mut self, at: &Time, outcome: &str) -> Result<Change, LedgerError> {
        self.execute("UPDATE store SET scrubbed = ?1, scrub = ?2", (at.as_str(), outcome))
    }

    /// Remembers something of a snapshot, in the place of an older mark of the same kind, and of the one that says the
    /// contrary: which of two is true is no matter of clocks.
    pub fn mark_snapshot(&mut self, mark: &SnapshotMark) -> Result<Change, LedgerError> {
        let contrary = mark.kind.contrary().map_or("", MarkKind::as_str);
        let (snapshot, kind) = (mark.snapshot.to_string(), mark.kind.as_str());
        self.write(|_, connection| {
            let gone = connection
                .prepare_cached("DELETE FROM snapshot_mark WHERE snapshot = ?1 AND kind = ?2")?
                .execute((&snapshot, contrary))?;
            let put = connection
                .prepare_cached(
                    "INSERT INTO snapshot_mark (snapshot, kind, at, note) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (snapshot, kind) DO UPDATE SET at = ?3, note = ?4 WHERE at <> ?3 OR note <> ?4",
                )?
                .execute((&snapshot, kind, mark.at.as_str(), &mark.note))?;
            Ok(Change::of_rows(gone + put))
        })
    }

    /// Remembers what a volume was put back to, in the place of what it was put back to before.
    ///
    /// # Errors
    /// `Unstorable` for counts beyond 2^63 - 1.
    pub fn put_restored(&mut self, record: &RestoredRecord) -> Result<Change, LedgerError> {
        let (entries, bytes) = (stored(record.entries)?, stored(record.bytes.get())?);
        self.execute(
            "INSERT INTO restored (volume, snapshot, newest, entries, bytes, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (volume) DO UPDATE SET snapshot = ?2, newest = ?3, entries = ?4, bytes = ?5, at = ?6
                 WHERE (snapshot, newest, entries, bytes, at) IS NOT (?2, ?3, ?4, ?5, ?6)",
            (
                record.volume.to_string(),
                record.snapshot.map(|snapshot| snapshot.to_string()),
                record.newest.map_or(0, Sequence::get),
                entries,
                bytes,
                record.at.as_str(),
            ),
        )
    }

    /// Remembers snapshots that are in the store; those that are known stay as they are.
    pub fn record_snapshots(&mut self, snapshots: &[SnapshotRecord]) -> Result<Change, LedgerError> {
        self.write(|_, connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO snapshot (uuid, sequence, instance, taken) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?;
            let mut rows = 0;
            for one in snapshots {
                let (uuid, taken) = (one.uuid.to_string(), one.taken.as_str());
                rows += insert.execute((uuid, one.sequence.get(), one.instance.as_str(), taken))?;
            }
            Ok(Change::of_rows(rows))
        })
    }

    /// Forgets that a snapshot was made, and every mark of it. Comes before it is removed: what is known and not in the
    /// store is gone against everybody's will.
    pub fn forget_snapshot(&mut self, snapshot: SnapshotUuid) -> Result<Change, LedgerError> {
        self.write(|_, connection| {
            let uuid = snapshot.to_string();
            let marks = connection.prepare_cached("DELETE FROM snapshot_mark WHERE snapshot = ?1")?.execute([&uuid])?;
            let known = connection.prepare_cached("DELETE FROM snapshot WHERE uuid = ?1")?.execute([&uuid])?;
            Ok(Change::of_rows(marks + known))
        })
    }
}
