//! Owns the meaning of one line's text.
//! Never looks at another line.

use homeport_core::unit::{Gid, Mode, Uid};

use crate::store::ObjectId;
use crate::tree::attribute::{Attributes, FileFlags, Stability, Xattr, XattrName};
use crate::tree::entry::{Content, DeviceNumbers, Entry, Kind, LinkTarget};
use crate::tree::line::{HardLink, Line, Piece};
use crate::tree::meta::{Meta, StatKey};
use crate::tree::path::TreePath;
use crate::tree::time::Timestamp;
use crate::tree::{escape, number};

use super::fault::LineFault;

/// How much of a wrong field a fault shows.
const SHOWN: usize = 256;

/// A line after the first.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// For an entry or a piece.
    Line(Line),
    /// The last line, with its two totals.
    End(u64, u64),
}

/// The beginning of a text, fit to be shown.
pub(super) fn shown(text: &[u8]) -> String {
    escape::escaped(&text[..text.len().min(SHOWN)])
}

/// Reads a line without its newline. [spec: STO-13]
pub(super) fn line(text: &[u8]) -> Result<Parsed, LineFault> {
    let mut fields = Fields { rest: Some(text) };
    let kind = fields.next("kind")?;
    let line = match kind {
        b"d" => entry(&mut fields, |_| Ok(Kind::Directory))?,
        b"f" => entry(&mut fields, file)?,
        b"l" => entry(&mut fields, symlink)?,
        b"p" => entry(&mut fields, |_| Ok(Kind::Fifo))?,
        b"s" => entry(&mut fields, |_| Ok(Kind::Socket))?,
        b"C" => entry(&mut fields, |fields| device(fields).map(Kind::Character))?,
        b"B" => entry(&mut fields, |fields| device(fields).map(Kind::Block))?,
        b"h" => {
            let first = path("first name", fields.next("first name")?)?;
            Line::HardLink(HardLink { first, path: path("path", fields.next("path")?)? })
        }
        b"c" => Line::Piece(Piece {
            offset: fields.number("offset")?,
            length: fields.number("length")?,
            object: fields.parsed("object", "64 lowercase hexadecimal digits", ObjectId::read)?,
        }),
        b"end" => {
            let end = Parsed::End(fields.number("number of entries")?, fields.number("number of bytes")?);
            return fields.end().map(|()| end);
        }
        _ => return Err(LineFault::Unknown { found: shown(kind) }),
    };
    fields.end().map(|()| Parsed::Line(line))
}

struct Fields<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn next(&mut self, field: &'static str) -> Result<&'a [u8], LineFault> {
        let rest = self.rest.ok_or(LineFault::Missing { field })?;
        let found = match rest.iter().position(|byte| *byte == b' ') {
            Some(at) => {
                self.rest = Some(&rest[at + 1..]);
                &rest[..at]
            }
            None => self.rest.take().unwrap_or_default(),
        };
        if found.is_empty() { Err(LineFault::Missing { field }) } else { Ok(found) }
    }

    fn parsed<T>(
        &mut self,
        field: &'static str,
        wanted: &'static str,
        read: impl FnOnce(&'a [u8]) -> Option<T>,
    ) -> Result<T, LineFault> {
        let text = self.next(field)?;
        read(text).ok_or_else(|| wrong(field, text, wanted))
    }

    fn number<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, LineFault> {
        self.parsed(field, "a decimal number in its bounds, without a leading zero", number::read)
    }

    fn end(&self) -> Result<(), LineFault> {
        self.rest.map_or(Ok(()), |rest| Err(LineFault::Surplus { found: shown(rest) }))
    }
}

fn wrong(field: &'static str, text: &[u8], wanted: &'static str) -> LineFault {
    LineFault::Field { field, found: shown(text), wanted }
}

fn unescaped(field: &'static str, text: &[u8]) -> Result<Vec<u8>, LineFault> {
    escape::read(text).ok_or_else(|| wrong(field, text, "printable bytes, the others as `\\ooo`"))
}

fn path(field: &'static str, text: &[u8]) -> Result<TreePath, LineFault> {
    TreePath::from_bytes(unescaped(field, text)?).map_err(LineFault::Path)
}

fn entry(
    fields: &mut Fields<'_>,
    kind: impl FnOnce(&mut Fields<'_>) -> Result<Kind, LineFault>,
) -> Result<Line, LineFault> {
    let meta = meta(fields)?;
    let kind = kind(fields)?;
    Ok(Line::Entry(Entry { path: path("path", fields.next("path")?)?, meta, kind }))
}

fn meta(fields: &mut Fields<'_>) -> Result<Meta, LineFault> {
    Ok(Meta {
        mode: fields.parsed("mode", "four octal digits", mode)?,
        uid: Uid::new(fields.number("uid")?),
        gid: Gid::new(fields.number("gid")?),
        modified: fields.parsed("time", "seconds with nine digits after the point", Timestamp::read)?,
        attributes: attributes(fields.next("attributes")?)?,
        key: fields.parsed("key", "`-`, or an inode, a colon and a time", |text| match text {
            b"-" => Some(None),
            _ => key(text).map(Some),
        })?,
    })
}

fn mode(text: &[u8]) -> Option<Mode> {
    let digits: &[u8; 4] = text.try_into().ok()?;
    let bits = digits.iter().try_fold(0, |bits, digit| match digit {
        b'0'..=b'7' => Some(bits << 3 | u32::from(digit - b'0')),
        _ => None,
    })?;
    Some(Mode::new(bits))
}

fn key(text: &[u8]) -> Option<StatKey> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let (inode, changed) = (number::read(&text[..colon])?, Timestamp::read(&text[colon + 1..])?);
    Some(StatKey { inode, changed })
}

fn file(fields: &mut Fields<'_>) -> Result<Kind, LineFault> {
    let size = fields.number("size")?;
    let content = fields.parsed("content", "an object, `-` or `+`", |text| match text {
        b"-" => Some(Content::Empty),
        b"+" => Some(Content::Pieces),
        _ => ObjectId::read(text).map(Content::Whole),
    })?;
    Ok(Kind::File { size, content })
}

fn symlink(fields: &mut Fields<'_>) -> Result<Kind, LineFault> {
    let text = fields.next("target")?;
    let target = LinkTarget::new(unescaped("target", text)?);
    target.map(|target| Kind::Symlink { target }).map_err(|fault| wrong("target", text, fault.reason))
}

fn device(fields: &mut Fields<'_>) -> Result<DeviceNumbers, LineFault> {
    Ok(DeviceNumbers { major: fields.number("major number")?, minor: fields.number("minor number")? })
}

/// The list of attributes; each word once and in its place, so that equal attributes have one text. [spec: STO-17]
fn attributes(text: &[u8]) -> Result<Attributes, LineFault> {
    const FIELD: &str = "list of attributes";
    if text == b"-" {
        return Ok(Attributes::default());
    }
    let mut words = text.split(|byte| *byte == b',').peekable();
    let mut xattrs: Vec<Xattr> = Vec::new();
    while let Some(word) = words.next_if(|word| word.starts_with(b"x:")) {
        let xattr = xattr(&word[2..])?;
        if xattrs.last().is_some_and(|last| last.name() >= xattr.name()) {
            return Err(wrong(FIELD, word, "the order of names, each once"));
        }
        xattrs.push(xattr);
    }
    let mut attributes =
        Attributes::with_xattrs(xattrs).map_err(|_| wrong(FIELD, text, "the order of names, each once"))?;
    if let Some(word) = words.next_if(|word| word.starts_with(b"a:")) {
        let bits = number::read_hex(&word[2..]).filter(|bits| *bits != 0 && FileFlags::kept(*bits).bits() == *bits);
        let bits = bits.ok_or_else(|| wrong("flag", word, "a sum of 8, 10, 20, 40 and 80"))?;
        attributes.flags = FileFlags::kept(bits);
    }
    if let Some(word) = words.next_if(|word| word.starts_with(b"n:")) {
        let links = number::read(&word[2..]).ok_or_else(|| wrong("number of names", word, "a decimal number"))?;
        attributes.links = Some(links);
    }
    if words.next_if(|word| *word == b"u:1").is_some() {
        attributes.stability = Stability::Unstable;
    }
    words.next().map_or(Ok(attributes), |word| Err(wrong(FIELD, word, "`x:`, `a:`, `n:` or `u:1`, in this order")))
}

fn xattr(text: &[u8]) -> Result<Xattr, LineFault> {
    const FIELD: &str = "extended attribute";
    const WANTED: &str = "a name, `=0x` and pairs of lowercase hexadecimal digits";
    let equals = text.iter().rposition(|byte| *byte == b'=').ok_or_else(|| wrong(FIELD, text, WANTED))?;
    let value = text[equals + 1..].strip_prefix(b"0x").and_then(number::read_bytes);
    let value = value.ok_or_else(|| wrong(FIELD, text, WANTED))?;
    let name = XattrName::new(unescaped(FIELD, &text[..equals])?);
    let name = name.map_err(|_| wrong(FIELD, text, "a name of 1 to 255 bytes that is not `trusted.homeport.*`"))?;
    Xattr::new(name, value).map_err(|_| wrong(FIELD, text, "at most 65536 bytes"))
}
