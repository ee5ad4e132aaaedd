//! Owns what is done with a ledger that an older HomePort wrote: it is read as it is, and kept before it is brought up to
//! date, so that the way back is open. Never changes it.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::error::LedgerError;
use super::file::{beside, sync_parent, unreadable};
use super::schema;

/// A copy in memory with the newest schema: what a reader sees of an older ledger, whose file stays as it is.
pub(super) fn as_of_today(file: &Path, ledger: &Connection, version: i64) -> Result<Connection, LedgerError> {
    let sqlite = |source| LedgerError::of(file, source);
    let mut copy = Connection::open_in_memory().map_err(sqlite)?;
    copy_into(ledger, &mut copy).map_err(sqlite)?;
    schema::migrate(&mut copy, version).map_err(sqlite)?;
    Ok(copy)
}

/// Keeps a whole copy beside the ledger, as `ledger.sqlite.schema-N`: with it an older HomePort goes on where it was.
pub(super) fn keep(file: &Path, ledger: &Connection, version: i64) -> Result<(), LedgerError> {
    let kept = beside(file, &format!(".schema-{version}"));
    let draft = beside(file, ".draft");
    let failed = |source| unreadable(&kept, source);
    remove(&draft).map_err(failed)?;
    // It holds secrets: nobody else can read it before there is anything in it.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
    let mut copy = Connection::open(&draft).map_err(|source| LedgerError::of(&draft, source))?;
    copy_into(ledger, &mut copy).map_err(|source| LedgerError::of(&draft, source))?;
    drop(copy);
    fs::File::open(&draft).and_then(|copy| copy.sync_all()).map_err(failed)?;
    fs::rename(&draft, &kept).map_err(failed)?;
    sync_parent(file).map_err(failed)
}

/// Copies everything in one step, so that nothing is written in between.
fn copy_into(ledger: &Connection, copy: &mut Connection) -> rusqlite::Result<()> {
    match Backup::new(ledger, copy)?.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None)),
    }
}

fn remove(file: &Path) -> io::Result<()> {
    fs::remove_file(file).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
