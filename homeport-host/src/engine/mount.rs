//! Owns what is mounted into a container: host directories in the strict form, and memory. Never touches a path itself.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use homeport_core::unit::{Bytes, Gid, Mode, Uid};

/// A path that cannot be one end of a mount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` cannot be mounted: wanted an absolute UTF-8 path below `/` without `.`, `..` and a slash at its end",
    .0.display()
)]
pub struct MountPathError(pub PathBuf);

/// An absolute path below `/` in its shortest form, so that two of them can be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MountPath(String);

impl MountPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl TryFrom<&Path> for MountPath {
    type Error = MountPathError;

    fn try_from(path: &Path) -> Result<Self, MountPathError> {
        let mut rebuilt = PathBuf::from("/");
        let mut names = 0;
        for component in path.components() {
            match component {
                Component::RootDir => {}
                Component::Normal(name) => {
                    rebuilt.push(name);
                    names += 1;
                }
                Component::Prefix(_) | Component::CurDir | Component::ParentDir => {
                    return Err(MountPathError(path.to_owned()));
                }
            }
        }
        match path.to_str() {
            Some(text) if path.is_absolute() && names > 0 && rebuilt.as_os_str() == path.as_os_str() => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(MountPathError(path.to_owned())),
        }
    }
}

impl std::str::FromStr for MountPath {
    type Err = MountPathError;

    fn from_str(text: &str) -> Result<Self, MountPathError> {
        Self::try_from(Path::new(text))
    }
}

impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a container may write to what is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Every write is refused with `EROFS`.
    ReadOnly,
    /// As the permission bits say.
    ReadWrite,
}

/// A directory or file of the host in the container, private in propagation.
///
/// The engine refuses it where `source` does not exist; it never makes an empty directory in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindMount {
    /// Where it is on the host, as the engine sees it.
    pub source: MountPath,
    /// Where it is in the container.
    pub target: MountPath,
    /// Whether the container may write.
    pub access: Access,
}

/// Memory as a directory, gone with the container; always `nosuid` and `nodev`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TmpfsMount {
    /// Where it is in the container.
    pub target: MountPath,
    /// How much it can hold. It counts against the container's memory.
    pub size: Bytes,
    /// Permission bits of its top directory.
    pub mode: Mode,
    /// Who owns its top directory.
    pub uid: Uid,
    /// The group of its top directory.
    pub gid: Gid,
    /// Whether programs in it can be run.
    pub exec: Exec,
    /// Whether the container may write to it; one that may not finds an empty directory.
    pub access: Access,
}

/// Whether programs on a mount can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exec {
    /// No program can be started from it.
    Refused,
    /// Programs can be started from it.
    Allowed,
}

/// What kind of thing the engine says is mounted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MountKind {
    /// A path of the host.
    Bind,
    /// A volume of the engine: HomePort never asks for one, an image that declares one gets it.
    Volume,
    /// Anything else, by the engine's word.
    Other(String),
}

/// One mount of an existing container, as the engine tells it. Memory is not among them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MountFacts {
    /// What kind it is.
    pub kind: MountKind,
    /// Where it is on the host.
    pub source: String,
    /// Where it is in the container.
    pub target: String,
    /// Whether the container may write.
    pub access: Access,
}

#[cfg(test)]
mod tests {
    use super::MountPath;

    #[test]
    fn a_mount_path_is_absolute_and_in_its_shortest_form() {
        for good in ["/a", "/run/port", "/a b/ü,x=y"] {
            assert_eq!(good.parse::<MountPath>().unwrap().as_str(), good);
        }
        for bad in ["", "/", "a", "./a", "/a/", "/a/../b", "/a/./b", "//a", "/a//b", "/.."] {
            assert!(bad.parse::<MountPath>().is_err(), "{bad}");
        }
    }
}
