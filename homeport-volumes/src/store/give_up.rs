//! Owns giving up a file below `snapshots/` that is no snapshot: what is known of it, and moving it below `removed/`.
//! Never touches a snapshot, and never unlinks anything. [spec: STO-38]

use rustix::fs::{AtFlags, FileType};

use super::catalog::{Catalog, parse_name};
use super::error::StoreError;
use super::head::{HeadFault, MAX_BYTES};
use super::identity::{ObjectId, Sequence, SnapshotUuid};
use super::place::{Place, Room};
use super::removed::{self, Batch, Move};
use crate::file::{Small, read_small};
use crate::identity::UnixSeconds;

/// What a damaged snapshot may still say of itself, in the order in which it says it.
const CLAIMS: [&str; 5] = ["taken", "instance", "port", "reason", "note"];
/// The longest line of those that is shown.
const SHOWN: usize = 200;

/// A file below `snapshots/` that is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedFile {
    /// Its name there.
    pub name: String,
    /// Why it is no snapshot.
    pub fault: HeadFault,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, of as many as a snapshot can have and one more; `None` of what is no regular file.
    pub content: Option<ObjectId>,
    /// The number and the identity that are in its name.
    pub named: Option<(Sequence, SnapshotUuid)>,
    /// Lines of it that can still be read. Nothing vouches for them.
    pub claims: Vec<String>,
}

/// Looks at the file with this name; `None` where there is none, or a snapshot.
pub(super) fn look(place: &Place, name: &str) -> Result<Option<DamagedFile>, StoreError> {
    let damaged = Catalog::read(place)?.damaged;
    let Some((name, fault)) = damaged.into_iter().find(|(damaged, _)| damaged == name) else { return Ok(None) };
    let small = read_small(place.room(Room::Snapshots), &name, MAX_BYTES);
    let (content, claims) = match small.map_err(StoreError::io("read", place.at(Room::Snapshots, &name)))? {
        Small::Bytes(bytes) => (Some(ObjectId::of(&bytes)), claims(&bytes)),
        Small::NotAFile | Small::Absent => (None, Vec::new()),
    };
    let size = place.size(Room::Snapshots, &name)?;
    Ok(Some(DamagedFile { fault, size, content, named: parse_name(&name), claims, name }))
}

/// Moves the file below `removed/<seconds>/`. When this returns it is out of the way, on the disk too, and its number is
/// remembered. The caller holds the lock. [spec: STO-20, STO-38]
///
/// # Errors
/// [`StoreError::NotGivenUp`] if it is gone, or a snapshot, or one of a newer HomePort, or a directory.
pub(super) fn give_up(place: &Place, name: &str, now: UnixSeconds) -> Result<DamagedFile, StoreError> {
    let refused = |why| StoreError::NotGivenUp { path: place.at(Room::Snapshots, name), why };
    let file = look(place, name)?.ok_or_else(|| refused("it is not there, or is a snapshot"))?;
    if let HeadFault::Newer { .. } = file.fault {
        return Err(refused("a newer HomePort wrote it, which can read it"));
    }
    let status = rustix::fs::statat(place.room(Room::Snapshots), name, AtFlags::SYMLINK_NOFOLLOW);
    let status = status.map_err(StoreError::io("examine", place.at(Room::Snapshots, name)))?;
    if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
        return Err(refused("it is a directory, which HomePort never made"));
    }
    if let Some((sequence, _)) = file.named {
        removed::remember_highest(place, sequence)?;
    }
    let batch = Batch::new(place, now, removed::latest(place, &Catalog::read(place)?))?;
    if batch.take(Room::Snapshots, name)? == Move::Absent {
        return Err(refused("it is not there"));
    }
    batch.sync(Room::Snapshots)?;
    Ok(file)
}

/// The lines that say what it was, where they can be read.
fn claims(bytes: &[u8]) -> Vec<String> {
    let line = |line: &[u8]| {
        let text = std::str::from_utf8(line).ok().filter(|text| text.len() <= SHOWN)?;
        let is_plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let (word, _) = text.split_once(' ').filter(|_| is_plain)?;
        CLAIMS.contains(&word).then(|| text.to_owned())
    };
    bytes.split(|byte| *byte == b'\n').filter_map(line).take(CLAIMS.len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_read_is_claimed() {
        let text = b"homeport-snapshot 1\nuuid x\ntaken 5.0\ninstance alice\nport sh\xffll\nreason \x1b[2J\nnote two\\040words\n";
        assert_eq!(claims(text), ["taken 5.0", "instance alice", "note two\\040words"]);
        assert_eq!(claims(&[0; 4000]), [""; 0]);
        assert_eq!(claims(&b"note x\n".repeat(9)).len(), 5);
    }
}
