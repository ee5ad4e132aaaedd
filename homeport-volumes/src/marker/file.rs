//! Owns the marker as a file: reading it without following anything, and replacing it so that a crash leaves the old
//! or the new one. Never judges what it says.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::fault::MarkerFault;
use super::text::MAX_BYTES;
use super::value::Marker;
use crate::layout::{MARKER, MARKER_NEW};

/// What is found where the marker should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkerFact {
    /// Nothing.
    Absent,
    /// Something that does not say whose data this is.
    Invalid(Vec<MarkerFault>),
    /// A marker.
    Valid(Box<Marker>),
}

/// Opens one plain name in the directory `home`, never through a link, and never waiting for a FIFO's other end.
pub(crate) fn open_in(home: BorrowedFd<'_>, name: &str, flags: OFlags, mode: u32) -> Result<File, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(home, name, flags, Mode::from_raw_mode(mode), resolve).map(File::from)
}

/// Reads the marker in `.homeport/`.
pub(crate) fn read(home: BorrowedFd<'_>) -> Result<MarkerFact, std::io::Error> {
    let not_a_file = Ok(MarkerFact::Invalid(vec![MarkerFault::NotAFile]));
    let file = match open_in(home, MARKER, OFlags::RDONLY, 0) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(MarkerFact::Absent),
        Err(Errno::LOOP | Errno::XDEV | Errno::NXIO) => return not_a_file,
        Err(error) => return Err(error.into()),
    };
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
        return not_a_file;
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(match Marker::parse(&bytes) {
        Ok(marker) => MarkerFact::Valid(Box::new(marker)),
        Err(faults) => MarkerFact::Invalid(faults),
    })
}

/// Replaces the marker: when this returns, the new one is on the disk; at any crash before, one of the two is.
/// [spec: VOL-10]
///
/// A failed fsync is final: the caller must not go on as if a second one could mend it.
pub(crate) fn write(home: BorrowedFd<'_>, marker: &Marker) -> Result<(), std::io::Error> {
    // What an earlier crash left may be anything, a link too; a new file is made in any case.
    match rustix::fs::unlinkat(home, MARKER_NEW, rustix::fs::AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let mut file = open_in(home, MARKER_NEW, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, 0o600)?;
    file.write_all(&marker.render())?;
    file.sync_all()?;
    rustix::fs::renameat(home, MARKER_NEW, home, MARKER)?;
    Ok(rustix::fs::fsync(home)?)
}
