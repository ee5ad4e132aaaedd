//! Owns comparing a tree on the disk with lines: every byte, every attribute, nothing missing and nothing more. On
//! purpose it looks at the tree with calls of its own and not with those that a snapshot is taken with, so that a
//! mistake in one shows in the other. Never changes anything.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU64;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{Advice, AtFlags, FileType, SeekFrom, Stat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::error::{Difference, RestoreError};
use super::observe::{self, Found};
use super::source::Source;
use super::way::{self, Way};
use crate::progress::Progress;
use crate::store::ObjectId;
use crate::tree::make::FIXED;
use crate::tree::{Content, Entry, HardLink, Kind, Line, Meta, Piece, TreePath};

/// The most differences that are named.
const MOST_NAMED: usize = 100;
/// How many files are being read ahead, and how many bytes of them.
const AHEAD_FILES: usize = 64;
const AHEAD_BYTES: u64 = 16 << 20;
/// How much is read at a time.
const CHUNK: usize = 256 * 1024;

/// What the top directory of a tree has to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Top {
    /// As its line says.
    AsSaid,
    /// As its line says, but for the flags that forbid renaming it: it gets them when it is live.
    NotFixed,
}

/// What was compared and found equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compared {
    /// How many entries.
    pub entries: u64,
    /// The sum of the sizes of regular files, each hard link group once.
    pub bytes: u64,
}

/// Compares the tree below `top`, which is open for reading, with the lines of `source`. Every file is read from the
/// disk, past the page cache where the system can do that, and hashed.
///
/// Remarks about the moment of the snapshot (keys, names outside the volume, unrest) are no part of a tree. Memory is
/// bounded but for 32 bytes for each hard link group that is not complete yet, and open files by a constant.
///
/// # Errors
/// [`RestoreError::Differs`] with what is different; a tree that cannot be read, or lines that cannot.
pub fn compare(
    top: BorrowedFd<'_>,
    source: &impl Source,
    mode: Top,
    progress: &dyn Progress,
) -> Result<Compared, RestoreError> {
    let opened = rustix::fs::openat(top, ".", observe::DIRECTORY, rustix::fs::Mode::empty());
    let opened = opened.map_err(|errno| super::build::failed(&TreePath::root())(("open", errno)))?;
    let mut comparison = Comparison {
        way: Way::new(opened),
        mode,
        progress,
        top_names: None,
        pieces: None,
        ahead: VecDeque::new(),
        ahead_bytes: 0,
        groups: HashMap::new(),
        differences: Vec::new(),
        more: 0,
        compared: Compared::default(),
        buffer: vec![0; CHUNK],
    };
    for line in source.lines()? {
        match line? {
            Line::Piece(piece) => comparison.piece(&piece)?,
            Line::Entry(entry) => comparison.entry(&entry)?,
            Line::HardLink(link) => comparison.hard_link(&link)?,
        }
        if comparison.differences.len() >= MOST_NAMED {
            break;
        }
    }
    comparison.finish(source)
}

/// A file whose content is being compared.
struct Opened {
    fd: OwnedFd,
    path: TreePath,
    size: u64,
}

/// A file in pieces.
struct InPieces {
    file: Opened,
    end: u64,
}

/// A hard link group of which not all names were seen yet.
struct Group {
    /// A short hash of the first name.
    first: u64,
    left: Option<NonZeroU64>,
}

struct Comparison<'a> {
    /// With the number of names that each directory is to have.
    way: Way<u64>,
    mode: Top,
    progress: &'a dyn Progress,
    top_names: Option<u64>,
    pieces: Option<InPieces>,
    ahead: VecDeque<(Opened, ObjectId)>,
    ahead_bytes: u64,
    groups: HashMap<(u64, u64), Group>,
    differences: Vec<Difference>,
    more: u64,
    compared: Compared,
    buffer: Vec<u8>,
}

/// A hash that tells paths apart in one run; a clash would have to be made on purpose, and would only hide which of two
/// equal hard link groups a name belongs to.
fn short(path: &TreePath) -> u64 {
    let hash: [u8; 32] = Sha256::digest(path.as_bytes()).into();
    u64::from_le_bytes(std::array::from_fn(|at| hash[at]))
}

fn io(entry: &TreePath, action: &'static str) -> impl FnOnce(Errno) -> RestoreError {
    let entry = entry.clone();
    move |errno| RestoreError::Entry { action, entry, source: errno.into() }
}

impl Comparison<'_> {
    fn differs(&mut self, path: &TreePath, what: String) {
        if self.differences.len() < MOST_NAMED {
            self.differences.push(Difference { path: path.clone(), what });
        } else {
            self.more += 1;
        }
    }

    /// Goes to the directory of `path`, and counts one name there; whether it could be reached.
    fn go_to(&mut self, path: &TreePath) -> Result<bool, RestoreError> {
        let parent = path.parent();
        while !self.way.holds(path) && self.way.depth() > 0 {
            let here = self.way.path();
            if parent.as_ref().is_some_and(|parent| parent.is_below(&here)) {
                break;
            }
            self.leave()?;
        }
        if !self.way.holds(path) {
            // A directory on the way is missing, which was told.
            return Ok(false);
        }
        match self.way.note() {
            Some(names) => *names += 1,
            None => *self.top_names.get_or_insert(0) += 1,
        }
        Ok(true)
    }

    fn leave(&mut self) -> Result<(), RestoreError> {
        let path = self.way.path();
        if let Some((fd, wanted)) = self.way.leave().map_err(io(&path, "leave"))? {
            self.count(&fd, &path, wanted)?;
        }
        Ok(())
    }

    fn count(&mut self, fd: &OwnedFd, path: &TreePath, wanted: u64) -> Result<(), RestoreError> {
        let found = observe::count_names(fd).map_err(io(path, "list"))?;
        if found > wanted {
            self.differs(path, format!("it has {} names more than in the snapshot", found - wanted));
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), RestoreError> {
        self.end_pieces()?;
        self.compared.entries += 1;
        let path = &entry.path;
        let Some(name) = path.name() else {
            self.top_names = Some(0);
            let fd = rustix::fs::openat(self.way.top(), ".", observe::DIRECTORY, rustix::fs::Mode::empty());
            let fd = fd.map_err(io(path, "open"))?;
            let stat = rustix::fs::fstat(&fd).map_err(io(path, "examine"))?;
            let found = observe::open(fd.as_fd()).map_err(io(path, "examine"))?;
            self.meta(entry, &stat, &found);
            self.progress.advance(0, 1);
            return Ok(());
        };
        if !self.go_to(path)? {
            self.differs(path, "it is missing".to_owned());
            return Ok(());
        }
        let here = self.way.here().map_err(io(path, "open the directory of"))?;
        match &entry.kind {
            Kind::Directory => match way::open_directory(here, name) {
                Ok(fd) => {
                    let stat = rustix::fs::fstat(&fd).map_err(io(path, "examine"))?;
                    let found = observe::open(fd.as_fd()).map_err(io(path, "examine"))?;
                    self.meta(entry, &stat, &found);
                    let name = name.to_vec();
                    self.way.enter(&name, fd, 0).map_err(io(path, "open"))?;
                    self.progress.advance(0, 1);
                }
                Err(errno) => self.absent(path, errno, "no directory")?,
            },
            Kind::File { size, content } => {
                let stat = match rustix::fs::statat(here, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => {
                        self.differs(path, "it is no regular file".to_owned());
                        return Ok(());
                    }
                    Ok(stat) => stat,
                    Err(errno) => return self.absent(path, errno, "no regular file"),
                };
                let fd = way::open_file(here, name).map_err(io(path, "open"))?;
                let found = observe::open(fd.as_fd()).map_err(io(path, "examine"))?;
                self.meta(entry, &stat, &found);
                self.group(path, &stat, None);
                self.compared.bytes = self.compared.bytes.saturating_add(*size);
                if u64::try_from(stat.st_size) != Ok(*size) {
                    self.differs(path, format!("it has {} bytes, the snapshot has {size}", stat.st_size));
                    return Ok(());
                }
                self.content(Opened { fd, path: path.clone(), size: *size }, *content)?;
            }
            Kind::Symlink { .. } | Kind::Fifo | Kind::Socket | Kind::Character(_) | Kind::Block(_) => {
                let stat = match rustix::fs::statat(here, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => stat,
                    Err(errno) => return self.absent(path, errno, "nothing"),
                };
                let kind = observe::special(here, name, &stat).map_err(io(path, "examine"))?;
                let found = observe::named(here, name).map_err(io(path, "examine"))?;
                if kind.as_ref() != Some(&entry.kind) {
                    self.differs(path, "it is of another kind, or points elsewhere".to_owned());
                }
                self.meta(entry, &stat, &found);
                self.group(path, &stat, None);
                self.progress.advance(0, 1);
            }
        }
        Ok(())
    }

    fn absent(&mut self, path: &TreePath, errno: Errno, instead: &str) -> Result<(), RestoreError> {
        match errno {
            Errno::NOENT => self.differs(path, "it is missing".to_owned()),
            Errno::NOTDIR | Errno::LOOP | Errno::XDEV => self.differs(path, format!("it is {instead}")),
            errno => return Err(io(path, "open")(errno)),
        }
        Ok(())
    }

    /// Compares what an entry carries.
    fn meta(&mut self, entry: &Entry, stat: &Stat, found: &Found) {
        let Meta { mode, uid, gid, modified, attributes, .. } = &entry.meta;
        let path = &entry.path;
        let found_mode = stat.st_mode & 0o7777;
        if found_mode != mode.get() {
            self.differs(path, format!("its mode is {found_mode:04o}, the snapshot has {mode}"));
        }
        if (stat.st_uid, stat.st_gid) != (uid.get(), gid.get()) {
            self.differs(path, format!("it belongs to {}:{}, the snapshot has {uid}:{gid}", stat.st_uid, stat.st_gid));
        }
        let time = observe::modified(stat);
        if time != *modified {
            self.differs(path, format!("its time is {time}, the snapshot has {modified}"));
        }
        let loose = self.mode == Top::NotFixed && path.is_root();
        let wanted = if loose { attributes.flags.without(FIXED) } else { attributes.flags };
        if found.flags != wanted {
            let (found, wanted) = (found.flags.bits(), wanted.bits());
            self.differs(path, format!("its flags are {found:x}, the snapshot has {wanted:x}"));
        }
        if found.xattrs != attributes.xattrs() {
            let names = |list: &[crate::tree::Xattr]| {
                list.iter().map(|xattr| format!("`{}`", xattr.name())).collect::<Vec<_>>().join(", ")
            };
            let (found, wanted) = (names(&found.xattrs), names(attributes.xattrs()));
            self.differs(path, format!("its extended attributes are [{found}], the snapshot has [{wanted}]"));
        }
    }

    /// Follows which names are names of one thing. `first` is the name that a hard link's line refers to.
    fn group(&mut self, path: &TreePath, stat: &Stat, first: Option<&TreePath>) {
        let inode = (stat.st_dev, stat.st_ino);
        let known = self.groups.get(&inode).map(|group| group.first);
        match (known, first) {
            (None, None) => {
                let left = NonZeroU64::new(stat.st_nlink.saturating_sub(1));
                if left.is_some() {
                    self.groups.insert(inode, Group { first: short(path), left });
                }
                return;
            }
            (Some(known), Some(first)) if known == short(first) => {}
            (None, Some(first)) => self.differs(path, format!("it is no other name of `{first}`")),
            (Some(_), Some(first)) => self.differs(path, format!("it is a name of something else than `{first}`")),
            (Some(_), None) => self.differs(path, "it is a second name of another entry".to_owned()),
        }
        if let Some(group) = self.groups.get_mut(&inode) {
            group.left = group.left.and_then(|left| NonZeroU64::new(left.get() - 1));
            if group.left.is_none() {
                self.groups.remove(&inode);
            }
        }
    }

    fn hard_link(&mut self, link: &HardLink) -> Result<(), RestoreError> {
        self.end_pieces()?;
        self.compared.entries += 1;
        let path = &link.path;
        let reached = self.go_to(path)?;
        let (Some(name), true) = (path.name(), reached) else {
            self.differs(path, "it is missing".to_owned());
            return Ok(());
        };
        let here = self.way.here().map_err(io(path, "open the directory of"))?;
        match rustix::fs::statat(here, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => self.group(path, &stat, Some(&link.first)),
            Err(errno) => return self.absent(path, errno, "nothing"),
        }
        self.progress.advance(0, 1);
        Ok(())
    }

    fn content(&mut self, file: Opened, content: Content) -> Result<(), RestoreError> {
        // What is clean and in memory would only show what was written, and not what the disk has.
        let whole = NonZeroU64::new(file.size);
        rustix::fs::fadvise(&file.fd, 0, whole, Advice::DontNeed).map_err(io(&file.path, "read past the cache"))?;
        match content {
            Content::Empty => {
                self.only_zeros(&file, 0, file.size)?;
                self.progress.advance(0, 1);
            }
            Content::Whole(object) => {
                rustix::fs::fadvise(&file.fd, 0, whole, Advice::WillNeed).map_err(io(&file.path, "read ahead in"))?;
                self.ahead_bytes += file.size;
                self.ahead.push_back((file, object));
                while self.ahead.len() > AHEAD_FILES || self.ahead_bytes > AHEAD_BYTES {
                    self.next_ahead()?;
                }
            }
            Content::Pieces => self.pieces = Some(InPieces { file, end: 0 }),
        }
        Ok(())
    }

    fn next_ahead(&mut self) -> Result<(), RestoreError> {
        let Some((file, object)) = self.ahead.pop_front() else { return Ok(()) };
        self.ahead_bytes -= file.size;
        if self.hash(&file, 0, file.size)? != Some(object) {
            self.differs(&file.path, "its content is another one than in the snapshot".to_owned());
        }
        self.progress.advance(file.size, 1);
        Ok(())
    }

    /// The name of the object with these bytes of the file; `None` if it ends before.
    fn hash(&mut self, file: &Opened, offset: u64, length: u64) -> Result<Option<ObjectId>, RestoreError> {
        let mut hasher = Sha256::new();
        let mut done = 0;
        while done < length {
            let want = usize::try_from(length - done).unwrap_or(CHUNK).min(CHUNK);
            match rustix::io::pread(&file.fd, &mut self.buffer[..want], offset + done) {
                Ok(0) => return Ok(None),
                Ok(read) => {
                    hasher.update(&self.buffer[..read]);
                    done += read as u64;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(io(&file.path, "read")(errno)),
            }
        }
        Ok(Some(ObjectId::new(hasher.finalize().into())))
    }

    fn piece(&mut self, piece: &Piece) -> Result<(), RestoreError> {
        let Some(mut pieces) = self.pieces.take() else { return Ok(()) };
        let length = u64::from(piece.length);
        self.only_zeros(&pieces.file, pieces.end, piece.offset)?;
        if self.hash(&pieces.file, piece.offset, length)? != Some(piece.object) {
            let text = format!("its content from byte {} on is another one than in the snapshot", piece.offset);
            self.differs(&pieces.file.path, text);
        }
        pieces.end = piece.offset.saturating_add(length);
        self.pieces = Some(pieces);
        self.progress.advance(length, 0);
        Ok(())
    }

    fn end_pieces(&mut self) -> Result<(), RestoreError> {
        if let Some(pieces) = self.pieces.take() {
            self.only_zeros(&pieces.file, pieces.end, pieces.file.size)?;
            self.progress.advance(0, 1);
        }
        Ok(())
    }

    /// Compares what is a hole in the snapshot: it reads as zeros. Holes are not read.
    fn only_zeros(&mut self, file: &Opened, mut from: u64, to: u64) -> Result<(), RestoreError> {
        while from < to {
            from = match rustix::fs::seek(&file.fd, SeekFrom::Data(from)) {
                Ok(data) => data,
                Err(Errno::NXIO) => return Ok(()),
                Err(Errno::INVAL) => from,
                Err(errno) => return Err(io(&file.path, "look for holes in")(errno)),
            };
            if from >= to {
                return Ok(());
            }
            let want = usize::try_from(to - from).unwrap_or(CHUNK).min(CHUNK);
            let read = match rustix::io::pread(&file.fd, &mut self.buffer[..want], from) {
                Err(Errno::INTR) => continue,
                other => other.map_err(io(&file.path, "read"))?,
            };
            if read == 0 || self.buffer[..read].iter().any(|byte| *byte != 0) {
                self.differs(&file.path, format!("it has content near byte {from}, the snapshot has a hole"));
                return Ok(());
            }
            from += read as u64;
        }
        Ok(())
    }

    fn finish(mut self, source: &impl Source) -> Result<Compared, RestoreError> {
        self.end_pieces()?;
        while !self.ahead.is_empty() {
            self.next_ahead()?;
        }
        let complete = self.differences.len() < MOST_NAMED;
        if complete {
            while self.way.depth() > 0 {
                self.leave()?;
            }
            let root = TreePath::root();
            let top = rustix::fs::openat(self.way.top(), ".", observe::DIRECTORY, rustix::fs::Mode::empty());
            let top = top.map_err(io(&root, "open"))?;
            self.count(&top, &root, self.top_names.unwrap_or(0))?;
        }
        if self.differences.is_empty() {
            return Ok(self.compared);
        }
        let entries = source.name();
        Err(RestoreError::Differs { entries, differences: self.differences, more: self.more })
    }
}
