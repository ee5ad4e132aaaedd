//! Owns how a row becomes a record. A value that no record can hold is an error, never a guess.

use std::path::PathBuf;
use std::str::FromStr;

use homeport_core::manifest::Transport;
use homeport_core::unit::{Bytes, Format, PortNumber, Seconds};
use homeport_volumes::store::Sequence;
use rusqlite::Row;
use rusqlite::types::Type;

use super::approval::ApprovalRecord;
use super::event::EventRecord;
use super::former::FormerRecord;
use super::id::OperationId;
use super::instance::InstanceRecord;
use super::operation::OperationRecord;
use super::restored::RestoredRecord;
use super::retiring::RetiringRecord;
use super::route::RouteRecord;
use super::schedule::ScheduleRecord;
use super::snapshot_mark::SnapshotMark;
use super::snapshot_record::SnapshotRecord;
use super::step::StepRecord;
use super::store::StoreRecord;
use super::time::Time;
use super::trash::TrashRecord;
use super::volume::VolumeRecord;
use super::word::WordError;
use crate::oplock::ProcessId;

pub(super) const INSTANCE: &str =
    "name, port, version, image, reference, manifest, desired, container, slot, created, changed, overrides";
pub(super) const VOLUME: &str = "uuid, instance, port, name, path, origin, format, generation, filesystem, \
     must_be_mount, has_data, state, created";
pub(super) const ROUTE: &str = "instance, endpoint, listen, port, choice, target_port, transport";
pub(super) const OPERATION: &str = "id, kind, instance, pid, started, plan, state, message";
pub(super) const STEP: &str = "operation, place, name, detail, state";
pub(super) const EVENT: &str = "time, instance, operation, kind, text";
pub(super) const STORE: &str = "uuid, path, created, scrubbed, scrub";
pub(super) const MARK: &str = "snapshot, kind, at, note";
pub(super) const SNAPSHOT: &str = "uuid, sequence, instance, taken";
pub(super) const APPROVAL: &str = "token, command, digest, facts, issued, expires, used";
pub(super) const TRASH: &str = "tx, bundle, reason, volume, instance, port, name, path, record, snapshot, entries, bytes, \
     since, until";
pub(super) const FORMER: &str =
    "instance, version, image, reference, manifest, formats, routes, snapshot, bundle, until";
pub(super) const RETIRING: &str = "container, instance, slot, version, grace, bundle, since, until";
pub(super) const RESTORED: &str = "volume, snapshot, newest, entries, bytes, at";
pub(super) const SCHEDULE: &str = "instance, every, keep, state, next, last, outcome, missed, rehearsed, rehearsal";

/// The value of a text column, read by its own rule.
pub(super) fn parsed<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| unfit(row, column, error))
}

fn parsed_option<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|error: T::Err| unfit(row, column, error))).transpose()
}

/// The value of a JSON column. The error never shows the value: it may be secret.
pub(super) fn json(row: &Row<'_>, column: &str) -> rusqlite::Result<serde_json::Value> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unfit(row, column, error))
}

/// A value that its column cannot have.
pub(super) fn unfit(
    row: &Row<'_>,
    column: &str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or_default();
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
}

pub(super) fn instance(row: &Row<'_>) -> rusqlite::Result<InstanceRecord> {
    Ok(InstanceRecord {
        name: parsed(row, "name")?,
        port: parsed(row, "port")?,
        version: parsed(row, "version")?,
        image: parsed(row, "image")?,
        reference: row.get("reference")?,
        manifest: row.get("manifest")?,
        desired: parsed(row, "desired")?,
        container: parsed_option(row, "container")?,
        slot: parsed(row, "slot")?,
        created: parsed(row, "created")?,
        changed: parsed(row, "changed")?,
        overrides: json(row, "overrides")?,
    })
}

pub(super) fn former(row: &Row<'_>) -> rusqlite::Result<FormerRecord> {
    let formats = serde_json::from_value(json(row, "formats")?).map_err(|error| unfit(row, "formats", error))?;
    let routes = serde_json::from_value(json(row, "routes")?).map_err(|error| unfit(row, "routes", error))?;
    Ok(FormerRecord {
        instance: parsed(row, "instance")?,
        version: parsed(row, "version")?,
        image: parsed(row, "image")?,
        reference: row.get("reference")?,
        manifest: row.get("manifest")?,
        formats,
        routes,
        snapshot: parsed_option(row, "snapshot")?,
        bundle: parsed(row, "bundle")?,
        until: parsed(row, "until")?,
    })
}

pub(super) fn retiring(row: &Row<'_>) -> rusqlite::Result<RetiringRecord> {
    Ok(RetiringRecord {
        container: parsed(row, "container")?,
        instance: parsed(row, "instance")?,
        slot: parsed(row, "slot")?,
        version: parsed(row, "version")?,
        grace: Seconds::new(row.get("grace")?),
        bundle: parsed(row, "bundle")?,
        since: parsed(row, "since")?,
        until: parsed(row, "until")?,
    })
}

pub(super) fn volume(row: &Row<'_>) -> rusqlite::Result<VolumeRecord> {
    Ok(VolumeRecord {
        uuid: row.get("uuid")?,
        instance: parsed(row, "instance")?,
        port: parsed(row, "port")?,
        name: parsed(row, "name")?,
        path: PathBuf::from(row.get::<_, String>("path")?),
        origin: parsed(row, "origin")?,
        format: Format::new(row.get("format")?),
        generation: row.get::<_, i64>("generation")?.try_into().map_err(|error| unfit(row, "generation", error))?,
        filesystem: row.get("filesystem")?,
        must_be_mount: parsed(row, "must_be_mount")?,
        has_data: parsed(row, "has_data")?,
        state: parsed(row, "state")?,
        created: parsed(row, "created")?,
    })
}

pub(super) fn route(row: &Row<'_>) -> rusqlite::Result<RouteRecord> {
    Ok(RouteRecord {
        instance: parsed(row, "instance")?,
        endpoint: parsed(row, "endpoint")?,
        listen: row.get("listen")?,
        port: PortNumber::new(row.get("port")?),
        choice: parsed(row, "choice")?,
        target_port: PortNumber::new(row.get("target_port")?),
        transport: transport(row)?,
    })
}

fn transport(row: &Row<'_>) -> rusqlite::Result<Transport> {
    let found: String = row.get("transport")?;
    let unknown = |found| WordError { kind: "transport", found, wanted: "`tcp`, `udp`" };
    Transport::from_word(&found).ok_or_else(|| unfit(row, "transport", unknown(found)))
}

pub(super) fn operation(row: &Row<'_>) -> rusqlite::Result<OperationRecord> {
    Ok(OperationRecord {
        id: OperationId::new(row.get("id")?),
        kind: row.get("kind")?,
        instance: parsed(row, "instance")?,
        pid: ProcessId::new(row.get("pid")?),
        started: parsed(row, "started")?,
        plan: row.get("plan")?,
        state: parsed(row, "state")?,
        message: row.get("message")?,
    })
}

pub(super) fn step(row: &Row<'_>) -> rusqlite::Result<StepRecord> {
    Ok(StepRecord {
        operation: OperationId::new(row.get("operation")?),
        index: row.get("place")?,
        name: row.get("name")?,
        detail: row.get("detail")?,
        state: parsed(row, "state")?,
    })
}

pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<EventRecord> {
    Ok(EventRecord {
        time: parsed(row, "time")?,
        instance: parsed_option(row, "instance")?,
        operation: row.get::<_, Option<i64>>("operation")?.map(OperationId::new),
        kind: row.get("kind")?,
        text: row.get("text")?,
    })
}

/// A moment and what came of it then; both columns have a value, or none has.
fn came_of(row: &Row<'_>, at: &str, what: &str) -> rusqlite::Result<Option<(Time, String)>> {
    let at: Option<Time> = parsed_option(row, at)?;
    let what: Option<String> = row.get(what)?;
    Ok(at.zip(what))
}

pub(super) fn store(row: &Row<'_>) -> rusqlite::Result<StoreRecord> {
    Ok(StoreRecord {
        uuid: parsed(row, "uuid")?,
        path: PathBuf::from(row.get::<_, String>("path")?),
        created: parsed(row, "created")?,
        scrub: came_of(row, "scrubbed", "scrub")?,
    })
}

pub(super) fn mark(row: &Row<'_>) -> rusqlite::Result<SnapshotMark> {
    Ok(SnapshotMark {
        snapshot: parsed(row, "snapshot")?,
        kind: parsed(row, "kind")?,
        at: parsed(row, "at")?,
        note: row.get("note")?,
    })
}

pub(super) fn snapshot(row: &Row<'_>) -> rusqlite::Result<SnapshotRecord> {
    Ok(SnapshotRecord {
        uuid: parsed(row, "uuid")?,
        sequence: number(row, "sequence")?,
        instance: parsed(row, "instance")?,
        taken: parsed(row, "taken")?,
    })
}

/// The number of a snapshot.
fn number(row: &Row<'_>, column: &str) -> rusqlite::Result<Sequence> {
    let index = row.as_ref().column_index(column)?;
    let number: i64 = row.get(index)?;
    let sequence = u32::try_from(number).ok().and_then(Sequence::new);
    sequence.ok_or(rusqlite::Error::IntegralValueOutOfRange(index, number))
}

pub(super) fn approval(row: &Row<'_>) -> rusqlite::Result<ApprovalRecord> {
    Ok(ApprovalRecord {
        token: parsed(row, "token")?,
        command: row.get("command")?,
        digest: parsed(row, "digest")?,
        facts: row.get("facts")?,
        issued: parsed(row, "issued")?,
        expires: parsed(row, "expires")?,
        used: parsed_option(row, "used")?,
    })
}

/// A count, which SQLite keeps as a number with a sign.
fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column)?.try_into().map_err(|error| unfit(row, column, error))
}

pub(super) fn restored(row: &Row<'_>) -> rusqlite::Result<RestoredRecord> {
    Ok(RestoredRecord {
        volume: parsed(row, "volume")?,
        snapshot: parsed_option(row, "snapshot")?,
        newest: Sequence::new(row.get("newest")?),
        entries: count(row, "entries")?,
        bytes: Bytes::new(count(row, "bytes")?),
        at: parsed(row, "at")?,
    })
}

pub(super) fn trash(row: &Row<'_>) -> rusqlite::Result<TrashRecord> {
    let record: Option<String> = row.get("record")?;
    Ok(TrashRecord {
        tx: parsed(row, "tx")?,
        bundle: parsed(row, "bundle")?,
        reason: parsed(row, "reason")?,
        volume: parsed(row, "volume")?,
        instance: parsed(row, "instance")?,
        port: parsed(row, "port")?,
        name: parsed(row, "name")?,
        path: PathBuf::from(row.get::<_, String>("path")?),
        record: record
            .map(|text| serde_json::from_str(&text).map_err(|error| unfit(row, "record", error)))
            .transpose()?,
        snapshot: parsed_option(row, "snapshot")?,
        entries: count(row, "entries")?,
        bytes: Bytes::new(count(row, "bytes")?),
        since: parsed(row, "since")?,
        until: parsed(row, "until")?,
    })
}

pub(super) fn schedule(row: &Row<'_>) -> rusqlite::Result<ScheduleRecord> {
    Ok(ScheduleRecord {
        instance: parsed(row, "instance")?,
        every: Seconds::new(row.get("every")?),
        keep: row.get("keep")?,
        state: parsed(row, "state")?,
        next: parsed(row, "next")?,
        last: came_of(row, "last", "outcome")?,
        missed: row.get("missed")?,
        rehearsal: came_of(row, "rehearsed", "rehearsal")?,
    })
}
