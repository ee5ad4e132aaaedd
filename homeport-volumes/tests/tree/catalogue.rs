//! Owns the entries of a real tree as lines, made with nothing but the crate's walk and looks, without a store.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use homeport_volumes::store::{OBJECT_MAX, ObjectId};
use homeport_volumes::tree::{
    Content, Entry, Extents, HardLink, Kind, Line, LineReader, LineWriter, Look, Meta, Piece, Stat, StatKind, TreePath,
    Walk,
};

/// The lines of the tree at `path`.
pub(crate) fn lines(path: &Path) -> Vec<Line> {
    let root = File::open(path).unwrap();
    rustix::fs::syncfs(&root).unwrap();
    let mut firsts: HashMap<(u64, u64), TreePath> = HashMap::new();
    let mut lines = Vec::new();
    for scanned in Walk::new(root.as_fd()) {
        let scanned = scanned.unwrap();
        let stat = scanned.stat;
        if stat.links > 1 && stat.kind != StatKind::Directory {
            if let Some(first) = firsts.get(&(stat.device, stat.inode)) {
                lines.push(Line::HardLink(HardLink { path: scanned.path, first: first.clone() }));
                continue;
            }
            firsts.insert((stat.device, stat.inode), scanned.path.clone());
        }
        let look = Look::open(root.as_fd(), &scanned.path, stat.kind).unwrap();
        assert_eq!(look.stat(), &stat, "{}", scanned.path);
        let (kind, pieces) = kind(&look, &stat);
        let attributes = look.attributes().unwrap();
        let Stat { mode, uid, gid, modified, .. } = stat;
        let meta = Meta { mode, uid, gid, modified, attributes, key: Some(stat.key()) };
        lines.push(Line::Entry(Entry { path: scanned.path, meta, kind }));
        lines.extend(pieces.into_iter().map(Line::Piece));
    }
    lines
}

fn kind(look: &Look<'_>, stat: &Stat) -> (Kind, Vec<Piece>) {
    let kind = match stat.kind {
        StatKind::Directory => Kind::Directory,
        StatKind::Symlink => Kind::Symlink { target: look.target().unwrap() },
        StatKind::Fifo => Kind::Fifo,
        StatKind::Socket => Kind::Socket,
        StatKind::Character(device) => Kind::Character(device),
        StatKind::Block(device) => Kind::Block(device),
        StatKind::File => return content(look, stat.size),
    };
    (kind, Vec::new())
}

fn content(look: &Look<'_>, size: u64) -> (Kind, Vec<Piece>) {
    let file = File::from(look.as_fd().try_clone_to_owned().unwrap());
    let extents: Vec<_> = Extents::new(look.as_fd(), size).map(Result::unwrap).collect();
    let read = |offset: u64, length: u64| {
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        file.read_exact_at(&mut bytes, offset).unwrap();
        ObjectId::of(&bytes)
    };
    let file = |content| Kind::File { size, content };
    match &extents[..] {
        [] => (file(Content::Empty), Vec::new()),
        [all] if *all == (0..size) && size <= OBJECT_MAX as u64 => (file(Content::Whole(read(0, size))), Vec::new()),
        _ => {
            let mut pieces = Vec::new();
            for extent in extents {
                for offset in extent.clone().step_by(OBJECT_MAX) {
                    let length = (extent.end - offset).min(OBJECT_MAX as u64);
                    let object = read(offset, length);
                    pieces.push(Piece { offset, length: u32::try_from(length).unwrap(), object });
                }
            }
            (file(Content::Pieces), pieces)
        }
    }
}

/// The text of these lines.
pub(crate) fn text(lines: &[Line]) -> Vec<u8> {
    let mut writer = LineWriter::new(Vec::new()).unwrap();
    for line in lines {
        writer.line(line).unwrap();
    }
    writer.finish().unwrap().0
}

/// The lines of this text.
pub(crate) fn read(text: &[u8]) -> Vec<Line> {
    LineReader::new(text).unwrap().map(Result::unwrap).collect()
}
