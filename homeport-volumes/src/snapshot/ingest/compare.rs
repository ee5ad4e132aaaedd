//! Owns whether what `stat` says now is what was seen before. Never calls `stat`, and never asks which is older.

use crate::tree::{Attributes, Entry, Kind, Meta, Stability, Stat, StatKey, StatKind};

/// Whether nothing was done to the inode between two looks, as far as its times can tell: the blocks that it takes on the
/// disk may differ, they come and go without a change.
pub(crate) fn same(one: &Stat, other: &Stat) -> bool {
    Stat { blocks: 0, ..*one } == Stat { blocks: 0, ..*other }
}

/// Whether an earlier snapshot saw exactly this, so that nothing has to be read again. [spec: STO-24]
pub(crate) fn unchanged(entry: &Entry, stat: &Stat) -> bool {
    let key = entry.meta.key;
    alike(entry, stat) && key == Some(stat.key())
}

/// Whether an earlier scan saw this as far as it says: but for the key, which an entry that had just been changed has not.
/// It has to be read again; no name was moved to it or from it as far as anybody can see.
pub(super) fn alike(entry: &Entry, stat: &Stat) -> bool {
    let kind = match (&entry.kind, stat.kind) {
        (Kind::File { size, .. }, StatKind::File) => *size == stat.size,
        (Kind::Directory, StatKind::Directory)
        | (Kind::Symlink { .. }, StatKind::Symlink)
        | (Kind::Fifo, StatKind::Fifo)
        | (Kind::Socket, StatKind::Socket) => true,
        (Kind::Character(before), StatKind::Character(now)) | (Kind::Block(before), StatKind::Block(now)) => {
            *before == now
        }
        _ => false,
    };
    let Meta { mode, uid, gid, modified, ref attributes, key: _ } = entry.meta;
    kind && modified == stat.modified
        && (mode, uid, gid) == (stat.mode, stat.uid, stat.gid)
        && attributes.stability == Stability::Stable
}

/// What an entry carries, with these attributes and this key.
pub(crate) fn meta(stat: &Stat, attributes: Attributes, key: Option<StatKey>) -> Meta {
    Meta { mode: stat.mode, uid: stat.uid, gid: stat.gid, modified: stat.modified, attributes, key }
}

#[cfg(test)]
mod tests {
    use homeport_core::unit::{Gid, Mode, Uid};

    use super::*;
    use crate::tree::{Content, DeviceNumbers, LinkTarget, Timestamp, TreePath};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::new(seconds, 1).unwrap()
    }

    fn stat() -> Stat {
        Stat {
            kind: StatKind::File,
            mode: Mode::new(0o644),
            uid: Uid::new(1),
            gid: Gid::new(2),
            size: 5,
            modified: at(100),
            changed: at(200),
            device: 1,
            inode: 7,
            links: 1,
            blocks: 8,
        }
    }

    fn entry(of: &Stat, kind: Kind) -> Entry {
        Entry { path: TreePath::root(), meta: meta(of, Attributes::default(), Some(of.key())), kind }
    }

    fn file() -> Entry {
        entry(&stat(), Kind::File { size: 5, content: Content::Empty })
    }

    /// Each row changes one thing that a program can change, or that a clock does.
    #[test]
    fn whatever_differs_is_read_again() {
        assert!(unchanged(&file(), &stat()));
        let rows: [(&str, Stat); 9] = [
            ("another inode", Stat { inode: 8, ..stat() }),
            ("another size", Stat { size: 6, ..stat() }),
            ("another modification time", Stat { modified: at(101), ..stat() }),
            ("a modification time that was set back", Stat { modified: at(99), ..stat() }),
            ("another status change", Stat { changed: at(201), ..stat() }),
            ("a status change before, by a clock that was set back", Stat { changed: at(199), ..stat() }),
            ("another mode", Stat { mode: Mode::new(0o600), ..stat() }),
            ("another owner", Stat { uid: Uid::new(9), ..stat() }),
            ("another kind", Stat { kind: StatKind::Fifo, ..stat() }),
        ];
        for (what, now) in rows {
            assert!(!unchanged(&file(), &now), "{what}");
            assert!(!same(&stat(), &now), "{what}");
        }
        let mut unknown = file();
        unknown.meta.key = None;
        assert!(!unchanged(&unknown, &stat()), "no key");
        assert!(alike(&unknown, &stat()) && !alike(&unknown, &Stat { modified: at(101), ..stat() }));
        let mut unstable = file();
        unstable.meta.attributes.stability = Stability::Unstable;
        assert!(!unchanged(&unstable, &stat()), "it never kept still");
    }

    #[test]
    fn blocks_are_no_change_and_names_elsewhere_are_one_only_between_two_looks() {
        let blocks = Stat { blocks: 0, ..stat() };
        assert!(same(&stat(), &blocks) && unchanged(&file(), &blocks));
        let links = Stat { links: 2, ..stat() };
        assert!(!same(&stat(), &links) && unchanged(&file(), &links));
    }

    #[test]
    fn kinds_are_compared_with_what_they_are() {
        let of = |kind| Stat { kind, ..stat() };
        let numbers = DeviceNumbers { major: 4, minor: 5 };
        let other = DeviceNumbers { major: 4, minor: 6 };
        let link = Kind::Symlink { target: LinkTarget::new("to").unwrap() };
        for (kind, now) in [
            (Kind::Directory, StatKind::Directory),
            (link, StatKind::Symlink),
            (Kind::Fifo, StatKind::Fifo),
            (Kind::Socket, StatKind::Socket),
            (Kind::Character(numbers), StatKind::Character(numbers)),
            (Kind::Block(numbers), StatKind::Block(numbers)),
        ] {
            assert!(unchanged(&entry(&of(now), kind.clone()), &of(now)), "{now:?}");
            assert!(!unchanged(&entry(&of(now), kind), &of(StatKind::File)), "{now:?}");
        }
        let node = entry(&of(StatKind::Block(numbers)), Kind::Block(numbers));
        assert!(!unchanged(&node, &of(StatKind::Block(other))));
        assert!(!unchanged(&node, &of(StatKind::Character(numbers))));
    }
}
