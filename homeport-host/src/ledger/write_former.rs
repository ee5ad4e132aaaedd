//! Owns the writes about the version from before and about containers that retire. Never touches a volume.

use homeport_core::name::InstanceName;

use super::change::Change;
use super::error::LedgerError;
use super::former::FormerRecord;
use super::refusal::Refusal;
use super::retiring::RetiringRecord;
use super::write_instance::known;
use super::writer::LedgerWriter;
use crate::engine::ContainerId;

impl LedgerWriter<'_> {
    /// Makes this the version that the instance had before.
    ///
    /// # Errors
    /// `UnknownInstance`.
    pub fn put_former(&mut self, record: &FormerRecord) -> Result<Change, LedgerError> {
        let unwritten = |error: serde_json::Error| Refusal::Unstorable {
            what: "the formats and addresses of a version",
            found: error.to_string(),
            wanted: "what can be written as JSON",
        };
        let formats = serde_json::to_string(&record.formats).map_err(unwritten)?;
        let routes = serde_json::to_string(&record.routes).map_err(unwritten)?;
        self.write(|ledger, connection| {
            known(ledger, &record.instance)?;
            if ledger.former(&record.instance)?.as_ref() == Some(record) {
                return Ok(Change::Unchanged);
            }
            connection
                .prepare_cached(
                    "INSERT INTO former (instance, version, image, reference, manifest, formats, routes, snapshot, bundle,
                         until)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                     ON CONFLICT (instance) DO UPDATE SET version = ?2, image = ?3, reference = ?4, manifest = ?5,
                         formats = ?6, routes = ?7, snapshot = ?8, bundle = ?9, until = ?10",
                )?
                .execute((
                    record.instance.as_str(),
                    record.version.to_string(),
                    record.image.to_string(),
                    &record.reference,
                    &record.manifest,
                    formats,
                    routes,
                    record.snapshot.map(|snapshot| snapshot.to_string()),
                    record.bundle.to_string(),
                    record.until.as_str(),
                ))?;
            Ok(Change::Changed)
        })
    }

    /// Forgets the version from before: there is no way back to it any more.
    pub fn remove_former(&mut self, instance: &InstanceName) -> Result<Change, LedgerError> {
        self.execute("DELETE FROM former WHERE instance = ?1", [instance.as_str()])
    }

    /// Writes down that a container only finishes what it began.
    ///
    /// # Errors
    /// `UnknownInstance`.
    pub fn put_retiring(&mut self, record: &RetiringRecord) -> Result<Change, LedgerError> {
        self.write(|ledger, connection| {
            known(ledger, &record.instance)?;
            if ledger.retiring(&record.instance)?.contains(record) {
                return Ok(Change::Unchanged);
            }
            connection
                .prepare_cached(
                    "INSERT INTO retiring (container, instance, slot, version, grace, bundle, since, until)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                     ON CONFLICT (container) DO UPDATE SET instance = ?2, slot = ?3, version = ?4, grace = ?5,
                         bundle = ?6, since = ?7, until = ?8",
                )?
                .execute((
                    record.container.as_str(),
                    record.instance.as_str(),
                    record.slot.as_str(),
                    record.version.to_string(),
                    record.grace.get(),
                    record.bundle.to_string(),
                    record.since.as_str(),
                    record.until.as_str(),
                ))?;
            Ok(Change::Changed)
        })
    }

    /// Forgets a container that has retired.
    pub fn remove_retiring(&mut self, container: &ContainerId) -> Result<Change, LedgerError> {
        self.execute("DELETE FROM retiring WHERE container = ?1", [container.as_str()])
    }
}
