//! Owns what is written down about an adoption that goes on: what was there, and what it is to become. Never acts.
//!
//! `.homeport/adoption.json` is on the disk before the first of the user's names is moved, and stays until the ledger
//! knows the volume: with it the rest is done, or everything is taken back.

use std::os::fd::BorrowedFd;

use serde::{Deserialize, Serialize};

use super::plan::Shape;
use super::root::Root;
use crate::identity::TxId;
use crate::marker::{Marker, MarkerFault};
use crate::record::{Found, Record};

/// The record's name, below `.homeport/`.
pub(super) const ADOPTION: &str = "adoption.json";
/// The name under which it is written.
pub(super) const ADOPTION_NEW: &str = "adoption.json.new";
/// What becomes `data/`, below `.homeport/`.
pub(super) const ADOPTING: &str = "adopting";

/// One adoption of a plain directory. [spec: VOL-50]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Adoption {
    pub(super) version: u32,
    pub(super) tx: TxId,
    /// The marker that makes it the volume, as it will be written.
    marker: String,
    pub(super) shape: Shape,
    /// The inode of what becomes `data/`.
    pub(super) inode: u64,
    /// What the directory was and had.
    pub(super) root: Root,
}

impl Record for Adoption {
    const VERSION: u32 = 1;
}

impl Adoption {
    pub(super) fn new(tx: TxId, marker: &Marker, shape: Shape, inode: u64, root: Root) -> Self {
        let marker = String::from_utf8_lossy(&marker.render()).into_owned();
        Self { version: Self::VERSION, tx, marker, shape, inode, root }
    }

    /// The marker that makes it the volume.
    pub(super) fn marker(&self) -> Result<Marker, Vec<MarkerFault>> {
        Marker::parse(self.marker.as_bytes())
    }
}

/// Reads the record in `.homeport/`.
pub(super) fn read(home: BorrowedFd<'_>) -> Result<Found<Adoption>, std::io::Error> {
    crate::record::read(home, ADOPTION)
}

/// Writes it: it is on the disk when this returns.
pub(super) fn write(home: BorrowedFd<'_>, adoption: &Adoption) -> Result<(), std::io::Error> {
    crate::record::write(home, ADOPTION, adoption)
}
