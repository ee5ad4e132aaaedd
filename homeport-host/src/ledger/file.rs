//! Owns how the ledger's file is opened: its mode, its durability, and the checks before the first row is read.
//! Never reads a row.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rustix::fs::OFlags;

use super::error::LedgerError;
use super::older;
use super::schema::{self, Kind};

/// How long a read or write waits for the file. Writes take milliseconds; only a foreign tool can hold it longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The log is cut to this when it is empty again.
const LOG_BYTES: i64 = 4 << 20;

/// Opens the ledger for reading; `None` where there is none yet. Creates no file and changes no row. An older one is read as
/// what it will be once something is written.
pub(super) fn open_for_reading(file: &Path) -> Result<Option<Connection>, LedgerError> {
    match fs::symlink_metadata(file) {
        Ok(facts) => check_regular(file, facts.is_file())?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(file, source)),
    }
    match reader(file)? {
        (_, 0) => Ok(None),
        (connection, version) if version < schema::NEWEST => older::as_of_today(file, &connection, version).map(Some),
        (connection, _) => Ok(Some(connection)),
    }
}

/// A connection that only reads, and the schema that it found.
///
/// Who was killed while the file was made can leave a journal that has to be rolled back first, which only a connection
/// that may write does.
fn reader(file: &Path) -> Result<(Connection, i64), LedgerError> {
    let open = || {
        let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let version = known_kind(file, &connection)?;
        Ok((connection, version))
    };
    match open() {
        Err(LedgerError::Failed { source: rusqlite::Error::SqliteFailure(failure, _), .. })
            if failure.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK =>
        {
            let writer = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            known_kind(file, &writer)?;
            drop(writer);
            open()
        }
        other => other,
    }
}

/// Opens the ledger for writing; makes it where there is none and brings an older one up to date.
///
/// A file that is damaged, newer or foreign is refused before anything is written to it.
pub(super) fn open_for_writing(file: &Path) -> Result<Connection, LedgerError> {
    let sqlite = |source| LedgerError::of(file, source);
    let made = make(file).map_err(|source| unreadable(file, source))?;
    let version = {
        let (reader, version) = reader(file)?;
        check_health(file, &reader)?;
        if (1..schema::NEWEST).contains(&version) {
            older::keep(file, &reader, version)?;
        }
        version
    };
    let mut connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
        .map_err(sqlite)
        .and_then(|mode| if mode == "wal" { Ok(()) } else { Err(unreadable(file, no_wal(&mode))) })?;
    for (pragma, value) in
        [("synchronous", "FULL"), ("foreign_keys", "ON"), ("secure_delete", "ON"), ("trusted_schema", "OFF")]
    {
        connection.pragma_update(None, pragma, value).map_err(sqlite)?;
    }
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(())).map_err(sqlite)?;
    schema::migrate(&mut connection, version).map_err(sqlite)?;
    if made == Made::Now {
        sync_parent(file).map_err(|source| unreadable(file, source))?;
    }
    Ok(connection)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    Now,
    Before,
}

/// Makes an empty file where there is none, and closes one that others can read: it holds secrets.
fn make(file: &Path) -> io::Result<Made> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits()).map_err(io::Error::other)?;
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(flags).open(file);
    match created {
        Ok(_) => return Ok(Made::Now),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    for (n, path) in [file.to_owned(), beside(file, "-wal"), beside(file, "-shm")].into_iter().enumerate() {
        let facts = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && n > 0 => continue,
            facts => facts?,
        };
        if !facts.is_file() {
            return Err(io::Error::other(format!("`{}` is not a regular file", path.display())));
        }
        if facts.mode() & 0o077 != 0 {
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        }
    }
    Ok(Made::Before)
}

fn connect(file: &Path, access: OpenFlags) -> Result<Connection, LedgerError> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(file, flags).map_err(|source| LedgerError::of(file, source))?;
    connection.busy_timeout(PATIENCE).map_err(|source| LedgerError::of(file, source))?;
    Ok(connection)
}

/// The schema of the file, 0 for an empty one; foreign and newer files are refused.
fn known_kind(file: &Path, connection: &Connection) -> Result<i64, LedgerError> {
    match schema::kind(connection).map_err(|source| LedgerError::of(file, source))? {
        Kind::Empty => Ok(0),
        Kind::Ledger(found) if found > schema::NEWEST => {
            Err(LedgerError::Newer { file: file.to_owned(), found, known: schema::NEWEST })
        }
        Kind::Ledger(found) if found > 0 => Ok(found),
        Kind::Ledger(found) => {
            Err(LedgerError::Damaged { file: file.to_owned(), found: format!("schema {found} in a ledger") })
        }
        Kind::Foreign(found) => {
            Err(LedgerError::Foreign { file: file.to_owned(), found, wanted: schema::APPLICATION_ID })
        }
    }
}

/// Has SQLite look at every page and index entry.
fn check_health(file: &Path, connection: &Connection) -> Result<(), LedgerError> {
    let sqlite = |source| LedgerError::of(file, source);
    let mut statement = connection.prepare("PRAGMA quick_check(5)").map_err(sqlite)?;
    let lines: Vec<String> = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(sqlite)?;
    if lines == ["ok"] { Ok(()) } else { Err(LedgerError::Damaged { file: file.to_owned(), found: lines.join("; ") }) }
}

fn check_regular(file: &Path, is_file: bool) -> Result<(), LedgerError> {
    if is_file { Ok(()) } else { Err(unreadable(file, io::Error::other("it is not a regular file"))) }
}

pub(super) fn sync_parent(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn no_wal(mode: &str) -> io::Error {
    io::Error::other(format!("its file system gives no shared memory for a log: journal mode is `{mode}`"))
}

pub(super) fn unreadable(file: &Path, source: io::Error) -> LedgerError {
    LedgerError::Unreadable { file: file.to_owned(), source }
}
