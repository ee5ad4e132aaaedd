//! Owns `RUN/mnt`: the only place from which the engine gets a volume. Never mounts a path: only a directory that was
//! checked and is still open.
//!
//! `RUN/mnt` is a tmpfs of its own, read-only except for the instant in which a mount point is made. An engine that
//! makes missing sources of mounts finds it read-only, so that a volume that is not mounted is an error there too and
//! never a new, empty directory. After a reboot everything is made anew by the same calls. [spec: VOL-19]

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};

use crate::check::CheckedData;
use crate::directory::{self, Status};
use crate::error::VolumeError;
use crate::examine::Machine;
use crate::identity::VolumeUuid;
use crate::mountinfo::Location;
use crate::open::open_directory;
use crate::path::VolumePath;

/// What the tmpfs is called in the table of mounts.
const SOURCE: &str = "homeport-mnt";

/// The directory of the mounts of one HomePort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounts {
    machine: Machine,
    directory: VolumePath,
    lock: PathBuf,
}

/// Whether something had to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Yes, there was nothing.
    Made,
    /// Yes, there was something else, which is unmounted now.
    Replaced,
    /// No.
    Unchanged,
}

/// A mounted volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// What the engine gets as the source of the container's mount, in its strict form.
    pub path: VolumePath,
    /// Which directory of which file system that is, for the comparison after the start. [spec: VOL-26]
    pub location: Location,
    /// Whether something had to be done.
    pub change: Change,
}

/// What became of a mount that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmounted {
    /// It is gone.
    Unmounted,
    /// There was none.
    NotMounted,
}

impl Mounts {
    /// The mounts below `run`, HomePort's run directory, which has to exist when they are used.
    pub fn new(machine: Machine, run: &VolumePath) -> Self {
        Self { machine, directory: run.below("mnt"), lock: run.below("mnt.lock").as_path().to_owned() }
    }

    /// Where the volume is mounted, if it is.
    pub fn path_of(&self, uuid: VolumeUuid) -> VolumePath {
        self.directory.below(&uuid.to_string())
    }

    /// Makes the tmpfs, unless it is there.
    pub fn prepare(&self) -> Result<Change, VolumeError> {
        let _lock = self.lock()?;
        self.prepare_locked()
    }

    /// Mounts the directory that was checked, and verifies that it is what is found at the mount point.
    ///
    /// A mount of the same directory is left alone; one of another directory, for example of a disk that was exchanged
    /// since, is replaced. `prepare` is included.
    ///
    /// # Errors
    /// [`VolumeError::Changed`] if what is found afterwards is not what was checked; then nothing stays mounted.
    pub fn mount(&self, data: &CheckedData) -> Result<Mounted, VolumeError> {
        let _lock = self.lock()?;
        self.prepare_locked()?;
        let path = self.path_of(data.uuid);
        let mut change = Change::Made;
        while let Some(status) = self.mounted_at(&path)? {
            if (status.device, status.inode) == data.identity() {
                return self.verified(data, path, Change::Unchanged);
            }
            detach(&path)?;
            change = Change::Replaced;
        }
        self.writable(|| match rustix::fs::mkdir(path.as_path(), rustix::fs::Mode::empty()) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(VolumeError::io("make the mount point", &path)(error)),
        })?;
        let io = |action| VolumeError::io(action, &path);
        let flags = OpenTreeFlags::AT_EMPTY_PATH | OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = rustix::mount::open_tree(&data.fd, "", flags).map_err(VolumeError::io("mount", &data.path))?;
        let target = open_directory(&path).map_err(|_| changed(&path, "the mount point is not a directory"))?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        rustix::mount::move_mount(&tree, "", &target, "", flags).map_err(io("mount a volume at"))?;
        drop((tree, target));
        // What somebody mounts below the volume later stays out of the containers.
        let private = rustix::mount::mount_change(path.as_path(), MountPropagationFlags::PRIVATE);
        let verified = private.map_err(io("keep private")).and_then(|()| self.verified(data, path.clone(), change));
        if verified.is_err() {
            detach(&path)?;
        }
        verified
    }

    /// Unmounts the volume and removes its mount point. Its directory and its data are not touched.
    ///
    /// # Errors
    /// `EBUSY` as [`VolumeError::Io`] while a process of the host works in the mount.
    pub fn unmount(&self, uuid: VolumeUuid) -> Result<Unmounted, VolumeError> {
        let _lock = self.lock()?;
        let path = self.path_of(uuid);
        let mut outcome = Unmounted::NotMounted;
        while self.mounted_at(&path)?.is_some() {
            detach(&path)?;
            outcome = Unmounted::Unmounted;
        }
        if rustix::fs::lstat(path.as_path()).is_ok() {
            self.writable(|| match rustix::fs::rmdir(path.as_path()) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(VolumeError::io("remove the mount point", &path)(error)),
            })?;
        }
        Ok(outcome)
    }

    /// Takes the tmpfs away, where no volume is mounted in it any more, so that nothing of a HomePort without instances
    /// stays mounted.
    ///
    /// # Errors
    /// What the operating system refused. A tmpfs with a mount in it is none: it stays.
    pub fn put_away(&self) -> Result<Unmounted, VolumeError> {
        if !self.directory.as_path().exists() {
            return Ok(Unmounted::NotMounted);
        }
        let _lock = self.lock()?;
        let mounts = self.machine.mounts()?;
        let own =
            mounts.at(self.directory.as_path()).is_some_and(|mount| mount.kind == "tmpfs" && mount.source == SOURCE);
        if !own || mounts.below(self.directory.as_path()).next().is_some() {
            return Ok(Unmounted::NotMounted);
        }
        detach(&self.directory)?;
        Ok(Unmounted::Unmounted)
    }

    /// The lock by which two processes do not open the tmpfs for writing at once.
    fn lock(&self) -> Result<File, VolumeError> {
        let path = self.lock.clone();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, &path, flags, rustix::fs::Mode::from_raw_mode(0o600));
        let locked = opened.map_err(std::io::Error::from).map(File::from).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|source| VolumeError::Io { action: "lock", path, source })
    }

    fn prepare_locked(&self) -> Result<Change, VolumeError> {
        let directory = &self.directory;
        let io = |action| VolumeError::io(action, directory);
        match DirBuilder::new().mode(0o700).create(directory.as_path()) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(VolumeError::io("make", directory)(error)),
        }
        let mounts = self.machine.mounts()?;
        match mounts.at(directory.as_path()) {
            Some(mount) if mount.kind == "tmpfs" && mount.source == SOURCE => {
                if !mount.is_read_only() {
                    remount(directory, MountFlags::RDONLY)?;
                }
                Ok(Change::Unchanged)
            }
            Some(mount) => {
                let what = format!("`{}` is mounted there", mount.source.to_string_lossy());
                Err(VolumeError::Changed { path: directory.clone(), what })
            }
            None => {
                let data = c"size=1m,mode=0700";
                let flags = FLAGS | MountFlags::RDONLY;
                rustix::mount::mount(SOURCE, directory.as_path(), "tmpfs", flags, data)
                    .map_err(io("mount a tmpfs at"))?;
                Ok(Change::Made)
            }
        }
    }

    /// Runs `work` while the tmpfs can be written to; it is read-only again in any case.
    fn writable(&self, work: impl FnOnce() -> Result<(), VolumeError>) -> Result<(), VolumeError> {
        remount(&self.directory, MountFlags::empty())?;
        let done = work();
        remount(&self.directory, MountFlags::RDONLY)?;
        done
    }

    /// What is mounted at `path`, which is below the tmpfs; `None` where nothing is.
    fn mounted_at(&self, path: &VolumePath) -> Result<Option<Status>, VolumeError> {
        let mounts = self.machine.mounts()?;
        if mounts.at(path.as_path()).is_none() {
            return Ok(None);
        }
        match open_directory(path) {
            // The descriptor is closed here: it would keep the mount busy.
            Ok(fd) => directory::status(&fd).map(Some).map_err(VolumeError::io("examine", path)),
            Err(_) => Err(changed(path, "what is mounted there cannot be opened")),
        }
    }

    fn verified(&self, data: &CheckedData, path: VolumePath, change: Change) -> Result<Mounted, VolumeError> {
        let found = self.mounted_at(&path)?.ok_or_else(|| changed(&path, "the mount is gone"))?;
        if (found.device, found.inode) != data.identity() || !found.is_mount_root {
            return Err(changed(&path, "another directory is mounted there"));
        }
        let mounts = self.machine.mounts()?;
        let mount = mounts.by_id(found.mount_id).filter(|mount| mount.point == path.as_path());
        let location = mount.map(crate::mountinfo::Mount::location);
        let location = location.ok_or_else(|| changed(&path, "its mount is not in the table of mounts"))?;
        Ok(Mounted { path, location, change })
    }
}

const FLAGS: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

fn remount(directory: &VolumePath, flags: MountFlags) -> Result<(), VolumeError> {
    rustix::mount::mount_remount(directory.as_path(), FLAGS | flags, c"").map_err(VolumeError::io("remount", directory))
}

/// Unmounts. A mount that is busy is tried again for 200 ms: a child that another thread is just starting has copies of
/// all descriptors until its `exec`.
fn detach(path: &VolumePath) -> Result<(), VolumeError> {
    let mut done = Ok(());
    for _ in 0..10 {
        done = rustix::mount::unmount(path.as_path(), UnmountFlags::NOFOLLOW);
        if done != Err(Errno::BUSY) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    done.map_err(VolumeError::io("unmount", path))
}

fn changed(path: &VolumePath, what: &str) -> VolumeError {
    VolumeError::Changed { path: path.clone(), what: what.to_owned() }
}
