//! A snapshot in memory, said line by line, so that it can also say what no honest snapshot does.

use std::collections::HashMap;

use homeport_core::unit::{Gid, Mode, Uid};
use homeport_volumes::restore::Source;
use homeport_volumes::store::{EntriesId, ObjectId, StoreError};
use homeport_volumes::tree::{
    Attributes, Content, DeviceNumbers, Entry, HardLink, Kind, Line, LinkTarget, Meta, Piece, Timestamp, TreePath,
};

/// The lines, and the objects that they name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    pub(crate) lines: Vec<Line>,
    pub(crate) objects: HashMap<ObjectId, Vec<u8>>,
}

pub(crate) fn path(text: &str) -> TreePath {
    TreePath::from_bytes(text.as_bytes()).unwrap()
}

/// What an ordinary entry of user 1000 carries.
pub(crate) fn meta(mode: u32) -> Meta {
    Meta {
        mode: Mode::new(mode),
        uid: Uid::new(1000),
        gid: Gid::new(1000),
        modified: Timestamp::new(1_700_000_000, 123_456_789).unwrap(),
        attributes: Attributes::default(),
        key: None,
    }
}

impl Memory {
    /// A top directory like that of the stand's volumes.
    pub(crate) fn new() -> Self {
        Self::default().entry(".", meta(0o750), Kind::Directory)
    }

    pub(crate) fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    pub(crate) fn entry(self, at: &str, meta: Meta, kind: Kind) -> Self {
        self.line(Line::Entry(Entry { path: path(at), meta, kind }))
    }

    pub(crate) fn dir(self, at: &str) -> Self {
        self.entry(at, meta(0o755), Kind::Directory)
    }

    pub(crate) fn object(&mut self, bytes: &[u8]) -> ObjectId {
        let id = ObjectId::of(bytes);
        self.objects.insert(id, bytes.to_vec());
        id
    }

    pub(crate) fn file(self, at: &str, bytes: &[u8]) -> Self {
        self.file_with(at, meta(0o644), bytes)
    }

    pub(crate) fn file_with(mut self, at: &str, meta: Meta, bytes: &[u8]) -> Self {
        let content = if bytes.is_empty() { Content::Empty } else { Content::Whole(self.object(bytes)) };
        self.entry(at, meta, Kind::File { size: bytes.len() as u64, content })
    }

    /// A file in pieces, each at its offset.
    pub(crate) fn pieces(mut self, at: &str, size: u64, pieces: &[(u64, &[u8])]) -> Self {
        self = self.entry(at, meta(0o600), Kind::File { size, content: Content::Pieces });
        for (offset, bytes) in pieces {
            let object = self.object(bytes);
            let length = u32::try_from(bytes.len()).unwrap();
            self = self.line(Line::Piece(Piece { offset: *offset, length, object }));
        }
        self
    }

    pub(crate) fn symlink(self, at: &str, target: &[u8]) -> Self {
        self.entry(at, meta(0o777), Kind::Symlink { target: LinkTarget::new(target).unwrap() })
    }

    pub(crate) fn hard_link(self, at: &str, first: &str) -> Self {
        self.line(Line::HardLink(HardLink { path: path(at), first: path(first) }))
    }

    pub(crate) fn null_device(self, at: &str) -> Self {
        self.entry(at, meta(0o666), Kind::Character(DeviceNumbers { major: 1, minor: 3 }))
    }
}

impl Source for Memory {
    fn lines(&self) -> Result<impl Iterator<Item = Result<Line, StoreError>>, StoreError> {
        Ok(self.lines.iter().cloned().map(Ok))
    }

    fn read(&self, object: &ObjectId, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        bytes.clear();
        let found = self.objects.get(object).ok_or(StoreError::ObjectMissing { object: *object })?;
        bytes.extend_from_slice(found);
        Ok(())
    }

    fn contains(&self, object: &ObjectId) -> Result<bool, StoreError> {
        Ok(self.objects.contains_key(object))
    }

    fn name(&self) -> EntriesId {
        EntriesId::new([7; 32])
    }
}
