//! Owns what can be wrong with the places that HomePort uses.

use std::io;
use std::path::PathBuf;

use homeport_core::fault::Advice;

/// A place that HomePort cannot use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The root is not an absolute, normal path in valid UTF-8.
    #[error("`{}` cannot be the root: wanted an absolute path in UTF-8 without `..` and control characters", root.display())]
    Root {
        /// The root as it was given.
        root: PathBuf,
    },
    /// There is no such directory, and what was asked for makes none.
    #[error("there is no HomePort at `{}`: there is no such directory", root.display())]
    Missing {
        /// The root as it was given.
        root: PathBuf,
    },
    /// A socket below the root would have a name that the kernel does not take.
    #[error("root `{}` is too long: its sockets would have names of {found} bytes, wanted at most {max}", root.display())]
    TooLong {
        /// The root as it was given.
        root: PathBuf,
        /// The length of the longest name of a socket.
        found: usize,
        /// What the kernel takes.
        max: usize,
    },
    /// A component of a path is not a directory.
    #[error("`{}` is not a directory", path.display())]
    NotDirectory {
        /// The component.
        path: PathBuf,
    },
    /// A component of a path can be replaced by another user.
    #[error("`{}` can be changed by others: found owner {uid}, mode {mode:04o}, wanted an owner of 0 or {euid} and no write permission for others", path.display())]
    Untrusted {
        /// The component.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its permission bits.
        mode: u32,
        /// The user of this process.
        euid: u32,
    },
    /// Symbolic links lead in a circle.
    #[error("`{}` has too many symbolic links", path.display())]
    Links {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried, for example `create`.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Advice for LayoutError {
    fn code(&self) -> &'static str {
        match self {
            Self::Root { .. } => "HP-LAY-001",
            Self::TooLong { .. } => "HP-LAY-002",
            Self::NotDirectory { .. } => "HP-LAY-003",
            Self::Untrusted { .. } => "HP-LAY-004",
            Self::Links { .. } => "HP-LAY-005",
            Self::Io { .. } => "HP-LAY-006",
            Self::Missing { .. } => "HP-LAY-007",
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Root { .. } => "Give an absolute path, for example `--root /srv/homeport`.".to_owned(),
            Self::TooLong { root, found, max } => format!(
                "Give a root of at most {} bytes, for example `--root /srv/homeport`.",
                root.as_os_str().len().saturating_sub(found.saturating_sub(*max))
            ),
            Self::Missing { root } => format!(
                "Look for a typo after `--root`, or in `HOMEPORT_ROOT`; `homeport --root '{}' deploy PORT` makes one there.",
                root.display()
            ),
            Self::NotDirectory { path } => format!("Move `{}` away, or give another `--root`.", path.display()),
            Self::Untrusted { path, .. } => format!(
                "Whoever can write there can put other data in place of yours: `chown root '{0}'` and \
                 `chmod go-w '{0}'`, or give another `--root`.",
                path.display()
            ),
            Self::Links { .. } => "Give a path without symbolic links.".to_owned(),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => "Run it as root.".to_owned(),
            Self::Io { .. } => return None,
        };
        Some(help)
    }
}
