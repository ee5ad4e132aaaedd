//! Owns gathering the facts about a volume: opens the path once, and asks everything else through that descriptor.
//! Never decides, and leaves nothing behind: the only thing it ever makes is the probe file. [spec: VOL-16]

use std::ffi::OsString;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use homeport_core::unit::{Bytes, Inodes};
use rustix::fs::{AtFlags, OFlags, StatVfsMountFlags};
use rustix::io::Errno;

use crate::directory::{self, Entry, Status};
use crate::error::VolumeError;
use crate::facts::{
    Content, DataFact, Facts, Filling, HomeFact, JournalFact, LabelFact, LockFact, MarkerFact, Overlap, PathFact,
    Place, ProbeFact,
};
use crate::file::open_in;
use crate::filesystem::FsIdentity;
use crate::fstab::{self, FstabEntry};
use crate::layout::{DATA, HOME, HOME_BEFORE_MARKER, LOST_AND_FOUND, MARKER, PROBE};
use crate::mountinfo::{Location, MountTable};
use crate::open::{open_deepest, open_directory};
use crate::path::{Relation, VolumePath};
use crate::request::{Access, Known, Origin, Request};
use crate::restore::journal;
use crate::users::{Processes, lasting_users};
use crate::{lock, marker, sample, stamp};

/// How many names of one directory are looked at: a volume has a handful, and what has more is none.
const MOST_NAMES: usize = 4096;

/// Says whether SELinux enforces its policy, where there is one.
const ENFORCING: &str = "/sys/fs/selinux/enforce";

/// Where the kernel and the operator write down what this machine mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The process file system, usually `/proc`.
    pub proc: PathBuf,
    /// The operator's table of mounts, usually `/etc/fstab`; a missing file is an empty one.
    pub fstab: PathBuf,
}

impl Default for Machine {
    fn default() -> Self {
        Self { proc: "/proc".into(), fstab: "/etc/fstab".into() }
    }
}

impl Machine {
    /// The mounts that this process sees now.
    pub(crate) fn mounts(&self) -> Result<MountTable, VolumeError> {
        let path = self.proc.join("self/mountinfo");
        match std::fs::read(&path) {
            Ok(text) => MountTable::parse(&text).map_err(VolumeError::Mounts),
            Err(source) => Err(VolumeError::Io { action: "read", path, source }),
        }
    }

    /// What the operator wants mounted.
    fn fstab(&self) -> Result<Vec<FstabEntry>, VolumeError> {
        match std::fs::read(&self.fstab) {
            Ok(text) => Ok(fstab::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(VolumeError::Io { action: "read", path: self.fstab.clone(), source }),
        }
    }
}

/// The descriptors behind the facts.
#[derive(Debug)]
pub(crate) struct Opened {
    /// `VOL/`, only to refer to it.
    pub(crate) volume: OwnedFd,
    /// `VOL/data`.
    pub(crate) data: Data,
}

/// What stands at `VOL/data`.
#[derive(Debug)]
pub(crate) enum Data {
    /// Nothing.
    Absent,
    /// No directory, or another mount.
    Other,
    /// A directory, open only to refer to it, and what it is.
    Open(OwnedFd, Status),
}

/// What was found, and the descriptors through which it was found.
#[derive(Debug)]
pub struct Examined {
    /// What was found.
    pub facts: Facts,
    pub(crate) opened: Option<Opened>,
}

/// Gathers what there is to know about the volume of `request`, without following a link and without changing anything.
///
/// The caller keeps what is returned until the mount is made: it holds the descriptors that were checked.
///
/// # Errors
/// What the operating system refused, for example reading as an ordinary user. What is wrong with the volume is no
/// error but a fact.
pub fn examine(machine: &Machine, request: &Request, known: Option<&Known>) -> Result<Examined, VolumeError> {
    examine_among(machine, None, request, known)
}

/// The same, with what was seen of all processes a moment ago.
pub(crate) fn examine_among(
    machine: &Machine,
    processes: Option<&Processes>,
    request: &Request,
    known: Option<&Known>,
) -> Result<Examined, VolumeError> {
    let path = &request.path;
    let (fact, volume) = match open_directory(path) {
        Ok(fd) => (PathFact::Directory, Some(fd)),
        Err(fact) => (fact, None),
    };
    let mounts = machine.mounts()?;
    let here = match &volume {
        Some(fd) => Some(Here::of(path.clone(), fd.as_fd(), &mounts)?),
        None => match open_deepest(path) {
            Ok((above, fd)) => Some(Here::of(above, fd.as_fd(), &mounts)?),
            Err(_) => None,
        },
    };
    let entries = machine.fstab()?;
    let unmounted = fstab::unmounted_on_the_way(&entries, &mounts, path);
    let location = here.as_ref().and_then(|here| here.location_of(path));
    let opened = volume.map(|volume| Opened::below(volume, path)).transpose()?;
    let content = match (&opened, &here) {
        (Some(opened), Some(here)) => Some(opened.content(request, here)?),
        _ => None,
    };
    let users = match (&location, &content) {
        (Some(location), Some(_)) if request.access != Access::Shared => {
            lasting_users(machine, processes, &mounts, location, &request.tolerated)
        }
        _ => Vec::new(),
    };
    let remembered = known.and_then(|known| known.must_be_mount.clone());
    let facts = Facts {
        path: fact,
        unmounted,
        lost_mount: remembered.filter(|point| mounts.at(point.as_path()).is_none()),
        overlaps: overlaps(request, known, location.as_ref(), &mounts),
        mounts_inside: mounts.below(path.as_path()).map(|mount| mount.point.clone()).collect(),
        users,
        data_root_exists: match &request.origin {
            Origin::Default { data_root } => open_directory(data_root).is_ok(),
            Origin::Operator => true,
        },
        place: here.map(|here| here.place),
        content,
    };
    Ok(Examined { facts, opened })
}

/// A directory that exists, and where it is.
struct Here {
    place: Place,
    location: Option<Location>,
    is_file_system_root: bool,
}

impl Here {
    fn of(directory: VolumePath, fd: BorrowedFd<'_>, mounts: &MountTable) -> Result<Self, VolumeError> {
        let status = directory::status(fd).map_err(VolumeError::io("examine", &directory))?;
        let Some(mount) = mounts.by_id(status.mount_id) else {
            let what = "its mount is not in the table of mounts".to_owned();
            return Err(VolumeError::Changed { path: directory, what });
        };
        let open = directory::readable(fd).map_err(VolumeError::io("open", &directory))?;
        let stat = rustix::fs::fstatvfs(&open).map_err(VolumeError::io("ask for the free space of", &directory))?;
        let place = Place {
            mount_point: mount.point.clone(),
            fs: FsIdentity::read(&mount.kind, &open),
            no_exec: stat.f_flag.contains(StatVfsMountFlags::NOEXEC),
            read_only: stat.f_flag.contains(StatVfsMountFlags::RDONLY) || mount.is_read_only(),
            free_bytes: Bytes::new(stat.f_bavail.saturating_mul(stat.f_frsize)),
            free_inodes: (stat.f_files > 0).then(|| Inodes::new(stat.f_favail)),
            directory: directory.clone(),
        };
        let location = mounts.locate(status.mount_id, directory.as_path());
        Ok(Self { place, location, is_file_system_root: status.is_mount_root && mount.root == Path::new("/") })
    }

    /// Where `path` is, or would be, which lies at or below this directory.
    fn location_of(&self, path: &VolumePath) -> Option<Location> {
        let rest = path.as_path().strip_prefix(self.place.directory.as_path()).ok()?;
        let here = self.location.clone()?;
        let inner = if rest.as_os_str().is_empty() { here.inner } else { here.inner.join(rest) };
        Some(Location { device: here.device, inner })
    }
}

fn overlaps(
    request: &Request,
    known: Option<&Known>,
    location: Option<&Location>,
    mounts: &MountTable,
) -> Vec<Overlap> {
    let itself = |uuid| known.is_some_and(|known| Some(known.uuid) == uuid);
    let mut found = Vec::new();
    for neighbour in request.neighbours.iter().filter(|neighbour| !itself(neighbour.uuid)) {
        let mut relation = request.path.relation(&neighbour.path);
        if relation == Relation::Separate {
            // Two paths can be one directory: a bind mount, or a disk that is mounted twice.
            let theirs = open_directory(&neighbour.path).ok().and_then(|fd| {
                let id = directory::status(&fd).ok()?.mount_id;
                mounts.locate(id, neighbour.path.as_path())
            });
            relation = location.zip(theirs).map_or(relation, |(ours, theirs)| ours.relation(&theirs));
        }
        if relation != Relation::Separate {
            found.push(Overlap { label: neighbour.label.clone(), path: neighbour.path.clone(), relation });
        }
    }
    found
}

impl Opened {
    fn below(volume: OwnedFd, path: &VolumePath) -> Result<Self, VolumeError> {
        let data = match directory::child(volume.as_fd(), DATA).map_err(VolumeError::io("open the data of", path))? {
            Entry::Directory(fd) => {
                let status = directory::status(&fd).map_err(VolumeError::io("examine the data of", path))?;
                Data::Open(fd, status)
            }
            Entry::Absent => Data::Absent,
            Entry::Other => Data::Other,
        };
        Ok(Self { volume, data })
    }

    fn content(&self, request: &Request, here: &Here) -> Result<Content, VolumeError> {
        let path = &request.path;
        let status = directory::status(&self.volume).map_err(VolumeError::io("examine", path))?;
        let names = directory::readable(&self.volume).and_then(|fd| directory::names(fd, MOST_NAMES));
        let names = names.map_err(VolumeError::io("list", path))?;
        let own =
            |name: &OsString| name == HOME || name == DATA || (name == LOST_AND_FOUND && here.is_file_system_root);
        let mut content = Content {
            owner: status.owner,
            strangers: shown(names.iter().filter(|name| !own(name))),
            home: HomeFact::Absent,
            marker: MarkerFact::Absent,
            data: self.data_fact().map_err(VolumeError::io("examine the data of", path))?,
            label: match &self.data {
                Data::Open(fd, _) => {
                    let look = directory::readable(fd).and_then(|data| label(&data));
                    look.map_err(VolumeError::io("read the label of the data of", path))?
                }
                Data::Absent | Data::Other => LabelFact::NotEnforced,
            },
            sample: None,
            probe: ProbeFact::NotTried,
            lock: LockFact::Free,
            journal: JournalFact::Absent,
        };
        match directory::child(self.volume.as_fd(), HOME).map_err(VolumeError::io("open", path))? {
            Entry::Absent => {}
            Entry::Other => content.home = HomeFact::NotADirectory,
            Entry::Directory(home) => {
                let home = directory::readable(&home).map_err(VolumeError::io("open `.homeport` of", path))?;
                content.home = home_fact(&home).map_err(VolumeError::io("examine `.homeport` of", path))?;
                content.marker =
                    marker::file::read(home.as_fd()).map_err(VolumeError::io("read the marker of", path))?;
                if request.access != Access::Shared {
                    content.lock = lock::look(home.as_fd()).map_err(VolumeError::io("look at the lock of", path))?;
                }
                let live = if let Data::Open(_, status) = &self.data { Some(status.inode) } else { None };
                content.journal =
                    journal::look(home.as_fd(), live).map_err(VolumeError::io("read the journal of", path))?;
                let marked = matches!(content.marker, MarkerFact::Valid(_));
                content.sample = match &self.data {
                    Data::Open(fd, _) if marked && request.access == Access::ReadWrite => {
                        let look = directory::readable(fd).and_then(|data| sample::take(data.as_fd()));
                        Some(look.map_err(VolumeError::io("look into the data of", path))?)
                    }
                    _ => None,
                };
                content.probe = match (here.place.read_only, marked && request.access == Access::ReadWrite) {
                    (true, _) => ProbeFact::ReadOnly,
                    (false, true) => probe(home.as_fd()),
                    (false, false) => ProbeFact::NotTried,
                };
            }
        }
        Ok(content)
    }

    fn data_fact(&self) -> Result<DataFact, Errno> {
        let (fd, status) = match &self.data {
            Data::Open(fd, status) => (fd, status),
            Data::Absent => return Ok(DataFact::Absent),
            Data::Other => return Ok(DataFact::NotADirectory),
        };
        let open = directory::readable(fd)?;
        let filling = if directory::names(&open, 1)?.is_empty() { Filling::Empty } else { Filling::Filled };
        Ok(DataFact::Present { owner: status.owner, filling, stamp: stamp::read(&open)? })
    }
}

/// The label of the directory, where labels are enforced.
fn label(directory: &OwnedFd) -> Result<LabelFact, Errno> {
    if !std::fs::read(ENFORCING).is_ok_and(|text| text.starts_with(b"1")) {
        return Ok(LabelFact::NotEnforced);
    }
    let mut buffer = [0_u8; 512];
    match rustix::fs::fgetxattr(directory, "security.selinux", &mut buffer[..]) {
        Ok(length) => {
            let text = String::from_utf8_lossy(&buffer[..length]).trim_end_matches('\0').to_owned();
            Ok(LabelFact::Enforced(Some(text)))
        }
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(LabelFact::Enforced(None)),
        Err(error) => Err(error),
    }
}

fn home_fact(home: &OwnedFd) -> Result<HomeFact, Errno> {
    let names = directory::names(home, MOST_NAMES)?;
    let own = |name: &OsString| name == MARKER || HOME_BEFORE_MARKER.iter().any(|own| name == own);
    let strangers = shown(names.iter().filter(|name| !own(name)));
    Ok(HomeFact::Present { owner: directory::status(home)?.owner, strangers })
}

fn shown<'a>(names: impl Iterator<Item = &'a OsString>) -> Vec<String> {
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names.truncate(Content::NAMES);
    names
}

/// Makes, syncs and removes one file. Only a write that reached the disk shows that there is one to write to.
fn probe(home: BorrowedFd<'_>) -> ProbeFact {
    let judge = |error: Errno| match error {
        Errno::ROFS => ProbeFact::ReadOnly,
        Errno::NOSPC | Errno::DQUOT => ProbeFact::Full,
        other => ProbeFact::Failed(std::io::Error::from(other).to_string()),
    };
    let flags = OFlags::WRONLY | OFlags::CREATE;
    let file = match open_in(home, PROBE, flags, 0o600) {
        Ok(file) => file,
        Err(error) => return judge(error),
    };
    let written = rustix::io::write(&file, b"probe\n").and_then(|_| rustix::fs::fsync(&file));
    let removed = match rustix::fs::unlinkat(home, PROBE, AtFlags::empty()) {
        // Another check of the same volume was faster.
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    };
    written.and(removed).map_or_else(judge, |()| ProbeFact::Passed)
}
