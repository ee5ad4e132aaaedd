//! Owns a file on its way into the store: new in `tmp/`, synced, and then under its name for good. [spec: STO-3]
//! Never changes a file that has its name.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{Advice, FileType, OFlags, RenameFlags};
use rustix::io::Errno;

use super::error::StoreError;
use super::place::{Place, Room};
use crate::failpoint;
use crate::file;

/// What a new name can take in its directory.
pub(crate) const DIRECTORY_BYTES: u64 = 4096;

/// A new file in `tmp/`; removed when dropped before it is published. [spec: STO-3]
#[derive(Debug)]
pub(crate) struct Draft {
    place: Arc<Place>,
    file: File,
    name: String,
    length: u64,
    steps: &'static Steps,
    published: bool,
}

/// The names of a draft's steps, for `failpoint`.
#[derive(Debug)]
pub(crate) struct Steps {
    pub(crate) write: &'static str,
    pub(crate) sync: &'static str,
    pub(crate) rename: &'static str,
    pub(crate) directory: &'static str,
}

/// What became of a draft that was to be published.
#[derive(Debug)]
pub(crate) enum Published {
    /// It has its name. The directory is not synced yet.
    Now,
    /// Something has the name already; the draft is as it was.
    Taken(Draft),
}

impl Draft {
    /// A new, empty file in `tmp/`.
    pub(crate) fn new(place: &Arc<Place>, steps: &'static Steps) -> Result<Self, StoreError> {
        let name = uuid::Uuid::new_v4().to_string();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let made =
            failpoint::point(steps.write).and_then(|()| Ok(file::open_in(place.room(Room::Tmp), &name, flags, 0o400)?));
        let file = made.map_err(|error| place.failed("make", place.at(Room::Tmp, &name), DIRECTORY_BYTES, error))?;
        Ok(Self { place: Arc::clone(place), file, name, length: 0, steps, published: false })
    }

    /// Adds bytes at the end.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let written = failpoint::point(self.steps.write).and_then(|()| self.file.write_all_at(bytes, self.length));
        written.map_err(|error| self.failed("write", bytes.len() as u64, error))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes were written.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Where it is, for messages.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.at(Room::Tmp, &self.name)
    }

    /// Brings the bytes to the disk, and drops them from the page cache, so that reading them asks the disk. A failed
    /// sync is final. [spec: STO-4, STO-10]
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let synced = failpoint::point(self.steps.sync).and_then(|()| self.file.sync_all());
        synced.map_err(|error| self.failed("sync", self.length, error))?;
        // Where the system does not do it, the read-back still compares what the kernel has.
        let _dropped = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
        Ok(())
    }

    /// Gives the synced file its name, which nothing has. [spec: STO-3]
    pub(crate) fn publish(mut self, room: Room, name: &str) -> Result<Published, StoreError> {
        let renamed = failpoint::point(self.steps.rename).and_then(|()| {
            let (from, to) = (self.place.room(Room::Tmp), self.place.room(room));
            Ok(rustix::fs::renameat_with(from, &*self.name, to, name, RenameFlags::NOREPLACE)?)
        });
        match renamed {
            Ok(()) => {
                self.published = true;
                Ok(Published::Now)
            }
            Err(error) if error.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => Ok(Published::Taken(self)),
            Err(error) => Err(self.failed("rename", DIRECTORY_BYTES, error)),
        }
    }

    /// Gives the synced file the name of another one, which loses it in the same step.
    pub(crate) fn publish_over(mut self, room: Room, name: &str) -> Result<(), StoreError> {
        let renamed = failpoint::point(self.steps.rename).and_then(|()| {
            let (from, to) = (self.place.room(Room::Tmp), self.place.room(room));
            Ok(rustix::fs::renameat(from, &*self.name, to, name)?)
        });
        renamed.map_err(|error| self.failed("rename", DIRECTORY_BYTES, error))?;
        self.published = true;
        Ok(())
    }

    fn failed(&self, action: &'static str, needed: u64, error: std::io::Error) -> StoreError {
        self.place.failed(action, self.path(), needed, error)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What is left behind is nobody's, and the next writer clears it.
        if !self.published && failpoint::point("store.tmp.unlink").is_ok() {
            let _unlinked = file::unlink(self.place.room(Room::Tmp), &self.name);
        }
    }
}

/// Syncs a directory of the store: what was renamed into it stays.
pub(crate) fn sync_room(place: &Place, room: Room, step: &'static str) -> Result<(), StoreError> {
    let synced = failpoint::point(step).and_then(|()| Ok(rustix::fs::fsync(place.room(room))?));
    synced.map_err(|error| place.failed("sync", place.at(room, ""), DIRECTORY_BYTES, error))
}

/// Opens a file of the store for reading; `None` where there is none.
pub(crate) fn open_file(place: &Place, room: Room, name: &str) -> Result<Option<File>, StoreError> {
    let failed = |error: std::io::Error| StoreError::Io { action: "open", path: place.at(room, name), source: error };
    let found = match file::open_in(place.room(room), name, OFlags::RDONLY, 0) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(failed(error.into())),
    };
    let kind = rustix::fs::fstat(&found).map_err(|error| failed(error.into()))?.st_mode;
    if FileType::from_raw_mode(kind) == FileType::RegularFile {
        Ok(Some(found))
    } else {
        Err(failed(std::io::Error::other("it is not a regular file")))
    }
}
