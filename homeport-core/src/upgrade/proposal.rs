//! Owns the question that is asked before an upgrade or a way back: from what, to what, with which data.
//! Never answers it.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::manifest::Manifest;
use crate::name::VolumeName;
use crate::unit::Format;
use crate::version::ProtocolVersion;

/// The formats of volumes, by name.
pub type Formats = BTreeMap<VolumeName, Format>;

/// Which way an instance is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To a newer version.
    Up,
    /// To an older version.
    Down,
}

/// A version of a port as the engine holds it.
#[derive(Debug, Clone, Copy)]
pub struct Release<'a> {
    /// What it says of itself.
    pub manifest: &'a Manifest,
    /// The image's id.
    pub image: &'a Digest,
}

/// An earlier state of the data: the volumes of one snapshot and their formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past<'a> {
    /// There is none.
    None,
    /// One may be gone back to where no steps lead down. Never asked on the way up.
    Offered(&'a Formats),
    /// What the candidate left when its data was set back to an older snapshot: it is gone back to, whatever steps there
    /// are.
    Left(&'a Formats),
}

/// What is asked: may this instance go there, and how?
#[derive(Debug, Clone, Copy)]
pub struct Proposal<'a> {
    /// What the instance runs now.
    pub installed: Release<'a>,
    /// What it is to run.
    pub candidate: Release<'a>,
    /// Which way that is.
    pub direction: Direction,
    /// The format of every volume that the instance has, as markers say it.
    pub formats: &'a Formats,
    /// The earlier state that data may go back to.
    pub past: Past<'a>,
    /// The protocol that the host speaks.
    pub speaks: ProtocolVersion,
}
