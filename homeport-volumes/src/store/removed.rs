//! Owns `removed/<seconds>/`: files that were taken out of the store and are not unlinked yet, and the highest number
//! of a snapshot among them. Never decides what is taken out. [spec: STO-29]

use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::catalog::Catalog;
use super::draft::{DIRECTORY_BYTES, Draft, Published, sync_room};
use super::error::StoreError;
use super::identity::Sequence;
use super::place::{Place, Room};
use crate::failpoint;
use crate::file::open_in;
use crate::identity::UnixSeconds;

/// What stands before the highest number in a file's name: `removed/highest-00000012`. [spec: STO-20]
const HIGHEST: &str = "highest-";

/// A new directory below `removed/`.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    place: &'a Place,
    name: String,
    directory: OwnedFd,
}

/// What became of a file that was to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// It is in the directory.
    Done,
    /// It was not there.
    Absent,
}

/// Whether a file got a second name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    Done,
    /// It is no file, or this file system gives none.
    Impossible,
}

impl<'a> Batch<'a> {
    /// Makes the directory for what is taken out at `now`, or at the [`latest`] moment that the store knows of where the
    /// clock is behind that, so that its seven days do not end at once when the clock is set right; the next second's that
    /// is free where there is one. [spec: STO-29]
    pub(crate) fn new(place: &'a Place, now: UnixSeconds, latest: u64) -> Result<Self, StoreError> {
        let mut seconds = now.get().max(latest);
        let name = loop {
            let name = seconds.to_string();
            let made = failpoint::point("store.removed.make")
                .and_then(|()| Ok(rustix::fs::mkdirat(place.room(Room::Removed), &*name, Mode::RWXU)?));
            match made {
                Ok(()) => break name,
                Err(error) if error.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => seconds += 1,
                Err(error) => {
                    return Err(place.failed("make", place.at(Room::Removed, &name), DIRECTORY_BYTES, error));
                }
            }
        };
        sync_room(place, Room::Removed, "store.removed.parent")?;
        let directory = open_batch(place, &name)?;
        Ok(Self { place, name, directory })
    }

    /// Moves a file here, if it is there. It is out of the store when [`sync`](Self::sync) returns.
    pub(crate) fn take(&self, room: Room, name: &str) -> Result<Move, StoreError> {
        let moved = failpoint::point("store.removed.rename").and_then(|()| {
            let from = self.place.room(room);
            Ok(rustix::fs::renameat_with(from, name, &self.directory, name, RenameFlags::NOREPLACE)?)
        });
        match moved {
            Ok(()) => Ok(Move::Done),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Move::Absent),
            Err(error) => Err(self.place.failed("move away", self.place.at(room, name), DIRECTORY_BYTES, error)),
        }
    }

    /// Gives a file a second name here; the first one stays.
    fn link(&self, room: Room, name: &str) -> Result<Second, StoreError> {
        let linked = failpoint::point("store.removed.link").and_then(|()| {
            let from = self.place.room(room);
            Ok(rustix::fs::linkat(from, name, &self.directory, name, AtFlags::empty())?)
        });
        match linked {
            Ok(()) => Ok(Second::Done),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK | Errno::NOENT) => {
                    Ok(Second::Impossible)
                }
                _ => Err(self.place.failed("set aside", self.place.at(room, name), DIRECTORY_BYTES, error)),
            },
        }
    }

    /// Brings both ends of the moves to the disk.
    pub(crate) fn sync(&self, room: Room) -> Result<(), StoreError> {
        let synced = failpoint::point("store.removed.sync").and_then(|()| Ok(rustix::fs::fsync(&self.directory)?));
        let at = || self.place.at(Room::Removed, &self.name);
        synced.map_err(|error| self.place.failed("sync", at(), DIRECTORY_BYTES, error))?;
        sync_room(self.place, room, "store.removed.source")
    }
}

/// Opens a directory below `removed/`, for reading.
pub(crate) fn open_batch(place: &Place, name: &str) -> Result<OwnedFd, StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let opened = open_in(place.room(Room::Removed), name, flags, 0);
    opened.map(OwnedFd::from).map_err(StoreError::io("open", place.at(Room::Removed, name)))
}

/// Moves one file that is no good away, now: what is as good has another name.
pub(crate) fn set_aside(place: &Place, room: Room, name: &str) -> Result<(), StoreError> {
    let batch = batch_now(place)?;
    let _moved: Move = batch.take(room, name)?;
    batch.sync(room)
}

/// Gives the name of a file that is no good to a good one, which was synced. The old file is below `removed/`, on the disk,
/// before that, and at no moment the name has no file: only what cannot have two names is moved away first. The directory
/// is not synced yet. [spec: STO-35]
pub(crate) fn replace(place: &Place, room: Room, name: &str, good: Draft) -> Result<(), StoreError> {
    let batch = batch_now(place)?;
    match batch.link(room, name)? {
        Second::Done => {
            batch.sync(room)?;
            good.publish_over(room, name)
        }
        Second::Impossible => {
            let _moved: Move = batch.take(room, name)?;
            batch.sync(room)?;
            match good.publish(room, name)? {
                Published::Now => Ok(()),
                Published::Taken(_) => {
                    let path = place.at(room, name);
                    Err(StoreError::Io { action: "replace", path, source: Errno::EXIST.into() })
                }
            }
        }
    }
}

fn batch_now(place: &Place) -> Result<Batch<'_>, StoreError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Batch::new(place, UnixSeconds::new(now), latest(place, &Catalog::read(place)?))
}

/// The latest moment that the store knows of: a clock that says less was set back.
pub(crate) fn latest(place: &Place, catalog: &Catalog) -> u64 {
    let taken = catalog.snapshots.iter().map(|head| u64::try_from(head.body.taken.seconds()).unwrap_or(0));
    taken.chain([place.document.created.get()]).max().unwrap_or(0)
}

/// The highest number of a snapshot that was taken out. [spec: STO-20]
pub(crate) fn highest(place: &Place) -> Result<Option<Sequence>, StoreError> {
    let names = place.names(Room::Removed)?;
    Ok(names.iter().filter_map(|name| Sequence::from_digits(name.strip_prefix(HIGHEST)?)).max())
}

/// Remembers that a snapshot with this number is about to be taken out. When this returns, the number is on the disk.
pub(crate) fn remember_highest(place: &Place, sequence: Sequence) -> Result<(), StoreError> {
    if highest(place)?.is_some_and(|known| known >= sequence) {
        return Ok(());
    }
    let name = format!("{HIGHEST}{sequence}");
    let made = failpoint::point("store.removed.highest").and_then(|()| {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        Ok(open_in(place.room(Room::Removed), &name, flags, 0o400)?)
    });
    made.map_err(|error| place.failed("make", place.at(Room::Removed, &name), DIRECTORY_BYTES, error))?;
    sync_room(place, Room::Removed, "store.removed.parent")
}
