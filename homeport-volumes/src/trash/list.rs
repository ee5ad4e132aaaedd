//! Owns what is in the trash, as it is found on the disk. Never goes by the ledger, and never changes anything.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, BorrowedFd};

use homeport_core::fault::{Advice as _, Fault};

use super::error::TrashError;
use super::note::{self, TrashNote};
use super::place::{Slot, TrashPlace, TrashState};
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::identity::TxId;
use crate::layout::{HOME, NOTE_NEW, TRASH, WHOLE};
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
    /// What is there besides, and cannot be named: while there is any, the volume is not deleted. [spec: VOL-42]
    pub unnamed: Vec<Fault>,
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
        let (inner, unnamed) = inner(slot)?;
        Ok(Self { place: slot.place.clone(), state: slot.state(&note)?, note, inner, unnamed })
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

/// Whether anything of a transaction is in the trash. One of which nobody can say what it is, is.
///
/// # Errors
/// What the operating system refused.
pub fn is_in_trash(place: &TrashPlace, tx: TxId) -> Result<bool, TrashError> {
    match Slot::open(place, tx) {
        Ok(None) => Ok(false),
        Ok(Some(slot)) => Ok(!slot.is_bare()?),
        Err(TrashError::Unknown { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

fn look(place: &TrashPlace, listing: &mut Listing) -> Result<(), VolumeError> {
    let Some(trash) = place.open()? else { return Ok(()) };
    let path = place.path();
    let names = directory::names(&trash, MOST).map_err(VolumeError::io("list", &path))?;
    for name in names {
        let Some(tx) = name.to_str().and_then(|name| name.parse::<TxId>().ok()) else {
            listing.faults.push(strange(&path, &name));
            continue;
        };
        let found = Slot::find(place, tx).and_then(|slot| {
            if slot.is_bare()? { Err(TrashError::Absent { tx, place: path.clone() }) } else { Trashed::of(&slot) }
        });
        match found {
            Ok(tree) => {
                listing.faults.extend_from_slice(&tree.unnamed);
                listing.trees.push(tree);
            }
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

/// What has a name that is no transaction's.
fn strange(path: &VolumePath, name: &OsStr) -> Fault {
    let message = format!("`{path}` has something that HomePort did not put there");
    Fault::new("HP-TRS-002", path.to_string(), message)
        .clause("VOL-42")
        .expected("directories named by their transactions")
        .actual(format!("`{}`", name.to_string_lossy()))
        .remedy("look at it yourself: HomePort leaves it as it is")
}

/// The notes in the trash of a volume that is itself in the trash as a whole, and what there cannot be named.
pub(super) fn inner(slot: &Slot) -> Result<(Vec<TrashNote>, Vec<Fault>), VolumeError> {
    let (mut notes, mut faults) = (Vec::new(), Vec::new());
    if slot.place.tree() != WHOLE {
        return Ok((notes, faults));
    }
    let path = slot.place.path();
    let io = |action| VolumeError::io(action, &path);
    let mut here = directory::readable(&slot.fd).map_err(io("open"))?;
    for name in [WHOLE, HOME, TRASH] {
        match directory::child(here.as_fd(), name).map_err(io("open a volume in"))? {
            Entry::Directory(fd) => here = directory::readable(fd).map_err(io("open a volume in"))?,
            Entry::Absent | Entry::Other => return Ok((notes, faults)),
        }
    }
    let path = path.below(&slot.tx.to_string()).below(WHOLE).below(HOME).below(TRASH);
    for name in directory::names(&here, MOST).map_err(VolumeError::io("list", &path))? {
        let Some(tx) = name.to_str().and_then(|name| name.parse::<TxId>().ok()) else {
            faults.push(strange(&path, &name));
            continue;
        };
        match note_in(here.as_fd(), tx).map_err(VolumeError::io("read a note in", &path))? {
            Named::Tree(note) => notes.push(note),
            Named::Nothing => {}
            Named::Not(why) => faults.push(unnamed(&path, tx, &why)),
        }
    }
    Ok((notes, faults))
}

/// What the directory of a transaction says that it has.
enum Named {
    Tree(TrashNote),
    /// There is no tree in it.
    Nothing,
    Not(String),
}

fn note_in(trash: BorrowedFd<'_>, tx: TxId) -> Result<Named, std::io::Error> {
    let fd = match directory::child(trash, &tx.to_string())? {
        Entry::Directory(fd) => directory::readable(fd)?,
        Entry::Absent => return Ok(Named::Nothing),
        Entry::Other => return Ok(Named::Not("it is not a directory".to_owned())),
    };
    Ok(match note::read(&fd)? {
        Ok(note) if note.tx == tx => Named::Tree(note),
        Ok(note) => Named::Not(format!("its note is that of `{}`", note.tx)),
        Err(_) if directory::names(&fd, 2)?.iter().all(|name| name == NOTE_NEW) => Named::Nothing,
        Err(fault) => Named::Not(fault.to_string()),
    })
}

fn unnamed(path: &VolumePath, tx: TxId, why: &str) -> Fault {
    let message = format!("what `{tx}` in the trash of a purged volume is cannot be said");
    Fault::new("HP-TRS-002", format!("{path}/{tx}"), message)
        .clause("VOL-42")
        .actual(why)
        .remedy("look at it yourself, and move it away or delete it: the volume is not deleted while it is there")
}
