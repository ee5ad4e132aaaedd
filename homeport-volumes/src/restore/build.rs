//! Owns building a tree from lines, in an empty directory. Every call takes one name and an open directory; everything
//! is made new, so that a line that names something twice, or leads elsewhere, is refused by the kernel as well.
//! Never decides whether the tree may be used: it has to be compared first.
//!
//! A directory is closed to everybody but root until it is left, and gets owner, mode, attributes and time only then.
//! The flags that forbid changes are set in a second pass, because they would forbid hard links as well. [spec: STO-31]

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode};
use rustix::io::Errno;

use super::error::RestoreError;
use super::source::Source;
use super::way::{self, Way};
use crate::layout::PROBE;
use crate::progress::Progress;
use crate::tree::make::{self, Defaults, FIXED, Failed, Place};
use crate::tree::{Content, DeviceNumbers, Entry, FileFlags, HardLink, Kind, Line, Meta, Piece, TreePath};

/// Whether device nodes may be made. [spec: STO-33]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// No: a restore of some is refused.
    Refuse,
    /// Yes: the operator asked for them.
    Make,
}

/// What was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Built {
    /// How many entries.
    pub entries: u64,
    /// The sum of the sizes of regular files, each hard link group once.
    pub bytes: u64,
}

/// A file whose pieces are still coming.
struct Open {
    fd: OwnedFd,
    entry: Entry,
    size: u64,
    end: u64,
}

/// A tree that grows line by line.
struct Builder<'a, S> {
    way: Way<Meta>,
    source: &'a S,
    defaults: Defaults,
    devices: Devices,
    progress: &'a dyn Progress,
    bytes: Vec<u8>,
    open: Option<Open>,
    top: Option<Meta>,
    built: Built,
    /// How many entries have flags that are set in the second pass.
    fixed: u64,
}

/// Makes the error of a failed step on an entry.
pub(super) fn failed(entry: &TreePath) -> impl Fn(Failed) -> RestoreError {
    |(action, errno)| RestoreError::Entry { action, entry: entry.clone(), source: errno.into() }
}

fn refused(entry: &TreePath, reason: &str) -> RestoreError {
    RestoreError::Entries { entry: entry.clone(), reason: reason.to_owned() }
}

impl<'a, S: Source> Builder<'a, S> {
    /// A tree with its top in `top`, an empty directory.
    fn new(top: OwnedFd, source: &'a S, defaults: Defaults, devices: Devices, progress: &'a dyn Progress) -> Self {
        let (way, bytes, built) = (Way::new(top), Vec::new(), Built::default());
        Self { way, source, defaults, devices, progress, bytes, open: None, top: None, built, fixed: 0 }
    }

    /// Makes what one line says.
    fn line(&mut self, line: Line) -> Result<(), RestoreError> {
        match line {
            Line::Piece(piece) => self.piece(&piece),
            Line::Entry(entry) => {
                self.close_file()?;
                self.entry(entry)
            }
            Line::HardLink(name) => {
                self.close_file()?;
                self.hard_link(&name)
            }
        }
    }

    /// Goes up or stays until the directory of `path` is reached, which has to be on the way.
    fn go_to(&mut self, path: &TreePath) -> Result<(), RestoreError> {
        if self.top.is_none() {
            return Err(refused(path, "nothing may stand before the top directory"));
        }
        while !self.way.holds(path) {
            if self.way.depth() == 0 {
                return Err(refused(path, "its directory does not stand before it"));
            }
            self.leave()?;
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), RestoreError> {
        let path = self.way.path();
        let left = self.way.leave().map_err(|errno| failed(&path)(("leave", errno)))?;
        if let Some((fd, meta)) = left {
            make::dress(fd.as_fd(), &meta, 0o700, &self.defaults).map_err(failed(&path))?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: Entry) -> Result<(), RestoreError> {
        if entry.meta.uid.get() == u32::MAX || entry.meta.gid.get() == u32::MAX {
            return Err(refused(&entry.path, "no file can have that owner or group"));
        }
        self.built.entries += 1;
        if !entry.meta.attributes.flags.without(FileFlags::ALL.without(FIXED)).is_empty() && !entry.path.is_root() {
            self.fixed += 1;
        }
        let Some(name) = entry.path.name() else {
            if self.top.is_some() || entry.kind != Kind::Directory {
                return Err(refused(&entry.path, "the top is one directory"));
            }
            self.top = Some(entry.meta);
            self.progress.advance(0, 1);
            return Ok(());
        };
        self.go_to(&entry.path)?;
        let parent = self.way.here().map_err(|errno| failed(&entry.path)(("open the directory of", errno)))?;
        let place = Place { parent, name };
        match &entry.kind {
            Kind::Directory => {
                let fd = make::directory(place).map_err(failed(&entry.path))?;
                let name = name.to_vec();
                self.way.enter(&name, fd, entry.meta).map_err(|errno| failed(&entry.path)(("open", errno)))?;
            }
            Kind::File { size, content } => {
                let fd = make::file(place, entry.meta.mode.get()).map_err(failed(&entry.path))?;
                let (size, content) = (*size, *content);
                self.built.bytes = self.built.bytes.saturating_add(size);
                return self.content(fd, entry, size, content);
            }
            Kind::Symlink { target } => {
                make::symlink(place, target.as_bytes()).map_err(failed(&entry.path))?;
                make::dress_named(place, &entry.meta, None, &self.defaults).map_err(failed(&entry.path))?;
            }
            Kind::Fifo => self.node(place, &entry, FileType::Fifo, NO_DEVICE)?,
            Kind::Socket => self.node(place, &entry, FileType::Socket, NO_DEVICE)?,
            Kind::Character(numbers) => self.device(place, &entry, FileType::CharacterDevice, *numbers)?,
            Kind::Block(numbers) => self.device(place, &entry, FileType::BlockDevice, *numbers)?,
        }
        self.progress.advance(0, 1);
        Ok(())
    }

    fn device(
        &self,
        place: Place<'_>,
        entry: &Entry,
        kind: FileType,
        numbers: DeviceNumbers,
    ) -> Result<(), RestoreError> {
        match self.devices {
            Devices::Make => self.node(place, entry, kind, numbers),
            Devices::Refuse => Err(refused(&entry.path, "it is a device node, and nobody asked for those")),
        }
    }

    fn node(
        &self,
        place: Place<'_>,
        entry: &Entry,
        kind: FileType,
        numbers: DeviceNumbers,
    ) -> Result<(), RestoreError> {
        let mode = entry.meta.mode.get();
        make::node(place, kind, mode, numbers)
            .and_then(|()| make::dress_named(place, &entry.meta, Some(mode), &self.defaults))
            .map_err(failed(&entry.path))
    }

    fn content(&mut self, fd: OwnedFd, entry: Entry, size: u64, content: Content) -> Result<(), RestoreError> {
        let open = Open { fd, entry, size, end: 0 };
        match content {
            Content::Empty => self.complete(&open),
            Content::Whole(object) => {
                self.source.read(&object, &mut self.bytes)?;
                if self.bytes.len() as u64 != size {
                    return Err(refused(&open.entry.path, "its object has another size"));
                }
                write_all(open.fd.as_fd(), &self.bytes, 0).map_err(failed(&open.entry.path))?;
                self.complete(&Open { end: size, ..open })
            }
            Content::Pieces => {
                self.open = Some(open);
                Ok(())
            }
        }
    }

    fn piece(&mut self, piece: &Piece) -> Result<(), RestoreError> {
        let Some(open) = &mut self.open else {
            return Err(refused(&self.way.path(), "a piece stands behind no file"));
        };
        let path = &open.entry.path;
        let end = piece.offset.checked_add(piece.length.into()).filter(|end| *end <= open.size);
        let (Some(end), true) = (end, piece.offset >= open.end) else {
            return Err(refused(path, "its pieces overlap, or are longer than it is"));
        };
        self.source.read(&piece.object, &mut self.bytes)?;
        if self.bytes.len() as u64 != u64::from(piece.length) {
            return Err(refused(path, "an object of it has another size"));
        }
        write_all(open.fd.as_fd(), &self.bytes, piece.offset).map_err(failed(path))?;
        open.end = end;
        self.progress.advance(piece.length.into(), 0);
        Ok(())
    }

    fn close_file(&mut self) -> Result<(), RestoreError> {
        match self.open.take() {
            Some(open) => self.complete(&open),
            None => Ok(()),
        }
    }

    /// Ends a file whose bytes are written: the hole at its end, and what it carries.
    fn complete(&self, open: &Open) -> Result<(), RestoreError> {
        let path = &open.entry.path;
        if open.end < open.size {
            rustix::fs::ftruncate(&open.fd, open.size)
                .map_err(|errno| failed(path)(("make the hole at the end of", errno)))?;
        }
        let mode = open.entry.meta.mode.get();
        make::dress(open.fd.as_fd(), &open.entry.meta, mode, &self.defaults).map_err(failed(path))?;
        let whole = matches!(open.entry.kind, Kind::File { content: Content::Whole(_), .. });
        self.progress.advance(if whole { open.size } else { 0 }, 1);
        Ok(())
    }

    fn hard_link(&mut self, link: &HardLink) -> Result<(), RestoreError> {
        self.go_to(&link.path)?;
        self.built.entries += 1;
        let (Some(name), Some(first)) = (link.path.name(), link.first.name()) else {
            return Err(refused(&link.path, "a directory has one name only"));
        };
        let fail = failed(&link.path);
        let here = self.way.here().map_err(|errno| fail(("open the directory of", errno)))?;
        let elsewhere;
        let parent = if self.way.holds(&link.first) {
            here
        } else {
            elsewhere = way::open_parent(self.way.top(), &link.first);
            match &elsewhere {
                Ok(fd) => fd.as_fd(),
                Err(errno) => return Err(fail(("find the first name of", *errno))),
            }
        };
        make::hard_link(Place { parent, name: first }, Place { parent: here, name }).map_err(fail)?;
        self.progress.advance(0, 1);
        Ok(())
    }

    /// Ends the tree, but for the flags that forbid changes; the top's own are returned and not set.
    fn finish(mut self) -> Result<Finished, RestoreError> {
        self.close_file()?;
        while self.way.depth() > 0 {
            self.leave()?;
        }
        let root = TreePath::root();
        let Some(meta) = self.top.take() else { return Err(refused(&root, "there is no top directory")) };
        make::dress(self.way.top(), &meta, 0o700, &self.defaults).map_err(failed(&root))?;
        Ok(Finished { built: self.built, top_flags: meta.attributes.flags, fixed: self.fixed })
    }
}

/// A tree that is complete but for some flags.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    pub(super) built: Built,
    /// The flags that the top is to have.
    pub(super) top_flags: FileFlags,
    /// How many entries below it get flags in the second pass.
    fixed: u64,
}

/// Builds the tree of `source` in `top`, an empty directory that is open for reading, and syncs it. Only the flags of the
/// top itself that forbid changes are not set.
///
/// Nobody but root can look into the tree before it is complete. It is not compared with the source: whoever wants to
/// rely on it has to do that.
///
/// # Errors
/// What the kernel or the store refused, or a line that cannot be; what was built by then stays.
pub fn build(
    top: BorrowedFd<'_>,
    source: &impl Source,
    devices: Devices,
    progress: &dyn Progress,
) -> Result<Built, RestoreError> {
    build_without_sync(top, source, devices, progress).and_then(|finished| {
        rustix::fs::syncfs(top).map_err(|errno| failed(&TreePath::root())(("sync", errno)))?;
        Ok(finished.built)
    })
}

/// The same for one that syncs the tree with something of its own.
pub(super) fn build_without_sync(
    top: BorrowedFd<'_>,
    source: &impl Source,
    devices: Devices,
    progress: &dyn Progress,
) -> Result<Finished, RestoreError> {
    let root = TreePath::root();
    let fail = failed(&root);
    make::drop_inherited_lists(top).map_err(|errno| fail(("take the access lists off", errno)))?;
    let defaults = Defaults::of(top, PROBE).map_err(|errno| fail(("try out", errno)))?;
    let here = rustix::fs::openat(top, ".", way::DIRECTORY, Mode::empty()).map_err(|errno| fail(("open", errno)))?;
    let mut builder = Builder::new(here, source, defaults, devices, progress);
    for line in source.lines()? {
        builder.line(line?)?;
    }
    let finished = builder.finish()?;
    if finished.fixed > 0 {
        fix_all(top, source.lines()?.map(|line| Ok(line?)))?;
    }
    Ok(finished)
}

const NO_DEVICE: DeviceNumbers = DeviceNumbers { major: 0, minor: 0 };

/// Sets the flags that forbid changes on every entry below `top` that has some.
fn fix_all(top: BorrowedFd<'_>, lines: impl Iterator<Item = Result<Line, RestoreError>>) -> Result<(), RestoreError> {
    for line in lines {
        let Line::Entry(entry) = line? else { continue };
        let flags = entry.meta.attributes.flags;
        let Some(name) = entry.path.name().filter(|_| flags.without(FIXED) != flags) else { continue };
        if !matches!(entry.kind, Kind::Directory | Kind::File { .. }) {
            return Err(refused(&entry.path, "only files and directories can have such flags"));
        }
        let opened = way::open_parent(top, &entry.path).and_then(|parent| way::open_file(parent.as_fd(), name));
        let fd = opened.map_err(|errno| failed(&entry.path)(("open", errno)))?;
        make::fix(fd.as_fd(), flags).map_err(failed(&entry.path))?;
    }
    Ok(())
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8], mut offset: u64) -> Result<(), Failed> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(fd, bytes, offset) {
            Ok(0) => return Err(("write", Errno::NOSPC)),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(("write", errno)),
        }
    }
    Ok(())
}
