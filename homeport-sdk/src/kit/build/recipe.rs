//! Owns the recipe, `image.toml`: how a port's image is put together, once it keeps every rule.
//! Never reads a file and never holds a rule: `recipe_check` does.

use std::collections::BTreeMap;

use homeport_core::fault::Fault;
use homeport_core::unit::{Gid, Uid};

use super::glob::Glob;
use super::path::ImagePath;
use super::recipe_check;
use super::tree::Meta;

/// How a port's image is put together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    /// The name of the port's own init program; the generic one where none is named.
    pub init: Option<String>,
    /// The distribution's packages; none where the image has only the port's own files.
    pub packages: Option<Packages>,
    /// What is left out of the packages.
    pub(super) leave_out: Vec<Glob>,
    /// What stays although `leave_out` names it.
    pub(super) keep: Vec<Glob>,
    /// The groups of the image, by name.
    pub groups: BTreeMap<String, Group>,
    /// The users of the image, by name.
    pub users: BTreeMap<String, Account>,
    /// Directories that the port needs.
    pub directories: Vec<(ImagePath, Meta)>,
    /// Symlinks: where, and to what.
    pub symlinks: Vec<(ImagePath, String)>,
    /// Modes and owners of files in `rootfs/`, where they are not root's `0644` or `0755`.
    pub modes: Vec<(ImagePath, Meta)>,
    /// Files that are others put one after another.
    pub(super) joins: Vec<Join>,
}

/// The distribution's packages in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    /// The distribution, as its archive calls itself, for example `Debian`.
    pub distribution: String,
    /// Its release, for example `12`.
    pub release: String,
    /// The machine that they are for, for example `amd64`.
    pub architecture: String,
    /// The packages that are wanted; what they depend on comes with them.
    pub want: Vec<String>,
    /// What they depend on and is left out all the same, with the reason for each.
    pub leave_out: BTreeMap<String, String>,
}

/// A group of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub gid: Gid,
    /// Its members besides those whose own group it is.
    pub members: Vec<String>,
}

/// A user of the image. Nobody has a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub uid: Uid,
    /// Its own group.
    pub gid: Gid,
    /// Where its files are.
    pub home: String,
    /// What a login runs.
    pub shell: String,
}

/// A file that is others put one after another, in the order of their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Join {
    /// The file.
    pub(super) into: ImagePath,
    /// What it is made of.
    pub(super) from: Glob,
}

impl Recipe {
    /// Reads a recipe; every rule that is broken is a fault.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        recipe_check::parse(text)
    }

    /// Whether a path from a package belongs in the image.
    pub fn takes(&self, path: &ImagePath) -> bool {
        !self.leave_out.iter().any(|glob| glob.matches(path)) || self.keep.iter().any(|glob| glob.matches(path))
    }
}
