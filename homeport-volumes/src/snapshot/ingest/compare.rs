//! Owns whether what `stat` says now is what was seen before. Never calls `stat`, and never asks which is older.

use crate::tree::{Attributes, Entry, Kind, Meta, Stability, Stat, StatKey, StatKind};

/// Whether nothing was done to the inode between two looks, as far as its times can tell: the blocks that it takes on the
/// disk may differ, they come and go without a change.
pub(crate) fn same(one: &Stat, other: &Stat) -> bool {
    Stat { blocks: 0, ..*one } == Stat { blocks: 0, ..*other }
}

/// Whether an earlier snapshot saw exactly this, so that nothing has to be read again. [spec: STO-24]
pub(crate) fn unchanged(entry: &Entry, stat: &Stat) -> bool {
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
    let Meta { mode, uid, gid, modified, ref attributes, key } = entry.meta;
    kind && key == Some(stat.key())
        && modified == stat.modified
        && (mode, uid, gid) == (stat.mode, stat.uid, stat.gid)
        && attributes.stability == Stability::Stable
}

/// What an entry carries, with these attributes and this key.
pub(crate) fn meta(stat: &Stat, attributes: Attributes, key: Option<StatKey>) -> Meta {
    Meta { mode: stat.mode, uid: stat.uid, gid: stat.gid, modified: stat.modified, attributes, key }
}
