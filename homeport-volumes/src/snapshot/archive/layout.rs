//! Owns what stands in an exported archive, and in which order: every byte of it follows from the snapshot. Never reads or
//! writes one: it hands out the bytes that are known ([`Flow::fixed`]) and says where an object's bytes stand
//! ([`Flow::object`]), so that an export writes what an import compares.

use std::iter::Peekable;

use homeport_core::name::VolumeName;

use super::header::{self, Member, MemberKind, Sparse};
use crate::store::ObjectId;
use crate::tree::{Content, DeviceNumbers, Entry, HardLink, Kind, Line, Piece, TreePath};

/// What an archive ends with.
pub(super) const END: [u8; 2 * header::BLOCK] = [0; 2 * header::BLOCK];

/// The longest path that tar programs can make.
const PATH_MAX: usize = 4095;

/// Takes an archive's bytes from its beginning to its end.
pub(super) trait Flow {
    /// What goes wrong.
    type Error;

    /// The next bytes, which are known.
    fn fixed(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// The next bytes are those of the object, so many.
    fn object(&mut self, object: &ObjectId, length: u64) -> Result<(), Self::Error>;

    /// Another entry begins.
    fn entry(&mut self);

    /// The entry cannot be in a tar file: it stands in the entries only.
    fn left_out(&mut self, path: &TreePath, why: LeftOut);
}

/// Why tar cannot hold an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// Its path, or the path of the entry that it is another name of, is longer than 4095 bytes.
    LongPath,
    /// tar has no kind for sockets.
    Socket,
}

/// The path of an entry of this volume in the archive: `<volume>/` and its path.
fn archive_path(volume: &VolumeName, path: &TreePath, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(volume.as_str().as_bytes());
    if !path.is_root() {
        out.push(b'/');
        out.extend_from_slice(path.as_bytes());
    }
}

/// Whether tar programs can make the entry.
fn fits(volume: &VolumeName, path: &TreePath) -> bool {
    volume.as_str().len() + 1 + path.as_bytes().len() <= PATH_MAX
}

/// A member of HomePort's own: a file at the top of the archive.
pub(super) fn own_file(name: &str, size: u64, out: &mut Vec<u8>) {
    let kind = MemberKind::File(size);
    let path = name.as_bytes();
    header::write(
        &Member { path, kind, mode: 0o600, uid: 0, gid: 0, modified: crate::tree::Timestamp::EPOCH, xattrs: &[] },
        out,
    );
}

/// Gives `flow` an object as a file of its own.
pub(super) fn own_object<F: Flow>(object: &ObjectId, length: u64, flow: &mut F) -> Result<(), F::Error> {
    let mut block = Vec::new();
    own_file(&format!("{object}.object"), length, &mut block);
    flow.fixed(&block)?;
    flow.object(object, length)?;
    padding(length, flow)
}

/// Gives `flow` the zeros after `length` bytes of data.
pub(super) fn padding<F: Flow>(length: u64, flow: &mut F) -> Result<(), F::Error> {
    const ZEROS: [u8; header::BLOCK] = [0; header::BLOCK];
    let missing = length.next_multiple_of(512) - length;
    flow.fixed(ZEROS.get(..usize::try_from(missing).unwrap_or(0)).unwrap_or(&ZEROS))
}

/// Gives `flow` the objects of files that no tar program can make, in the order of entries.
pub(super) fn hidden_objects<F, E>(
    volume: &VolumeName,
    lines: impl Iterator<Item = Result<Line, E>>,
    flow: &mut F,
) -> Result<(), F::Error>
where
    F: Flow,
    F::Error: From<E>,
{
    let mut hidden = false;
    for line in lines {
        match line? {
            Line::Entry(Entry { path, kind, .. }) => {
                hidden = !fits(volume, &path);
                if let (true, Kind::File { size, content: Content::Whole(object) }) = (hidden, kind) {
                    own_object(&object, size, flow)?;
                }
            }
            Line::Piece(piece) if hidden => own_object(&piece.object, u64::from(piece.length), flow)?,
            Line::Piece(_) | Line::HardLink(_) => {}
        }
    }
    Ok(())
}

/// Gives `flow` the tree of one volume.
///
/// `ahead` gives the same lines as `lines`: where the data of a sparse file is stands before the data itself, and a file
/// can have more pieces than fit into memory.
///
/// # Errors
/// That of either reading, that of `flow`, and `uneven` where the two readings do not give the same.
pub(super) fn tree<F, E>(
    volume: &VolumeName,
    lines: impl Iterator<Item = Result<Line, E>>,
    ahead: impl Iterator<Item = Result<Line, E>>,
    uneven: &dyn Fn() -> E,
    flow: &mut F,
) -> Result<(), F::Error>
where
    F: Flow,
    F::Error: From<E>,
{
    let mut tree = Tree {
        volume,
        lines: lines.peekable(),
        ahead: ahead.peekable(),
        uneven,
        path: Vec::new(),
        target: Vec::new(),
        block: Vec::new(),
    };
    while let Some(line) = tree.lines.next() {
        let next = line?;
        if tree.ahead.next().transpose()?.as_ref() != Some(&next) {
            return Err(uneven().into());
        }
        match next {
            Line::Entry(entry) => {
                flow.entry();
                tree.entry(&entry, flow)?;
            }
            Line::HardLink(link) => {
                flow.entry();
                tree.hard_link(&link, flow)?;
            }
            Line::Piece(_) => {}
        }
    }
    match tree.ahead.next().transpose()? {
        None => Ok(()),
        Some(_) => Err(uneven().into()),
    }
}

struct Tree<'a, L: Iterator, A: Iterator, E> {
    volume: &'a VolumeName,
    lines: Peekable<L>,
    ahead: Peekable<A>,
    /// The error for two readings that differ.
    uneven: &'a dyn Fn() -> E,
    path: Vec<u8>,
    target: Vec<u8>,
    block: Vec<u8>,
}

impl<L, A, E> Tree<'_, L, A, E>
where
    L: Iterator<Item = Result<Line, E>>,
    A: Iterator<Item = Result<Line, E>>,
{
    fn entry<F>(&mut self, entry: &Entry, flow: &mut F) -> Result<(), F::Error>
    where
        F: Flow,
        F::Error: From<E>,
    {
        if !fits(self.volume, &entry.path) {
            flow.left_out(&entry.path, LeftOut::LongPath);
            return self.skip_pieces(flow);
        }
        archive_path(self.volume, &entry.path, &mut self.path);
        match &entry.kind {
            Kind::Directory => self.head(entry, MemberKind::Directory, flow),
            Kind::File { content: Content::Whole(object), size } => {
                self.head(entry, MemberKind::File(*size), flow)?;
                flow.object(object, *size)?;
                padding(*size, flow)
            }
            Kind::File { content: Content::Empty, size: 0 } => self.head(entry, MemberKind::File(0), flow),
            Kind::File { size, .. } => self.pieces(entry, *size, flow),
            Kind::Symlink { target } => self.head(entry, MemberKind::Symlink(target.as_bytes()), flow),
            Kind::Fifo => self.head(entry, MemberKind::Fifo, flow),
            Kind::Socket => {
                flow.left_out(&entry.path, LeftOut::Socket);
                Ok(())
            }
            Kind::Character(DeviceNumbers { major, minor }) => {
                self.head(entry, MemberKind::Character(*major, *minor), flow)
            }
            Kind::Block(DeviceNumbers { major, minor }) => self.head(entry, MemberKind::Block(*major, *minor), flow),
        }
    }

    fn hard_link<F>(&mut self, link: &HardLink, flow: &mut F) -> Result<(), F::Error>
    where
        F: Flow,
        F::Error: From<E>,
    {
        if !fits(self.volume, &link.path) || !fits(self.volume, &link.first) {
            flow.left_out(&link.path, LeftOut::LongPath);
            return Ok(());
        }
        archive_path(self.volume, &link.path, &mut self.path);
        archive_path(self.volume, &link.first, &mut self.target);
        let kind = MemberKind::HardLink(&self.target);
        self.block.clear();
        let modified = crate::tree::Timestamp::EPOCH;
        header::write(
            &Member { path: &self.path, kind, mode: 0, uid: 0, gid: 0, modified, xattrs: &[] },
            &mut self.block,
        );
        flow.fixed(&self.block)
    }

    /// A file in pieces: as it is where the pieces leave no hole, and with a map of its data otherwise.
    fn pieces<F>(&mut self, entry: &Entry, size: u64, flow: &mut F) -> Result<(), F::Error>
    where
        F: Flow,
        F::Error: From<E>,
    {
        let runs = self.runs()?;
        let data: u64 = runs.iter().map(|(_, length)| length).sum();
        if data == size {
            self.head(entry, MemberKind::File(size), flow)?;
        } else {
            let map = map(&runs, size);
            let stored = data.saturating_add(u64::try_from(map.len()).unwrap_or(u64::MAX));
            self.head(entry, MemberKind::Sparse(Sparse { real: size, stored }), flow)?;
            flow.fixed(&map)?;
        }
        let (mut left, mut at, mut missing) = (runs.into_iter(), 0, 0);
        while let Some(piece) = self.piece()? {
            let length = u64::from(piece.length);
            if missing == 0 {
                (at, missing) = left.next().unwrap_or_default();
            }
            if piece.offset != at || length > missing {
                return Err((self.uneven)().into());
            }
            (at, missing) = (at + length, missing - length);
            flow.object(&piece.object, length)?;
        }
        if missing > 0 || left.next().is_some() {
            return Err((self.uneven)().into());
        }
        padding(data, flow)
    }

    /// Where the data of the file is, pieces that touch as one run.
    fn runs(&mut self) -> Result<Vec<(u64, u64)>, E> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        while let Some(line) = self.ahead.next_if(|line| matches!(line, Ok(Line::Piece(_)) | Err(_))) {
            let Line::Piece(Piece { offset, length, .. }) = line? else { continue };
            match runs.last_mut() {
                Some((start, run)) if start.saturating_add(*run) == offset => *run += u64::from(length),
                _ => runs.push((offset, u64::from(length))),
            }
        }
        Ok(runs)
    }

    fn piece(&mut self) -> Result<Option<Piece>, E> {
        match self.lines.next_if(|line| matches!(line, Ok(Line::Piece(_)) | Err(_))).transpose()? {
            Some(Line::Piece(piece)) => Ok(Some(piece)),
            _ => Ok(None),
        }
    }

    fn skip_pieces<F>(&mut self, _flow: &mut F) -> Result<(), F::Error>
    where
        F: Flow,
        F::Error: From<E>,
    {
        while let Some(piece) = self.piece()? {
            if self.ahead.next().transpose()? != Some(Line::Piece(piece)) {
                return Err((self.uneven)().into());
            }
        }
        Ok(())
    }

    fn head<F: Flow>(&mut self, entry: &Entry, kind: MemberKind<'_>, flow: &mut F) -> Result<(), F::Error> {
        let meta = &entry.meta;
        let xattrs: Vec<_> = meta.attributes.xattrs().iter().map(|x| (x.name().as_bytes(), x.value())).collect();
        self.block.clear();
        let member = Member {
            path: &self.path,
            kind,
            mode: meta.mode.get(),
            uid: meta.uid.get(),
            gid: meta.gid.get(),
            modified: meta.modified,
            xattrs: &xattrs,
        };
        header::write(&member, &mut self.block);
        flow.fixed(&self.block)
    }
}

/// The map of a sparse file in the form `GNU.sparse` 1.0: how many runs of data, and where each begins and how long it
/// is, one number a line; padded to a block. A hole at the end is a run of no bytes there.
fn map(runs: &[(u64, u64)], size: u64) -> Vec<u8> {
    let ends_in_data = runs.last().is_some_and(|(start, length)| start + length == size);
    let end = (!ends_in_data).then_some((size, 0));
    let mut map = format!("{}\n", runs.len() + usize::from(!ends_in_data)).into_bytes();
    for (start, length) in runs.iter().copied().chain(end) {
        map.extend_from_slice(format!("{start}\n{length}\n").as_bytes());
    }
    header::pad(map.len(), &mut map);
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes everything.
    struct Anything;

    impl Flow for Anything {
        type Error = String;

        fn fixed(&mut self, _bytes: &[u8]) -> Result<(), String> {
            Ok(())
        }

        fn object(&mut self, _object: &ObjectId, _length: u64) -> Result<(), String> {
            Ok(())
        }

        fn entry(&mut self) {}

        fn left_out(&mut self, _path: &TreePath, _why: LeftOut) {}
    }

    fn lines(count: u8) -> Vec<Result<Line, String>> {
        let meta = crate::tree::Meta {
            mode: homeport_core::unit::Mode::new(0o644),
            uid: homeport_core::unit::Uid::new(1),
            gid: homeport_core::unit::Gid::new(1),
            modified: crate::tree::Timestamp::EPOCH,
            attributes: crate::tree::Attributes::default(),
            key: None,
        };
        let entry = |path: TreePath, kind| Ok(Line::Entry(Entry { path, meta: meta.clone(), kind }));
        let mut lines = vec![entry(TreePath::root(), Kind::Directory)];
        lines.push(entry("file".parse().unwrap(), Kind::File { size: 1 << 20, content: Content::Pieces }));
        let piece = |at: u8| Piece { offset: u64::from(at) << 12, length: 512, object: ObjectId::of(&[at]) };
        lines.extend((0..count).map(|at| Ok(Line::Piece(piece(at)))));
        lines.push(entry("last".parse().unwrap(), Kind::Fifo));
        lines
    }

    /// The map of a sparse file comes from one reading and its data from another: what either of them says besides ends it.
    #[test]
    fn two_readings_that_differ_are_no_archive() {
        let volume: VolumeName = "home".parse().unwrap();
        let written = |one: Vec<_>, other: Vec<_>| {
            tree(&volume, one.into_iter(), other.into_iter(), &|| "uneven".to_owned(), &mut Anything)
        };
        assert_eq!(written(lines(3), lines(3)), Ok(()));
        for (one, other) in [(3, 2), (2, 3), (0, 1), (1, 0)] {
            assert_eq!(written(lines(one), lines(other)), Err("uneven".to_owned()), "{one} {other}");
        }
        for at in 0..lines(3).len() {
            let mut broken = lines(3);
            broken[at] = Err("the disk".to_owned());
            assert_eq!(written(lines(3), broken.clone()), Err("the disk".to_owned()), "ahead, line {at}");
            assert_eq!(written(broken, lines(3)), Err("the disk".to_owned()), "line {at}");
            let mut short = lines(3);
            drop(short.remove(at));
            assert_eq!(written(lines(3), short), Err("uneven".to_owned()), "without line {at}");
        }
        let more = || lines(3).into_iter().chain([Err("after the last line".to_owned())]).collect();
        assert_eq!(written(lines(3), more()), Err("after the last line".to_owned()));
    }
}
