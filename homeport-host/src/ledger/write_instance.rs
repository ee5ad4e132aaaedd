//! Owns the writes about instances and their configuration. Never touches a volume.

use homeport_core::name::InstanceName;

use super::change::Change;
use super::error::LedgerError;
use super::instance::{Desired, InstanceRecord};
use super::instance_config::InstanceConfig;
use super::read::Ledger;
use super::refusal::Refusal;
use super::time::Time;
use super::writer::{LedgerWriter, WriteError};
use crate::engine::ContainerId;

impl LedgerWriter<'_> {
    /// Makes the instance's record exactly this one.
    ///
    /// # Errors
    /// `OtherPort` where the name is an instance of another port.
    pub fn put_instance(&mut self, record: &InstanceRecord) -> Result<Change, LedgerError> {
        self.write(|ledger, connection| {
            if let Some(found) = ledger.instance(&record.name)? {
                if found.port != record.port {
                    let (instance, wanted) = (record.name.clone(), record.port.clone());
                    return Err(Refusal::OtherPort { instance, found: found.port, wanted }.into());
                }
                if found == *record {
                    return Ok(Change::Unchanged);
                }
            }
            connection
                .prepare_cached(
                    "INSERT INTO instance (name, port, version, image, reference, manifest, desired, container, slot,
                         created, changed, overrides)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                     ON CONFLICT (name) DO UPDATE SET version = ?3, image = ?4, reference = ?5, manifest = ?6,
                         desired = ?7, container = ?8, slot = ?9, created = ?10, changed = ?11, overrides = ?12",
                )?
                .execute((
                    record.name.as_str(),
                    record.port.as_str(),
                    record.version.to_string(),
                    record.image.to_string(),
                    &record.reference,
                    &record.manifest,
                    record.desired.as_str(),
                    record.container.as_ref().map(ContainerId::as_str),
                    record.slot.as_str(),
                    record.created.as_str(),
                    record.changed.as_str(),
                    record.overrides.to_string(),
                ))?;
            Ok(Change::Changed)
        })
    }

    /// Removes the instance with its configuration and routes. Its volumes stay as they are, whatever their state.
    pub fn remove_instance(&mut self, name: &InstanceName) -> Result<Change, LedgerError> {
        self.execute("DELETE FROM instance WHERE name = ?1", [name.as_str()])
    }

    /// Sets what the operator wants of the instance; `changed` is written only where that is new.
    ///
    /// # Errors
    /// `UnknownInstance`.
    pub fn set_desired(
        &mut self,
        name: &InstanceName,
        desired: Desired,
        changed: &Time,
    ) -> Result<Change, LedgerError> {
        self.write(|ledger, connection| {
            known(ledger, name)?;
            let sql = "UPDATE instance SET desired = ?2, changed = ?3 WHERE name = ?1 AND desired <> ?2";
            let rows = connection.prepare_cached(sql)?.execute((name.as_str(), desired.as_str(), changed.as_str()))?;
            Ok(Change::of_rows(rows))
        })
    }

    /// Sets the container that was made for the instance last; `changed` is written only where that is new.
    ///
    /// # Errors
    /// `UnknownInstance`.
    pub fn set_container(
        &mut self,
        name: &InstanceName,
        container: Option<&ContainerId>,
        changed: &Time,
    ) -> Result<Change, LedgerError> {
        self.write(|ledger, connection| {
            known(ledger, name)?;
            let sql = "UPDATE instance SET container = ?2, changed = ?3 WHERE name = ?1 AND container IS NOT ?2";
            let container = container.map(ContainerId::as_str);
            let rows = connection.prepare_cached(sql)?.execute((name.as_str(), container, changed.as_str()))?;
            Ok(Change::of_rows(rows))
        })
    }

    /// Makes the instance's configuration exactly this one; values that are not in it are gone.
    ///
    /// # Errors
    /// `UnknownInstance`.
    pub fn put_config(&mut self, instance: &InstanceName, config: &InstanceConfig) -> Result<Change, LedgerError> {
        self.write(|ledger, connection| {
            known(ledger, instance)?;
            if ledger.config(instance)? == *config {
                return Ok(Change::Unchanged);
            }
            connection.prepare_cached("DELETE FROM config WHERE instance = ?1")?.execute([instance.as_str()])?;
            let sql = "INSERT INTO config (instance, layer, key, value) VALUES (?1, ?2, ?3, ?4)";
            let mut insert = connection.prepare_cached(sql)?;
            for (layer, values) in [("given", &config.given), ("effective", &config.effective)] {
                for (key, value) in values {
                    insert.execute((instance.as_str(), layer, key.as_str(), value.to_json().to_string()))?;
                }
            }
            for key in &config.carried {
                insert.execute((instance.as_str(), "carried", key.as_str(), "null"))?;
            }
            for (key, parked) in &config.parked {
                let text = serde_json::to_string(parked).map_err(|error| Refusal::Unstorable {
                    what: "a value that is kept aside",
                    found: error.to_string(),
                    wanted: "a value that can be written as JSON",
                })?;
                insert.execute((instance.as_str(), "parked", key.as_str(), text))?;
            }
            Ok(Change::Changed)
        })
    }
}

/// Refuses an instance that the ledger does not have.
pub(super) fn known(ledger: &Ledger, name: &InstanceName) -> Result<(), WriteError> {
    match ledger.instance(name)? {
        Some(_) => Ok(()),
        None => Err(Refusal::UnknownInstance(name.clone()).into()),
    }
}
