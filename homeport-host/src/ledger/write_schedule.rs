//! Owns the writes about schedules. Never decides when one is due.

use homeport_core::name::InstanceName;

use super::change::Change;
use super::error::LedgerError;
use super::schedule::ScheduleRecord;
use super::time::Time;
use super::write_instance;
use super::writer::LedgerWriter;

impl LedgerWriter<'_> {
    /// Makes the instance's schedule exactly this one.
    ///
    /// # Errors
    /// `UnknownInstance`.
    pub fn put_schedule(&mut self, record: &ScheduleRecord) -> Result<Change, LedgerError> {
        self.write(|ledger, connection| {
            write_instance::known(ledger, &record.instance)?;
            if ledger.schedule(&record.instance)?.as_ref() == Some(record) {
                return Ok(Change::Unchanged);
            }
            let apart = |of: &Option<(Time, String)>| {
                of.as_ref().map(|(at, what)| (at.as_str().to_owned(), what.clone())).unzip()
            };
            let ((last, outcome), (rehearsed, rehearsal)) = (apart(&record.last), apart(&record.rehearsal));
            connection
                .prepare_cached(
                    "INSERT INTO schedule (instance, every, keep, state, next, last, outcome, missed, rehearsed, rehearsal)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                     ON CONFLICT (instance) DO UPDATE SET every = ?2, keep = ?3, state = ?4, next = ?5, last = ?6,
                         outcome = ?7, missed = ?8, rehearsed = ?9, rehearsal = ?10",
                )?
                .execute((
                    record.instance.as_str(),
                    record.every.get(),
                    &record.keep,
                    record.state.as_str(),
                    record.next.as_str(),
                    last,
                    outcome,
                    record.missed,
                    rehearsed,
                    rehearsal,
                ))?;
            Ok(Change::Changed)
        })
    }

    /// Forgets the instance's schedule; its snapshots stay.
    pub fn remove_schedule(&mut self, instance: &InstanceName) -> Result<Change, LedgerError> {
        self.execute("DELETE FROM schedule WHERE instance = ?1", [instance.as_str()])
    }
}
