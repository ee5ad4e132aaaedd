//! Owns room that is set aside, before anything is stopped, wherever the way back of a change of version writes: beside the
//! ledger, in the run directory, and in each volume. A disk that another program fills meanwhile then hinders no way back.
//! It is given up as soon as it may be needed: before the way back, and before the last write. Never decides whether an
//! operation goes back.

use std::io;
use std::path::Path;

use homeport_core::unit::Bytes;
use homeport_volumes::room;
use homeport_volumes::{VolumeError, VolumePath};

use super::error::StepError;
use super::session::Session;
use crate::ledger::{LedgerError, VolumeRecord, VolumeState};

/// For the journal of the way back, and of the start of what ran before.
const LEDGER: Bytes = Bytes::new(2 << 20);
/// For what a container finds in `/run/port`, and for the mounts of its volumes.
const RUN: Bytes = Bytes::new(256 << 10);
/// For a marker and what checks write.
const VOLUME: Bytes = Bytes::new(128 << 10);

/// Which volumes of the instance are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Those that its port has now.
    Present,
    /// All that the ledger knows.
    Any,
}

impl Session<'_, '_> {
    /// Sets room aside on each disk. Where there is not so much, nothing is begun: nothing was stopped yet. A volume that the
    /// new version is the first to have is empty, and made for it after this.
    pub(super) fn set_room_aside(&self) -> Result<(), StepError> {
        let (state, run) = (self.host.layout.state_dir(), self.host.layout.run_dir());
        let own =
            [(state, LEDGER, "set room aside beside the ledger"), (run, RUN, "set room aside in the run directory")];
        for (place, wanted, action) in own {
            room::set_aside_in(place, wanted).map_err(|source| {
                let is_full = is_full(&source);
                if is_full { no_room(place, wanted, source) } else { StepError::Io { action, source } }
            })?;
        }
        for place in self.volume_places(Whose::Present)? {
            room::set_aside(&place, VOLUME).map_err(|error| match error {
                VolumeError::Io { source, .. } if is_full(&source) => {
                    no_room(Path::new(place.as_str()), VOLUME, source)
                }
                other => other.into(),
            })?;
        }
        Ok(())
    }

    /// Gives the room up. What cannot be given up does not keep an operation from its end: the next one sets it aside again.
    pub(super) fn give_room_up(&self) {
        for place in [self.host.layout.state_dir(), self.host.layout.run_dir()] {
            room::give_up_in(place).ok();
        }
        for place in self.volume_places(Whose::Any).unwrap_or_default() {
            room::give_up(&place).ok();
        }
    }

    /// Kept volumes, and those of a port that the instance had before, are none that a change of version writes to.
    fn volume_places(&self, whose: Whose) -> Result<Vec<VolumePath>, LedgerError> {
        let port = self.writer.instance(&self.instance)?.map(|record| record.port);
        let is_present =
            |record: &VolumeRecord| record.state == VolumeState::Attached && Some(&record.port) == port.as_ref();
        let mut records = self.writer.volumes(&self.instance)?;
        records.retain(|record| whose == Whose::Any || is_present(record));
        Ok(records.iter().filter_map(|record| VolumePath::try_from(record.path.as_path()).ok()).collect())
    }
}

fn no_room(place: &Path, wanted: Bytes, source: io::Error) -> StepError {
    StepError::NoRoom { place: place.to_owned(), wanted, source }
}

/// Whether a disk, or what its user may have of it, is full. Whatever else fails is no want of room.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
