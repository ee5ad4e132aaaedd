//! Owns the files that hold entries: finding, reading and comparing one. Never the lines' text (see `tree`), and never
//! writes (see `sink`).

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use sha2::{Digest as _, Sha256};

use super::draft::open_file;
use super::error::StoreError;
use super::identity::EntriesId;
use super::pack::record::Form;
use super::place::{Place, Room};
use crate::tree::{Line, LineReader};

/// How much is read at once.
const CHUNK: usize = 128 << 10;
/// The largest window that a frame may ask for: 8 MiB of memory. [spec: STO-11]
const WINDOW_LOG: u32 = 23;

/// Entries in numbers. [spec: STO-12]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntriesTotals {
    /// The number of entries.
    pub count: u64,
    /// The sum of the sizes of regular files, each hard link group once.
    pub bytes: u64,
}

/// The lines of entries, each checked as the format wants. That the text as a whole is what its name says is known only
/// after the last line: the last item is an error if it is not. [spec: STO-11, STO-19]
pub struct EntriesLines {
    entries: EntriesId,
    reader: Option<LineReader<Box<dyn BufRead + Send>>>,
    totals: Option<EntriesTotals>,
}

/// Entries of which a reader has read every line, and found the text as a whole to be what its name says. Only the reader
/// gives this.
#[derive(Debug)]
pub(crate) struct ReadWhole(EntriesId);

impl ReadWhole {
    /// Which entries these are.
    pub(crate) fn id(&self) -> EntriesId {
        self.0
    }
}

impl std::fmt::Debug for EntriesLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EntriesLines").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl EntriesLines {
    pub(super) fn open(place: &Place, entries: &EntriesId) -> Result<Self, StoreError> {
        let (file, form) = find(place, entries)?.ok_or(StoreError::EntriesMissing { entries: *entries })?;
        let damaged = |why: String| StoreError::EntriesDamaged { entries: *entries, why };
        let text = text(file, form).map_err(|error| damaged(error.to_string()))?;
        let reader = LineReader::new(text).map_err(|error| StoreError::EntriesText { entries: *entries, error })?;
        Ok(Self { entries: *entries, reader: Some(reader), totals: None })
    }

    /// The totals, once the last line was read and the whole text was found right.
    pub fn totals(&self) -> Option<EntriesTotals> {
        self.totals
    }

    /// The witness of that, once the last line was read and the whole text was found right.
    pub(crate) fn read_whole(&self) -> Option<ReadWhole> {
        self.totals.map(|_| ReadWhole(self.entries))
    }

    /// Which entries these are.
    pub fn id(&self) -> EntriesId {
        self.entries
    }

    /// Reads what is left and compares the whole.
    pub fn finish(mut self) -> Result<EntriesTotals, StoreError> {
        self.by_ref().try_for_each(|line| line.map(drop))?;
        self.totals.ok_or_else(|| self.damaged("it could not be read to its end".to_owned()))
    }

    fn damaged(&self, why: String) -> StoreError {
        StoreError::EntriesDamaged { entries: self.entries, why }
    }
}

impl Iterator for EntriesLines {
    type Item = Result<Line, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.reader.as_mut()?.next() {
            Some(Ok(line)) => return Some(Ok(line)),
            Some(Err(error)) => {
                self.reader = None;
                return Some(Err(StoreError::EntriesText { entries: self.entries, error }));
            }
            None => {}
        }
        let summary = self.reader.take()?.summary().copied();
        match summary {
            Some(summary) if EntriesId::new(summary.sha256) == self.entries => {
                self.totals = Some(EntriesTotals { count: summary.entries, bytes: summary.bytes });
                None
            }
            Some(summary) => {
                let found = EntriesId::new(summary.sha256);
                Some(Err(self.damaged(format!("its text is that of `{found}`"))))
            }
            None => Some(Err(self.damaged("it could not be read to its end".to_owned()))),
        }
    }
}

/// The file's name. [spec: STO-11]
pub(super) fn file_name(entries: &EntriesId, form: Form) -> String {
    match form {
        Form::Raw => format!("{entries}.entries"),
        Form::Zstd => format!("{entries}.entries.zst"),
    }
}

/// The entries that a file of this name holds.
pub(super) fn parse_file_name(name: &str) -> Option<(EntriesId, Form)> {
    let (stem, form) = match name.strip_suffix(".zst") {
        Some(stem) => (stem, Form::Zstd),
        None => (name, Form::Raw),
    };
    Some((EntriesId::read(stem.strip_suffix(".entries")?.as_bytes())?, form))
}

/// The file with the entries; the compressed one where there are both.
fn find(place: &Place, entries: &EntriesId) -> Result<Option<(File, Form)>, StoreError> {
    for form in [Form::Zstd, Form::Raw] {
        if let Some(file) = open_file(place, Room::Entries, &file_name(entries, form))? {
            return Ok(Some((file, form)));
        }
    }
    Ok(None)
}

/// The text in a file, as a stream of bounded memory.
fn text<R: Read + Send + 'static>(file: R, form: Form) -> std::io::Result<Box<dyn BufRead + Send>> {
    Ok(match form {
        Form::Raw => Box::new(BufReader::with_capacity(CHUNK, file)),
        Form::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(file)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Box::new(BufReader::with_capacity(CHUNK, decoder))
        }
    })
}

/// Reads the file and compares its text with its name; does not look at the lines.
///
/// # Errors
/// What is different, in words.
pub(super) fn compare(file: File, form: Form, entries: &EntriesId) -> Result<(), String> {
    let _dropped = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    let mut text = text(file, form).map_err(|error| error.to_string())?;
    let mut hash = Sha256::new();
    loop {
        let length = match text.fill_buf() {
            Ok([]) => break,
            Ok(bytes) => {
                hash.update(bytes);
                bytes.len()
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error.to_string()),
        };
        text.consume(length);
    }
    let found = EntriesId::new(hash.finalize().into());
    if found == *entries { Ok(()) } else { Err(format!("its text is that of `{found}`")) }
}
