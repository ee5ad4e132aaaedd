//! Owns the writes about volumes. A volume that was in use is never forgotten here, and its past never taken back.

use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::Format;

use super::change::Change;
use super::error::LedgerError;
use super::read::Ledger;
use super::refusal::Refusal;
use super::volume::{HasData, VolumeRecord, VolumeState};
use super::writer::{LedgerWriter, WriteError};

impl LedgerWriter<'_> {
    /// Makes the volume's record exactly this one.
    ///
    /// # Errors
    /// `PathTaken`, `VolumeTaken` or `VolumeIsOther` where that would make two volumes one or one volume another;
    /// `GenerationBack` and `VolumeHasData` where it would forget that the volume was in use.
    pub fn put_volume(&mut self, record: &VolumeRecord) -> Result<Change, LedgerError> {
        let path = record.path.to_str().filter(|_| record.path.is_absolute()).ok_or_else(|| Refusal::Unstorable {
            what: "the path of a volume",
            found: record.path.display().to_string(),
            wanted: "an absolute path in UTF-8",
        })?;
        self.write(|ledger, connection| {
            let found = ledger.volume_by_uuid(&record.uuid)?;
            if found.as_ref() == Some(record) {
                return Ok(Change::Unchanged);
            }
            if let Some(found) = found {
                check_same_volume(&found, record)?;
            }
            if let Some(owner) = ledger.volume_by_path(&record.path)?.filter(|owner| owner.uuid != record.uuid) {
                let (path, instance, volume) = (owner.path, owner.instance, owner.name);
                return Err(Refusal::PathTaken { path, instance, volume }.into());
            }
            check_place(ledger, record)?;
            connection
                .prepare_cached(
                    "INSERT INTO volume (uuid, instance, port, name, path, origin, format, generation, filesystem,
                         must_be_mount, has_data, state, created)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
                     ON CONFLICT (uuid) DO UPDATE SET path = ?5, origin = ?6, format = ?7, generation = ?8,
                         filesystem = ?9, must_be_mount = ?10, has_data = ?11, state = ?12, created = ?13",
                )?
                .execute((
                    &record.uuid,
                    record.instance.as_str(),
                    record.port.as_str(),
                    record.name.as_str(),
                    path,
                    record.origin.as_str(),
                    record.format.get(),
                    stored_generation(record.generation)?,
                    &record.filesystem,
                    record.must_be_mount.as_str(),
                    record.has_data.as_str(),
                    record.state.as_str(),
                    record.created.as_str(),
                ))?;
            Ok(Change::Changed)
        })
    }

    /// Sets whether an instance uses the volume.
    ///
    /// # Errors
    /// `UnknownVolume`.
    pub fn set_volume_state(&mut self, uuid: &str, state: VolumeState) -> Result<Change, LedgerError> {
        self.write(|ledger, connection| {
            known(ledger, uuid)?;
            let sql = "UPDATE volume SET state = ?2 WHERE uuid = ?1 AND state <> ?2";
            Ok(Change::of_rows(connection.prepare_cached(sql)?.execute((uuid, state.as_str()))?))
        })
    }

    /// Sets how often the volume was taken into use. Whether it has data is said by `put_volume`.
    ///
    /// # Errors
    /// `UnknownVolume`; `GenerationBack` where the ledger has a higher one.
    pub fn set_volume_generation(&mut self, uuid: &str, generation: u64) -> Result<Change, LedgerError> {
        self.write(|ledger, connection| {
            let found = known(ledger, uuid)?;
            check_generation(&found, generation)?;
            let sql = "UPDATE volume SET generation = ?2 WHERE uuid = ?1 AND generation <> ?2";
            let rows = connection.prepare_cached(sql)?.execute((uuid, stored_generation(generation)?))?;
            Ok(Change::of_rows(rows))
        })
    }

    /// Sets what a volume is after its data was exchanged for another tree: the format of that, and whether it holds anything.
    /// The only write by which a volume that had data is blank again; what it had is in the trash then.
    ///
    /// # Errors
    /// `UnknownVolume`.
    pub fn set_volume_tree(&mut self, uuid: &str, format: Format, has_data: HasData) -> Result<Change, LedgerError> {
        self.write(|ledger, connection| {
            known(ledger, uuid)?;
            let sql =
                "UPDATE volume SET format = ?2, has_data = ?3 WHERE uuid = ?1 AND (format <> ?2 OR has_data <> ?3)";
            Ok(Change::of_rows(connection.prepare_cached(sql)?.execute((uuid, format.get(), has_data.as_str()))?))
        })
    }

    /// Forgets a volume that was made and never used. One that is not in the ledger is forgotten already.
    ///
    /// # Errors
    /// `VolumeHasData`: such a volume is never forgotten.
    pub fn forget_volume(&mut self, uuid: &str) -> Result<Change, LedgerError> {
        self.write(|ledger, connection| {
            let Some(found) = ledger.volume_by_uuid(uuid)? else {
                return Ok(Change::Unchanged);
            };
            check_blank(&found)?;
            let rows = connection.prepare_cached("DELETE FROM volume WHERE uuid = ?1")?.execute([uuid])?;
            Ok(Change::of_rows(rows))
        })
    }
}

fn known(ledger: &Ledger, uuid: &str) -> Result<VolumeRecord, WriteError> {
    ledger.volume_by_uuid(uuid)?.ok_or_else(|| Refusal::UnknownVolume(uuid.to_owned()).into())
}

/// What a record of a known volume may say anew: all but whose volume it is and that it was in use.
fn check_same_volume(found: &VolumeRecord, wanted: &VolumeRecord) -> Result<(), WriteError> {
    let whose = |record: &VolumeRecord| -> (PortId, InstanceName, VolumeName) {
        (record.port.clone(), record.instance.clone(), record.name.clone())
    };
    if whose(found) != whose(wanted) {
        let (port, instance, volume) = whose(found);
        return Err(Refusal::VolumeIsOther { uuid: found.uuid.clone(), port, instance, volume }.into());
    }
    if wanted.has_data == HasData::No {
        check_blank(found)?;
    }
    check_generation(found, wanted.generation)
}

fn check_place(ledger: &Ledger, record: &VolumeRecord) -> Result<(), WriteError> {
    let here = |found: &VolumeRecord| found.port == record.port && found.name == record.name;
    match ledger.volumes(&record.instance)?.into_iter().find(|found| here(found) && found.uuid != record.uuid) {
        None => Ok(()),
        Some(found) => Err(Refusal::VolumeTaken {
            port: found.port,
            instance: found.instance,
            volume: found.name,
            found: found.uuid,
            wanted: record.uuid.clone(),
        }
        .into()),
    }
}

fn check_generation(found: &VolumeRecord, wanted: u64) -> Result<(), WriteError> {
    if wanted >= found.generation {
        return Ok(());
    }
    Err(Refusal::GenerationBack { uuid: found.uuid.clone(), found: found.generation, wanted }.into())
}

fn check_blank(found: &VolumeRecord) -> Result<(), WriteError> {
    match found.has_data {
        HasData::No => Ok(()),
        HasData::Yes => Err(Refusal::VolumeHasData {
            uuid: found.uuid.clone(),
            instance: found.instance.clone(),
            volume: found.name.clone(),
        }
        .into()),
    }
}

fn stored_generation(generation: u64) -> Result<i64, Refusal> {
    i64::try_from(generation).map_err(|_| Refusal::Unstorable {
        what: "the generation of a volume",
        found: generation.to_string(),
        wanted: "at most 2^63 - 1",
    })
}
