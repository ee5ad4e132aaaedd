//! Owns one part of a snapshot, as lines of a tree of its own: one file, or one directory with all that is in it. A name
//! whose first one is outside becomes the first of its own. Never makes anything.

use std::collections::{BTreeSet, HashMap, HashSet};

use homeport_core::fault::Fault;

use super::source::Source;
use crate::store::{EntriesId, ObjectId, StoreError};
use crate::tree::make::FIXED;
use crate::tree::{Entry, FileFlags, HardLink, Kind, Line, Meta, Piece, TreePath};

/// The most entries that are named in one fault.
const MOST_NAMED: usize = 100;

/// A part of a snapshot. Its only name in the top directory is the chosen entry's own.
pub(super) struct Part<'a, S> {
    source: &'a S,
    chosen: TreePath,
    name: Vec<u8>,
    top: Meta,
    /// First names outside of the part that names in it refer to.
    outside: HashSet<TreePath>,
    /// Every device node that the part needs.
    devices: BTreeSet<TreePath>,
    /// The flags of the chosen entry that forbid renaming it.
    fixed: FileFlags,
}

impl<'a, S: Source> Part<'a, S> {
    /// The part of `source` at `chosen`; `None` if there is none. `top` is what the directory above the chosen entry
    /// carries.
    pub(super) fn of(source: &'a S, chosen: &TreePath, top: Meta) -> Result<Option<Self>, StoreError> {
        let name = chosen.name().unwrap_or(b"volume").to_vec();
        let mut part = Self {
            source,
            chosen: chosen.clone(),
            name,
            top,
            outside: HashSet::new(),
            devices: BTreeSet::new(),
            fixed: FileFlags::NONE,
        };
        let mut found = false;
        for line in source.lines()? {
            let line = line?;
            if let Line::Entry(Entry { path, kind: Kind::Character(_) | Kind::Block(_), .. }) = &line {
                part.devices.insert(path.clone());
            }
            match line {
                Line::Entry(entry) if entry.path == *chosen => {
                    found = true;
                    let flags = entry.meta.attributes.flags;
                    part.fixed = flags.without(FileFlags::ALL.without(FIXED));
                }
                Line::HardLink(name) if part.has(&name.path) => {
                    found = true;
                    if !part.has(&name.first) {
                        part.outside.insert(name.first);
                    }
                }
                Line::Entry(_) | Line::HardLink(_) | Line::Piece(_) => {}
            }
        }
        let devices = std::mem::take(&mut part.devices);
        part.devices = devices.into_iter().filter(|path| part.has(path) || part.outside.contains(path)).collect();
        Ok(found.then_some(part))
    }

    /// The name of the chosen entry.
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    /// The flags that the chosen entry gets when it is where it belongs.
    pub(super) fn fixed(&self) -> FileFlags {
        self.fixed
    }

    /// What is to be said where nobody asked for device nodes, and the part has some. [spec: STO-33]
    pub(super) fn unwanted(&self) -> Option<Fault> {
        let number = self.devices.len();
        if number == 0 {
            return None;
        }
        let mut names: Vec<String> = self.devices.iter().take(MOST_NAMED).map(|path| format!("`{path}`")).collect();
        if number > MOST_NAMED {
            names.push(format!("{} more", number - MOST_NAMED));
        }
        let message = format!(
            "what is to be taken out holds {number} {}",
            if number == 1 { "device node" } else { "device nodes" }
        );
        Some(
            Fault::new("HP-RST-021", self.chosen.to_string(), message)
                .clause("STO-33")
                .expected("no device nodes, unless they are asked for")
                .actual(names.join(", "))
                .remedy("repeat with `--devices` if they are meant to be there, or take out what lies beside them"),
        )
    }

    fn has(&self, path: &TreePath) -> bool {
        *path == self.chosen || path.is_below(&self.chosen)
    }

    /// The path in the part's own tree.
    fn inner(&self, path: &TreePath) -> TreePath {
        let whole = match (self.chosen.is_root(), path.is_root()) {
            (true, true) => self.name.clone(),
            (true, false) => [&self.name, &b"/"[..], path.as_bytes()].concat(),
            (false, _) => [&self.name, &path.as_bytes()[self.chosen.as_bytes().len()..]].concat(),
        };
        TreePath::from_checked(whole)
    }

    fn entry(&self, mut entry: Entry) -> Entry {
        if entry.path == self.chosen {
            let flags = &mut entry.meta.attributes.flags;
            *flags = flags.without(FIXED);
        }
        entry.path = self.inner(&entry.path);
        entry
    }
}

/// A file outside of the part, of which a name in it is one.
struct Outsider {
    entry: Entry,
    pieces: Vec<Piece>,
}

/// Where a piece belongs.
enum Last {
    Inside,
    Outside(TreePath),
    Nowhere,
}

struct Lines<'a, 'b, S, I> {
    part: &'b Part<'a, S>,
    rest: I,
    last: Last,
    outsiders: HashMap<TreePath, Outsider>,
    /// The name in the part that stands for a first name outside.
    stand_ins: HashMap<TreePath, TreePath>,
    ready: std::collections::VecDeque<Line>,
}

impl<S: Source, I: Iterator<Item = Result<Line, StoreError>>> Lines<'_, '_, S, I> {
    fn take(&mut self, line: Line) {
        match line {
            Line::Entry(entry) if self.part.has(&entry.path) => {
                self.last = Last::Inside;
                self.ready.push_back(Line::Entry(self.part.entry(entry)));
            }
            Line::Entry(entry) if self.part.outside.contains(&entry.path) => {
                self.last = Last::Outside(entry.path.clone());
                self.outsiders.insert(entry.path.clone(), Outsider { entry, pieces: Vec::new() });
            }
            Line::Piece(piece) => match &self.last {
                Last::Inside => self.ready.push_back(Line::Piece(piece)),
                Last::Outside(path) => {
                    if let Some(outsider) = self.outsiders.get_mut(path) {
                        outsider.pieces.push(piece);
                    }
                }
                Last::Nowhere => {}
            },
            Line::HardLink(name) if self.part.has(&name.path) => {
                self.last = Last::Nowhere;
                self.hard_link(&name);
            }
            Line::Entry(_) | Line::HardLink(_) => self.last = Last::Nowhere,
        }
    }

    fn hard_link(&mut self, link: &HardLink) {
        let path = self.part.inner(&link.path);
        if self.part.has(&link.first) {
            let first = self.part.inner(&link.first);
            self.ready.push_back(Line::HardLink(HardLink { path, first }));
        } else if let Some(first) = self.stand_ins.get(&link.first) {
            self.ready.push_back(Line::HardLink(HardLink { path, first: first.clone() }));
        } else if let Some(Outsider { mut entry, pieces }) = self.outsiders.remove(&link.first) {
            self.stand_ins.insert(link.first.clone(), path.clone());
            if link.path == self.part.chosen {
                let flags = &mut entry.meta.attributes.flags;
                *flags = flags.without(FIXED);
            }
            entry.path = path;
            self.ready.push_back(Line::Entry(entry));
            self.ready.extend(pieces.into_iter().map(Line::Piece));
        }
    }
}

impl<S: Source, I: Iterator<Item = Result<Line, StoreError>>> Iterator for Lines<'_, '_, S, I> {
    type Item = Result<Line, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(Ok(line));
            }
            match self.rest.next()? {
                Ok(line) => self.take(line),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl<S: Source> Source for Part<'_, S> {
    fn lines(&self) -> Result<impl Iterator<Item = Result<Line, StoreError>>, StoreError> {
        let top = Entry { path: TreePath::root(), meta: self.top.clone(), kind: Kind::Directory };
        Ok(Lines {
            part: self,
            rest: self.source.lines()?,
            last: Last::Nowhere,
            outsiders: HashMap::new(),
            stand_ins: HashMap::new(),
            ready: [Line::Entry(top)].into(),
        })
    }

    fn read(&self, object: &ObjectId, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        self.source.read(object, bytes)
    }

    fn contains(&self, object: &ObjectId) -> Result<bool, StoreError> {
        self.source.contains(object)
    }

    fn name(&self) -> EntriesId {
        self.source.name()
    }
}
