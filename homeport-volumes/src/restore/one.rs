//! Owns taking one file or directory out of a snapshot into a place of the operator's. Never replaces anything that is
//! there, and leaves nothing behind when it fails.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use homeport_core::unit::{Gid, Mode as Permissions, Uid};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::build::{Built, Devices, build};
use super::compare::{Top, compare};
use super::erase::erase;
use super::error::RestoreError;
use super::part::Part;
use super::source::Source;
use super::way;
use crate::identity::TxId;
use crate::progress::Progress;
use crate::tree::make;
use crate::tree::{Attributes, Meta, Timestamp, TreePath, check_name};

/// The name of the tree while it is being built.
const TREE: &str = "tree";

/// Takes `chosen` out of `source`, with all that is in it, and puts it at `destination`, whose directory exists and
/// which does not exist itself. It is built beside, synced, read back and compared, and appears in one step.
///
/// Owners, modes, times and attributes are those of the snapshot. Names of one file stay names of one file as far as
/// they are all taken out.
///
/// # Errors
/// [`RestoreError::Exists`], [`RestoreError::NoDirectory`] and [`RestoreError::NotThere`]; otherwise as for a restore:
/// device nodes in what is chosen are refused with their names, unless they are asked for. `destination` does not exist
/// then.
pub fn take_out(
    source: &impl Source,
    chosen: &TreePath,
    destination: &Path,
    devices: Devices,
    progress: &dyn Progress,
) -> Result<Built, RestoreError> {
    let place = Place::open(destination)?;
    place.must_be_free()?;
    let scratch = format!(".homeport-{}", TxId::random());
    rustix::fs::mkdirat(&place.parent, &scratch, Mode::from_raw_mode(0o700))
        .map_err(place.io("make a directory beside"))?;
    let done = place.fill(&scratch, source, chosen, devices, progress);
    let cleared = erase(&place.parent, scratch.as_bytes()).map_err(|fault| fault.at(destination));
    let built = done?;
    cleared?;
    Ok(built)
}

/// Where something is to appear.
struct Place<'a> {
    destination: &'a Path,
    parent: OwnedFd,
    name: &'a OsStr,
}

impl<'a> Place<'a> {
    /// Opens the directory of `destination` once; everything after it goes through the descriptor.
    fn open(destination: &'a Path) -> Result<Self, RestoreError> {
        let io = |source: std::io::Error| RestoreError::Io {
            action: "open the directory of",
            path: destination.to_owned(),
            source,
        };
        let named = destination.file_name().filter(|name| check_name(name.as_bytes()).is_ok());
        let Some(name) = named.filter(|_| destination.is_absolute()) else {
            return Err(io(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "wanted an absolute path with a name",
            )));
        };
        let above = destination.parent().unwrap_or(Path::new("/"));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = rustix::fs::openat(CWD, above, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR => {
                RestoreError::NoDirectory { path: destination.to_owned(), source: errno.into() }
            }
            errno => io(errno.into()),
        })?;
        Ok(Self { destination, parent, name })
    }

    fn io(&self, action: &'static str) -> impl Fn(Errno) -> RestoreError {
        let path = self.destination.to_owned();
        move |errno| RestoreError::Io { action, path: path.clone(), source: errno.into() }
    }

    fn must_be_free(&self) -> Result<(), RestoreError> {
        match rustix::fs::statat(&self.parent, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            Ok(_) => Err(RestoreError::Exists { path: self.destination.to_owned() }),
            Err(errno) => Err(self.io("look for")(errno)),
        }
    }

    fn fill(
        &self,
        scratch: &str,
        source: &impl Source,
        chosen: &TreePath,
        devices: Devices,
        progress: &dyn Progress,
    ) -> Result<Built, RestoreError> {
        let io = |action| self.io(action);
        let dir = way::open_directory(self.parent.as_fd(), scratch.as_bytes()).map_err(io("open what is beside"))?;
        make::drop_inherited_lists(dir.as_fd()).map_err(io("close a directory beside"))?;
        rustix::fs::mkdirat(&dir, TREE, Mode::from_raw_mode(0o700)).map_err(io("make a directory beside"))?;
        let top = way::open_directory(dir.as_fd(), TREE.as_bytes()).map_err(io("open what is beside"))?;
        let Some(part) = Part::of(source, chosen, root_only())? else {
            return Err(RestoreError::NotThere { entries: source.name(), entry: chosen.clone() });
        };
        if devices == Devices::Refuse
            && let Some(fault) = part.unwanted()
        {
            return Err(RestoreError::Refused(vec![fault]));
        }
        let mut built = build(top.as_fd(), &part, devices, progress)?;
        compare(top.as_fd(), &part, Top::AsSaid, progress)?;
        self.appear(&top, &part)?;
        // The directory that it was built in is none of it.
        built.entries -= 1;
        Ok(built)
    }

    /// Lets what was built appear at its place, in one step.
    fn appear<S: Source>(&self, top: &OwnedFd, part: &Part<'_, S>) -> Result<(), RestoreError> {
        rustix::fs::renameat_with(top, part.name(), &self.parent, self.name, RenameFlags::NOREPLACE).map_err(
            |errno| match errno {
                Errno::EXIST => RestoreError::Exists { path: self.destination.to_owned() },
                errno => self.io("put in its place")(errno),
            },
        )?;
        rustix::fs::fsync(&self.parent).map_err(self.io("sync the directory of"))?;
        if !part.fixed().is_empty() {
            let opened = way::open_file(self.parent.as_fd(), self.name.as_bytes());
            let fd = opened.map_err(self.io("open"))?;
            make::fix(fd.as_fd(), part.fixed()).map_err(|(action, errno)| self.io(action)(errno))?;
            rustix::fs::fsync(&fd).map_err(self.io("sync"))?;
        }
        Ok(())
    }
}

/// What the directory carries in which something is built: nobody but root can look into it.
fn root_only() -> Meta {
    Meta {
        mode: Permissions::new(0o700),
        uid: Uid::new(0),
        gid: Gid::new(0),
        modified: Timestamp::EPOCH,
        attributes: Attributes::default(),
        key: None,
    }
}
