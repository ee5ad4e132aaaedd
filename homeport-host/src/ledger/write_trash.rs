//! Owns the writes about the trash, and the only one by which the ledger gives a volume with data up.
//! Never touches a disk.

use homeport_volumes::TxId;

use super::change::Change;
use super::error::LedgerError;
use super::refusal::Refusal;
use super::trash::{TrashReason, TrashRecord};
use super::writer::LedgerWriter;

impl LedgerWriter<'_> {
    /// Writes down that a tree is in the trash; one with the same transaction is made exactly this one.
    ///
    /// # Errors
    /// `Unstorable` for a path that is not absolute and UTF-8, and for counts beyond 2^63 - 1.
    pub fn put_trash(&mut self, record: &TrashRecord) -> Result<Change, LedgerError> {
        let path = record.path.to_str().filter(|_| record.path.is_absolute()).ok_or_else(|| Refusal::Unstorable {
            what: "the path of a volume in the trash",
            found: record.path.display().to_string(),
            wanted: "an absolute path in UTF-8",
        })?;
        let (entries, bytes) = (stored(record.entries)?, stored(record.bytes.get())?);
        let volume = record.record.as_ref().map(serde_json::to_string).transpose();
        let volume = volume.map_err(|error| Refusal::Unstorable {
            what: "the record of a volume in the trash",
            found: error.to_string(),
            wanted: "a record that can be written as JSON",
        })?;
        self.write(|ledger, connection| {
            if ledger.trash_of(record.tx)?.contains(record) {
                return Ok(Change::Unchanged);
            }
            connection
                .prepare_cached(
                    "INSERT INTO trash (tx, bundle, reason, volume, instance, port, name, path, record, snapshot, entries,
                         bytes, since, until)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
                     ON CONFLICT (tx) DO UPDATE SET bundle = ?2, reason = ?3, volume = ?4, instance = ?5, port = ?6,
                         name = ?7, path = ?8, record = ?9, snapshot = ?10, entries = ?11, bytes = ?12, since = ?13,
                         until = ?14",
                )?
                .execute((
                    record.tx.to_string(),
                    record.bundle.to_string(),
                    record.reason.as_str(),
                    record.volume.to_string(),
                    record.instance.as_str(),
                    record.port.as_str(),
                    record.name.as_str(),
                    path,
                    volume,
                    record.snapshot.map(|snapshot| snapshot.to_string()),
                    entries,
                    bytes,
                    record.since.as_str(),
                    record.until.as_str(),
                ))?;
            Ok(Change::Changed)
        })
    }

    /// Forgets a tree that is not in the trash any more: it was taken out or, with consent, deleted.
    pub fn remove_trash(&mut self, tx: TxId) -> Result<Change, LedgerError> {
        self.execute("DELETE FROM trash WHERE tx = ?1", [tx.to_string()])
    }

    /// Gives a volume up whose data was moved to the trash: it is in the trash afterwards and no volume any more.
    ///
    /// # Errors
    /// `UnknownVolume` where it is neither; what `put_trash` refuses.
    pub fn purge_volume(&mut self, record: &TrashRecord) -> Result<Change, LedgerError> {
        self.together(|writer| {
            let uuid = record.volume.to_string();
            let is_known = writer.volume_by_uuid(&uuid)?.is_some();
            if !is_known && writer.trash_of(record.tx)?.is_empty() {
                return Err(Refusal::UnknownVolume(uuid).into());
            }
            let put = writer.put_trash(record)?;
            let gone = writer.execute("DELETE FROM volume WHERE uuid = ?1", [uuid])?;
            Ok(if gone == Change::Changed { gone } else { put })
        })
    }

    /// Lets go of a volume of which nothing is left in its place, and of what was in its own trash: the only way by which
    /// a volume is forgotten that is not in the trash. One that is not in the ledger is forgotten already.
    pub fn forget_lost(&mut self, uuid: &str) -> Result<Change, LedgerError> {
        self.together(|writer| {
            if let Some(found) = writer.volume_by_uuid(uuid)? {
                let inside = writer.trash()?.into_iter().filter(|record| {
                    record.reason != TrashReason::Purge
                        && record.volume.to_string() == uuid
                        && record.path == found.path
                });
                for record in inside.collect::<Vec<_>>() {
                    writer.remove_trash(record.tx)?;
                }
            }
            writer.execute("DELETE FROM volume WHERE uuid = ?1", [uuid.to_owned()])
        })
    }
}

pub(super) fn stored(count: u64) -> Result<i64, Refusal> {
    i64::try_from(count).map_err(|_| {
        let (what, found) = ("a count of the trash", count.to_string());
        Refusal::Unstorable { what, found, wanted: "at most 2^63 - 1" }
    })
}
