//! Owns writing a snapshot out as one tar file. Never writes into the store, and never a byte of an object that was not
//! compared with its name.

use std::collections::BTreeSet;
use std::io::Write;

use homeport_core::name::VolumeName;

use super::layout::{self, Flow, LeftOut};
use crate::progress::Progress;
use crate::snapshot::error::SnapshotError;
use crate::store::{EntriesId, ObjectId, Objects, SnapshotHead, Store, StoreError};
use crate::tree::{Line, LineWriter, TreePath};

/// How many entries that tar cannot hold are named.
const NAMED: usize = 1000;

/// What an export came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    /// The length of the archive.
    pub bytes: u64,
    /// Entries that programs for tar cannot make from it; an import brings them back all the same. The first thousand.
    pub left_out: Vec<(VolumeName, TreePath, LeftOut)>,
    /// How many were left out because their path is too long.
    pub long_paths: u64,
    /// How many were left out because they are sockets.
    pub sockets: u64,
}

/// Writes the snapshot `head` to `out` as one tar file in pax form: the same bytes each time. Nothing is synced.
/// [spec: STO-34]
///
/// Memory: two lines, one object, and 16 bytes for each run of data of the sparse file with most.
///
/// # Errors
/// The snapshot is damaged, or `out` refused; what was written is no archive then.
pub fn export(
    store: &Store,
    head: &SnapshotHead,
    out: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<Exported, SnapshotError> {
    let mut export = Export {
        objects: store.objects()?,
        out,
        buffer: Vec::new(),
        exported: Exported::default(),
        volume: None,
        progress,
    };
    export.member(&head.file_name(), &head.render())?;
    for object in head.body.objects() {
        export.objects.read(&object, &mut export.buffer)?;
        let length = export.buffer.len() as u64;
        layout::own_object(&object, length, &mut export)?;
    }
    let lines = |entries: &EntriesId| -> Result<_, SnapshotError> {
        Ok(store.entries(entries)?.map(|line: Result<Line, StoreError>| line.map_err(SnapshotError::Store)))
    };
    let mut written = BTreeSet::new();
    for part in &head.body.volumes {
        if written.insert(part.entries) {
            let size = text(lines(&part.entries)?, Counting::default())?.0;
            let mut block = Vec::new();
            layout::own_file(&format!("{}.entries", part.entries), size, &mut block);
            export.fixed(&block)?;
            text(lines(&part.entries)?, Through(&mut export))?;
            layout::padding(size, &mut export)?;
        }
    }
    for part in &head.body.volumes {
        layout::hidden_objects(&part.name, lines(&part.entries)?, &mut export)?;
    }
    for part in &head.body.volumes {
        export.volume = Some(part.name.clone());
        let uneven = || {
            let why = "it does not read the same twice".to_owned();
            SnapshotError::Store(StoreError::EntriesDamaged { entries: part.entries, why })
        };
        layout::tree(&part.name, lines(&part.entries)?, lines(&part.entries)?, &uneven, &mut export)?;
    }
    export.fixed(&layout::END)?;
    export.out.flush().map_err(SnapshotError::Output)?;
    Ok(export.exported)
}

/// Writes the lines as the text that they came from.
fn text<W: Write>(lines: impl Iterator<Item = Result<Line, SnapshotError>>, to: W) -> Result<W, SnapshotError> {
    let mut writer = LineWriter::new(to)?;
    for line in lines {
        writer.line(&line?)?;
    }
    Ok(writer.finish()?.0)
}

struct Export<'a> {
    objects: Objects,
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
    exported: Exported,
    volume: Option<VolumeName>,
    progress: &'a dyn Progress,
}

impl Export<'_> {
    fn member(&mut self, name: &str, bytes: &[u8]) -> Result<(), SnapshotError> {
        let mut block = Vec::new();
        layout::own_file(name, bytes.len() as u64, &mut block);
        self.fixed(&block)?;
        self.fixed(bytes)?;
        layout::padding(bytes.len() as u64, self)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.out.write_all(bytes)?;
        self.exported.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Flow for Export<'_> {
    type Error = SnapshotError;

    fn fixed(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.write(bytes).map_err(SnapshotError::Output)
    }

    fn object(&mut self, object: &ObjectId, length: u64) -> Result<(), SnapshotError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.objects.read(object, &mut buffer)?;
        let found = buffer.len() as u64;
        if found != length {
            return Err(SnapshotError::Length { object: *object, found, wanted: length });
        }
        self.write(&buffer).map_err(SnapshotError::Output)?;
        self.progress.advance(length, 0);
        self.buffer = buffer;
        Ok(())
    }

    fn entry(&mut self) {
        self.progress.advance(0, 1);
    }

    fn left_out(&mut self, path: &TreePath, why: LeftOut) {
        match why {
            LeftOut::LongPath => self.exported.long_paths += 1,
            LeftOut::Socket => self.exported.sockets += 1,
        }
        if let (Some(volume), true) = (&self.volume, self.exported.left_out.len() < NAMED) {
            self.exported.left_out.push((volume.clone(), path.clone(), why));
        }
    }
}

/// How long a text is.
#[derive(Default)]
struct Counting(u64);

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A text on its way into the archive.
struct Through<'a, 'b>(&'a mut Export<'b>);

impl Write for Through<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Export::write(self.0, bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
