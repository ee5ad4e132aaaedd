//! Owns the text of lines: what the reader reads, byte for byte.
//! Never writes a line that a reader would refuse.

use std::io::Write;

use sha2::{Digest as _, Sha256};

use crate::tree::attribute::{Attributes, Stability};
use crate::tree::entry::{Content, DeviceNumbers, Entry, Kind};
use crate::tree::line::Line;
use crate::tree::meta::Meta;
use crate::tree::{escape, number};

use super::fault::{EntriesError, LineFault};
use super::law::{Law, Links};
use super::summary::Summary;
use super::{HEADER, LINE_MAX};

/// How much of a path that is too long a fault shows.
const SHOWN: usize = 256;

/// Writes a text of entries line by line, with one call of `write` for each: give it a buffered sink. Lines that a
/// reader would refuse are refused, but for one thing: that the first name of a hard link stands earlier, and is one
/// that can have others, is the caller's to know. [spec: STO-12, STO-13]
///
/// Any error is final: the text is to be thrown away. Memory: one line and one path.
#[derive(Debug)]
pub struct LineWriter<W> {
    sink: W,
    hash: Sha256,
    law: Law,
    text: Vec<u8>,
    number: u64,
    failed: bool,
}

impl<W: Write> LineWriter<W> {
    /// A writer into `sink`, with the first line written.
    pub fn new(sink: W) -> Result<Self, EntriesError> {
        let (hash, law) = (Sha256::new(), Law::new(Links::Trusted));
        let mut writer = Self { sink, hash, law, text: HEADER.to_vec(), number: 0, failed: false };
        writer.flush_line()?;
        Ok(writer)
    }

    /// Adds a line.
    ///
    /// # Errors
    /// The line may not stand here, is longer than 4 MiB, or the sink failed; or something failed before.
    pub fn line(&mut self, line: &Line) -> Result<(), EntriesError> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(EntriesError::Stopped);
        }
        let number = self.number + 1;
        self.law.accept(line).map_err(|fault| EntriesError::Line { number, fault })?;
        self.text.clear();
        write(line, &mut self.text);
        if let (Some(path), length) = (line.path(), self.text.len() + 1)
            && length > LINE_MAX
        {
            let end = path.as_bytes().len().saturating_sub(SHOWN);
            let path = escape::escaped(&path.as_bytes()[end..]);
            return Err(EntriesError::Line { number, fault: LineFault::Large { path, length, limit: LINE_MAX } });
        }
        self.flush_line()?;
        self.failed = false;
        Ok(())
    }

    /// Adds the last line. The sink is flushed, and nothing more: making it durable is the caller's.
    ///
    /// # Errors
    /// There is no entry, a file has no pieces, or the sink failed; or something failed before.
    pub fn finish(mut self) -> Result<(W, Summary), EntriesError> {
        if self.failed {
            return Err(EntriesError::Stopped);
        }
        let (entries, bytes, number) = (self.law.entries, self.law.bytes, self.number + 1);
        self.law.end(entries, bytes).map_err(|fault| EntriesError::Line { number, fault })?;
        self.text.clear();
        self.text.extend_from_slice(b"end");
        field(entries, &mut self.text);
        field(bytes, &mut self.text);
        self.flush_line()?;
        self.sink.flush().map_err(EntriesError::Write)?;
        Ok((self.sink, Summary { entries, bytes, sha256: self.hash.finalize().into() }))
    }

    fn flush_line(&mut self) -> Result<(), EntriesError> {
        self.number += 1;
        self.text.push(b'\n');
        self.hash.update(&self.text);
        self.sink.write_all(&self.text).map_err(EntriesError::Write)
    }
}

/// Adds a line's text without its newline. [spec: STO-13]
fn write(line: &Line, text: &mut Vec<u8>) {
    match line {
        Line::Entry(entry) => write_entry(entry, text),
        Line::HardLink(other) => {
            text.extend_from_slice(b"h ");
            escape::write(other.first.as_bytes(), text);
            text.push(b' ');
            escape::write(other.path.as_bytes(), text);
        }
        Line::Piece(piece) => {
            text.push(b'c');
            field(piece.offset, text);
            field(piece.length.into(), text);
            text.push(b' ');
            number::write_bytes(piece.object.as_bytes(), text);
        }
    }
}

fn field(number: u64, text: &mut Vec<u8>) {
    text.push(b' ');
    number::write(number, text);
}

fn write_entry(entry: &Entry, text: &mut Vec<u8>) {
    text.push(match entry.kind {
        Kind::Directory => b'd',
        Kind::File { .. } => b'f',
        Kind::Symlink { .. } => b'l',
        Kind::Fifo => b'p',
        Kind::Socket => b's',
        Kind::Character(_) => b'C',
        Kind::Block(_) => b'B',
    });
    write_meta(&entry.meta, text);
    match &entry.kind {
        Kind::Directory | Kind::Fifo | Kind::Socket => {}
        Kind::File { size, content } => {
            field(*size, text);
            text.push(b' ');
            match content {
                Content::Empty => text.push(b'-'),
                Content::Whole(object) => number::write_bytes(object.as_bytes(), text),
                Content::Pieces => text.push(b'+'),
            }
        }
        Kind::Symlink { target } => {
            text.push(b' ');
            escape::write(target.as_bytes(), text);
        }
        Kind::Character(DeviceNumbers { major, minor }) | Kind::Block(DeviceNumbers { major, minor }) => {
            field((*major).into(), text);
            field((*minor).into(), text);
        }
    }
    text.push(b' ');
    escape::write(entry.path.as_bytes(), text);
}

fn write_meta(meta: &Meta, text: &mut Vec<u8>) {
    text.push(b' ');
    for shift in [9, 6, 3, 0] {
        text.push(b'0' + u8::try_from(meta.mode.get() >> shift & 7).unwrap_or(0));
    }
    field(meta.uid.get().into(), text);
    field(meta.gid.get().into(), text);
    text.push(b' ');
    meta.modified.write(text);
    text.push(b' ');
    write_attributes(&meta.attributes, text);
    text.push(b' ');
    match &meta.key {
        Some(key) => {
            number::write(key.inode, text);
            text.push(b':');
            key.changed.write(text);
        }
        None => text.push(b'-'),
    }
}

fn write_attributes(attributes: &Attributes, text: &mut Vec<u8>) {
    let start = text.len();
    for xattr in attributes.xattrs() {
        text.extend_from_slice(b"x:");
        escape::write(xattr.name().as_bytes(), text);
        text.extend_from_slice(b"=0x");
        number::write_bytes(xattr.value(), text);
        text.push(b',');
    }
    if !attributes.flags.is_empty() {
        text.extend_from_slice(format!("a:{:x},", attributes.flags.bits()).as_bytes());
    }
    if let Some(links) = attributes.links {
        text.extend_from_slice(b"n:");
        number::write(links.into(), text);
        text.push(b',');
    }
    if attributes.stability == Stability::Unstable {
        text.extend_from_slice(b"u:1,");
    }
    if text.len() == start {
        text.push(b'-');
    } else {
        text.pop();
    }
}
