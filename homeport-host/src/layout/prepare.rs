//! Owns the making of HomePort's directories, and the check that nobody else can put other ones in their place.
//! Never deletes anything and never goes below the directories that it makes.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use super::{Layout, LayoutError};

/// More symbolic links than this in one path are taken for a circle, as the kernel does.
const MAX_LINKS: usize = 40;

/// What making the directories came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Directories that were not there before, parents first. Empty when nothing had to be made.
    pub created: Vec<PathBuf>,
}

/// Who may look into a directory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Privacy {
    /// Only its owner: 0700. An open one is closed.
    Private,
    /// Everybody may look: 0755. It may be closer than that.
    Open,
}

impl Layout {
    /// Makes the state, data and run directories where they are missing; state is closed to others (0700).
    ///
    /// On success no other user but root can replace any of them or what leads there: every component of each path,
    /// through symbolic links, is a directory of root or of this user in which others cannot write. A sticky directory
    /// such as `/tmp` is taken, because others cannot replace our entries there.
    ///
    /// # Errors
    /// A component that others can change, that is not a directory, or that the system refuses to make.
    pub fn prepare(&self) -> Result<Prepared, LayoutError> {
        let mut prepared = Prepared::default();
        let wanted = [
            (self.state_dir().to_owned(), Privacy::Private),
            (self.data_dir().to_owned(), Privacy::Open),
            (self.run_dir().to_owned(), Privacy::Open),
            (self.mounts_dir(), Privacy::Open),
            (self.run_dir().join("instances"), Privacy::Open),
        ];
        for (path, privacy) in wanted {
            prepare_directory(&path, privacy, &mut prepared.created)?;
        }
        Ok(prepared)
    }
}

/// Makes a directory of HomePort's own that only its owner may look into, such as the store's or the scratch place; with
/// the promise of [`Layout::prepare`] about what leads there.
pub(crate) fn prepare_private(path: &Path) -> Result<Prepared, LayoutError> {
    let mut prepared = Prepared::default();
    prepare_directory(path, Privacy::Private, &mut prepared.created)?;
    Ok(prepared)
}

/// Walks to `path` as the kernel would, checks each component before it goes on, and makes what is missing.
fn prepare_directory(path: &Path, privacy: Privacy, created: &mut Vec<PathBuf>) -> Result<(), LayoutError> {
    let mut reached = PathBuf::from("/");
    let mut ahead: VecDeque<OsString> = names(path);
    let mut links = 0;
    check_directory(&reached, &stat(&reached)?)?;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            reached.pop();
            continue;
        }
        let next = reached.join(&name);
        let facts = match stat(&next) {
            Err(LayoutError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                let last_private = ahead.is_empty() && privacy == Privacy::Private;
                create(&reached, &next, if last_private { 0o700 } else { 0o755 })?;
                created.push(next.clone());
                stat(&next)?
            }
            other => other?,
        };
        if facts.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(LayoutError::Links { path: path.to_owned() });
            }
            check_owner(&next, &facts)?;
            let target = fs::read_link(&next).map_err(|source| io_error("read the link", &next, source))?;
            if target.is_absolute() {
                reached = PathBuf::from("/");
            }
            for name in names(&target).into_iter().rev() {
                ahead.push_front(name);
            }
            continue;
        }
        check_directory(&next, &facts)?;
        reached = next;
    }
    if privacy == Privacy::Private && stat(&reached)?.mode() & 0o077 != 0 {
        fs::set_permissions(&reached, Permissions::from_mode(0o700))
            .map_err(|source| io_error("close to others", &reached, source))?;
    }
    Ok(())
}

/// The names that a walk along the path goes through, `..` included.
fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

/// Makes a directory with exactly this mode, and its entry in the parent durable. One that is there by now is taken.
fn create(parent: &Path, path: &Path, mode: u32) -> Result<(), LayoutError> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(source) => return Err(io_error("create", path, source)),
    }
    // What the umask took away is given back.
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|source| io_error("set the mode of", path, source))?;
    fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(|source| io_error("sync", parent, source))
}

fn check_directory(path: &Path, facts: &Metadata) -> Result<(), LayoutError> {
    if !facts.is_dir() {
        return Err(LayoutError::NotDirectory { path: path.to_owned() });
    }
    check_owner(path, facts)?;
    let mode = facts.mode() & 0o7777;
    let by_group = mode & 0o020 != 0 && facts.gid() != 0;
    let by_others = mode & 0o002 != 0;
    let sticky = mode & 0o1000 != 0;
    if (by_group || by_others) && !sticky { Err(untrusted(path, facts)) } else { Ok(()) }
}

fn check_owner(path: &Path, facts: &Metadata) -> Result<(), LayoutError> {
    let ours = [0, rustix::process::geteuid().as_raw()].contains(&facts.uid());
    if ours { Ok(()) } else { Err(untrusted(path, facts)) }
}

fn untrusted(path: &Path, facts: &Metadata) -> LayoutError {
    LayoutError::Untrusted {
        path: path.to_owned(),
        uid: facts.uid(),
        mode: facts.mode() & 0o7777,
        euid: rustix::process::geteuid().as_raw(),
    }
}

fn stat(path: &Path) -> Result<Metadata, LayoutError> {
    fs::symlink_metadata(path).map_err(|source| io_error("look at", path, source))
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> LayoutError {
    LayoutError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use homeport_core::fault::Advice as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn layout(root: &Path) -> Layout {
        Layout::under(root).unwrap()
    }

    #[test]
    fn directories_are_made_once_and_state_is_closed_to_others() {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(root.path());
        let created = layout.prepare().unwrap().created;
        assert_eq!(created.len(), 5, "{created:?}");
        assert_eq!(mode(layout.state_dir()), 0o700);
        for open in [layout.data_dir(), layout.run_dir(), &layout.mounts_dir()] {
            assert_eq!(mode(open), 0o755, "{}", open.display());
        }
        assert_eq!(layout.prepare().unwrap(), Prepared::default());
        fs::set_permissions(layout.state_dir(), Permissions::from_mode(0o755)).unwrap();
        layout.prepare().unwrap();
        assert_eq!(mode(layout.state_dir()), 0o700);
    }

    #[test]
    fn a_path_that_others_can_change_is_refused_and_nothing_is_made_there() {
        type Spoil = fn(&Path);
        let rows: [(&str, Spoil); 4] = [
            ("writable by all", |dir| fs::set_permissions(dir, Permissions::from_mode(0o777)).unwrap()),
            ("writable by a group", |dir| {
                chown(dir, None, Some(4242)).unwrap();
                fs::set_permissions(dir, Permissions::from_mode(0o775)).unwrap();
            }),
            ("another owner", |dir| chown(dir, Some(4242), None).unwrap()),
            ("another owner, sticky", |dir| {
                chown(dir, Some(4242), None).unwrap();
                fs::set_permissions(dir, Permissions::from_mode(0o1777)).unwrap();
            }),
        ];
        for (case, spoil) in rows {
            let top = tempfile::tempdir().unwrap();
            let middle = top.path().join("m");
            fs::create_dir(&middle).unwrap();
            spoil(&middle);
            let error = layout(&middle.join("root")).prepare().unwrap_err();
            let LayoutError::Untrusted { path, .. } = &error else { panic!("{case}: {error:?}") };
            assert_eq!((path, error.code()), (&middle, "HP-LAY-004"), "{case}");
            assert_eq!(fs::read_dir(&middle).unwrap().count(), 0, "{case}");
        }
    }

    #[test]
    fn a_sticky_directory_and_the_group_of_root_are_trusted() {
        for safe in [0o1777, 0o775] {
            let top = tempfile::tempdir().unwrap();
            fs::set_permissions(top.path(), Permissions::from_mode(safe)).unwrap();
            layout(&top.path().join("r")).prepare().unwrap();
        }
    }

    #[test]
    fn links_are_followed_as_far_as_they_can_be_trusted() {
        let top = tempfile::tempdir().unwrap();
        let (disk, root) = (top.path().join("disk"), top.path().join("r"));
        fs::create_dir_all(disk.join("a/b")).unwrap();
        fs::create_dir(&root).unwrap();
        symlink("../disk/a/../a/b", root.join("state")).unwrap();
        layout(&root).prepare().unwrap();
        assert_eq!(mode(&disk.join("a/b")), 0o700);

        fs::set_permissions(disk.join("a"), Permissions::from_mode(0o777)).unwrap();
        let error = layout(&root).prepare().unwrap_err();
        assert!(matches!(&error, LayoutError::Untrusted { path, .. } if path == &disk.join("a")), "{error:?}");

        let circle = top.path().join("c");
        symlink("c", &circle).unwrap();
        assert!(matches!(layout(&circle).prepare(), Err(LayoutError::Links { .. })));
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("state"), "").unwrap();
        let error = layout(top.path()).prepare().unwrap_err();
        assert_eq!(error.to_string(), format!("`{}/state` is not a directory", top.path().display()));
    }
}
