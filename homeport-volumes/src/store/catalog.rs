//! Owns the list of snapshots: those that exist, and the files that should be snapshots and are not.
//! Never changes anything.

use super::error::StoreError;
use super::head::{HeadFault, MAX_BYTES, SnapshotHead};
use super::identity::{Sequence, SnapshotUuid};
use super::place::{Place, Room};
use crate::file::{Small, read_small};

/// What is in `snapshots/`. [spec: STO-21]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// The snapshots that exist, the oldest first.
    pub snapshots: Vec<SnapshotHead>,
    /// The other files, by name, and why they are no snapshots.
    pub damaged: Vec<(String, HeadFault)>,
}

impl Catalog {
    pub(super) fn read(place: &Place) -> Result<Self, StoreError> {
        let mut catalog = Self { snapshots: Vec::new(), damaged: Vec::new() };
        for name in place.names(Room::Snapshots)? {
            match read_head(place, &name)? {
                None => {}
                Some(Ok(head)) => match catalog.double(&head) {
                    None => catalog.snapshots.push(head),
                    Some(fault) => catalog.damaged.push((name, fault)),
                },
                Some(Err(fault)) => catalog.damaged.push((name, fault)),
            }
        }
        Ok(catalog)
    }

    /// The snapshot with this identity.
    pub fn find(&self, uuid: &SnapshotUuid) -> Option<&SnapshotHead> {
        self.snapshots.iter().find(|head| head.body.uuid == *uuid)
    }

    /// What of `head` another snapshot has too.
    fn double(&self, head: &SnapshotHead) -> Option<HeadFault> {
        // The names come in the order of the numbers.
        let last = self.snapshots.last().filter(|last| last.sequence == head.sequence);
        let (other, what) = match (last, self.find(&head.body.uuid)) {
            (Some(other), _) => (other, "sequence"),
            (None, Some(other)) => (other, "uuid"),
            (None, None) => return None,
        };
        Some(HeadFault::Double { other: other.file_name(), what })
    }
}

/// Reads one file below `snapshots/`; `None` if it is gone meanwhile.
pub(super) fn read_head(place: &Place, name: &str) -> Result<Option<Result<SnapshotHead, HeadFault>>, StoreError> {
    let Some((sequence, uuid)) = parse_name(name) else { return Ok(Some(Err(HeadFault::Name))) };
    let small = read_small(place.room(Room::Snapshots), name, MAX_BYTES);
    Ok(match small.map_err(StoreError::io("read", place.at(Room::Snapshots, name)))? {
        Small::Absent => None,
        Small::NotAFile => Some(Err(HeadFault::NotAFile)),
        Small::Bytes(bytes) => Some(SnapshotHead::parse(&bytes).and_then(|head| {
            if (head.sequence, head.body.uuid) == (sequence, uuid) {
                Ok(head)
            } else {
                Err(HeadFault::Contradiction { what: "its name is another snapshot's".to_owned() })
            }
        })),
    })
}

/// The number and the identity in a file's name. [spec: STO-20]
pub(super) fn parse_name(name: &str) -> Option<(Sequence, SnapshotUuid)> {
    let (digits, uuid) = name.strip_suffix(".snapshot")?.split_once('-')?;
    Some((Sequence::from_digits(digits)?, uuid.parse().ok()?))
}
