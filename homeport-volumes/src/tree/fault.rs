//! Owns what can go wrong with one entry of a tree while it is looked at.
//! Never decides what follows: whether a snapshot fails, or goes on without the entry, is its own to say.

use homeport_core::fault::Advice;
use rustix::io::Errno;

use super::path::{PathFault, TreePath};

/// One entry of a tree that could not be looked at. [spec: STO-23]
#[derive(Debug, thiserror::Error)]
pub enum TreeFault {
    /// It was in its directory when that was read, and is gone.
    #[error("`{0}` is gone")]
    Vanished(TreePath),
    /// It became something else, or was moved, between two looks.
    #[error("`{0}` changed while it was being looked at")]
    Changed(TreePath),
    /// Another file system, or another part of this one, is mounted there.
    #[error("something is mounted at `{0}`")]
    Mount(TreePath),
    /// Its name is longer than the format has room for.
    #[error("a name in `{directory}` cannot be kept")]
    Name {
        /// Where it is.
        directory: TreePath,
        /// What is wrong with it.
        #[source]
        fault: PathFault,
    },
    /// The operating system refused.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried, for example `read the extended attributes of`.
        action: &'static str,
        /// The entry.
        path: TreePath,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
}

impl TreeFault {
    /// Makes the fault of a failed call; for `map_err`. What is gone is [`Vanished`](Self::Vanished).
    pub(crate) fn io(action: &'static str, path: &TreePath) -> impl FnOnce(Errno) -> Self {
        move |errno| match errno {
            Errno::NOENT | Errno::STALE => Self::Vanished(path.clone()),
            Errno::XDEV => Self::Mount(path.clone()),
            _ => Self::Io { action, path: path.clone(), source: errno.into() },
        }
    }

    /// The entry that the fault is about; of a wrong name, its directory.
    pub fn path(&self) -> &TreePath {
        match self {
            Self::Vanished(path) | Self::Changed(path) | Self::Mount(path) | Self::Io { path, .. } => path,
            Self::Name { directory, .. } => directory,
        }
    }
}

impl Advice for TreeFault {
    fn code(&self) -> &'static str {
        match self {
            Self::Vanished(_) => "HP-TRE-001",
            Self::Changed(_) => "HP-TRE-002",
            Self::Mount(_) => "HP-TRE-003",
            Self::Name { .. } => "HP-TRE-004",
            Self::Io { .. } => "HP-TRE-005",
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Vanished(_) | Self::Changed(_) => "stop what writes to the volume, and repeat the command",
            Self::Mount(_) => "unmount it: what is mounted in a volume is no part of it",
            Self::Name { .. } => "give it a name of at most 255 bytes",
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => "run this as root",
            Self::Io { .. } => "see the kernel's log (`dmesg`) for a failing disk, and repeat the command",
        };
        Some(help.to_owned())
    }
}
