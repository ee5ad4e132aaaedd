//! Owns the way to a volume that a check refuses and a restore is allowed on, and the end of what a crash cut off.
//! Never decides whether a restore that is complete stays: the one who began it does.

use std::os::fd::AsFd as _;

use homeport_core::unit::{Bytes, Format, Inodes};

use super::error::RestoreError;
use super::exchange::{Back, exchange_back};
use super::journal;
use crate::begin::{Held, lock_home};
use crate::check::{CheckedData, Ready};
use crate::decide::{Novelty, Verdict, decide};
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::examine::{Data, Machine, examine};
use crate::facts::{DataFact, Facts, Filling, JournalFact, MarkerFact, ProbeFact, StampFact};
use crate::identity::TxId;
use crate::layout::DATA;
use crate::marker;
use crate::request::{Known, Request, Reserve};

/// What was found of an exchange, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    /// No exchange was begun.
    Nothing,
    /// One was cut off, and is taken back: the tree from before is live.
    TakenBack(TxId, Back),
    /// One is complete and waits to be settled or taken back.
    Exchanged(TxId),
}

/// Checks and locks a volume for a restore, an undo or the end of one that was cut off.
///
/// All that says whose volume it is and whether its disk is the right one is checked as for a start. What a restore
/// replaces is not: data that is missing, empty, of another format or another owner, and an exchange that was cut off.
/// `data/` is made, empty, where it is missing.
///
/// # Errors
/// [`VolumeError::Refused`] with all faults that are left; [`VolumeError::Locked`].
pub fn hold_for_restore(machine: &Machine, request: &Request, known: Option<&Known>) -> Result<Held, VolumeError> {
    let examined = examine(machine, request, known)?;
    let path = &request.path;
    let io = |action| VolumeError::io::<std::io::Error>(action, path);
    let os = |action| VolumeError::io::<rustix::io::Errno>(action, path);
    let changed = |what: &str| VolumeError::Changed { path: path.clone(), what: what.to_owned() };
    let (request, facts) = lenient(request, examined.facts);
    let Verdict::Attach { marker, .. } = decide(&request, known, &facts).map_err(VolumeError::Refused)? else {
        return Err(changed("there is no volume to restore into"));
    };
    let opened = examined.opened.ok_or_else(|| changed("it is gone"))?;
    let (volume, home, lock) = lock_home(&opened.volume, path)?;
    if marker::file::read(home.as_fd()).map_err(io("read the marker of"))? != MarkerFact::Valid(marker.clone()) {
        return Err(changed("its marker is another one"));
    }
    if matches!(opened.data, Data::Absent) {
        directory::ensure(volume.as_fd(), DATA).map_err(os("make `data` in"))?;
        rustix::fs::fsync(&volume).map_err(os("sync"))?;
    }
    let Entry::Directory(fd) = directory::child(volume.as_fd(), DATA).map_err(os("open the data of"))? else {
        return Err(changed("its data is not a directory"));
    };
    let status = directory::status(&fd).map_err(os("examine the data of"))?;
    let (device, inode) = (status.device, status.inode);
    let data = CheckedData { fd, path: path.clone(), uuid: marker.uuid, device, inode };
    let ready = Ready {
        path: path.clone(),
        volume: opened.volume,
        data,
        marker: *marker,
        novelty: Novelty::Used,
        notices: Vec::new(),
    };
    Ok(Held::new(ready, volume, home, lock))
}

/// The question and the facts without what a restore replaces.
fn lenient(request: &Request, mut facts: Facts) -> (Request, Facts) {
    let mut request = request.clone();
    request.min_format = Format::new(0);
    request.format = Format::new(u32::MAX);
    request.reserve = Reserve { bytes: Bytes::new(0), inodes: Inodes::new(0) };
    if let Some(content) = &mut facts.content {
        content.journal = JournalFact::Absent;
        // How much is left of what a restore replaces, and whose it is, does not matter either.
        content.sample = None;
        if content.probe == ProbeFact::Full {
            // Taking an exchange back needs no room, and a restore says for itself how much it needs.
            content.probe = ProbeFact::Passed;
        }
        if let DataFact::Absent = content.data {
            let (owner, filling) = (request.owner, Filling::Filled);
            content.data = DataFact::Present { owner, filling, stamp: StampFact::Absent };
        }
        if let DataFact::Present { owner, filling, stamp } = &mut content.data {
            *owner = request.owner;
            *filling = Filling::Filled;
            let foreign = matches!(stamp, StampFact::Stamp { uuid, .. } if !facts_own(&content.marker, *uuid));
            if !foreign {
                *stamp = StampFact::Absent;
            }
        }
    }
    (request, facts)
}

/// Whether the marker names the volume `uuid`.
fn facts_own(marker: &MarkerFact, uuid: crate::identity::VolumeUuid) -> bool {
    matches!(marker, MarkerFact::Valid(marker) if marker.uuid == uuid)
}

/// Ends what a crash cut off: an exchange that is not complete is taken back. One that is complete is left as it is.
/// When this returns without an error, a check finds nothing of an exchange to complain of. [spec: VOL-46]
///
/// # Errors
/// [`RestoreError::Journal`] if nobody can say which tree should be live, and those of [`exchange_back`].
pub fn recover(held: &mut Held) -> Result<Recovered, RestoreError> {
    // A journal that cannot be read ends here; `look` would only tell it from others.
    let Some(journal) = journal::read(held)? else { return Ok(Recovered::Nothing) };
    let live = held.data().inode;
    let found = journal::look(held.home(), Some(live)).map_err(RestoreError::io("read the journal of", held.path()))?;
    match found {
        JournalFact::Finished { tx } => Ok(Recovered::Exchanged(tx)),
        _ => Ok(Recovered::TakenBack(journal.tx, exchange_back(held, journal.tx)?)),
    }
}
