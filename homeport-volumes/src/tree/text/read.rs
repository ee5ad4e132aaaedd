//! Owns reading a text of entries as a stream, with every rule of the format checked on the way.
//! Never gives a line before all that stands before it was found right.

use std::io::{BufRead, Read as _};

use sha2::{Digest as _, Sha256};

use crate::tree::line::Line;

use super::fault::{EntriesError, LineFault};
use super::law::{Law, Links};
use super::parse::{Parsed, line, shown};
use super::summary::Summary;
use super::{HEADER, LINE_MAX};

/// Reads a text of entries line by line. Every line that it gives was checked against all before it; that the text is
/// whole, with right totals, is known only once [`summary`](Self::summary) is there. [spec: STO-19]
///
/// Memory: one line (at most 4 MiB), one path, and 8 to 12 bytes for each entry that is not a directory, to know what
/// hard links may refer to. Any bytes may be given to it; nothing but an error comes of wrong ones.
///
/// After an error, and after the last line, it gives nothing more.
#[derive(Debug)]
pub struct LineReader<R> {
    source: R,
    hash: Sha256,
    law: Law,
    text: Vec<u8>,
    number: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Reading,
    Whole(Summary),
    Failed,
}

impl<R: BufRead> LineReader<R> {
    /// A reader of the text in `source`, from its first byte to its last.
    ///
    /// # Errors
    /// The first line is another, or cannot be read.
    pub fn new(source: R) -> Result<Self, EntriesError> {
        let (hash, law) = (Sha256::new(), Law::new(Links::Checked));
        let mut reader = Self { source, hash, law, text: Vec::new(), number: 0, state: State::Reading };
        reader.fetch(HEADER.len() + 1)?;
        if reader.text != HEADER {
            let fault = LineFault::Header { found: shown(&reader.text) };
            return Err(reader.wrong(fault));
        }
        Ok(reader)
    }

    /// What the text is, once its last line was read and nothing stands after it.
    pub fn summary(&self) -> Option<&Summary> {
        match &self.state {
            State::Whole(summary) => Some(summary),
            _ => None,
        }
    }

    /// Reads and checks what is left.
    ///
    /// # Errors
    /// What is wrong with it; also after an earlier error.
    pub fn finish(mut self) -> Result<Summary, EntriesError> {
        self.by_ref().try_for_each(|line| line.map(drop))?;
        self.summary().copied().ok_or(EntriesError::Stopped)
    }

    fn advance(&mut self) -> Result<Option<Line>, EntriesError> {
        self.fetch(LINE_MAX)?;
        let parsed = line(&self.text).map_err(|fault| self.wrong(fault))?;
        match parsed {
            Parsed::Line(line) => {
                self.law.accept(&line).map_err(|fault| self.wrong(fault))?;
                Ok(Some(line))
            }
            Parsed::End(entries, bytes) => {
                self.law.end(entries, bytes).map_err(|fault| self.wrong(fault))?;
                if self.more()? {
                    self.number += 1;
                    return Err(self.wrong(LineFault::Trailing));
                }
                let sha256 = self.hash.clone().finalize().into();
                self.state = State::Whole(Summary { entries, bytes, sha256 });
                Ok(None)
            }
        }
    }

    /// Whether anything follows.
    fn more(&mut self) -> Result<bool, EntriesError> {
        loop {
            match self.source.fill_buf() {
                Ok(rest) => return Ok(!rest.is_empty()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(EntriesError::Read(error)),
            }
        }
    }

    /// Brings the next line, of at most `limit` bytes with its newline, into `text` without the newline.
    fn fetch(&mut self, limit: usize) -> Result<(), EntriesError> {
        self.number += 1;
        self.text.clear();
        let mut source = self.source.by_ref().take(limit as u64);
        let length = source.read_until(b'\n', &mut self.text).map_err(EntriesError::Read)?;
        self.hash.update(&self.text);
        if self.text.pop_if(|byte| *byte == b'\n').is_some() {
            return Ok(());
        }
        let fault = match length {
            _ if self.number == 1 => LineFault::Header { found: shown(&self.text) },
            length if length < limit => LineFault::Truncated,
            _ => LineFault::Long { limit: LINE_MAX },
        };
        Err(self.wrong(fault))
    }

    fn wrong(&self, fault: LineFault) -> EntriesError {
        EntriesError::Line { number: self.number, fault }
    }
}

impl<R: BufRead> Iterator for LineReader<R> {
    type Item = Result<Line, EntriesError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !matches!(self.state, State::Reading) {
            return None;
        }
        let next = self.advance();
        if next.is_err() {
            self.state = State::Failed;
        }
        next.transpose()
    }
}
