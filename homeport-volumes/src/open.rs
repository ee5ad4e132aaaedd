//! Owns the one opening of a volume's path, without a link anywhere in it, and the explanation when that fails.
//! Never opens a path a second time: everything after it goes through the descriptor.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;

use crate::path::VolumePath;

/// What is found when a path is opened. [spec: VOL-15]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathFact {
    /// A directory.
    Directory,
    /// Nothing, from this component on.
    Missing {
        /// The first component that does not exist, as a path from `/`.
        first: String,
    },
    /// Something else than a directory.
    NotADirectory {
        /// The component, as a path from `/`.
        component: String,
    },
    /// A symbolic link: it could point elsewhere a moment later.
    Link {
        /// The component, as a path from `/`.
        component: String,
        /// What it points to.
        target: PathBuf,
        /// The path without links, where there is one.
        real: Option<PathBuf>,
    },
    /// The operating system did not say.
    Unreachable {
        /// Its error.
        reason: String,
    },
}

const RESOLVE: ResolveFlags = ResolveFlags::NO_SYMLINKS.union(ResolveFlags::NO_MAGICLINKS);

/// Opens the directory at `path` from `/` on, only to refer to it (`O_PATH`).
///
/// # Errors
/// What stands in the way, with the component that does.
pub(crate) fn open_directory(path: &VolumePath) -> Result<OwnedFd, PathFact> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat2(CWD, path.as_str(), flags, Mode::empty(), RESOLVE).map_err(|errno| explain(path, errno))
}

/// The deepest directory above `path` that exists and is reached without a link.
pub(crate) fn open_deepest(path: &VolumePath) -> Result<(VolumePath, OwnedFd), Errno> {
    let above: Vec<VolumePath> = path.prefixes().filter_map(|prefix| prefix.parse().ok()).collect();
    let found = above.into_iter().rev().find_map(|prefix| open_directory(&prefix).ok().map(|fd| (prefix, fd)));
    found.ok_or(Errno::NOENT)
}

fn explain(path: &VolumePath, errno: Errno) -> PathFact {
    for prefix in path.prefixes() {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let component = prefix.to_owned();
        let found = match rustix::fs::openat2(CWD, prefix, flags, Mode::empty(), RESOLVE) {
            Ok(found) => found,
            Err(Errno::NOENT) => return PathFact::Missing { first: component },
            Err(error) => return PathFact::Unreachable { reason: error.to_string() },
        };
        let kind = match rustix::fs::statx(&found, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE) {
            Ok(stat) => FileType::from_raw_mode(stat.stx_mode.into()),
            Err(error) => return PathFact::Unreachable { reason: error.to_string() },
        };
        match kind {
            FileType::Directory => {}
            FileType::Symlink => {
                let target = std::fs::read_link(prefix).unwrap_or_default();
                return PathFact::Link { component, target, real: std::fs::canonicalize(path.as_path()).ok() };
            }
            _ => return PathFact::NotADirectory { component },
        }
    }
    PathFact::Unreachable { reason: errno.to_string() }
}
