//! Owns what the lines of a text must be to each other: order, directories, hard links, pieces, totals.
//! Never reads or writes text, and keeps no more than the last path and, where it is to check them, hashes of names.

use std::cmp::Ordering;

use crate::store::OBJECT_MAX;
use crate::tree::attribute::Stability;
use crate::tree::entry::{Content, DeviceNumbers, Entry, Kind};
use crate::tree::line::{HardLink, Line, Piece};
use crate::tree::path::{TreePath, compare};

use super::fault::LineFault;
use super::targets::Targets;

/// The largest file: what a system call can address.
const SIZE_MAX: u64 = i64::MAX.unsigned_abs();

/// The state after some lines. [spec: STO-13, STO-16, STO-19]
#[derive(Debug)]
pub(super) struct Law {
    last: Vec<u8>,
    last_is_directory: bool,
    pieces: Option<Pieces>,
    targets: Option<Targets>,
    /// Entries so far.
    pub(super) entries: u64,
    /// The sizes of regular files so far.
    pub(super) bytes: u64,
}

/// A file whose pieces are to come.
#[derive(Debug)]
struct Pieces {
    size: u64,
    /// Where the last one ended; `None` before the first.
    end: Option<u64>,
}

/// Who says that the first name of a hard link is an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// Nobody: each is looked up.
    Checked,
    /// Whoever makes the lines.
    Trusted,
}

impl Law {
    pub(super) fn new(links: Links) -> Self {
        let targets = (links == Links::Checked).then(Targets::default);
        Self { last: Vec::new(), last_is_directory: false, pieces: None, targets, entries: 0, bytes: 0 }
    }

    /// Accepts the next line, or says what is wrong with it; nothing more may be asked after that.
    pub(super) fn accept(&mut self, line: &Line) -> Result<(), LineFault> {
        match line {
            Line::Piece(piece) => return self.piece(piece),
            Line::Entry(entry) => self.entry(entry)?,
            Line::HardLink(other) => self.link(other)?,
        }
        self.entries += 1;
        Ok(())
    }

    /// Accepts the end with its two totals.
    pub(super) fn end(&mut self, entries: u64, bytes: u64) -> Result<(), LineFault> {
        self.close()?;
        for (what, found, wanted) in [("entries", entries, self.entries), ("bytes", bytes, self.bytes)] {
            if found != wanted {
                return Err(LineFault::Total { what, found, wanted });
            }
        }
        if self.entries == 0 { Err(LineFault::Root) } else { Ok(()) }
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), LineFault> {
        self.close()?;
        self.place(&entry.path)?;
        fields(entry)?;
        let is_directory = entry.kind == Kind::Directory;
        if entry.path.is_root() && !is_directory {
            return Err(LineFault::Root);
        }
        if let Kind::File { size, content } = entry.kind {
            self.bytes = self.bytes.checked_add(size).ok_or_else(|| wrong("size", &size, "a sum below 2^64"))?;
            self.pieces = (content == Content::Pieces).then_some(Pieces { size, end: None });
        }
        match &mut self.targets {
            Some(targets) if !is_directory => targets.add(entry.path.as_bytes()),
            _ => {}
        }
        self.stand(&entry.path, is_directory);
        Ok(())
    }

    fn link(&mut self, link: &HardLink) -> Result<(), LineFault> {
        self.close()?;
        self.place(&link.path)?;
        let known = self.targets.as_ref().is_none_or(|targets| targets.has(link.first.as_bytes()));
        if !known || link.first >= link.path {
            return Err(LineFault::First { path: link.path.clone(), first: link.first.clone() });
        }
        self.stand(&link.path, false);
        Ok(())
    }

    fn piece(&mut self, piece: &Piece) -> Result<(), LineFault> {
        let Some(Pieces { size, end }) = &mut self.pieces else { return Err(LineFault::Stray) };
        let Piece { offset, length, .. } = *piece;
        if length == 0 || usize::try_from(length).is_ok_and(|length| length > OBJECT_MAX) {
            return Err(wrong("length of a piece", &length, "1 to 1048576"));
        }
        let wanted = end.unwrap_or(0);
        if offset < wanted {
            return Err(LineFault::Overlap { offset, wanted });
        }
        match offset.checked_add(length.into()) {
            Some(after) if after <= *size => *end = Some(after),
            _ => return Err(LineFault::Beyond { offset, length, size: *size }),
        }
        Ok(())
    }

    /// Ends the pieces of the file above.
    fn close(&mut self) -> Result<(), LineFault> {
        match self.pieces.take() {
            Some(Pieces { end: None, .. }) => {
                Err(LineFault::NoPieces { path: TreePath::from_checked(self.last.clone()) })
            }
            _ => Ok(()),
        }
    }

    /// Whether `path` may stand here. All directories above the last entry are there, by this same rule.
    fn place(&self, path: &TreePath) -> Result<(), LineFault> {
        let last = &self.last[..];
        if last.is_empty() {
            let directory = || path.parent().unwrap_or_else(TreePath::root);
            return if path.is_root() {
                Ok(())
            } else {
                Err(LineFault::Orphan { path: path.clone(), directory: directory() })
            };
        }
        match compare(last, path.as_bytes()) {
            Ordering::Less => {}
            Ordering::Equal => return Err(LineFault::Twice(path.clone())),
            Ordering::Greater => {
                return Err(LineFault::Order { path: path.clone(), after: TreePath::from_checked(last.to_vec()) });
            }
        }
        let Some(slash) = path.as_bytes().iter().rposition(|byte| *byte == b'/') else { return Ok(()) };
        let directory = &path.as_bytes()[..slash];
        let is_there = match last.strip_prefix(directory) {
            Some(b"") => self.last_is_directory,
            Some(rest) => rest[0] == b'/',
            None => false,
        };
        if is_there {
            return Ok(());
        }
        Err(LineFault::Orphan { path: path.clone(), directory: TreePath::from_checked(directory.to_vec()) })
    }

    fn stand(&mut self, path: &TreePath, is_directory: bool) {
        self.last.clear();
        self.last.extend_from_slice(path.as_bytes());
        self.last_is_directory = is_directory;
    }
}

fn wrong(field: &'static str, found: &dyn ToString, wanted: &'static str) -> LineFault {
    LineFault::Field { field, found: found.to_string(), wanted }
}

/// What one entry's fields must be to each other.
fn fields(entry: &Entry) -> Result<(), LineFault> {
    let Entry { meta, kind, .. } = entry;
    for (field, id) in [("uid", meta.uid.get()), ("gid", meta.gid.get())] {
        // The system takes this one for "leave it as it is".
        if id == u32::MAX {
            return Err(wrong(field, &id, "at most 4294967294"));
        }
    }
    let attributes = &meta.attributes;
    if attributes.links.is_some_and(|links| links < 2) || (attributes.links.is_some() && *kind == Kind::Directory) {
        return Err(wrong("number of names", &attributes.links.unwrap_or(0), "at least 2, not for a directory"));
    }
    if attributes.stability == Stability::Unstable && !matches!(kind, Kind::File { .. }) {
        return Err(wrong("remark", &"u:1", "it for a regular file only"));
    }
    if !attributes.flags.is_empty() && !matches!(kind, Kind::File { .. } | Kind::Directory) {
        return Err(wrong("flag", &format!("a:{:x}", attributes.flags.bits()), "it for files and directories only"));
    }
    match *kind {
        Kind::File { size, .. } if size > SIZE_MAX => Err(wrong("size", &size, "at most 9223372036854775807")),
        Kind::File { size, content: Content::Whole(_) } if size == 0 || size > OBJECT_MAX as u64 => {
            Err(wrong("size of a file that is one object", &size, "1 to 1048576"))
        }
        Kind::Character(DeviceNumbers { major, minor }) | Kind::Block(DeviceNumbers { major, minor })
            if major > 0xfff || minor > 0xf_ffff =>
        {
            Err(wrong("device", &format!("{major} {minor}"), "at most 4095 and 1048575"))
        }
        _ => Ok(()),
    }
}
