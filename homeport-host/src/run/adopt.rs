//! Owns how the steps are carried out and taken back by which a directory becomes a volume, or a volume another one or one
//! that is elsewhere. No file of a person's is changed by any of them.

use homeport_volumes::adopt::{MoveWay, Relocation, adopt_directory, change_marker, relocate, settle, take_back};
use homeport_volumes::{Marker, VolumePath};

use super::error::StepError;
use super::records;
use super::session::Session;
use crate::ledger::{HasData, VolumeState};
use crate::plan::{AdoptedDirectory, ChangeWay, ChangedVolume};
use crate::store::unix;

impl Session<'_, '_> {
    /// Makes a plain directory a volume.
    pub(super) fn adopt_directory(&mut self, directory: &AdoptedDirectory) -> Result<(), StepError> {
        let missing = StepError::OutOfOrder { step: "adopt_directory", missing: "a directory that was looked at" };
        let (adopting, _) = self.adopting.as_ref().ok_or(missing)?;
        let created = unix(&self.host.now());
        let marker = adopt_directory(&adopting.request, &adopting.plan, directory.tx, directory.uuid, created)?;
        self.remember(&marker, &directory.path)
    }

    /// Lets a volume be what and where it is to be.
    pub(super) fn change_volume(&mut self, change: &ChangedVolume) -> Result<(), StepError> {
        let marker = match change.way {
            ChangeWay::Rename => relocate(&relocation(change)?)?,
            ChangeWay::Found => {
                let (found, becomes) = markers(change)?;
                change_marker(&volume_path(&change.to)?, &found, &becomes)?;
                becomes
            }
        };
        self.remember(&marker, &change.to)
    }

    /// What the ledger is to know of the volume at the end.
    fn remember(&mut self, marker: &Marker, path: &std::path::Path) -> Result<(), StepError> {
        let is_own = *path == self.host.layout.volume_dir(&marker.instance, &marker.volume);
        let former = self.writer.volume_by_uuid(&marker.uuid.to_string())?;
        let mut record = records::of_marker(marker, path, is_own)?;
        record.has_data = HasData::Yes;
        record.state = former.as_ref().map_or(VolumeState::Kept, |former| former.state);
        if let Some(former) = former {
            record.created = former.created;
            record.has_data = former.has_data;
        }
        self.recorded = Some(record);
        Ok(())
    }
}

/// Makes a plain directory of it again, with each name where it was.
pub(super) fn unadopt(directory: &AdoptedDirectory) -> Result<(), StepError> {
    take_back(&volume_path(&directory.path)?, directory.tx)?;
    Ok(())
}

/// Forgets how the adoption could be taken back.
pub(super) fn settle_adoption(directory: &AdoptedDirectory) -> Result<(), StepError> {
    Ok(settle(&volume_path(&directory.path)?, directory.tx)?)
}

/// Lets it be what and where it was.
pub(super) fn change_volume_back(change: &ChangedVolume) -> Result<(), StepError> {
    match change.way {
        ChangeWay::Rename => {
            let there = relocation(change)?;
            let (from, to, found, becomes) = (there.to, there.from, there.becomes, there.found);
            relocate(&Relocation { from, to, way: MoveWay::Rename, found, becomes })?;
        }
        ChangeWay::Found => {
            let (found, becomes) = markers(change)?;
            change_marker(&volume_path(&change.to)?, &becomes, &found)?;
        }
    }
    Ok(())
}

fn relocation(change: &ChangedVolume) -> Result<Relocation, StepError> {
    let (found, becomes) = markers(change)?;
    Ok(Relocation {
        from: volume_path(&change.from)?,
        to: volume_path(&change.to)?,
        way: MoveWay::Rename,
        found,
        becomes,
    })
}

/// What the volume said and is to say, as the journal has it.
fn markers(change: &ChangedVolume) -> Result<(Marker, Marker), StepError> {
    let read = |text: &str| {
        Marker::parse(text.as_bytes()).map_err(|faults| StepError::Io {
            action: "read a marker in the journal",
            source: std::io::Error::other(faults.first().map_or_else(String::new, ToString::to_string)),
        })
    };
    Ok((read(&change.found)?, read(&change.becomes)?))
}

fn volume_path(path: &std::path::Path) -> Result<VolumePath, StepError> {
    let unnamed = |error| StepError::Io { action: "name a volume's place", source: std::io::Error::other(error) };
    VolumePath::try_from(path).map_err(unnamed)
}
