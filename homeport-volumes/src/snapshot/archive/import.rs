//! Owns taking an exported snapshot into a store. Reads no header for what it says: the head and the entries say what has
//! to stand in the archive, the same bytes are made again, and the first one that differs ends the import. Never unpacks
//! anything.

use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::FileExt as _;

use super::header;
use super::layout::{self, Flow, LeftOut};
use crate::progress::Progress;
use crate::snapshot::error::SnapshotError;
use crate::snapshot::ingest::Keeper;
use crate::snapshot::now;
use crate::snapshot::verified::{Level, Looked, Verified};
use crate::store::{EntriesId, ObjectId, Reason, Sealed, SnapshotBody, SnapshotHead, Store, StoreError, StoreWriter};
use crate::tree::{LineReader, TreePath};

/// The most bytes that a snapshot's file has in an archive.
const HEAD_MAX: u64 = 1 << 20;

/// What an import came to.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The snapshot, with a new sequence number and `imported` for its reason; everything else as it was.
    pub head: SnapshotHead,
    /// What was new in this store.
    pub sealed: Sealed,
    /// What was proven of it.
    pub verified: Verified,
}

/// Takes the snapshot in the archive `input` into the store: it exists when this returns.
///
/// Every byte of the archive is compared: objects with their names, everything else with what the snapshot's head and
/// entries say has to stand there. An archive that another program packed anew is refused. [spec: STO-34]
///
/// # Errors
/// The archive differs at some place, ends early or goes on after its end; the snapshot is in the store already; the
/// store failed.
pub fn import(
    store: &Store,
    writer: StoreWriter,
    input: &mut dyn Read,
    progress: &dyn Progress,
) -> Result<Imported, SnapshotError> {
    let mut import = Import { keeper: Keeper::new(store, writer), input, offset: 0, buffer: Vec::new(), progress };
    let head = import.head()?;
    if store.catalog()?.find(&head.body.uuid).is_some() {
        return Err(StoreError::SnapshotExists { path: store.path().clone(), snapshot: head.body.uuid }.into());
    }
    for object in head.body.objects() {
        let size = import.own_header(&format!("{object}.object"))?;
        import.object(&object, size)?;
        layout::padding(size, &mut import)?;
    }
    let mut texts: Vec<(EntriesId, File)> = Vec::new();
    for part in &head.body.volumes {
        if !texts.iter().any(|(known, _)| *known == part.entries) {
            let text = import.text(&part.entries)?;
            texts.push((part.entries, text));
        }
    }
    let of = |entries: &EntriesId| texts.iter().find(|(known, _)| known == entries).map(|(_, file)| lines(file));
    for part in &head.body.volumes {
        let lines = of(&part.entries).transpose()?.into_iter().flatten();
        layout::hidden_objects(&part.name, lines, &mut import)?;
    }
    for part in &head.body.volumes {
        let tree = of(&part.entries).transpose()?.into_iter().flatten();
        let ahead = of(&part.entries).transpose()?.into_iter().flatten();
        let uneven = || SnapshotError::Scratch(io::Error::other("it does not read the same twice"));
        layout::tree(&part.name, tree, ahead, &uneven, &mut import)?;
    }
    import.fixed(&layout::END)?;
    import.end()?;
    for (id, file) in &texts {
        import.keep(id, file)?;
    }
    import.commit(head.body)
}

struct Import<'a> {
    keeper: Keeper<'a>,
    input: &'a mut dyn Read,
    offset: u64,
    buffer: Vec<u8>,
    progress: &'a dyn Progress,
}

impl Import<'_> {
    /// Reads the next `length` bytes into `buffer`.
    fn next(&mut self, length: usize) -> Result<(), SnapshotError> {
        self.buffer.clear();
        self.buffer.resize(length, 0);
        self.input.read_exact(&mut self.buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.wrong("the archive ends here"),
            _ => SnapshotError::Input(error),
        })?;
        self.offset += length as u64;
        Ok(())
    }

    /// The error for what was read last.
    fn wrong(&self, what: &str) -> SnapshotError {
        let back = self.buffer.len().min(usize::try_from(self.offset).unwrap_or(usize::MAX));
        SnapshotError::Archive { offset: self.offset - back as u64, what: what.to_owned() }
    }

    /// Reads the header of a file at the top of the archive and gives its size: the one thing that is taken from it.
    fn own_header(&mut self, name: &str) -> Result<u64, SnapshotError> {
        self.next(header::BLOCK)?;
        let digits = self.buffer.get(124..135).and_then(|digits| std::str::from_utf8(digits).ok());
        let size = digits.and_then(|digits| u64::from_str_radix(digits, 8).ok()).unwrap_or(0);
        let mut wanted = Vec::new();
        layout::own_file(name, size, &mut wanted);
        if wanted == self.buffer { Ok(size) } else { Err(self.wrong(&format!("there is no `{name}` here"))) }
    }

    fn head(&mut self) -> Result<SnapshotHead, SnapshotError> {
        self.next(header::BLOCK)?;
        let first = std::mem::take(&mut self.buffer);
        let name = first.split(|byte| *byte == 0).next().map(String::from_utf8_lossy).unwrap_or_default();
        let digits = first.get(124..135).and_then(|digits| std::str::from_utf8(digits).ok());
        let size = digits.and_then(|digits| u64::from_str_radix(digits, 8).ok()).unwrap_or(0);
        let mut wanted = Vec::new();
        layout::own_file(&name, size, &mut wanted);
        if wanted != first || size > HEAD_MAX {
            return Err(SnapshotError::Archive { offset: 0, what: "this is not an exported snapshot".to_owned() });
        }
        self.next(usize::try_from(size).unwrap_or(usize::MAX))?;
        let head = SnapshotHead::parse(&self.buffer)
            .map_err(|fault| StoreError::Snapshot { file: name.clone().into_owned(), fault })?;
        if head.file_name() != name {
            return Err(self.wrong(&format!("the snapshot in `{name}` has another name")));
        }
        layout::padding(size, self)?;
        Ok(head)
    }

    /// Puts the text of entries aside, and checks every line of it.
    fn text(&mut self, id: &EntriesId) -> Result<File, SnapshotError> {
        let size = self.own_header(&format!("{id}.entries"))?;
        let file = self.keeper.unnamed_file()?;
        let mut left = size;
        while left > 0 {
            let part = left.min(1 << 20);
            self.next(usize::try_from(part).unwrap_or(1 << 20))?;
            (&file).write_all(&self.buffer).map_err(SnapshotError::Scratch)?;
            left -= part;
        }
        layout::padding(size, self)?;
        let summary = LineReader::new(BufReader::new(From(&file, 0)))?.finish()?;
        if summary.sha256 != *id.as_bytes() {
            return Err(self.wrong(&format!("the entries before this are not `{id}`")));
        }
        Ok(file)
    }

    /// Nothing may follow.
    fn end(&mut self) -> Result<(), SnapshotError> {
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(SnapshotError::Archive { offset: self.offset, what: "something follows its end".to_owned() }),
            Err(error) => Err(SnapshotError::Input(error)),
        }
    }

    /// Puts entries into the store, whose objects are there now.
    fn keep(&mut self, id: &EntriesId, file: &File) -> Result<(), SnapshotError> {
        let mut sink = self.keeper.writer.entries()?;
        for line in lines(file)? {
            self.keeper.writer.line(&mut sink, &line?)?;
        }
        let written = self.keeper.writer.finish(sink)?;
        if written.id == *id {
            Ok(())
        } else {
            Err(SnapshotError::Archive { offset: self.offset, what: format!("`{id}` became `{}`", written.id) })
        }
    }

    fn commit(mut self, body: SnapshotBody) -> Result<Imported, SnapshotError> {
        self.keeper.seal()?;
        let head = self.keeper.writer.commit(SnapshotBody { reason: Reason::Imported, ..body })?;
        let sealed = self.keeper.sealed;
        let entries = head.body.volumes.iter().map(|part| part.count).sum();
        let extent = Looked { entries, objects: sealed.objects, bytes: sealed.bytes };
        let verified = Verified { snapshot: head.body.uuid, level: Level::ReadBack, at: now(), extent };
        Ok(Imported { head, sealed, verified })
    }
}

impl Flow for Import<'_> {
    type Error = SnapshotError;

    fn fixed(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.next(bytes.len())?;
        if self.buffer == bytes {
            return Ok(());
        }
        Err(self.wrong("this is not what the snapshot says stands here"))
    }

    fn object(&mut self, object: &ObjectId, length: u64) -> Result<(), SnapshotError> {
        if length > crate::store::OBJECT_MAX as u64 {
            return Err(self.wrong(&format!("the object `{object}` is longer than 1 MiB")));
        }
        self.next(usize::try_from(length).unwrap_or(0))?;
        let bytes = std::mem::take(&mut self.buffer);
        let found = self.keeper.writer.put(&bytes)?;
        self.buffer = bytes;
        if found != *object {
            return Err(self.wrong(&format!("this is not the object `{object}`")));
        }
        self.progress.advance(length, 0);
        Ok(())
    }

    fn entry(&mut self) {
        self.progress.advance(0, 1);
    }

    fn left_out(&mut self, _path: &TreePath, _why: LeftOut) {}
}

/// The lines of a text that was put aside and found right.
fn lines(
    file: &File,
) -> Result<impl Iterator<Item = Result<crate::tree::Line, SnapshotError>> + use<'_>, SnapshotError> {
    let lines = LineReader::new(BufReader::with_capacity(1 << 16, From(file, 0)))?;
    Ok(lines.map(|line| line.map_err(SnapshotError::Lines)))
}

/// A file read from a place of its own.
struct From<'a>(&'a File, u64);

impl Read for From<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read_at(room, self.1)?;
        self.1 += read as u64;
        Ok(read)
    }
}
