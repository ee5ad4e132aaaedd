//! Owns what is to be read, and under which promise. Never opens anything: the caller has checked the volume.

use std::os::fd::BorrowedFd;

use homeport_core::name::VolumeName;
use homeport_core::unit::Format;

use crate::identity::{Generation, VolumeUuid};
use crate::owner::Owner;
use crate::readable::Readable;

/// A checked volume that is to be read into a snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its name in the port's manifest.
    pub name: &'a VolumeName,
    /// Which volume it is.
    pub uuid: VolumeUuid,
    /// How its data is laid out.
    pub format: Format,
    /// How often it was in use.
    pub generation: Generation,
    /// Owner and mode of `data/`.
    pub owner: Owner,
    /// `data/` itself.
    pub data: BorrowedFd<'a>,
}

impl<'a> Subject<'a> {
    /// The volume as it was when it was checked.
    pub fn of(name: &'a VolumeName, readable: &'a Readable) -> Self {
        let marker = readable.marker();
        Self {
            name,
            uuid: marker.uuid,
            format: marker.format,
            generation: marker.generation,
            owner: readable.owner(),
            data: readable.data(),
        }
    }
}

/// Whether anything may write while a volume is read. [spec: STO-22, STO-23]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The port runs: what vanishes is left out, what changes is read again, and marked if it never keeps still.
    Running,
    /// Nothing can write: what changes or vanishes makes the snapshot fail.
    Still,
}
