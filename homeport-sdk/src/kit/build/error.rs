//! Owns everything that can go wrong while a port's image is built, and what to do about each.
//! Never prints.

use std::io;
use std::path::{Path, PathBuf};

use homeport_core::fault::{Advice, Fault};
use homeport_core::manifest::ManifestError;
use homeport_core::unit::Bytes;

use super::deb::DebError;
use super::lock::Sha256;
use super::path::PathError;
use super::tree::TreeError;

/// Why a port's image cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file or directory cannot be used.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `port.toml` is not a manifest.
    #[error("`port.toml` makes no manifest")]
    Manifest(#[from] ManifestError),
    /// `image.toml` breaks rules.
    #[error("`image.toml` has {} broken rules", .0.len())]
    Recipe(Vec<Fault>),
    /// `services.toml` breaks rules.
    #[error("`services.toml` has {} broken rules", .0.len())]
    Services(Vec<Fault>),
    /// `debs.lock` breaks rules.
    #[error("`debs.lock` has {} broken rules", .0.len())]
    Lock(Vec<Fault>),
    /// Nothing would be PID 1.
    #[error("`{}` names no init: wanted `init` in image.toml or a services.toml", dir.display())]
    NoInit {
        /// The port's folder.
        dir: PathBuf,
    },
    /// The folder has no such version.
    #[error("there is no version `{name}`: {}", wanted_one_of(there))]
    NoVersion {
        /// What was asked for.
        name: String,
        /// The older versions that are there.
        there: Vec<String>,
    },
    /// The manifest in `versions/NAME` is not one of an older version of the port.
    #[error("an older version's `port.toml` has {} broken rules", .0.len())]
    Older(Vec<Fault>),
    /// Packages are wanted, but none is locked.
    #[error("`{}` is not there, and `image.toml` wants packages", lock.display())]
    NoLock {
        /// Where it should be.
        lock: PathBuf,
    },
    /// A name in `rootfs/` cannot be in an image.
    #[error("`{}` cannot be in an image", file.display())]
    RootfsName {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: PathError,
    },
    /// Something in `rootfs/` is neither file, directory nor symlink.
    #[error("`{}` is no file, directory or symlink", file.display())]
    RootfsKind {
        /// What it is not.
        file: PathBuf,
    },
    /// A path that the kit itself makes is wrong.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Things do not fit together.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A package cannot be used.
    #[error("package `{package}` cannot be used")]
    Deb {
        /// The package.
        package: String,
        /// Why.
        #[source]
        source: DebError,
    },
    /// The package manager failed.
    #[error("`{command}` failed: {said}")]
    Apt {
        /// The command line.
        command: String,
        /// What it said.
        said: String,
    },
    /// What is wanted cannot be had together with what is left out, or comes from elsewhere.
    #[error("the packages that `image.toml` wants have {} faults", .0.len())]
    Choice(Vec<Fault>),
    /// The archive has other versions than the lock.
    #[error("{} of the locked packages are no longer in the archive", .0.len())]
    Gone(Vec<Fault>),
    /// A package's bytes are not those that were locked.
    #[error(
        "`{filename}` is not the locked package: found {found_size} bytes, sha256 {found}, wanted {size} bytes, {sha256}"
    )]
    Mismatch {
        /// The package's file.
        filename: String,
        /// The locked size.
        size: Bytes,
        /// The locked sha256.
        sha256: Sha256,
        /// The size that came.
        found_size: Bytes,
        /// The sha256 that came.
        found: Sha256,
    },
    /// The recipe names what the image has not, or the image must not be made.
    #[error("the image has {} faults", .0.len())]
    Image(Vec<Fault>),
    /// The image's documents cannot be written.
    #[error("cannot write the image's configuration")]
    Json(#[from] serde_json::Error),
}

fn wanted_one_of(there: &[String]) -> String {
    if there.is_empty() {
        return "the folder has only the one of `port.toml`".to_owned();
    }
    format!("wanted one of `{}`, or none for the newest", there.join("`, `"))
}

impl BuildError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}

/// In the help, `DIR` stands for the port's folder.
impl Advice for BuildError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "HP-KIT-001",
            Self::Manifest(error) => error.code(),
            Self::Recipe(_) => "HP-KIT-100",
            Self::Services(_) => "HP-KIT-107",
            Self::Lock(_) => "HP-KIT-108",
            Self::Older(_) => "HP-KIT-109",
            Self::NoVersion { .. } => "HP-KIT-014",
            Self::NoInit { .. } => "HP-KIT-002",
            Self::NoLock { .. } => "HP-KIT-003",
            Self::RootfsName { .. } | Self::RootfsKind { .. } => "HP-KIT-004",
            Self::Path(_) => "HP-KIT-005",
            Self::Tree(_) => "HP-KIT-006",
            Self::Deb { .. } => "HP-KIT-007",
            Self::Apt { .. } => "HP-KIT-008",
            Self::Choice(_) => "HP-KIT-009",
            Self::Gone(_) => "HP-KIT-010",
            Self::Mismatch { .. } => "HP-KIT-011",
            Self::Image(_) => "HP-KIT-012",
            Self::Json(_) => "HP-KIT-013",
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Manifest(error) => return error.help(),
            Self::Recipe(_) => "ports/README.md says what may stand in `image.toml`",
            Self::NoInit { .. } => "name the port's program as `init`, or describe its services for the generic init",
            Self::Lock(_) | Self::NoLock { .. } | Self::Gone(_) => {
                "choose the packages anew: `cargo xtask build-port DIR --refresh-lock`, then commit `debs.lock`"
            }
            Self::RootfsKind { .. } => "sockets, pipes and devices are made at run time: remove it from `rootfs/`",
            Self::Tree(TreeError::Conflict { .. }) => "leave one of them out with `files.leave_out` in image.toml",
            Self::Mismatch { .. } => {
                "the archive, or something on the way to it, gave other bytes than were locked: do not use them; try again \
                 later or from another mirror"
            }
            _ => return None,
        };
        Some(help.to_owned())
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Manifest(error) => error.faults(),
            Self::Recipe(faults)
            | Self::Services(faults)
            | Self::Lock(faults)
            | Self::Older(faults)
            | Self::Choice(faults)
            | Self::Gone(faults)
            | Self::Image(faults) => faults,
            _ => &[],
        }
    }
}
