//! Owns the pieces of one file between being read and being written down: they can be written only once it is known that
//! the file kept still, and there can be more than fit into memory. Never reads the file.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};

use super::destination::Destination;
use crate::snapshot::error::SnapshotError;
use crate::store::ObjectId;
use crate::tree::{Line, Piece};

/// How many pieces are kept in memory: those of about 1 GiB.
const IN_MEMORY: usize = 8192;

/// The bytes of one piece in the file that takes the others: offset, length, object.
const RECORD: usize = 8 + 4 + 32;

/// The pieces of the file that is being read, in order.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    memory: Vec<Piece>,
    spilled: Option<BufWriter<File>>,
}

impl Pieces {
    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.memory.clear();
        self.spilled = None;
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// Adds one.
    pub(crate) fn push(&mut self, piece: Piece, destination: &mut impl Destination) -> Result<(), SnapshotError> {
        if self.memory.len() < IN_MEMORY {
            self.memory.push(piece);
            return Ok(());
        }
        let file = match &mut self.spilled {
            Some(file) => file,
            None => self.spilled.insert(BufWriter::new(destination.scratch()?)),
        };
        write(&piece, file).map_err(SnapshotError::Scratch)
    }

    /// Gives all of them to `destination`, and forgets them.
    pub(crate) fn write(&mut self, destination: &mut impl Destination) -> Result<(), SnapshotError> {
        for piece in self.memory.drain(..) {
            destination.line(&Line::Piece(piece))?;
        }
        let Some(file) = self.spilled.take() else { return Ok(()) };
        let mut file = file.into_inner().map_err(|error| SnapshotError::Scratch(error.into_error()))?;
        let length = file.stream_position().map_err(SnapshotError::Scratch)?;
        file.rewind().map_err(SnapshotError::Scratch)?;
        let mut file = BufReader::new(file);
        for _ in 0..length / RECORD as u64 {
            let piece = read(&mut file).map_err(SnapshotError::Scratch)?;
            destination.line(&Line::Piece(piece))?;
        }
        Ok(())
    }
}

fn write(piece: &Piece, file: &mut BufWriter<File>) -> io::Result<()> {
    file.write_all(&piece.offset.to_le_bytes())?;
    file.write_all(&piece.length.to_le_bytes())?;
    file.write_all(piece.object.as_bytes())
}

fn read(file: &mut BufReader<File>) -> io::Result<Piece> {
    let (mut offset, mut length, mut object) = ([0; 8], [0; 4], [0; 32]);
    file.read_exact(&mut offset)?;
    file.read_exact(&mut length)?;
    file.read_exact(&mut object)?;
    Ok(Piece { offset: u64::from_le_bytes(offset), length: u32::from_le_bytes(length), object: ObjectId::new(object) })
}
