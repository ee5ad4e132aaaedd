//! Owns making a volume of a plain directory. Never changes what a user made: names are moved one by one into a
//! directory beside them, which becomes `data/` in one step.
//!
//! ```text
//! .homeport, lock -> .homeport/adopting -> record, fsync -> the directory is closed
//!   -> every name moves into adopting -> owner, attributes, times -> fsync -> adopting becomes data, fsync
//!   -> stamp, fsync -> marker, fsync
//! ```
//!
//! Where more than one directory changes, the whole file system is synced and not each for itself.
//!
//! Until the marker is there the directory is no volume and every start is refused. The record stays until
//! [`settle`](super::settle).

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::plan::{DirectoryPlan, Shape, top_names};
use super::record::{self, ADOPTING, Adoption};
use super::root::{Root, strip_access};
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::facts::{MarkerFact, StampFact};
use crate::failpoint::point;
use crate::identity::{Generation, TxId, UnixSeconds, VolumeUuid};
use crate::layout::{DATA, HOME};
use crate::lock::{self, VolumeLock};
use crate::marker::{self, Marker};
use crate::open::open_directory;
use crate::owner::Owner;
use crate::path::VolumePath;
use crate::record::Found;
use crate::request::Request;
use crate::stamp;
use crate::trash::shift::is_same_file;

/// A directory that is being adopted, open and locked.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) path: VolumePath,
    pub(super) volume: OwnedFd,
    pub(super) home: OwnedFd,
    _lock: VolumeLock,
}

/// Makes the directory of `plan` the volume of `request`. When this returns it is one, on the disk, with the identity
/// `uuid`, and every entry in it is what it was.
///
/// The same call goes on after a crash at any point, and [`finish_adoption`] does without the plan;
/// [`take_back`](super::take_back()) undoes it, also half-way.
///
/// # Errors
/// [`VolumeError::Changed`] if something else is there than was planned, or another adoption was begun.
pub fn adopt_directory(
    request: &Request,
    plan: &DirectoryPlan,
    tx: TxId,
    uuid: VolumeUuid,
    created: UnixSeconds,
) -> Result<Marker, VolumeError> {
    let marker = Marker {
        root: request.root.clone(),
        port: request.port.clone(),
        instance: request.instance.clone(),
        volume: request.volume.clone(),
        uuid,
        format: request.format,
        // It holds data: an empty `data/` is a loss from now on, whatever the ledger knows.
        generation: Generation::new(1),
        fs: plan.place.fs.clone(),
        must_be_mount: VolumePath::try_from(plan.place.mount_point.as_path()).ok(),
        owner: plan.owner,
        created,
    };
    let (site, now) = Site::make(&plan.path)?;
    let adoption = site.begin(plan, now.as_ref().unwrap_or(&plan.root), tx, &marker)?;
    site.go_on(&adoption)
}

/// Brings the adoption `tx` of the directory to its end. `None` where nothing was written down about it: then no name was
/// moved yet, or the adoption is settled.
///
/// # Errors
/// Those of [`adopt_directory`].
pub fn finish_adoption(path: &VolumePath, tx: TxId) -> Result<Option<Marker>, VolumeError> {
    let Some(site) = Site::open(path)? else { return Ok(None) };
    match site.adoption()? {
        Some(adoption) if adoption.tx == tx => site.go_on(&adoption).map(Some),
        Some(_) => Err(site.changed("another adoption of it was begun")),
        None => Ok(None),
    }
}

impl Site {
    /// Opens the directory, and `.homeport` in it, which is made where it is missing; what the directory was before that.
    fn make(path: &VolumePath) -> Result<(Self, Option<Root>), VolumeError> {
        let io = |action| VolumeError::io(action, path);
        let volume = Self::open_top(path)?;
        let untouched = matches!(directory::child(volume.as_fd(), HOME).map_err(io("open"))?, Entry::Absent);
        let now = untouched.then(|| Root::read(volume.as_fd())).transpose().map_err(io("examine"))?;
        let home = directory::ensure(volume.as_fd(), HOME).map_err(io("make `.homeport` in"))?;
        strip_access(&home).map_err(io("close `.homeport` of"))?;
        directory::give(&home, Owner::PRIVATE).map_err(io("close `.homeport` of"))?;
        let lock = lock::take(home.as_fd(), path)?;
        Ok((Self { path: path.clone(), volume, home, _lock: lock }, now))
    }

    /// Opens the directory; `None` where it has no `.homeport`.
    pub(super) fn open(path: &VolumePath) -> Result<Option<Self>, VolumeError> {
        let io = |action| VolumeError::io(action, path);
        let volume = Self::open_top(path)?;
        let home = match directory::child(volume.as_fd(), HOME).map_err(io("open `.homeport` of"))? {
            Entry::Directory(fd) => directory::readable(fd).map_err(io("open `.homeport` of"))?,
            Entry::Absent => return Ok(None),
            Entry::Other => {
                let what = "its `.homeport` is not a directory".to_owned();
                return Err(VolumeError::Changed { path: path.clone(), what });
            }
        };
        let lock = lock::take(home.as_fd(), path)?;
        Ok(Some(Self { path: path.clone(), volume, home, _lock: lock }))
    }

    fn open_top(path: &VolumePath) -> Result<OwnedFd, VolumeError> {
        let fd = open_directory(path).map_err(|_| VolumeError::Changed {
            path: path.clone(),
            what: "its path does not lead to a directory".to_owned(),
        })?;
        directory::readable(fd).map_err(VolumeError::io("open", path))
    }

    /// Does what is written down, from wherever it stopped.
    fn go_on(&self, adoption: &Adoption) -> Result<Marker, VolumeError> {
        let marker = self.adopted(adoption)?;
        match self.marker()? {
            MarkerFact::Valid(found) if found.uuid == marker.uuid => return Ok(*found),
            MarkerFact::Absent => {}
            MarkerFact::Valid(_) | MarkerFact::Invalid(_) => return Err(self.changed("it has another marker now")),
        }
        self.step("adopt.close", "close", || {
            match adoption.shape {
                Shape::Plain => adoption.root.strip(self.volume.as_fd())?,
                Shape::DataOnly => strip_access(&self.volume)?,
            }
            Ok(directory::give(&self.volume, Owner::PRIVATE)?)
        })?;
        let data = match adoption.shape {
            Shape::Plain => self.gather(adoption)?,
            Shape::DataOnly => self.data(adoption.inode)?,
        };
        self.step("adopt.stamp", "stamp", || {
            stamp::write(&data, marker.uuid, marker.format)?;
            Ok(rustix::fs::fsync(&data)?)
        })?;
        self.step("adopt.marker", "write the marker of", || marker::file::write(self.home.as_fd(), &marker))?;
        Ok(marker)
    }

    /// The marker that the adoption ends with.
    pub(super) fn adopted(&self, adoption: &Adoption) -> Result<Marker, VolumeError> {
        adoption.marker().map_err(|_| self.changed("what is written down about its adoption cannot be understood"))
    }

    /// Writes down what is to be done, or reads what was.
    fn begin(&self, plan: &DirectoryPlan, root: &Root, tx: TxId, marker: &Marker) -> Result<Adoption, VolumeError> {
        if let Some(found) = self.adoption()? {
            let same = found.tx == tx && self.adopted(&found)?.uuid == marker.uuid;
            return if same { Ok(found) } else { Err(self.changed("another adoption of it was begun")) };
        }
        if self.marker()? != MarkerFact::Absent {
            return Err(self.changed("it has a marker now"));
        }
        let mut inode = 0;
        self.step("adopt.make", "make a directory in", || {
            let fd = match plan.shape {
                Shape::DataOnly => match directory::child(self.volume.as_fd(), DATA)? {
                    Entry::Directory(fd) => fd,
                    Entry::Absent | Entry::Other => return Err(Errno::NOENT.into()),
                },
                Shape::Plain => {
                    let fd = directory::ensure(self.home.as_fd(), ADOPTING)?;
                    if !directory::names(&fd, 1)?.is_empty() {
                        return Err(Errno::NOTEMPTY.into());
                    }
                    fd
                }
            };
            inode = directory::status(&fd)?.inode;
            rustix::fs::fsync(&self.home)?;
            Ok(rustix::fs::fsync(&self.volume)?)
        })?;
        let adoption = Adoption::new(tx, marker, plan.shape, inode, root.clone());
        self.step("adopt.record", "write down the adoption of", || record::write(self.home.as_fd(), &adoption))?;
        Ok(adoption)
    }

    /// Moves every name into what becomes `data/`, and makes it that; finds it where that was done.
    fn gather(&self, adoption: &Adoption) -> Result<OwnedFd, VolumeError> {
        let io = |action| VolumeError::io(action, &self.path);
        let adopting = match directory::child(self.home.as_fd(), ADOPTING).map_err(io("open `.homeport` of"))? {
            Entry::Directory(fd) => directory::readable(fd).map_err(io("open `.homeport` of"))?,
            Entry::Absent => return self.data(adoption.inode),
            Entry::Other => return Err(self.changed("`.homeport/adopting` is not a directory")),
        };
        self.move_names(self.volume.as_fd(), adopting.as_fd())?;
        self.step("adopt.attributes", "give the attributes of", || {
            adoption.root.give(adopting.as_fd())?;
            adoption.root.give_times(adopting.as_fd())?;
            // Everything at once: what one directory gained is never on the disk without what the other one lost.
            Ok(rustix::fs::syncfs(&adopting)?)
        })?;
        self.step("adopt.data", "make the data of", || {
            rustix::fs::renameat_with(&self.home, ADOPTING, &self.volume, DATA, RenameFlags::NOREPLACE)?;
            Ok(rustix::fs::syncfs(&self.volume)?)
        })?;
        self.data(adoption.inode)
    }

    /// Moves all of the user's names from one directory to the other. What is there already was moved before.
    pub(super) fn move_names(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), VolumeError> {
        let is_top = directory::status(from).map_err(VolumeError::io("examine", &self.path))?
            == directory::status(&self.volume).map_err(VolumeError::io("examine", &self.path))?;
        loop {
            let source = directory::readable(from).map_err(VolumeError::io("open", &self.path))?;
            let names = if is_top {
                top_names(&self.path, &source)?
            } else {
                directory::names(&source, 65_536).map_err(VolumeError::io("list", &self.path))?
            };
            if names.is_empty() {
                return Ok(());
            }
            for name in names {
                let name = name.as_os_str();
                self.step("adopt.name", "move what is in", || {
                    match rustix::fs::renameat_with(from, name, to, name, RenameFlags::NOREPLACE) {
                        // A crash can leave a file with both names: see `trash::shift`.
                        Err(Errno::EXIST) if is_same_file(from, to, name)? => {
                            Ok(rustix::fs::unlinkat(from, name, AtFlags::empty())?)
                        }
                        result => Ok(result?),
                    }
                })?;
            }
        }
    }

    /// `VOL/data`, which has to be the directory with this inode number.
    pub(super) fn data(&self, inode: u64) -> Result<OwnedFd, VolumeError> {
        let found = directory::child(self.volume.as_fd(), DATA).map_err(VolumeError::io("open", &self.path))?;
        let Entry::Directory(fd) = found else { return Err(self.changed("its data is gone")) };
        let status = directory::status(&fd).map_err(VolumeError::io("examine the data of", &self.path))?;
        if status.inode != inode {
            return Err(self.changed("its data is another directory"));
        }
        directory::readable(fd).map_err(VolumeError::io("open the data of", &self.path))
    }

    /// What is written down about an adoption.
    pub(super) fn adoption(&self) -> Result<Option<Adoption>, VolumeError> {
        let io =
            |source| VolumeError::Io { action: "read about the adoption of", path: self.path.as_path().into(), source };
        match record::read(self.home.as_fd()).map_err(io)? {
            Found::Valid(adoption) => Ok(Some(adoption)),
            Found::Absent => Ok(None),
            Found::Invalid(fault) => Err(self.changed(&format!("what is written down about its adoption: {fault}"))),
        }
    }

    pub(super) fn marker(&self) -> Result<MarkerFact, VolumeError> {
        marker::file::read(self.home.as_fd()).map_err(VolumeError::io("read the marker of", &self.path))
    }

    /// Whether the stamp of `data` names `uuid`.
    pub(super) fn is_stamped(&self, data: &OwnedFd, uuid: VolumeUuid) -> Result<bool, VolumeError> {
        let found = stamp::read(data).map_err(VolumeError::io("read the stamp of", &self.path))?;
        Ok(matches!(found, StampFact::Stamp { uuid: found, .. } if found == uuid))
    }

    pub(super) fn changed(&self, what: &str) -> VolumeError {
        VolumeError::Changed { path: self.path.clone(), what: what.to_owned() }
    }

    /// One step that changes the disk; `name` is that of the moment before it.
    pub(super) fn step(
        &self,
        name: &'static str,
        action: &'static str,
        work: impl FnOnce() -> Result<(), std::io::Error>,
    ) -> Result<(), VolumeError> {
        point(name).and_then(|()| work()).map_err(VolumeError::io(action, &self.path))
    }
}
