//! Owns entries on their way into the store. Never decides which lines.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use super::document::Compression;
use super::draft::{Draft, Published, Steps, open_file, sync_room};
use super::entries::{EntriesTotals, compare, file_name};
use super::error::StoreError;
use super::frame::LEVEL;
use super::identity::EntriesId;
use super::pack::record::Form;
use super::place::{Place, Room};
use super::removed;
use crate::tree::{EntriesError, Line, LineWriter};

const STEPS: Steps = Steps {
    write: "store.entries.write",
    sync: "store.entries.sync",
    rename: "store.entries.rename",
    directory: "store.entries.directory",
};
/// How much text is gathered before it is compressed or written.
const CHUNK: usize = 128 << 10;

/// Lines on their way into a file; see [`StoreWriter::entries`](super::StoreWriter::entries). Dropping it throws them
/// away.
#[derive(Debug)]
pub struct EntriesSink {
    lines: LineWriter<BufWriter<Output>>,
}

/// Entries that are complete, and become durable with the next seal.
#[derive(Debug)]
pub(super) struct PendingEntries {
    pub(super) id: EntriesId,
    pub(super) totals: EntriesTotals,
    draft: Draft,
    form: Form,
}

enum Output {
    Raw(DraftWriter),
    Zstd(zstd::stream::write::Encoder<'static, DraftWriter>),
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Raw(_) => "Raw",
            Self::Zstd(_) => "Zstd",
        })
    }
}

/// A draft as a stream. The store's error travels in the stream's, and [`unwrapped`] takes it out.
#[derive(Debug)]
struct DraftWriter(Draft);

impl Write for DraftWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Raw(output) => output.write(bytes),
            Self::Zstd(output) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl EntriesSink {
    pub(super) fn new(place: &Arc<Place>) -> Result<Self, StoreError> {
        let draft = DraftWriter(Draft::new(place, &STEPS)?);
        let output = match place.document.compression {
            Compression::None => Output::Raw(draft),
            Compression::Zstd => {
                let encoder = zstd::stream::write::Encoder::new(draft, LEVEL);
                Output::Zstd(encoder.map_err(StoreError::io("compress entries in", place.at(Room::Tmp, "")))?)
            }
        };
        let lines =
            LineWriter::new(BufWriter::with_capacity(CHUNK, output)).map_err(|error| unwrapped(place, error))?;
        Ok(Self { lines })
    }

    pub(super) fn line(&mut self, place: &Place, line: &Line) -> Result<(), StoreError> {
        self.lines.line(line).map_err(|error| unwrapped(place, error))
    }

    pub(super) fn finish(self, place: &Place) -> Result<PendingEntries, StoreError> {
        let (output, summary) = self.lines.finish().map_err(|error| unwrapped(place, error))?;
        let output = output.into_inner().map_err(|error| unwrapped(place, EntriesError::Write(error.into_error())))?;
        let (draft, form) = match output {
            Output::Raw(draft) => (draft, Form::Raw),
            Output::Zstd(encoder) => {
                (encoder.finish().map_err(|error| unwrapped(place, EntriesError::Write(error)))?, Form::Zstd)
            }
        };
        let totals = EntriesTotals { count: summary.entries, bytes: summary.bytes };
        Ok(PendingEntries { id: EntriesId::new(summary.sha256), totals, draft: draft.0, form })
    }
}

/// The store's own error where one caused it; otherwise a line that may not stand there.
fn unwrapped(place: &Place, error: EntriesError) -> StoreError {
    match error {
        EntriesError::Write(error) => match error.downcast::<StoreError>() {
            Ok(error) => error,
            Err(source) => StoreError::Io { action: "write entries in", path: place.at(Room::Tmp, ""), source },
        },
        other => StoreError::Line(other),
    }
}

impl PendingEntries {
    /// Brings the entries to the disk, reads them back from there, and gives them their name. The directory is not
    /// synced yet. [spec: STO-3, STO-11]
    pub(super) fn seal(self, place: &Place) -> Result<(), StoreError> {
        let Self { id, draft, form, .. } = self;
        draft.sync()?;
        let file = draft.file().try_clone().map_err(StoreError::io("read back", draft.path()))?;
        compare(file, form, &id).map_err(|why| StoreError::ReadBack { path: draft.path(), why })?;
        let other = match form {
            Form::Raw => Form::Zstd,
            Form::Zstd => Form::Raw,
        };
        let beside = state(place, &id, other);
        if let State::Whole = beside {
            return Ok(());
        }
        let name = file_name(&id, form);
        if let Published::Taken(draft) = draft.publish(Room::Entries, &name)? {
            // An unchanged volume has the same entries; they stay if the disk gives them back whole.
            match state(place, &id, form) {
                State::Whole => {}
                State::Damaged | State::Absent => removed::replace(place, Room::Entries, &name, draft)?,
            }
        }
        match beside {
            // A reader would find it first. It goes only now: what replaces it is there.
            State::Damaged => {
                sync(place)?;
                removed::set_aside(place, Room::Entries, &file_name(&id, other))
            }
            State::Absent | State::Whole => Ok(()),
        }
    }
}

/// Makes the names of sealed entries stay.
pub(super) fn sync(place: &Place) -> Result<(), StoreError> {
    sync_room(place, Room::Entries, STEPS.directory)
}

enum State {
    Absent,
    Whole,
    Damaged,
}

/// What is there under the name of entries.
fn state(place: &Place, id: &EntriesId, form: Form) -> State {
    match open_file(place, Room::Entries, &file_name(id, form)) {
        Ok(None) => State::Absent,
        Ok(Some(file)) => compare(file, form, id).map_or(State::Damaged, |()| State::Whole),
        Err(_) => State::Damaged,
    }
}

/// Whether entries are in the store and whole.
pub(super) fn is_whole(place: &Place, id: &EntriesId) -> bool {
    [Form::Zstd, Form::Raw].into_iter().any(|form| matches!(state(place, id, form), State::Whole))
}
