//! Owns how two trees differ: a merge of two streams of entries in the order of paths. Never reads a file: content is the
//! same where the names of its objects are.

use std::cmp::Ordering;

use super::ahead::Ahead;
use crate::tree::{Content, Entry, HardLink, Kind, Line, Meta, TreePath};

/// What became of a path between two snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is something of another kind, or points or leads elsewhere.
    Replaced,
    /// A file has other bytes, or its holes are elsewhere; its metadata may differ too.
    Content,
    /// Only mode, owner, time, flags or extended attributes differ.
    Metadata,
    /// It is a name of another file than before, or has become a file of its own; its content may differ too.
    Relinked,
}

/// One path that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The path.
    pub path: TreePath,
    /// What became of it.
    pub change: Change,
}

/// How many paths changed, and how many did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Compared {
    /// Paths that are new.
    pub added: u64,
    /// Paths that are gone.
    pub removed: u64,
    /// Paths that are otherwise than they were.
    pub changed: u64,
    /// Paths that are as they were.
    pub same: u64,
}

/// Compares new entries, one line at a time, with a stream of old ones.
///
/// Both in the order of entries. Differences are told in that order as well. Memory does not depend on how many entries
/// there are.
pub(crate) struct Differ<I, F> {
    old: Ahead<I>,
    open: Option<Open>,
    compared: Compared,
    tell: F,
}

/// A file in pieces that stands in both, while its pieces come by.
struct Open {
    path: TreePath,
    so_far: Option<Change>,
}

impl<I, E, F> Differ<I, F>
where
    I: Iterator<Item = Result<Line, E>>,
    F: FnMut(Difference),
{
    /// A comparison with `old` that gives every difference to `tell`.
    pub(crate) fn new(old: I, tell: F) -> Self {
        Self { old: Ahead::new(old), open: None, compared: Compared::default(), tell }
    }

    /// Takes the next line of the new entries.
    pub(crate) fn line(&mut self, new: &Line) -> Result<(), E> {
        let Some(path) = new.path() else {
            return self.piece(new);
        };
        self.close()?;
        while let Some(order) = self.old.path()?.map(|before| before.cmp(path)) {
            match order {
                Ordering::Less => self.removed()?,
                Ordering::Equal => return self.both(new),
                Ordering::Greater => break,
            }
        }
        self.say(path, Some(Change::Added));
        Ok(())
    }

    /// Takes the end of the new entries.
    pub(crate) fn finish(mut self) -> Result<Compared, E> {
        self.close()?;
        while self.old.path()?.is_some() {
            self.removed()?;
        }
        Ok(self.compared)
    }

    fn removed(&mut self) -> Result<(), E> {
        if let Some(Line::Entry(Entry { path, .. }) | Line::HardLink(HardLink { path, .. })) = self.old.take()? {
            self.say(&path, Some(Change::Removed));
        }
        self.old.skip_pieces()
    }

    /// The path stands in both.
    fn both(&mut self, new: &Line) -> Result<(), E> {
        match (self.old.take()?, new) {
            (Some(Line::Entry(old)), Line::Entry(new)) => {
                let so_far = change(&old, new);
                if so_far != Some(Change::Replaced) && in_pieces(&old) && in_pieces(new) {
                    self.open = Some(Open { path: old.path, so_far });
                    return Ok(());
                }
                self.say(&new.path, so_far);
            }
            (Some(Line::HardLink(old)), Line::HardLink(new)) => {
                self.say(&new.path, (old.first != new.first).then_some(Change::Relinked));
            }
            (_, Line::Entry(Entry { path, .. }) | Line::HardLink(HardLink { path, .. })) => {
                self.say(path, Some(Change::Relinked));
            }
            (_, Line::Piece(_)) => {}
        }
        self.old.skip_pieces()
    }

    fn piece(&mut self, new: &Line) -> Result<(), E> {
        if let Some(open) = &mut self.open {
            let same = match (self.old.piece()?, new) {
                (Some(old), Line::Piece(new)) => old == *new,
                _ => false,
            };
            if !same {
                open.so_far = Some(Change::Content);
            }
        }
        Ok(())
    }

    /// Tells about the file whose pieces have come by.
    fn close(&mut self) -> Result<(), E> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if self.old.piece()?.is_some() {
            open.so_far = Some(Change::Content);
            self.old.skip_pieces()?;
        }
        self.say(&open.path, open.so_far);
        Ok(())
    }

    fn say(&mut self, path: &TreePath, change: Option<Change>) {
        let count = match change {
            None => &mut self.compared.same,
            Some(Change::Added) => &mut self.compared.added,
            Some(Change::Removed) => &mut self.compared.removed,
            Some(_) => &mut self.compared.changed,
        };
        *count += 1;
        if let Some(change) = change {
            (self.tell)(Difference { path: path.clone(), change });
        }
    }
}

fn in_pieces(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::File { content: Content::Pieces, .. })
}

/// How two entries at the same path differ, their pieces aside.
fn change(old: &Entry, new: &Entry) -> Option<Change> {
    match (&old.kind, &new.kind) {
        (Kind::File { size, content }, Kind::File { size: other_size, content: other }) => {
            let same = size == other_size && content == other;
            if same { metadata(&old.meta, &new.meta) } else { Some(Change::Content) }
        }
        (old_kind, new_kind) if old_kind == new_kind => metadata(&old.meta, &new.meta),
        _ => Some(Change::Replaced),
    }
}

/// The key and the remarks on links and stability are no property of what is there.
fn metadata(old: &Meta, new: &Meta) -> Option<Change> {
    let facts = |meta: &Meta| (meta.mode, meta.uid, meta.gid, meta.modified, meta.attributes.flags);
    let same = facts(old) == facts(new) && old.attributes.xattrs() == new.attributes.xattrs();
    (!same).then_some(Change::Metadata)
}

#[cfg(test)]
mod tests {
    use homeport_core::unit::{Gid, Mode, Uid};

    use super::*;
    use crate::store::ObjectId;
    use crate::tree::{Attributes, Piece, StatKey, Timestamp};

    fn path(text: &str) -> TreePath {
        text.parse().unwrap()
    }

    fn entry(at: &str, mode: u32, kind: Kind) -> Line {
        let meta = Meta {
            mode: Mode::new(mode),
            uid: Uid::new(0),
            gid: Gid::new(0),
            modified: Timestamp::EPOCH,
            attributes: Attributes::default(),
            key: Some(StatKey { inode: 7, changed: Timestamp::new(i64::from(mode), 0).unwrap() }),
        };
        Line::Entry(Entry { path: path(at), meta, kind })
    }

    fn file(at: &str, content: &[u8]) -> Line {
        entry(at, 0o644, Kind::File { size: content.len() as u64, content: Content::Whole(ObjectId::of(content)) })
    }

    fn pieces(at: &str, pieces: &[&[u8]]) -> Vec<Line> {
        let mut lines = vec![entry(at, 0o644, Kind::File { size: 1 << 30, content: Content::Pieces })];
        let piece = |(offset, content): (u64, &&[u8])| {
            Line::Piece(Piece { offset, length: content.len().try_into().unwrap(), object: ObjectId::of(content) })
        };
        lines.extend((0..).step_by(1000).zip(pieces).map(piece));
        lines
    }

    fn directory(at: &str, mode: u32) -> Line {
        entry(at, mode, Kind::Directory)
    }

    fn link(at: &str, first: &str) -> Line {
        Line::HardLink(HardLink { path: path(at), first: path(first) })
    }

    fn differences(old: &[Line], new: &[Line]) -> (Vec<(String, Change)>, Compared) {
        let mut told = Vec::new();
        let old = old.iter().cloned().map(Ok::<_, std::convert::Infallible>);
        let mut differ = Differ::new(old, |difference| told.push((difference.path.to_string(), difference.change)));
        for line in new {
            differ.line(line).unwrap();
        }
        let compared = differ.finish().unwrap();
        (told, compared)
    }

    #[test]
    fn every_kind_of_difference_is_told_once_and_in_order() {
        let old = [
            vec![directory(".", 0o755), directory("a", 0o755), file("a/gone", b"1"), file("a/same", b"2")],
            vec![file("a.txt", b"3"), link("b", "a/same"), link("c", "a/same"), file("d", b"4")],
            pieces("e", &[b"1", b"2", b"3"]),
            pieces("f", &[b"1", b"2"]),
            pieces("g", &[b"1", b"2"]),
            pieces("h", &[b"1", b"2"]),
            vec![directory("i", 0o755), file("j", b"5"), file("z", b"last")],
        ]
        .concat();
        let new = [
            vec![directory(".", 0o700), directory("a", 0o755), file("a/new", b"1"), file("a/same", b"2")],
            vec![file("a.txt", b"other"), link("b", "a/same"), link("c", "a.txt"), directory("d", 0o755)],
            pieces("e", &[b"1", b"2", b"3"]),
            pieces("f", &[b"1", b"2", b"3"]),
            pieces("g", &[b"1"]),
            pieces("h", &[b"1", b"other"]),
            vec![file("i", b"now a file"), link("j", "i")],
        ]
        .concat();
        let (told, compared) = differences(&old, &new);
        let wanted = [
            (".", Change::Metadata),
            ("a/gone", Change::Removed),
            ("a/new", Change::Added),
            ("a.txt", Change::Content),
            ("c", Change::Relinked),
            ("d", Change::Replaced),
            ("f", Change::Content),
            ("g", Change::Content),
            ("h", Change::Content),
            ("i", Change::Replaced),
            ("j", Change::Relinked),
            ("z", Change::Removed),
        ];
        assert_eq!(told, wanted.map(|(path, change)| (path.to_owned(), change)));
        assert_eq!(compared, Compared { added: 1, removed: 2, changed: 9, same: 4 });
    }

    #[test]
    fn equal_trees_have_no_difference_and_keys_are_none() {
        let lines = [vec![directory(".", 0o755), file("a", b"1")], pieces("b", &[b"1", b"2"])].concat();
        let mut other = lines.clone();
        if let Line::Entry(entry) = &mut other[1] {
            entry.meta.key = None;
        }
        assert_eq!(differences(&lines, &other), (Vec::new(), Compared { same: 3, ..Compared::default() }));
        assert_eq!(differences(&[], &lines).1, Compared { added: 3, ..Compared::default() });
        assert_eq!(differences(&lines, &[]).1, Compared { removed: 3, ..Compared::default() });
    }
}
