//! Owns getting a tree ready beside the live one: an empty place for it, building it there, comparing it, and saying
//! that it is whole. Never touches `data/`.

use std::os::fd::{AsFd as _, OwnedFd};

use homeport_core::unit::{Bytes, Format};
use rustix::fs::{AtFlags, Mode, RenameFlags};
use rustix::io::Errno;

use super::area;
use super::build::{Built, Devices, build_without_sync};
use super::compare::{Top, compare};
use super::discard::discard;
use super::error::RestoreError;
use super::journal;
use super::source::Source;
use super::staged::{self, Staged};
use super::way;
use crate::begin::Held;
use crate::directory;
use crate::failpoint::point;
use crate::identity::TxId;
use crate::layout::{DATA, PROBE, STAGED_VERSION, STAGING, TRASH};
use crate::progress::Progress;
use crate::stamp;
use crate::tree::make::{self, FIXED};

/// How a tree is to be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The format of the data in the snapshot, which the marker gets with the exchange.
    pub format: Format,
    /// Whether device nodes may be made.
    pub devices: Devices,
}

/// Builds the tree of `source` below `.homeport/staging/<tx>`, syncs it, reads all of it back from the disk and compares
/// it, bytes and attributes, with nothing missing and nothing more. When this returns, the tree is on the disk and may
/// be exchanged; the live tree was not touched. [spec: STO-31, VOL-47]
///
/// # Errors
/// Whatever goes wrong, the staged tree is deleted again, as far as the operating system allows; [`super::leftovers`]
/// tells where it did not.
pub fn prepare(
    held: &mut Held,
    tx: TxId,
    wanted: Wanted,
    source: &impl Source,
    progress: &dyn Progress,
) -> Result<Built, RestoreError> {
    let staging = Staging::new(held, tx)?;
    let done = staging.fill(held, wanted, source, progress);
    if done.is_err() {
        drop(staging);
        // The first error is the one that counts; what is left is found by `leftovers`.
        let _discarded = discard(held, tx);
    }
    done
}

/// An empty place for a tree.
#[derive(Debug)]
struct Staging {
    tx: TxId,
    area: OwnedFd,
    dir: OwnedFd,
    data: OwnedFd,
}

impl Staging {
    /// Makes the place, and finds out whether two directories can be exchanged here at all.
    fn new(held: &mut Held, tx: TxId) -> Result<Self, RestoreError> {
        held.must_be_sure()?;
        let path = held.path().clone();
        let io = |action| RestoreError::io::<Errno>(action, &path);
        if let Some(journal) = journal::read(held)? {
            return Err(RestoreError::Busy { path, tx: journal.tx });
        }
        if area::find(held, TRASH, tx)?.is_some() {
            return Err(RestoreError::Used { path, tx });
        }
        let area = area::ensure(held, STAGING)?;
        held.point("restore.stage")?;
        let name = tx.to_string();
        rustix::fs::mkdirat(&area, &name, Mode::from_raw_mode(0o700)).map_err(|errno| match errno {
            Errno::EXIST => RestoreError::Used { path: path.clone(), tx },
            errno => io("make a directory for a new tree of")(errno),
        })?;
        let dir = way::open_directory(area.as_fd(), name.as_bytes()).map_err(io("open the staging area of"))?;
        let made = Self::furnish(&dir, &path);
        match made {
            Ok(data) => Ok(Self { tx, area, dir, data }),
            Err(error) => {
                // Nothing but two empty directories can be there.
                let _discarded = discard(held, tx);
                Err(error)
            }
        }
    }

    fn furnish(dir: &OwnedFd, path: &crate::path::VolumePath) -> Result<OwnedFd, RestoreError> {
        let io = |action| RestoreError::io::<Errno>(action, path);
        // What the directory above gives to all that is made in it would be given to the tree too.
        make::drop_inherited_lists(dir.as_fd()).map_err(io("close the staging area of"))?;
        let data = directory::ensure(dir.as_fd(), DATA).map_err(io("make a directory for a new tree of"))?;
        drop(directory::ensure(dir.as_fd(), PROBE).map_err(io("make a directory for a new tree of"))?);
        let tried = point("restore.stage.try")
            .and_then(|()| Ok(rustix::fs::renameat_with(dir, DATA, dir, PROBE, RenameFlags::EXCHANGE)?));
        tried.map_err(|source| match Errno::from_io_error(&source) {
            Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                RestoreError::NoExchange { path: path.clone(), source }
            }
            _ => RestoreError::io("exchange two directories in the staging area of", path)(source),
        })?;
        // `data` is the one that was made second now.
        drop(data);
        rustix::fs::unlinkat(dir, PROBE, AtFlags::REMOVEDIR).map_err(io("clear the staging area of"))?;
        way::open_directory(dir.as_fd(), DATA.as_bytes()).map_err(io("open the staging area of"))
    }

    fn fill(
        &self,
        held: &mut Held,
        wanted: Wanted,
        source: &impl Source,
        progress: &dyn Progress,
    ) -> Result<Built, RestoreError> {
        let path = held.path().clone();
        let io = |action| RestoreError::io::<Errno>(action, &path);
        held.point("restore.build")?;
        let finished = build_without_sync(self.data.as_fd(), source, wanted.devices, progress)?;
        held.point("restore.build.stamp")?;
        stamp::write(&self.data, held.marker().uuid, wanted.format).map_err(io("stamp a new tree of"))?;
        let synced = point("restore.build.sync").and_then(|()| Ok(rustix::fs::syncfs(&self.data)?));
        held.sure(synced, "sync a new tree of")?;
        let compared = compare(self.data.as_fd(), source, Top::NotFixed, progress)?;
        let status = directory::status(&self.data).map_err(io("examine a new tree of"))?;
        let staged = Staged {
            version: STAGED_VERSION,
            tx: self.tx,
            uuid: held.marker().uuid,
            entries: Some(source.name().to_string()),
            count: Some(compared.entries),
            bytes: Some(Bytes::new(compared.bytes)),
            inode: status.inode,
            format: wanted.format,
            flags: finished.top_flags.bits() & FIXED.bits(),
            from: None,
        };
        staged::write(held, &self.dir, &self.area, &staged)?;
        Ok(finished.built)
    }
}
