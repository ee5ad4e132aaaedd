//! Owns every question to the ledger. Never changes it: any process may ask at any time, also while another writes.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use homeport_core::config::Value;
use homeport_core::name::{ConfigKey, InstanceName};
use homeport_core::unit::PortNumber;
use homeport_core::upgrade::Parked;
use rusqlite::{Connection, Params, Row};

use super::error::LedgerError;
use super::event::EventRecord;
use super::file;
use super::id::{OperationId, RootId};
use super::instance::InstanceRecord;
use super::instance_config::InstanceConfig;
use super::operation::OperationRecord;
use super::route::RouteRecord;
use super::row::{self, EVENT, INSTANCE, OPERATION, ROUTE, STEP, VOLUME};
use super::step::StepRecord;
use super::volume::VolumeRecord;
use crate::layout::Layout;

/// The ledger, open for questions.
///
/// Each answer is of one moment; `at_one_moment` makes several answers be of the same. Where no ledger was made yet,
/// every answer is empty and none is made.
pub struct Ledger {
    file: PathBuf,
    connection: Option<Connection>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the ledger of this root. Needs no lock and waits for no operation.
    ///
    /// # Errors
    /// A file that is damaged, foreign, of another schema, or not readable.
    pub fn open(layout: &Layout) -> Result<Self, LedgerError> {
        let file = layout.ledger_file();
        Ok(Self { connection: file::open_for_reading(&file)?, file })
    }

    pub(super) const fn of(file: PathBuf, connection: Connection) -> Self {
        Self { file, connection: Some(connection) }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) const fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// Answers all that `questions` asks from the same moment, whatever is written meanwhile.
    pub fn at_one_moment<T, E: From<LedgerError>>(
        &self,
        questions: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let Some(connection) = self.connection.as_ref().filter(|connection| connection.is_autocommit()) else {
            return questions(self);
        };
        let moment = connection.unchecked_transaction().map_err(|source| self.fault(source))?;
        let answer = questions(self)?;
        moment.finish().map_err(|source| self.fault(source))?;
        Ok(answer)
    }

    /// The root's id; `None` before the first operation.
    pub fn root_id(&self) -> Result<Option<RootId>, LedgerError> {
        self.one("SELECT id FROM root", [], |found| row::parsed(found, "id"))
    }

    /// Every instance, by name.
    pub fn instances(&self) -> Result<Vec<InstanceRecord>, LedgerError> {
        self.all(&format!("SELECT {INSTANCE} FROM instance ORDER BY name"), [], row::instance)
    }

    /// One instance.
    pub fn instance(&self, name: &InstanceName) -> Result<Option<InstanceRecord>, LedgerError> {
        self.one(&format!("SELECT {INSTANCE} FROM instance WHERE name = ?1"), [name.as_str()], row::instance)
    }

    /// The configuration of an instance, secrets included; empty where there is none.
    pub fn config(&self, instance: &InstanceName) -> Result<InstanceConfig, LedgerError> {
        let rows =
            self.all("SELECT layer, key, value FROM config WHERE instance = ?1", [instance.as_str()], |found| {
                let layer: String = found.get("layer")?;
                let json = row::json(found, "value")?;
                let not_a_value = || row::unfit(found, "value", NotAValue);
                let entry = match layer.as_str() {
                    "parked" => Layered::Parked(serde_json::from_value(json).map_err(|_| not_a_value())?),
                    "carried" => Layered::Carried,
                    "given" => Layered::Given(Value::from_json(&json).ok_or_else(not_a_value)?),
                    _ => Layered::Effective(Value::from_json(&json).ok_or_else(not_a_value)?),
                };
                Ok((row::parsed::<ConfigKey>(found, "key")?, entry))
            })?;
        let mut config = InstanceConfig::default();
        for (key, entry) in rows {
            match entry {
                Layered::Given(value) => drop(config.given.insert(key, value)),
                Layered::Effective(value) => drop(config.effective.insert(key, value)),
                Layered::Carried => drop(config.carried.insert(key)),
                Layered::Parked(parked) => drop(config.parked.insert(key, parked)),
            }
        }
        Ok(config)
    }

    /// The volumes that were made for an instance, attached or kept, by name; also when the instance is gone.
    pub fn volumes(&self, instance: &InstanceName) -> Result<Vec<VolumeRecord>, LedgerError> {
        let sql = format!("SELECT {VOLUME} FROM volume WHERE instance = ?1 ORDER BY port, name");
        self.all(&sql, [instance.as_str()], row::volume)
    }

    /// Every volume, by instance and name.
    pub fn all_volumes(&self) -> Result<Vec<VolumeRecord>, LedgerError> {
        self.all(&format!("SELECT {VOLUME} FROM volume ORDER BY instance, port, name"), [], row::volume)
    }

    /// The volume that is at exactly this path.
    pub fn volume_by_path(&self, path: &Path) -> Result<Option<VolumeRecord>, LedgerError> {
        let Some(path) = path.to_str() else {
            return Ok(None);
        };
        self.one(&format!("SELECT {VOLUME} FROM volume WHERE path = ?1"), [path], row::volume)
    }

    /// The volume with this uuid.
    pub fn volume_by_uuid(&self, uuid: &str) -> Result<Option<VolumeRecord>, LedgerError> {
        self.one(&format!("SELECT {VOLUME} FROM volume WHERE uuid = ?1"), [uuid], row::volume)
    }

    /// The routes of an instance, by endpoint and address.
    pub fn routes(&self, instance: &InstanceName) -> Result<Vec<RouteRecord>, LedgerError> {
        let sql = format!("SELECT {ROUTE} FROM route WHERE instance = ?1 ORDER BY endpoint, port, listen, transport");
        self.all(&sql, [instance.as_str()], row::route)
    }

    /// Every route, by instance, endpoint and address.
    pub fn all_routes(&self) -> Result<Vec<RouteRecord>, LedgerError> {
        self.all(
            &format!("SELECT {ROUTE} FROM route ORDER BY instance, endpoint, port, listen, transport"),
            [],
            row::route,
        )
    }

    /// Every public port that is leased, at whatever address and over whatever transport.
    pub fn leased_ports(&self) -> Result<BTreeSet<PortNumber>, LedgerError> {
        let ports = self.all("SELECT DISTINCT port FROM route", [], |found| found.get(0).map(PortNumber::new))?;
        Ok(ports.into_iter().collect())
    }

    /// The operation that is not finished, with its steps in their order. There is at most one.
    pub fn open_operation(&self) -> Result<Option<(OperationRecord, Vec<StepRecord>)>, LedgerError> {
        self.at_one_moment(|ledger| {
            let sql = format!("SELECT {OPERATION} FROM operation WHERE state = 'open'");
            ledger.with_steps(ledger.one(&sql, [], row::operation)?)
        })
    }

    /// One operation, finished or not, with its steps in their order.
    pub fn operation(&self, id: OperationId) -> Result<Option<(OperationRecord, Vec<StepRecord>)>, LedgerError> {
        self.at_one_moment(|ledger| {
            let sql = format!("SELECT {OPERATION} FROM operation WHERE id = ?1");
            ledger.with_steps(ledger.one(&sql, [id.get()], row::operation)?)
        })
    }

    /// Every operation that could be neither finished nor undone, oldest first.
    pub fn stuck_operations(&self) -> Result<Vec<OperationRecord>, LedgerError> {
        let sql = format!("SELECT {OPERATION} FROM operation WHERE state = 'stuck' ORDER BY id");
        self.all(&sql, [], row::operation)
    }

    /// The newest `limit` events, oldest of them first: of one instance, or of all with `None`.
    pub fn events(&self, instance: Option<&InstanceName>, limit: u32) -> Result<Vec<EventRecord>, LedgerError> {
        let name = instance.map(InstanceName::as_str);
        let filter = if name.is_some() { "instance = ?1" } else { "?1 IS NULL" };
        let sql = format!("SELECT {EVENT} FROM event WHERE {filter} ORDER BY id DESC LIMIT ?2");
        let mut events = self.all(&sql, (name, limit), row::event)?;
        events.reverse();
        Ok(events)
    }

    fn with_steps(
        &self,
        operation: Option<OperationRecord>,
    ) -> Result<Option<(OperationRecord, Vec<StepRecord>)>, LedgerError> {
        let Some(operation) = operation else {
            return Ok(None);
        };
        let sql = format!("SELECT {STEP} FROM step WHERE operation = ?1 ORDER BY place");
        let steps = self.all(&sql, [operation.id.get()], row::step)?;
        Ok(Some((operation, steps)))
    }

    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, LedgerError> {
        Ok(self.all(sql, params, read)?.into_iter().next())
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, LedgerError> {
        let Some(connection) = &self.connection else {
            return Ok(Vec::new());
        };
        let rows =
            || -> rusqlite::Result<Vec<T>> { connection.prepare_cached(sql)?.query_map(params, read)?.collect() };
        rows().map_err(|source| self.fault(source))
    }

    fn fault(&self, source: rusqlite::Error) -> LedgerError {
        LedgerError::of(&self.file, source)
    }
}

/// One row of a configuration.
enum Layered {
    Given(Value),
    Effective(Value),
    Carried,
    Parked(Parked),
}

/// A stored value that is JSON and no value of a configuration. Says no more: it may be secret.
#[derive(Debug, thiserror::Error)]
#[error("not a configuration value")]
struct NotAValue;
