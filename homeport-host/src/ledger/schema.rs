//! Owns the ledger's tables and how an older file becomes a current one. Never touches a file newer than itself.
//!
//! `user_version` is the number of migrations that a file has seen. Each runs once, in its order, and all that are
//! missing run in one transaction. A migration that has been released is never edited: a change is a new row.

use rusqlite::Connection;

/// Marks the file as a ledger of HomePort: `HmPt`. `file` shows it, and a database of another program has none or another.
pub(super) const APPLICATION_ID: i64 = 0x486d_5074;

/// The migrations, oldest first.
const MIGRATIONS: [&str; 5] = [FIRST, SECOND, THIRD, FOURTH, FIFTH];

/// The newest schema that this build knows.
pub(crate) const NEWEST: i64 = MIGRATIONS.len().cast_signed() as i64;

/// Unique keys are indexes and not parts of tables, so that a later migration can replace one without copying rows.
/// A volume has no reference to its instance: it outlives it.
const FIRST: &str = "
    CREATE TABLE root (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL,
        created TEXT NOT NULL
    ) STRICT;

    CREATE TABLE instance (
        name TEXT PRIMARY KEY,
        port TEXT NOT NULL,
        version TEXT NOT NULL,
        image TEXT NOT NULL,
        reference TEXT NOT NULL,
        manifest BLOB NOT NULL,
        desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped')),
        container TEXT,
        created TEXT NOT NULL,
        changed TEXT NOT NULL,
        overrides TEXT NOT NULL
    ) STRICT;

    CREATE TABLE config (
        instance TEXT NOT NULL REFERENCES instance (name) ON DELETE CASCADE,
        layer TEXT NOT NULL CHECK (layer IN ('given', 'effective')),
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (instance, layer, key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE volume (
        uuid TEXT PRIMARY KEY,
        instance TEXT NOT NULL,
        port TEXT NOT NULL,
        name TEXT NOT NULL,
        path TEXT NOT NULL,
        origin TEXT NOT NULL CHECK (origin IN ('default', 'operator')),
        format INTEGER NOT NULL CHECK (format >= 0),
        generation INTEGER NOT NULL CHECK (generation >= 0),
        filesystem TEXT NOT NULL,
        must_be_mount TEXT NOT NULL CHECK (must_be_mount IN ('yes', 'no')),
        has_data TEXT NOT NULL CHECK (has_data IN ('yes', 'no')),
        state TEXT NOT NULL CHECK (state IN ('attached', 'kept')),
        created TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX volume_place ON volume (port, instance, name);
    CREATE UNIQUE INDEX volume_path ON volume (path);

    CREATE TABLE route (
        instance TEXT NOT NULL REFERENCES instance (name) ON DELETE CASCADE,
        endpoint TEXT NOT NULL,
        listen TEXT NOT NULL,
        port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
        choice TEXT NOT NULL CHECK (choice IN ('fixed', 'random')),
        target_port INTEGER NOT NULL CHECK (target_port BETWEEN 1 AND 65535)
    ) STRICT;
    CREATE UNIQUE INDEX route_public ON route (port, listen);
    CREATE INDEX route_instance ON route (instance);

    CREATE TABLE operation (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        instance TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started TEXT NOT NULL,
        plan TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'done', 'undone', 'stuck')),
        message TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX operation_open ON operation (state) WHERE state = 'open';

    CREATE TABLE step (
        operation INTEGER NOT NULL REFERENCES operation (id) ON DELETE CASCADE,
        place INTEGER NOT NULL CHECK (place >= 0),
        name TEXT NOT NULL,
        detail TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('planned', 'begun', 'done', 'undoing', 'undone', 'failed')),
        PRIMARY KEY (operation, place)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE event (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time TEXT NOT NULL,
        instance TEXT,
        operation INTEGER,
        kind TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_instance ON event (instance, id);
    CREATE INDEX event_time ON event (time);
";

/// What is kept beside the live volumes: the store of snapshots, the trash, schedules, and the operators' consent.
/// Neither marks of snapshots nor the trash refer to an instance or a volume: they outlive both.
const SECOND: &str = "
    CREATE TABLE store (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        uuid TEXT NOT NULL,
        path TEXT NOT NULL,
        created TEXT NOT NULL,
        scrubbed TEXT,
        scrub TEXT
    ) STRICT;

    CREATE TABLE snapshot_mark (
        snapshot TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('acknowledged', 'verified', 'damaged', 'rehearsed')),
        at TEXT NOT NULL,
        note TEXT NOT NULL,
        PRIMARY KEY (snapshot, kind)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE approval (
        token TEXT PRIMARY KEY,
        command TEXT NOT NULL,
        digest TEXT NOT NULL,
        facts TEXT NOT NULL,
        issued TEXT NOT NULL,
        expires TEXT NOT NULL,
        used TEXT
    ) STRICT;

    CREATE TABLE trash (
        tx TEXT PRIMARY KEY,
        bundle TEXT NOT NULL,
        reason TEXT NOT NULL CHECK (reason IN ('purge', 'restore', 'undo')),
        volume TEXT NOT NULL,
        instance TEXT NOT NULL,
        port TEXT NOT NULL,
        name TEXT NOT NULL,
        path TEXT NOT NULL,
        record TEXT,
        snapshot TEXT,
        entries INTEGER NOT NULL CHECK (entries >= 0),
        bytes INTEGER NOT NULL CHECK (bytes >= 0),
        since TEXT NOT NULL,
        until TEXT NOT NULL
    ) STRICT;
    CREATE INDEX trash_bundle ON trash (bundle);

    CREATE TABLE schedule (
        instance TEXT PRIMARY KEY REFERENCES instance (name) ON DELETE CASCADE,
        every INTEGER NOT NULL CHECK (every > 0),
        keep TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('enabled', 'paused')),
        next TEXT NOT NULL,
        last TEXT,
        outcome TEXT,
        missed INTEGER NOT NULL CHECK (missed >= 0),
        rehearsed TEXT,
        rehearsal TEXT
    ) STRICT;
";

/// What going from one version to another needs: the slot of a container, so that two can be there at once, the version
/// that was there before, containers that only finish what they began, and values of keys that the version does not know.
/// And what volumes were put back to: what the alarms of their next snapshots compare with. That refers to no volume, since
/// one that was purged can come back. And the snapshots that were made and that nobody removed: so that one which is gone is
/// missed.
const THIRD: &str = "
    ALTER TABLE instance ADD COLUMN slot TEXT NOT NULL DEFAULT 'first' CHECK (slot IN ('first', 'second'));

    CREATE TABLE config_now (
        instance TEXT NOT NULL REFERENCES instance (name) ON DELETE CASCADE,
        layer TEXT NOT NULL CHECK (layer IN ('given', 'effective', 'carried', 'parked')),
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (instance, layer, key)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO config_now SELECT instance, layer, key, value FROM config;
    DROP TABLE config;
    ALTER TABLE config_now RENAME TO config;

    CREATE TABLE trash_now (
        tx TEXT PRIMARY KEY,
        bundle TEXT NOT NULL,
        reason TEXT NOT NULL CHECK (reason IN ('purge', 'restore', 'undo', 'upgrade')),
        volume TEXT NOT NULL,
        instance TEXT NOT NULL,
        port TEXT NOT NULL,
        name TEXT NOT NULL,
        path TEXT NOT NULL,
        record TEXT,
        snapshot TEXT,
        entries INTEGER NOT NULL CHECK (entries >= 0),
        bytes INTEGER NOT NULL CHECK (bytes >= 0),
        since TEXT NOT NULL,
        until TEXT NOT NULL
    ) STRICT;
    INSERT INTO trash_now SELECT tx, bundle, reason, volume, instance, port, name, path, record, snapshot, entries, bytes,
        since, until FROM trash;
    DROP TABLE trash;
    ALTER TABLE trash_now RENAME TO trash;
    CREATE INDEX trash_bundle ON trash (bundle);

    CREATE TABLE former (
        instance TEXT PRIMARY KEY REFERENCES instance (name) ON DELETE CASCADE,
        version TEXT NOT NULL,
        image TEXT NOT NULL,
        reference TEXT NOT NULL,
        manifest BLOB NOT NULL,
        formats TEXT NOT NULL,
        routes TEXT NOT NULL,
        snapshot TEXT,
        bundle TEXT NOT NULL,
        until TEXT NOT NULL
    ) STRICT;

    CREATE TABLE retiring (
        container TEXT PRIMARY KEY,
        instance TEXT NOT NULL REFERENCES instance (name) ON DELETE CASCADE,
        slot TEXT NOT NULL CHECK (slot IN ('first', 'second')),
        version TEXT NOT NULL,
        grace INTEGER NOT NULL CHECK (grace >= 0),
        bundle TEXT NOT NULL,
        since TEXT NOT NULL,
        until TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX retiring_slot ON retiring (instance, slot);

    CREATE TABLE restored (
        volume TEXT PRIMARY KEY,
        snapshot TEXT,
        newest INTEGER NOT NULL CHECK (newest >= 0),
        entries INTEGER NOT NULL CHECK (entries >= 0),
        bytes INTEGER NOT NULL CHECK (bytes >= 0),
        at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE snapshot (
        uuid TEXT PRIMARY KEY,
        sequence INTEGER NOT NULL CHECK (sequence > 0),
        instance TEXT NOT NULL,
        taken TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// What an operator allows on a route. It has no reference to the route: an address may go and come back.
const FOURTH: &str = "
    CREATE TABLE route_rules (
        instance TEXT NOT NULL REFERENCES instance (name) ON DELETE CASCADE,
        endpoint TEXT NOT NULL,
        rules TEXT NOT NULL,
        PRIMARY KEY (instance, endpoint)
    ) STRICT, WITHOUT ROWID;
";

/// What carries the bytes of a route: TCP and UDP have ports of their own.
const FIFTH: &str = "
    ALTER TABLE route ADD COLUMN transport TEXT NOT NULL DEFAULT 'tcp' CHECK (transport IN ('tcp', 'udp'));
    DROP INDEX route_public;
    CREATE UNIQUE INDEX route_public ON route (transport, port, listen);
";

/// What a file is, by its own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has nothing in it.
    Empty,
    /// A ledger with this schema.
    Ledger(i64),
    /// A database with another application id.
    Foreign(i64),
}

/// Says what the file is. Writes nothing.
pub(super) fn kind(connection: &Connection) -> rusqlite::Result<Kind> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let application = number("application_id")?;
    if application == APPLICATION_ID {
        return Ok(Kind::Ledger(number("user_version")?));
    }
    let things: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(if application == 0 && things == 0 { Kind::Empty } else { Kind::Foreign(application) })
}

/// Brings a file with schema `from` to the newest one, whole or not at all; 0 is an empty file.
pub(super) fn migrate(connection: &mut Connection, from: i64) -> rusqlite::Result<()> {
    let missing = usize::try_from(from).ok().and_then(|from| MIGRATIONS.get(from..)).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for migration in missing {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", NEWEST)?;
    transaction.commit()
}
