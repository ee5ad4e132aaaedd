//! Owns the directories of a store: finding them, and refusing what is not safely a store's. Never makes any of them
//! (see `create`) and never reads what is in them.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatVfsMountFlags};
use rustix::io::Errno;

use super::document::{Document, DocumentFault, MAX_BYTES};
use super::error::StoreError;
use crate::directory::{self, Entry};
use crate::file::{Small, read_small};
use crate::open::{PathFact, open_directory};
use crate::owner::Owner;
use crate::path::VolumePath;

/// Which store this is, below the store's directory. [spec: STO-1]
pub(super) const DOCUMENT: &str = "store.json";
/// Held by the writer, below the store's directory. [spec: STO-2]
pub(super) const LOCK: &str = "lock";

/// A directory of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Packs,
    Entries,
    Snapshots,
    Removed,
    Tmp,
}

impl Room {
    pub(crate) const ALL: [Self; 5] = [Self::Packs, Self::Entries, Self::Snapshots, Self::Removed, Self::Tmp];

    /// The name below the store's directory.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Packs => "packs",
            Self::Entries => "entries",
            Self::Snapshots => "snapshots",
            Self::Removed => "removed",
            Self::Tmp => "tmp",
        }
    }
}

/// An open store's directories. Everything goes through these descriptors and never by the path again.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) path: VolumePath,
    pub(super) top: OwnedFd,
    rooms: [OwnedFd; 5],
    pub(super) document: Document,
}

/// What is free on a store's file system, for root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that can still be written.
    pub bytes: u64,
    /// Inodes that can still be used; `None` where the file system does not count them.
    pub inodes: Option<u64>,
}

impl Place {
    /// Opens what `Store::create` made; changes nothing. [spec: STO-1]
    pub(super) fn open(path: VolumePath) -> Result<Self, StoreError> {
        let top = open_root(&path)?;
        let document = read_document(&path, top.as_fd())?;
        let room = |room: Room| open_room(&path, top.as_fd(), room);
        let rooms =
            [room(Room::Packs)?, room(Room::Entries)?, room(Room::Snapshots)?, room(Room::Removed)?, room(Room::Tmp)?];
        Ok(Self { path, top, rooms, document })
    }

    /// A directory of the store, open for reading.
    pub(crate) fn room(&self, room: Room) -> BorrowedFd<'_> {
        let [packs, entries, snapshots, removed, tmp] = &self.rooms;
        match room {
            Room::Packs => packs.as_fd(),
            Room::Entries => entries.as_fd(),
            Room::Snapshots => snapshots.as_fd(),
            Room::Removed => removed.as_fd(),
            Room::Tmp => tmp.as_fd(),
        }
    }

    /// Where something is, for messages.
    pub(crate) fn at(&self, room: Room, name: &str) -> PathBuf {
        self.path.as_path().join(room.as_str()).join(name)
    }

    /// All names in a directory, sorted. What is not UTF-8 is shown with U+FFFD and names nothing of the store's.
    pub(crate) fn names(&self, room: Room) -> Result<Vec<String>, StoreError> {
        let names = directory::names(self.room(room), usize::MAX);
        let names = names.map_err(StoreError::io("list", self.at(room, "")))?;
        let mut names: Vec<String> = names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The size of a file; 0 if it is not there.
    pub(crate) fn size(&self, room: Room, name: &str) -> Result<u64, StoreError> {
        match rustix::fs::statat(self.room(room), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(u64::try_from(stat.st_size).unwrap_or(0)),
            Err(Errno::NOENT) => Ok(0),
            Err(error) => Err(StoreError::io("examine", self.at(room, name))(error)),
        }
    }

    /// What is free.
    pub(crate) fn space(&self) -> Result<Space, StoreError> {
        let stat = rustix::fs::fstatvfs(&self.top).map_err(StoreError::io("examine", self.path.as_path()))?;
        let inodes = (stat.f_files > 0).then_some(stat.f_ffree);
        Ok(Space { bytes: stat.f_bfree.saturating_mul(stat.f_frsize), inodes })
    }

    /// Refuses a file system that is mounted read-only.
    pub(super) fn writable(&self) -> Result<(), StoreError> {
        let stat = rustix::fs::fstatvfs(&self.top).map_err(StoreError::io("examine", self.path.as_path()))?;
        if stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(StoreError::ReadOnly { path: self.path.clone() });
        }
        Ok(())
    }

    /// Makes the error of a step that failed while `needed` bytes were to be written; says what is free where there is
    /// no room.
    pub(crate) fn failed(
        &self,
        action: &'static str,
        path: PathBuf,
        needed: u64,
        source: std::io::Error,
    ) -> StoreError {
        use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match source.kind() {
            ReadOnlyFilesystem => StoreError::ReadOnly { path: self.path.clone() },
            StorageFull | QuotaExceeded => {
                let what = match self.space() {
                    Ok(Space { inodes: Some(0), .. }) => "not one inode is free".to_owned(),
                    Ok(Space { bytes, .. }) => format!("at least {needed} bytes more are needed, {bytes} are free"),
                    Err(_) => format!("at least {needed} bytes more are needed"),
                };
                StoreError::Full { path: self.path.clone(), what }
            }
            _ => StoreError::Io { action, path, source },
        }
    }
}

/// The path of a store. A link in it, or what is no directory, is found when it is opened.
pub(super) fn store_path(path: &Path) -> Result<VolumePath, StoreError> {
    VolumePath::try_from(path).map_err(StoreError::Path)
}

/// Opens the directory of a store, which nobody but root may reach.
fn open_root(path: &VolumePath) -> Result<OwnedFd, StoreError> {
    let top = open_directory(path).map_err(|fact| in_the_way(path, fact))?;
    private(&top, path.as_path())?;
    directory::readable(&top).map_err(StoreError::io("open", path.as_path()))
}

/// What stands at the path instead of a directory.
pub(super) fn in_the_way(path: &VolumePath, fact: PathFact) -> StoreError {
    let reason = match fact {
        PathFact::Missing { first } => {
            return StoreError::Missing { path: path.clone(), missing: format!("`{first}`") };
        }
        PathFact::Directory => "it changed while it was being looked at".to_owned(),
        PathFact::NotADirectory { component } => format!("`{component}` is not a directory"),
        PathFact::Link { component, target, .. } => {
            format!("`{component}` is a symbolic link to `{}`", target.display())
        }
        PathFact::Unreachable { reason } => reason,
    };
    StoreError::Place { path: path.clone(), reason }
}

fn private(fd: &OwnedFd, path: &Path) -> Result<(), StoreError> {
    let found = directory::status(fd).map_err(StoreError::io("examine", path))?.owner;
    if found == Owner::PRIVATE { Ok(()) } else { Err(StoreError::Insecure { path: path.to_owned(), found }) }
}

/// Reads which store this is.
pub(super) fn read_document(path: &VolumePath, top: BorrowedFd<'_>) -> Result<Document, StoreError> {
    let small = read_small(top, DOCUMENT, MAX_BYTES);
    let fault = match small.map_err(StoreError::io("read `store.json` of", path.as_path()))? {
        Small::Bytes(bytes) => match Document::parse(&bytes) {
            Ok(document) => return Ok(document),
            Err(fault) => fault,
        },
        Small::NotAFile => DocumentFault::NotAFile,
        Small::Absent => {
            return Err(StoreError::Missing { path: path.clone(), missing: format!("`{DOCUMENT}`") });
        }
    };
    Err(StoreError::Document { path: path.clone(), fault })
}

fn open_room(path: &VolumePath, top: BorrowedFd<'_>, room: Room) -> Result<OwnedFd, StoreError> {
    let name = room.as_str();
    let at = path.as_path().join(name);
    match directory::child(top, name).map_err(StoreError::io("open", &at))? {
        Entry::Directory(fd) => {
            private(&fd, &at)?;
            directory::readable(&fd).map_err(StoreError::io("open", &at))
        }
        Entry::Absent => Err(StoreError::Missing { path: path.clone(), missing: format!("the directory `{name}`") }),
        Entry::Other => {
            let reason = format!("`{name}` in it is a link, a file, or another mount");
            Err(StoreError::Place { path: path.clone(), reason })
        }
    }
}
