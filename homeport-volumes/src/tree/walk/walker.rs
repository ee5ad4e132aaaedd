//! Owns the order in which a tree is gone through, and what stays open meanwhile.
//! Never reads content or attributes, and never fails as a whole: what it cannot look at it names, and goes on.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::names::Names;
use crate::tree::fault::TreeFault;
use crate::tree::hop;
use crate::tree::path::{TreePath, check_name};
use crate::tree::stat::{Mounted, Stat, StatKind};

/// How many directories stay open: the innermost ones.
const OPEN: usize = 64;

/// The memory that the names of all directories on the way down may take together.
const NAMES: usize = 24 << 20;

/// An entry, and what `stat` said of it when it was come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Where it is.
    pub path: TreePath,
    /// What it is.
    pub stat: Stat,
}

/// Goes through a tree in the order of entries, the directory `.` first. [spec: STO-13]
///
/// Every name that was in a directory from before the walk came to it until after comes up exactly once, as an entry
/// or as a fault: [`TreeFault::Vanished`] where it went meanwhile, [`TreeFault::Mount`] where something is mounted on
/// it. After a fault the walk goes on with the next entry; of a directory that is a fault, nothing below it comes up.
///
/// Bounds, for a tree of any size and depth: 66 open directories, 24 MiB and 16 MiB for names, and some 100 bytes for
/// each directory on the way down. A directory whose names take more than 16 MiB is read several times.
#[derive(Debug)]
pub struct Walk<'a> {
    root: BorrowedFd<'a>,
    /// The directories on the way down, outermost first.
    levels: Vec<Level>,
    /// The directory that comes next, given as an entry already.
    entering: Option<Entering>,
    /// The path of the innermost level.
    path: Vec<u8>,
    /// The memory of names in `levels`.
    held: usize,
    buffer: Vec<u8>,
    begun: bool,
}

#[derive(Debug)]
struct Entering {
    path: TreePath,
    fd: OwnedFd,
    id: Id,
}

/// A directory's own numbers, by which it is known again.
type Id = (u64, u64);

#[derive(Debug)]
struct Level {
    fd: Option<OwnedFd>,
    id: Id,
    /// The length of the path of the directory above.
    above: usize,
    listing: Listing,
}

#[derive(Debug)]
enum Listing {
    /// These names are in memory.
    Held(Names),
    /// The names after this one are to be read again.
    After(Vec<u8>),
    /// No name is left.
    Done,
}

enum Next {
    Found(Result<Scanned, TreeFault>),
    Again,
    End,
}

impl<'a> Walk<'a> {
    /// A walk through the directory `root`, which may be open only to refer to it.
    pub fn new(root: BorrowedFd<'a>) -> Self {
        let (levels, path, buffer) = (Vec::new(), Vec::new(), Vec::new());
        Self { root, levels, entering: None, path, held: 0, buffer, begun: false }
    }

    fn begin(&mut self) -> Result<Scanned, TreeFault> {
        let path = TreePath::root();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |quiet| rustix::fs::openat(self.root, c".", flags | quiet, Mode::empty());
        let fd = hop::quietly(open).map_err(TreeFault::io("open", &path))?;
        let stat = Stat::of(&fd).map_err(TreeFault::io("look at", &path))?;
        self.entering = Some(Entering { path: path.clone(), fd, id: (stat.device, stat.inode) });
        Ok(Scanned { path, stat })
    }

    /// Goes down into the directory that was given last.
    fn enter(&mut self, Entering { path, fd, id }: Entering) -> Result<(), TreeFault> {
        let names = Names::read(fd.as_fd(), None, &mut self.buffer).map_err(TreeFault::io("list", &path))?;
        let above = self.path.len();
        if !path.is_root() {
            self.path.clear();
            self.path.extend_from_slice(path.as_bytes());
        }
        self.held += names.size();
        self.levels.push(Level { fd: Some(fd), id, above, listing: Listing::Held(names) });
        if let Some(far) = self.levels.len().checked_sub(OPEN + 1) {
            self.levels[far].fd = None;
        }
        self.forget();
        Ok(())
    }

    /// Lets go of names far up while there are too many.
    fn forget(&mut self) {
        let inner = self.levels.len().saturating_sub(1);
        for level in &mut self.levels[..inner] {
            if self.held <= NAMES {
                return;
            }
            level.let_go(&mut self.held);
        }
    }

    /// Goes up from a directory that has no more names.
    fn leave(&mut self) -> Result<(), TreeFault> {
        let Some(left) = self.levels.pop() else { return Ok(()) };
        if let Listing::Held(names) = &left.listing {
            self.held -= names.size();
        }
        self.path.truncate(left.above);
        let path = current(&self.path);
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        let is_done = match &level.listing {
            Listing::Held(names) => names.is_spent() && !names.has_more(),
            Listing::After(_) => false,
            Listing::Done => true,
        };
        if is_done || level.fd.is_some() {
            return Ok(());
        }
        match reopen(self.root, &path, left.fd.as_ref(), level.id) {
            Ok(fd) => level.fd = Some(fd),
            Err(errno) => {
                // Its names are of no use without it.
                level.let_go(&mut self.held);
                level.listing = Listing::Done;
                return Err(match errno {
                    Errno::NOENT | Errno::STALE => TreeFault::Changed(path),
                    errno => TreeFault::io("open again", &path)(errno),
                });
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Next {
        if let Some(entering) = self.entering.take() {
            return match self.enter(entering) {
                Ok(()) => Next::Again,
                Err(fault) => Next::Found(Err(fault)),
            };
        }
        let Some(level) = self.levels.last_mut() else { return Next::End };
        let after = match &mut level.listing {
            Listing::Held(names) if !names.is_spent() => return self.look(),
            Listing::Held(names) if names.has_more() => names.last().map(<[u8]>::to_vec),
            Listing::After(after) => Some(std::mem::take(after)),
            Listing::Held(_) | Listing::Done => None,
        };
        let result = match after {
            Some(after) => self.read_on(&after),
            None => self.leave(),
        };
        result.map_or_else(|fault| Next::Found(Err(fault)), |()| Next::Again)
    }

    /// Reads the names of the innermost directory that come after `after`.
    fn read_on(&mut self, after: &[u8]) -> Result<(), TreeFault> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        level.let_go(&mut self.held);
        level.listing = Listing::Done;
        let path = || current(&self.path);
        let fd = level.fd.as_ref().ok_or_else(|| TreeFault::Changed(path()))?;
        let names = Names::read(fd.as_fd(), Some(after), &mut self.buffer);
        let names = names.map_err(|errno| TreeFault::io("list", &path())(errno))?;
        self.held += names.size();
        level.listing = Listing::Held(names);
        self.forget();
        Ok(())
    }

    /// Looks at the next name of the innermost directory.
    fn look(&mut self) -> Next {
        let Some(Level { fd: Some(fd), listing: Listing::Held(names), .. }) = self.levels.last_mut() else {
            return Next::End;
        };
        let Some((name, kind)) = names.next() else { return Next::Again };
        let directory = fd.as_fd();
        let bare = name.to_bytes();
        if let Err(fault) = check_name(bare) {
            return Next::Found(Err(TreeFault::Name { directory: current(&self.path), fault }));
        }
        let path = TreePath::below(&self.path, bare);
        let mut is_directory = kind == FileType::Directory;
        // What a directory lists as one thing may be another by now; once more, and then it is at fault.
        for _ in 0..3 {
            if is_directory {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                match hop::quietly(|quiet| hop::step(directory, name, flags | quiet)) {
                    Ok(fd) => {
                        let stat = match Stat::of(&fd) {
                            Ok(stat) => stat,
                            Err(errno) => return Next::Found(Err(TreeFault::io("look at", &path)(errno))),
                        };
                        self.entering = Some(Entering { path: path.clone(), fd, id: (stat.device, stat.inode) });
                        return Next::Found(Ok(Scanned { path, stat }));
                    }
                    Err(Errno::NOTDIR | Errno::LOOP) => is_directory = false,
                    Err(errno) => return Next::Found(Err(TreeFault::io("open", &path)(errno))),
                }
            } else {
                match Stat::at(directory, name) {
                    Ok((_, Mounted::Here)) => return Next::Found(Err(TreeFault::Mount(path))),
                    Ok((Stat { kind: StatKind::Directory, .. }, _)) => is_directory = true,
                    Ok((stat, Mounted::Not)) => return Next::Found(Ok(Scanned { path, stat })),
                    Err(errno) => return Next::Found(Err(TreeFault::io("look at", &path)(errno))),
                }
            }
        }
        Next::Found(Err(TreeFault::Changed(path)))
    }
}

impl Level {
    /// Forgets the names that are still to come, and where to read on.
    fn let_go(&mut self, held: &mut usize) {
        let Listing::Held(names) = &self.listing else { return };
        *held -= names.size();
        let is_done = names.is_spent() && !names.has_more();
        self.listing = if is_done {
            Listing::Done
        } else {
            // All names come after the empty one.
            Listing::After(names.last().unwrap_or_default().to_vec())
        };
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Scanned, TreeFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(self.begin());
        }
        loop {
            match self.step() {
                Next::Found(found) => return Some(found),
                Next::Again => {}
                Next::End => return None,
            }
        }
    }
}

/// The path with these bytes, empty for the root.
fn current(path: &[u8]) -> TreePath {
    if path.is_empty() { TreePath::root() } else { TreePath::from_checked(path.to_vec()) }
}

/// The directory `id` at `path`, from the one below it or, if that was moved, from the top.
fn reopen(root: BorrowedFd<'_>, path: &TreePath, below: Option<&OwnedFd>, id: Id) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    if let Some(below) = below {
        let open = |quiet| rustix::fs::openat(below, c"..", flags | OFlags::CLOEXEC | quiet, Mode::empty());
        if let Ok(fd) = hop::quietly(open)
            && is(&fd, id)?
        {
            return Ok(fd);
        }
    }
    let fd = hop::quietly(|quiet| hop::open_with(root, path, flags | quiet))?;
    if is(&fd, id)? { Ok(fd) } else { Err(Errno::STALE) }
}

fn is(fd: &OwnedFd, id: Id) -> Result<bool, Errno> {
    Stat::of(fd).map(|stat| (stat.device, stat.inode) == id)
}
