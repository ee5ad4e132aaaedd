//! Owns room that is set aside, before anything is stopped, wherever the way back of a change of version writes: beside the
//! ledger, in the run directory, and in each volume. A disk that another program fills meanwhile then hinders no way back.
//! It is given up as soon as it may be needed: before the way back, and before the last write. Never decides whether an
//! operation goes back.

use std::path::PathBuf;

use homeport_core::unit::Bytes;
use homeport_volumes::room;
use homeport_volumes::{VolumeError, VolumePath};

use super::error::StepError;
use super::session::Session;
use crate::ledger::LedgerError;

/// For the journal of the way back, and of the start of what ran before.
const LEDGER: Bytes = Bytes::new(2 << 20);
/// For what a container finds in `/run/port`, and for the mounts of its volumes.
const RUN: Bytes = Bytes::new(256 << 10);
/// For a marker and what checks write.
const VOLUME: Bytes = Bytes::new(128 << 10);

impl Session<'_, '_> {
    /// Sets room aside on each disk. Where there is not so much, nothing is begun: nothing was stopped yet.
    pub(super) fn set_room_aside(&self) -> Result<(), StepError> {
        let (state, run) = (self.host.layout.state_dir(), self.host.layout.run_dir());
        for (place, size) in [(state, LEDGER), (run, RUN)] {
            let none = |source| StepError::NoRoom { place: place.to_owned(), wanted: size, source };
            room::set_aside_in(place, size).map_err(none)?;
        }
        for place in self.volume_places()? {
            match room::set_aside(&place, VOLUME) {
                Err(VolumeError::Io { source, .. }) => {
                    return Err(StepError::NoRoom { place: PathBuf::from(place.as_str()), wanted: VOLUME, source });
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Gives the room up. What cannot be given up does not keep an operation from its end: the next one sets it aside again.
    pub(super) fn give_room_up(&self) {
        for place in [self.host.layout.state_dir(), self.host.layout.run_dir()] {
            room::give_up_in(place).ok();
        }
        for place in self.volume_places().unwrap_or_default() {
            room::give_up(&place).ok();
        }
    }

    fn volume_places(&self) -> Result<Vec<VolumePath>, LedgerError> {
        let records = self.writer.volumes(&self.instance)?;
        Ok(records.iter().filter_map(|record| VolumePath::try_from(record.path.as_path()).ok()).collect())
    }
}
