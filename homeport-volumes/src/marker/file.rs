//! Owns the marker as a file: reading it without following anything, and replacing it. Never judges what it says.

use std::os::fd::BorrowedFd;

use super::fault::MarkerFault;
use super::text::MAX_BYTES;
use super::value::Marker;
use crate::file::{self, Small};
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

/// Reads the marker in `.homeport/`.
pub(crate) fn read(home: BorrowedFd<'_>) -> Result<MarkerFact, std::io::Error> {
    Ok(match file::read_small(home, MARKER, MAX_BYTES)? {
        Small::Absent => MarkerFact::Absent,
        Small::NotAFile => MarkerFact::Invalid(vec![MarkerFault::NotAFile]),
        Small::Bytes(bytes) => match Marker::parse(&bytes) {
            Ok(marker) => MarkerFact::Valid(Box::new(marker)),
            Err(faults) => MarkerFact::Invalid(faults),
        },
    })
}

/// Replaces the marker: when this returns, the new one is on the disk; at any crash before, one of the two is.
/// [spec: VOL-10]
pub(crate) fn write(home: BorrowedFd<'_>, marker: &Marker) -> Result<(), std::io::Error> {
    file::replace(home, MARKER_NEW, MARKER, &marker.render())
}
