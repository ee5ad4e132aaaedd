//! Owns what is in the trash, as it is found on the disk. Never goes by the ledger, and never changes anything.

use std::os::fd::AsFd as _;

use homeport_core::fault::{Advice as _, Fault};

use super::error::TrashError;
use super::note::TrashNote;
use super::place::{Slot, TrashPlace, TrashState};
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::identity::TxId;
use crate::layout::{HOME, TRASH, WHOLE};
use crate::path::VolumePath;

/// How many transactions of one trash are looked at.
const MOST: usize = 4096;

/// A tree in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trashed {
    /// Which trash it is in.
    pub place: TrashPlace,
    /// What it is.
    pub note: TrashNote,
    /// How much of it is there.
    pub state: TrashState,
    /// What was in the volume's own trash when the whole volume was purged: it shares the volume's way.
    pub inner: Vec<TrashNote>,
}

/// What is in some places of the trash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The trees, oldest first.
    pub trees: Vec<Trashed>,
    /// What is there and cannot be named; it is kept. [spec: VOL-42]
    pub faults: Vec<Fault>,
}

impl Trashed {
    pub(super) fn of(slot: &Slot) -> Result<Self, TrashError> {
        let note = slot.note()?;
        let inner = if slot.place.tree() == WHOLE { inner(slot)? } else { Vec::new() };
        Ok(Self { place: slot.place.clone(), state: slot.state(&note)?, note, inner })
    }
}

/// Looks into the trash below `data_root`, and into that of each volume of `volumes`. Places without one are no error.
///
/// # Errors
/// What the operating system refused.
pub fn list(data_root: &VolumePath, volumes: &[VolumePath]) -> Result<Listing, VolumeError> {
    let places = std::iter::once(TrashPlace::DataRoot(data_root.clone()))
        .chain(volumes.iter().map(|path| TrashPlace::Volume(path.clone())));
    let mut listing = Listing::default();
    for place in places {
        look(&place, &mut listing)?;
    }
    listing.trees.sort_by_key(|tree| (tree.note.since, tree.note.tx));
    Ok(listing)
}

fn look(place: &TrashPlace, listing: &mut Listing) -> Result<(), VolumeError> {
    let Some(trash) = place.open()? else { return Ok(()) };
    let path = place.path();
    let names = directory::names(&trash, MOST).map_err(VolumeError::io("list", &path))?;
    for name in names {
        let Some(tx) = name.to_str().and_then(|name| name.parse::<TxId>().ok()) else {
            let message = format!("`{path}` has something that HomePort did not put there");
            let fault = Fault::new("HP-TRS-002", path.to_string(), message).clause("VOL-42");
            listing.faults.push(
                fault
                    .expected("directories named by their transactions")
                    .actual(format!("`{}`", name.to_string_lossy()))
                    .remedy("look at it yourself: HomePort leaves it as it is"),
            );
            continue;
        };
        let found = Slot::find(place, tx).and_then(|slot| {
            if slot.is_bare()? { Err(TrashError::Absent { tx, place: path.clone() }) } else { Trashed::of(&slot) }
        });
        match found {
            Ok(tree) => listing.trees.push(tree),
            Err(TrashError::Absent { .. }) => {}
            Err(TrashError::Volume(error)) => return Err(error),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                let fault = Fault::new(error.code(), format!("{path}/{tx}"), error.to_string()).clause("VOL-42");
                listing.faults.push(fault.actual(cause).remedy(error.help().unwrap_or_default()));
            }
        }
    }
    Ok(())
}

/// The notes in the trash of a volume that is itself in the trash; what cannot be read is left out.
fn inner(slot: &Slot) -> Result<Vec<TrashNote>, VolumeError> {
    let path = slot.place.path();
    let io = |action| VolumeError::io(action, &path);
    let mut here = directory::readable(&slot.fd).map_err(io("open"))?;
    for name in [WHOLE, HOME, TRASH] {
        match directory::child(here.as_fd(), name).map_err(io("open a volume in"))? {
            Entry::Directory(fd) => here = directory::readable(fd).map_err(io("open a volume in"))?,
            Entry::Absent | Entry::Other => return Ok(Vec::new()),
        }
    }
    let mut notes = Vec::new();
    for name in directory::names(&here, MOST).map_err(io("list a volume in"))? {
        let Some(name) = name.to_str() else { continue };
        if let Entry::Directory(fd) = directory::child(here.as_fd(), name).map_err(io("open a volume in"))? {
            let fd = directory::readable(fd).map_err(io("open a volume in"))?;
            if let Ok(note) = super::note::read(&fd).map_err(VolumeError::io("read a note in", &path))? {
                notes.push(note);
            }
        }
    }
    Ok(notes)
}
