//! Owns the right to change the ledger, and that every change is whole. What may be changed stands in `write_*`.
//!
//! Each write is a transaction that is on the disk when its call returns; where the call returns an error, nothing of
//! it is left. Writes made inside `together` are one transaction, and each of them is still whole by itself.

use std::fmt;
use std::ops::Deref;

use rusqlite::Connection;

use super::change::Change;
use super::error::LedgerError;
use super::file;
use super::id::RootId;
use super::read::Ledger;
use super::refusal::Refusal;
use super::time::Time;
use crate::oplock::OperationLock;

/// The ledger, open for writing. Only the holder of the operation lock can have one, for as long as it has the lock.
///
/// It answers every question of a [`Ledger`] too. A writer that outlives its lock does not compile:
///
/// ```compile_fail,E0505
/// # use homeport_host::{ledger::LedgerWriter, oplock::OperationLock};
/// fn write(lock: OperationLock) {
///     let mut writer = LedgerWriter::open(&lock).unwrap();
///     drop(lock);
///     writer.remove_instance(&"alice".parse().unwrap()).unwrap();
/// }
/// ```
pub struct LedgerWriter<'lock> {
    ledger: Ledger,
    lock: &'lock OperationLock,
    /// How many transactions are open, one within the other.
    depth: u32,
}

impl fmt::Debug for LedgerWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerWriter").field("file", &self.ledger.file()).finish_non_exhaustive()
    }
}

impl Deref for LedgerWriter<'_> {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.ledger
    }
}

impl<'lock> LedgerWriter<'lock> {
    /// Opens the ledger of the locked root for writing, after SQLite has looked at every page of it; makes the file
    /// (mode 0600) where there is none, and brings an older one up to date.
    ///
    /// # Errors
    /// A file that is damaged, foreign or written by a newer HomePort: nothing is written to it.
    pub fn open(lock: &'lock OperationLock) -> Result<Self, LedgerError> {
        let file = lock.layout().ledger_file();
        let connection = file::open_for_writing(&file)?;
        Ok(Self { ledger: Ledger::of(file, connection), lock, depth: 0 })
    }

    /// The lock that this writer has by.
    pub const fn lock(&self) -> &'lock OperationLock {
        self.lock
    }

    /// Makes several writes one: all of them are there afterwards, or none where `work` returns an error or panics.
    ///
    /// # Errors
    /// What `work` returns, or a failure to write it down.
    pub fn together<T, E: From<LedgerError>>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let scope = Scope::open(self)?;
        let result = work(scope.writer)?;
        scope.commit()?;
        Ok(result)
    }

    /// Gives the root its id at first, and returns the id that it has. A root keeps its id.
    pub fn create_root(&mut self, now: &Time) -> Result<RootId, LedgerError> {
        if let Some(id) = self.root_id()? {
            return Ok(id);
        }
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).map_err(LedgerError::Randomness)?;
        let id = RootId::from_bytes(bytes);
        self.write(|_, connection| {
            connection
                .prepare_cached("INSERT INTO root (one, id, created) VALUES (1, ?1, ?2)")?
                .execute((id.as_str(), now.as_str()))?;
            Ok(())
        })?;
        Ok(id)
    }

    /// One transaction for one write: the ledger to decide by, and the connection to write through.
    pub(super) fn write<T>(
        &mut self,
        change: impl FnOnce(&Ledger, &Connection) -> Result<T, WriteError>,
    ) -> Result<T, LedgerError> {
        self.together(|writer| {
            let Some(connection) = writer.ledger.connection() else {
                return Err(writer.fault(rusqlite::Error::InvalidQuery));
            };
            change(&writer.ledger, connection).map_err(|error| match error {
                WriteError::Sqlite(source) => writer.fault(source),
                WriteError::Ledger(error) => error,
            })
        })
    }

    /// One statement that changes rows, as a write of its own.
    pub(super) fn execute(&mut self, sql: &str, params: impl rusqlite::Params) -> Result<Change, LedgerError> {
        self.write(|_, connection| Ok(Change::of_rows(connection.prepare_cached(sql)?.execute(params)?)))
    }

    fn fault(&self, source: rusqlite::Error) -> LedgerError {
        LedgerError::of(self.ledger.file(), source)
    }

    /// Runs one statement that controls a transaction.
    fn control(&self, sql: &str) -> Result<(), LedgerError> {
        self.ledger.connection().map_or(Ok(()), |connection| {
            connection.execute_batch(sql).map_err(|source| LedgerError::of(self.ledger.file(), source))
        })
    }

    fn in_transaction(&self) -> bool {
        self.ledger.connection().is_some_and(|connection| !connection.is_autocommit())
    }
}

/// What can end a single write: SQLite's report, or a decision by what the ledger holds.
#[derive(Debug)]
pub(super) enum WriteError {
    Sqlite(rusqlite::Error),
    Ledger(LedgerError),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<LedgerError> for WriteError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<Refusal> for WriteError {
    fn from(refusal: Refusal) -> Self {
        Self::Ledger(refusal.into())
    }
}

/// An open transaction, taken back when it is dropped before it was committed.
struct Scope<'w, 'lock> {
    writer: &'w mut LedgerWriter<'lock>,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    TakeBack,
    Committed,
}

impl<'w, 'lock> Scope<'w, 'lock> {
    /// The outermost one locks the file at once; those within it are savepoints.
    fn open(writer: &'w mut LedgerWriter<'lock>) -> Result<Self, LedgerError> {
        if writer.depth == 0 {
            writer.control("BEGIN IMMEDIATE")?;
        } else if writer.in_transaction() {
            writer.control("SAVEPOINT inner")?;
        } else {
            // A full disk made SQLite take the outer transaction back; going on would write a part of it.
            return Err(writer.fault(rusqlite::Error::InvalidQuery));
        }
        writer.depth += 1;
        Ok(Self { writer, end: End::TakeBack })
    }

    fn commit(mut self) -> Result<(), LedgerError> {
        self.writer.control(if self.writer.depth == 1 { "COMMIT" } else { "RELEASE inner" })?;
        self.end = End::Committed;
        Ok(())
    }
}

impl Drop for Scope<'_, '_> {
    fn drop(&mut self) {
        if self.end == End::TakeBack && self.writer.in_transaction() {
            let sql = if self.writer.depth == 1 { "ROLLBACK" } else { "ROLLBACK TO inner; RELEASE inner" };
            // Where this fails the connection is of no more use, and SQLite takes the transaction back at its end.
            self.writer.control(sql).ok();
        }
        self.writer.depth = self.writer.depth.saturating_sub(1);
    }
}
