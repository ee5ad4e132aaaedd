//! Owns the writing of the history. Never changes a line that was written.

use homeport_core::name::InstanceName;

use super::change::Change;
use super::error::LedgerError;
use super::event::EventRecord;
use super::id::OperationId;
use super::writer::LedgerWriter;

/// So many events are remembered; the oldest are forgotten first.
const KEPT_EVENTS: i64 = 10_000;

impl LedgerWriter<'_> {
    /// Adds a line to the history. The very same line, time included, is written once.
    pub fn append_event(&mut self, event: &EventRecord) -> Result<Change, LedgerError> {
        self.write(|_, connection| {
            let rows = connection
                .prepare_cached(
                    "INSERT INTO event (time, instance, operation, kind, text)
                     SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM event WHERE time = ?1
                         AND instance IS ?2 AND operation IS ?3 AND kind = ?4 AND text = ?5)",
                )?
                .execute((
                    event.time.as_str(),
                    event.instance.as_ref().map(InstanceName::as_str),
                    event.operation.map(OperationId::get),
                    &event.kind,
                    &event.text,
                ))?;
            connection
                .prepare_cached("DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?1")?
                .execute([KEPT_EVENTS])?;
            Ok(Change::of_rows(rows))
        })
    }
}
