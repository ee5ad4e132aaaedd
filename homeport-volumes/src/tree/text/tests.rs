//! Rules by example, one row each; laws of reading and writing over arbitrary trees and broken texts.

use std::error::Error as _;

use homeport_core::fault::Advice as _;
use homeport_core::unit::{Gid, Mode, Uid};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{EntriesError, LINE_MAX, LineReader, LineWriter, Summary};
use crate::store::ObjectId;
use crate::tree::{
    Attributes, Content, DeviceNumbers, Entry, FileFlags, HardLink, Kind, Line, LinkTarget, Meta, Piece, Stability,
    StatKey, Timestamp, TreePath, Xattr, XattrName,
};

const OBJECT: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn read(text: &[u8]) -> Result<(Vec<Line>, Summary), EntriesError> {
    let mut reader = LineReader::new(text)?;
    let lines = reader.by_ref().collect::<Result<Vec<Line>, _>>()?;
    let summary = *reader.summary().expect("a text without an error is whole");
    Ok((lines, summary))
}

fn write(lines: &[Line]) -> Result<(Vec<u8>, Summary), EntriesError> {
    let mut writer = LineWriter::new(Vec::new())?;
    lines.iter().try_for_each(|line| writer.line(line))?;
    writer.finish()
}

/// A text of these lines between a right beginning and `end`; `OBJ` stands for an object, `M` for the usual fields.
fn text(lines: &str, end: &str) -> Vec<u8> {
    let lines = lines.replace("OBJ", OBJECT).replace(" M ", " 0644 5000 5000 1795400000.000000000 - 77:1.000000002 ");
    format!("homeport-entries 1\n{lines}{end}").into_bytes()
}

const EVERY_KIND: &str = "\
d M .
d M a
f M 5 OBJ a/one
h a/one a/other
f M 0 - a/zero
d M a.b
l 0777 0 0 -5.500000000 - - ..\\040\\377/x c
f 4755 4294967294 0 -0.000000001 x:security.capability=0x0100,x:user.\\054=0x,a:30,n:3,u:1 - 2097152 + d
c 0 1048576 OBJ
c 1048577 1 OBJ
p M e
s M f
C M 1 3 g
B M 4095 1048575 h
f M 9223372036854775807 - hole
";

#[test]
fn every_kind_of_line_is_read_and_written_back() {
    let text = text(EVERY_KIND, &format!("end 13 {}\n", 5 + 2_097_152 + i64::MAX as u64));
    let (lines, summary) = read(&text).unwrap();
    assert_eq!((lines.len(), summary.entries), (15, 13));
    assert_eq!(summary.sha256, <[u8; 32]>::from(Sha256::digest(&text)));
    let Line::Entry(Entry { meta, kind, .. }) = &lines[7] else { panic!("{:?}", lines[7]) };
    assert_eq!(*kind, Kind::File { size: 2_097_152, content: Content::Pieces });
    assert_eq!(meta.modified, Timestamp::new(-1, 999_999_999).unwrap());
    assert_eq!(meta.attributes.flags, FileFlags::IMMUTABLE.union(FileFlags::APPEND));
    assert_eq!(meta.attributes.xattrs()[1].name().as_bytes(), b"user.,");
    assert_eq!((meta.attributes.links, meta.attributes.stability), (Some(3), Stability::Unstable));
    let Line::Entry(Entry { kind: Kind::Symlink { target }, .. }) = &lines[6] else { panic!("{:?}", lines[6]) };
    assert_eq!(target.as_bytes(), b".. \xff/x");
    let (written, same) = write(&lines).unwrap();
    assert_eq!(String::from_utf8(written), String::from_utf8(text));
    assert_eq!(same, summary);
}

/// (lines, end, line of the fault, code, a part of the message)
const RULES: &[(&str, &str, u64, &str, &str)] = &[
    // Lines and fields that are none.
    ("d M .\nx M a\n", "end 2 0\n", 3, "HP-STO-102", "`x` is no kind of line"),
    ("d M .\n\n", "end 1 0\n", 3, "HP-STO-103", "no kind"),
    ("d M .\nd\n", "end 1 0\n", 3, "HP-STO-103", "no mode"),
    ("D M .\n", "end 1 0\n", 2, "HP-STO-102", "`D`"),
    ("d M .\nd M\n", "end 1 0\n", 3, "HP-STO-103", "`M` is no mode"),
    ("d M .\nd M  a\n", "end 2 0\n", 3, "HP-STO-103", "no path"),
    ("d M .\nd M a b\n", "end 2 0\n", 3, "HP-STO-103", "more fields than it may: `b`"),
    ("d M .\nd M a \n", "end 2 0\n", 3, "HP-STO-103", "more fields"),
    ("d 644 0 0 1.000000000 - - .\n", "end 1 0\n", 2, "HP-STO-103", "`644` is no mode"),
    ("d 0888 0 0 1.000000000 - - .\n", "end 1 0\n", 2, "HP-STO-103", "`0888` is no mode"),
    ("d 0644 -1 0 1.000000000 - - .\n", "end 1 0\n", 2, "HP-STO-103", "`-1` is no uid"),
    ("d 0644 00 0 1.000000000 - - .\n", "end 1 0\n", 2, "HP-STO-103", "`00` is no uid"),
    ("d 0644 4294967295 0 1.000000000 - - .\n", "end 1 0\n", 2, "HP-STO-103", "no uid"),
    ("d 0644 0 4294967295 1.000000000 - - .\n", "end 1 0\n", 2, "HP-STO-103", "no gid"),
    ("d 0644 0 4294967296 1.000000000 - - .\n", "end 1 0\n", 2, "HP-STO-103", "no gid"),
    ("d 0644 0 0 1.0 - - .\n", "end 1 0\n", 2, "HP-STO-103", "`1.0` is no time"),
    ("d 0644 0 0 -0.000000000 - - .\n", "end 1 0\n", 2, "HP-STO-103", "no time"),
    ("d 0644 0 0 1.000000000 y:1 - .\n", "end 1 0\n", 2, "HP-STO-103", "`y:1` is no list of attributes"),
    ("d 0644 0 0 1.000000000 -, - .\n", "end 1 0\n", 2, "HP-STO-103", "no list of attributes"),
    ("d 0644 0 0 1.000000000 a:10, - .\n", "end 1 0\n", 2, "HP-STO-103", "no list of attributes"),
    ("d 0644 0 0 1.000000000 x:b=0x,x:a=0x - .\n", "end 1 0\n", 2, "HP-STO-103", "wanted the order of names"),
    ("d 0644 0 0 1.000000000 x:a=0x,x:a=0x - .\n", "end 1 0\n", 2, "HP-STO-103", "wanted the order of names"),
    ("d 0644 0 0 1.000000000 x:a=0xF - .\n", "end 1 0\n", 2, "HP-STO-103", "no extended attribute"),
    ("d 0644 0 0 1.000000000 x:a=00 - .\n", "end 1 0\n", 2, "HP-STO-103", "no extended attribute"),
    ("d 0644 0 0 1.000000000 x:a - .\n", "end 1 0\n", 2, "HP-STO-103", "no extended attribute"),
    ("d 0644 0 0 1.000000000 x:=0x00 - .\n", "end 1 0\n", 2, "HP-STO-103", "1 to 255 bytes"),
    ("d 0644 0 0 1.000000000 x:a\\000=0x00 - .\n", "end 1 0\n", 2, "HP-STO-103", "1 to 255 bytes"),
    ("d 0644 0 0 1.000000000 x:trusted.homeport.id=0x00 - .\n", "end 1 0\n", 2, "HP-STO-103", "trusted.homeport"),
    ("d 0644 0 0 1.000000000 a:0 - .\n", "end 1 0\n", 2, "HP-STO-103", "`a:0` is no flag"),
    ("d 0644 0 0 1.000000000 a:4 - .\n", "end 1 0\n", 2, "HP-STO-103", "`a:4` is no flag"),
    ("d 0644 0 0 1.000000000 a:F0 - .\n", "end 1 0\n", 2, "HP-STO-103", "`a:F0` is no flag"),
    ("d 0644 0 0 1.000000000 n:2 - .\n", "end 1 0\n", 2, "HP-STO-103", "not for a directory"),
    ("d 0644 0 0 1.000000000 u:1 - .\n", "end 1 0\n", 2, "HP-STO-103", "regular file only"),
    ("d M .\nf 0644 0 0 1.000000000 n:1 - 0 - a\n", "end 2 0\n", 3, "HP-STO-103", "at least 2"),
    ("d M .\nf 0644 0 0 1.000000000 u:0 - 0 - a\n", "end 2 0\n", 3, "HP-STO-103", "`u:0`"),
    ("d M .\nf 0644 0 0 1.000000000 u:1,a:10 - 0 - a\n", "end 2 0\n", 3, "HP-STO-103", "in this order"),
    ("d M .\np 0644 0 0 1.000000000 a:10 - a\n", "end 2 0\n", 3, "HP-STO-103", "files and directories only"),
    ("d 0644 0 0 1.000000000 - 1 .\n", "end 1 0\n", 2, "HP-STO-103", "`1` is no key"),
    ("d 0644 0 0 1.000000000 - 1: .\n", "end 1 0\n", 2, "HP-STO-103", "no key"),
    ("d 0644 0 0 1.000000000 - -1:1.000000000 .\n", "end 1 0\n", 2, "HP-STO-103", "no key"),
    ("d M .\nf M 5 OBJ0 a\n", "end 2 5\n", 3, "HP-STO-103", "no content"),
    ("d M .\nf M 0 OBJ a\n", "end 2 0\n", 3, "HP-STO-103", "one object"),
    ("d M .\nf M 1048577 OBJ a\n", "end 2 1048577\n", 3, "HP-STO-103", "one object"),
    ("d M .\nf M 9223372036854775808 - a\n", "end 2 9223372036854775808\n", 3, "HP-STO-103", "no size"),
    ("d M .\nf M 18446744073709551616 - a\n", "end 2 0\n", 3, "HP-STO-103", "no size"),
    ("d M .\nf M +5 - a\n", "end 2 5\n", 3, "HP-STO-103", "no size"),
    ("d M .\nl M  a\n", "end 2 0\n", 3, "HP-STO-103", "no target"),
    ("d M .\nl M \\000 a\n", "end 2 0\n", 3, "HP-STO-103", "zero byte"),
    ("d M .\nC M 1 a\n", "end 2 0\n", 3, "HP-STO-103", "no minor number"),
    ("d M .\nB M 4096 0 a\n", "end 2 0\n", 3, "HP-STO-103", "no device"),
    ("d M .\nB M 0 1048576 a\n", "end 2 0\n", 3, "HP-STO-103", "no device"),
    ("d M .\nd M a\\101\n", "end 2 0\n", 3, "HP-STO-103", "no path"),
    ("d M .\nd M a\\1\n", "end 2 0\n", 3, "HP-STO-103", "no path"),
    ("d M .\nd M a%b\n", "end 2 0\n", 3, "HP-STO-103", "no path"),
    ("d M .\nd M a\tb\n", "end 2 0\n", 3, "HP-STO-103", "`a\\011b` is no path"),
    ("d M .\nd M ä\n", "end 2 0\n", 3, "HP-STO-103", "no path"),
    ("d M .\nd M a\r\n", "end 2 0\n", 3, "HP-STO-103", "no path"),
    // Names that are none.
    ("d M .\nd M /\n", "end 2 0\n", 3, "HP-STO-104", "a name is empty"),
    ("d M .\nd M /a\n", "end 2 0\n", 3, "HP-STO-104", "a name is empty"),
    ("d M .\nd M a\nd M a//b\n", "end 3 0\n", 4, "HP-STO-104", "a name is empty"),
    ("d M .\nd M a\nd M a/\n", "end 3 0\n", 4, "HP-STO-104", "a name is empty"),
    ("d M .\nd M ./a\n", "end 2 0\n", 3, "HP-STO-104", "a name is `.` or `..`"),
    ("d M .\nd M ..\n", "end 2 0\n", 3, "HP-STO-104", "a name is `.` or `..`"),
    ("d M .\nd M a\nf M 0 - a/../../b\n", "end 3 0\n", 4, "HP-STO-104", "a name is `.` or `..`"),
    ("d M .\nd M a\\000\n", "end 2 0\n", 3, "HP-STO-104", "a zero byte"),
    ("d M .\nf M 0 - a\nh ../a b\n", "end 3 0\n", 4, "HP-STO-104", "a name is `.` or `..`"),
    ("d M .\nf M 0 - a\nh a ../b\n", "end 3 0\n", 4, "HP-STO-104", "a name is `.` or `..`"),
    // Order.
    ("d M .\nd M a\nd M a\n", "end 3 0\n", 4, "HP-STO-105", "`a` is there twice"),
    ("d M .\nd M .\n", "end 2 0\n", 3, "HP-STO-105", "`.` is there twice"),
    ("d M .\nd M a\nf M 0 - a\n", "end 3 0\n", 4, "HP-STO-105", "`a` is there twice"),
    ("d M .\nf M 0 - a\nh a a\n", "end 3 0\n", 4, "HP-STO-105", "`a` is there twice"),
    ("d M .\nd M b\nd M a\n", "end 3 0\n", 4, "HP-STO-105", "`a` stands after `b`"),
    ("d M .\nd M a\nd M a.b\nd M a/b\n", "end 4 0\n", 5, "HP-STO-105", "`a/b` stands after `a.b`"),
    ("d M .\nd M a\nd M b\nd M a\n", "end 4 0\n", 5, "HP-STO-105", "`a` stands after `b`"),
    ("d M .\nd M a\nd M a/b\nd M .\n", "end 4 0\n", 5, "HP-STO-105", "`.` stands after `a/b`"),
    // Directories.
    ("", "end 0 0\n", 2, "HP-STO-106", "`.` is not a directory"),
    ("f M 0 - .\n", "end 1 0\n", 2, "HP-STO-106", "`.` is not a directory"),
    ("d M a\n", "end 1 0\n", 2, "HP-STO-106", "`a` is in `.`"),
    ("d M .\nf M 0 - a/b\n", "end 2 0\n", 3, "HP-STO-106", "`a/b` is in `a`"),
    ("d M .\nf M 0 - a\nf M 0 - a/b\n", "end 3 0\n", 4, "HP-STO-106", "`a/b` is in `a`"),
    ("d M .\nl M / a\nf M 0 - a/b\n", "end 3 0\n", 4, "HP-STO-106", "`a/b` is in `a`"),
    ("d M .\nd M a\nf M 0 - a/b/c\n", "end 3 0\n", 4, "HP-STO-106", "`a/b/c` is in `a/b`"),
    ("d M .\nd M a\nd M b\nf M 0 - bc/d\n", "end 4 0\n", 5, "HP-STO-106", "`bc/d` is in `bc`"),
    // Hard links.
    ("d M .\nh a b\n", "end 2 0\n", 3, "HP-STO-107", "`b` is another name of `a`"),
    ("d M .\nh b a\nf M 0 - b\n", "end 3 0\n", 3, "HP-STO-107", "`a` is another name of `b`"),
    ("d M .\nd M a\nh a b\n", "end 3 0\n", 4, "HP-STO-107", "`b` is another name of `a`"),
    ("d M .\nd M a\nh . b\n", "end 3 0\n", 4, "HP-STO-107", "`b` is another name of `.`"),
    ("d M .\nf M 0 - a\nh a b\nh b c\n", "end 4 0\n", 5, "HP-STO-107", "`c` is another name of `b`"),
    // Pieces.
    ("d M .\nc 0 1 OBJ\n", "end 1 0\n", 3, "HP-STO-108", "no file in pieces"),
    ("d M .\nf M 5 OBJ a\nc 0 1 OBJ\n", "end 2 5\n", 4, "HP-STO-108", "no file in pieces"),
    ("d M .\nf M 5 + a\n", "end 2 5\n", 4, "HP-STO-108", "`a` is said to be in pieces"),
    ("d M .\nf M 5 + a\nd M b\n", "end 3 5\n", 4, "HP-STO-108", "`a` is said to be in pieces"),
    ("d M .\nf M 5 + a\nc 0 2 OBJ\nc 1 2 OBJ\n", "end 2 5\n", 5, "HP-STO-108", "at 1 begins before 2"),
    ("d M .\nf M 5 + a\nc 4 1 OBJ\nc 0 1 OBJ\n", "end 2 5\n", 5, "HP-STO-108", "at 0 begins before 5"),
    ("d M .\nf M 5 + a\nc 4 2 OBJ\n", "end 2 5\n", 4, "HP-STO-108", "ends after the file's 5"),
    ("d M .\nf M 5 + a\nc 18446744073709551615 1 OBJ\n", "end 2 5\n", 4, "HP-STO-108", "ends after the file's 5"),
    ("d M .\nf M 5 + a\nc 0 0 OBJ\n", "end 2 5\n", 4, "HP-STO-103", "length of a piece"),
    ("d M .\nf M 9999999 + a\nc 0 1048577 OBJ\n", "end 2 9999999\n", 4, "HP-STO-103", "length of a piece"),
    ("d M .\nf M 5 + a\nc 0 1 E3\n", "end 2 5\n", 4, "HP-STO-103", "no object"),
    // Totals and the end.
    ("d M .\n", "end 2 0\n", 3, "HP-STO-109", "the end says 2 entries, wanted 1"),
    ("d M .\nf M 5 OBJ a\nh a b\n", "end 3 10\n", 5, "HP-STO-109", "the end says 10 bytes, wanted 5"),
    ("d M .\n", "end 1\n", 3, "HP-STO-103", "no number of bytes"),
    ("d M .\n", "end 01 0\n", 3, "HP-STO-103", "no number of entries"),
    ("d M .\n", "", 3, "HP-STO-110", "stops before its end"),
    ("d M .\n", "end 1 0", 3, "HP-STO-110", "stops before its end"),
    ("d M .\nd M a", "", 3, "HP-STO-110", "stops before its end"),
    ("d M .\n", "end 1 0\n\n", 4, "HP-STO-111", "goes on after its end"),
    ("d M .\n", "end 1 0\nend 1 0\n", 4, "HP-STO-111", "goes on after its end"),
];

#[test]
fn a_reader_refuses_what_it_must_each_with_its_code() {
    for (lines, end, line, code, part) in RULES {
        let error = read(&text(lines, end)).expect_err(lines);
        assert_eq!(error.code(), *code, "{lines}{end}: {error} {:?}", error.source());
        let EntriesError::Line { number, fault } = &error else { panic!("{lines}: {error}") };
        let message = fault.source().map_or_else(|| fault.to_string(), ToString::to_string);
        assert!(message.contains(part), "{lines}{end}: {message:?} has no {part:?}");
        assert_eq!(number, line, "{lines}{end}: {message}");
        assert!(message.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{message:?}");
        assert!(error.help().is_some_and(|help| !help.is_empty()));
    }
}

#[test]
fn a_text_begins_with_its_version() {
    for wrong in ["", "homeport-entries 1", "homeport-entries 2\n", "homeport-entries 10\n", "\n", "x\u{1b}[2J\n"] {
        let error = LineReader::new(wrong.as_bytes()).unwrap_err();
        assert_eq!(error.code(), "HP-STO-101", "{wrong:?}");
    }
}

#[test]
fn a_line_is_bounded_for_reader_and_writer() {
    let long = format!("homeport-entries 1\nd 0755 0 0 0.000000000 - - {}", "a/".repeat(LINE_MAX / 2));
    let error = read(long.as_bytes()).unwrap_err();
    assert_eq!(error.code(), "HP-STO-112");

    let mut writer = LineWriter::new(std::io::sink()).unwrap();
    let mut entry = directory(TreePath::root());
    let value = |count| {
        let name = |number| XattrName::new(format!("user.{number:02}")).unwrap();
        let xattrs = (0..count).map(|number| Xattr::new(name(number), vec![0; 65_536]).unwrap()).collect();
        Attributes::with_xattrs(xattrs).unwrap()
    };
    entry.meta.attributes = value(31);
    writer.line(&Line::Entry(entry.clone())).unwrap();
    entry.path = TreePath::from_bytes(b"a").unwrap();
    entry.meta.attributes = value(32);
    let error = writer.line(&Line::Entry(entry)).unwrap_err();
    assert_eq!(error.code(), "HP-STO-112");
    assert!(error.source().is_some_and(|fault| fault.to_string().starts_with("`a` with its attributes takes 41")));
    assert_eq!(writer.finish().unwrap_err().code(), "HP-STO-115");
}

#[test]
fn an_error_is_the_end() {
    let mut reader = LineReader::new(&b"homeport-entries 1\nnonsense\nend 0 0\n"[..]).unwrap();
    assert!(reader.next().is_some_and(|line| line.is_err()));
    assert!(reader.next().is_none() && reader.summary().is_none());
    assert_eq!(reader.finish().unwrap_err().code(), "HP-STO-115");
}

#[test]
fn totals_are_those_of_many_entries() {
    let mut writer = LineWriter::new(Vec::new()).unwrap();
    writer.line(&Line::Entry(directory(TreePath::root()))).unwrap();
    for number in 0..30_000 {
        let path = TreePath::from_bytes(format!("{number:07}")).unwrap();
        let kind = Kind::File { size: 1, content: Content::Empty };
        writer.line(&Line::Entry(Entry { kind, ..directory(path) })).unwrap();
    }
    let (text, summary) = writer.finish().unwrap();
    let reader = LineReader::new(&text[..]).unwrap();
    assert_eq!(reader.finish().unwrap(), summary);
    assert_eq!((summary.entries, summary.bytes), (30_001, 30_000));
}

fn directory(path: TreePath) -> Entry {
    let attributes = Attributes::default();
    let (uid, gid) = (Uid::new(0), Gid::new(0));
    let meta = Meta { mode: Mode::new(0o755), uid, gid, modified: Timestamp::EPOCH, attributes, key: None };
    Entry { path, meta, kind: Kind::Directory }
}

fn timestamps() -> impl Strategy<Value = Timestamp> {
    (any::<i64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Timestamp::new(seconds, nanos).unwrap())
}

fn all_attributes() -> impl Strategy<Value = Attributes> {
    let name = prop::collection::vec(1..=255_u8, 1..20).prop_map(|bytes| XattrName::new(bytes).unwrap());
    let xattrs = prop::collection::btree_map(name, prop::collection::vec(any::<u8>(), 0..20), 0..3);
    (xattrs, any::<u32>(), prop::option::of(2..=u32::MAX), any::<bool>()).prop_map(
        |(xattrs, flags, links, unstable)| {
            let xattrs = xattrs.into_iter().map(|(name, value)| Xattr::new(name, value).unwrap()).collect();
            let mut attributes = Attributes::with_xattrs(xattrs).unwrap();
            attributes.flags = FileFlags::kept(flags);
            attributes.links = links;
            attributes.stability = if unstable { Stability::Unstable } else { Stability::Stable };
            attributes
        },
    )
}

fn metas() -> impl Strategy<Value = Meta> {
    let key = prop::option::of((any::<u64>(), timestamps()).prop_map(|(inode, changed)| StatKey { inode, changed }));
    let ids = (0..u32::MAX, 0..u32::MAX);
    (0..0o10000_u32, ids, timestamps(), all_attributes(), key).prop_map(
        |(mode, (uid, gid), modified, attributes, key)| Meta {
            mode: Mode::new(mode),
            uid: Uid::new(uid),
            gid: Gid::new(gid),
            modified,
            attributes,
            key,
        },
    )
}

/// What may stand at a name, before it is known where: the pieces of a file as (hole before, length).
#[derive(Debug, Clone)]
enum Made {
    Directory(Vec<(Vec<u8>, Meta, Made)>),
    Other(Kind, Vec<(u64, u32)>, u64),
    Link(prop::sample::Index),
}

fn others() -> impl Strategy<Value = Made> {
    let objects = any::<[u8; 32]>().prop_map(ObjectId::new);
    let device = (0..=0xfff_u32, 0..=0xf_ffff_u32).prop_map(|(major, minor)| DeviceNumbers { major, minor });
    let target = prop::collection::vec(1..=255_u8, 1..40);
    let kind = prop_oneof![
        (0..1_u64 << 60).prop_map(|size| Kind::File { size, content: Content::Empty }),
        (1..=1_u64 << 20, objects).prop_map(|(size, id)| Kind::File { size, content: Content::Whole(id) }),
        Just(Kind::File { size: 0, content: Content::Pieces }),
        target.prop_map(|target| Kind::Symlink { target: LinkTarget::new(target).unwrap() }),
        Just(Kind::Fifo),
        Just(Kind::Socket),
        device.clone().prop_map(Kind::Character),
        device.prop_map(Kind::Block),
    ];
    let pieces = prop::collection::vec((0..1_u64 << 40, 1..=1_u32 << 20), 1..4);
    (kind, pieces, 0..1_u64 << 40).prop_map(|(kind, pieces, after)| Made::Other(kind, pieces, after))
}

fn trees() -> impl Strategy<Value = Vec<Line>> {
    let byte = prop_oneof![Just(b'a'), Just(b'.'), Just(b'-'), Just(b'\n'), 1..=255_u8];
    let name = prop::collection::vec(byte, 1..6).prop_filter("a name", |name| TreePath::root().join(name).is_ok());
    let leaf = prop_oneof![4 => others(), 1 => any::<prop::sample::Index>().prop_map(Made::Link)];
    let node = leaf.prop_recursive(5, 40, 6, move |inner| {
        prop::collection::vec((name.clone(), metas(), inner), 0..6).prop_map(Made::Directory)
    });
    (metas(), node).prop_map(|(meta, node)| {
        let mut lines = Vec::new();
        let node = if matches!(node, Made::Directory(_)) { node } else { Made::Directory(Vec::new()) };
        place(TreePath::root(), meta, node, &mut lines);
        lines
    })
}

/// Adds the lines of `node` in their order; leaves out what stands twice.
fn place(path: TreePath, mut meta: Meta, node: Made, lines: &mut Vec<Line>) {
    match node {
        Made::Directory(mut inside) => {
            (meta.attributes.links, meta.attributes.stability) = (None, Stability::Stable);
            lines.push(Line::Entry(Entry { path: path.clone(), meta, kind: Kind::Directory }));
            inside.sort_by(|one, other| one.0.cmp(&other.0));
            inside.dedup_by(|one, other| one.0 == other.0);
            for (name, meta, node) in inside {
                place(path.join(&name).unwrap(), meta, node, lines);
            }
        }
        Made::Other(kind, pieces, after) => {
            let is_file = matches!(kind, Kind::File { .. });
            if !is_file {
                (meta.attributes.flags, meta.attributes.stability) = (FileFlags::NONE, Stability::Stable);
            }
            if !matches!(kind, Kind::File { content: Content::Pieces, .. }) {
                return lines.push(Line::Entry(Entry { path, meta, kind }));
            }
            let size = pieces.iter().map(|(hole, length)| hole + u64::from(*length)).sum::<u64>() + after;
            let kind = Kind::File { size, content: Content::Pieces };
            lines.push(Line::Entry(Entry { path, meta, kind }));
            let mut offset = 0;
            for (hole, length) in pieces {
                offset += hole;
                let object = ObjectId::of(&offset.to_le_bytes());
                lines.push(Line::Piece(Piece { offset, length, object }));
                offset += u64::from(length);
            }
        }
        Made::Link(index) => {
            let firsts: Vec<&TreePath> = lines
                .iter()
                .filter_map(|line| match line {
                    Line::Entry(Entry { path, kind, .. }) if *kind != Kind::Directory => Some(path),
                    _ => None,
                })
                .collect();
            if !firsts.is_empty() {
                let first = (*index.get(&firsts)).clone();
                lines.push(Line::HardLink(HardLink { path, first }));
            }
        }
    }
}

/// What must hold of any lines that a reader gave, checked with whole sets and another order of work.
fn check_independently(lines: &[Line]) {
    let mut all: std::collections::BTreeMap<Vec<Vec<u8>>, bool> = std::collections::BTreeMap::new();
    let mut last: Option<Vec<Vec<u8>>> = None;
    let mut firsts = std::collections::HashSet::new();
    for line in lines {
        let Some(path) = line.path() else { continue };
        let names: Vec<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
        assert!(last.is_none_or(|last| last < names), "{path} is out of order");
        if let Some((_, above)) = names.split_last() {
            assert_eq!(all.get(above), Some(&true), "{path} has no directory");
        }
        match line {
            Line::HardLink(link) => assert!(firsts.contains(&link.first), "{path} has no first name"),
            Line::Entry(entry) if entry.kind != Kind::Directory => assert!(firsts.insert(path.clone())),
            _ => {}
        }
        let is_directory = matches!(line, Line::Entry(Entry { kind: Kind::Directory, .. }));
        all.insert(names.clone(), is_directory);
        last = Some(names);
    }
}

/// One change of a text.
#[derive(Debug, Clone)]
enum Mutation {
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    DoubleLine(prop::sample::Index),
    DropLine(prop::sample::Index),
    SwapLines(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, String),
}

fn mutations() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        (index(), prop_oneof![Just(b'/'), Just(b'.'), Just(b' '), Just(b'\n'), Just(b'0'), Just(b'\\')])
            .prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        index().prop_map(Mutation::Cut),
        index().prop_map(Mutation::DoubleLine),
        index().prop_map(Mutation::DropLine),
        (index(), index()).prop_map(|(one, other)| Mutation::SwapLines(one, other)),
        (index(), "(h|\\.\\.|/| |\n|[0-9]{1,20}|,|-|\\\\[0-7]{3})").prop_map(|(at, text)| Mutation::Insert(at, text)),
    ]
}

fn mutate(text: &mut Vec<u8>, mutation: Mutation) {
    if text.is_empty() {
        return;
    }
    let mut lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    match mutation {
        Mutation::Byte(at, byte) => {
            let at = at.index(text.len());
            text[at] = byte;
            return;
        }
        Mutation::Cut(at) => return text.truncate(at.index(text.len())),
        Mutation::Insert(at, inserted) => {
            let at = at.index(text.len());
            text.splice(at..at, inserted.bytes());
            return;
        }
        Mutation::DoubleLine(at) => {
            let at = at.index(lines.len());
            lines.insert(at, lines[at].clone());
        }
        Mutation::DropLine(at) => {
            lines.remove(at.index(lines.len()));
        }
        Mutation::SwapLines(one, other) => {
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            lines.swap(one, other);
        }
    }
    *text = lines.concat();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn entries_come_back_as_they_went(lines in trees()) {
        let (text, summary) = write(&lines).unwrap();
        prop_assert_eq!(summary.sha256, <[u8; 32]>::from(Sha256::digest(&text)));
        let (read, same) = read(&text).unwrap();
        prop_assert_eq!(read, lines);
        prop_assert_eq!(same, summary);
        check_independently(&read_lines(&text));
    }

    #[test]
    fn a_broken_text_never_passes_for_another_tree(
        lines in trees(),
        mutations in prop::collection::vec(mutations(), 1..4),
    ) {
        let (mut text, _) = write(&lines).unwrap();
        for mutation in mutations {
            mutate(&mut text, mutation);
        }
        if let Ok((found, summary)) = read(&text) {
            check_independently(&found);
            let (again, same) = write(&found).unwrap();
            prop_assert_eq!(again, text, "one tree has two texts");
            prop_assert_eq!(same, summary);
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
        let text = [b"homeport-entries 1\nd 0755 0 0 0.000000000 - - .\n", &bytes[..]].concat();
        prop_assert!(read(&text).is_err() || bytes == b"end 1 0\n");
        drop(read(&bytes));
    }
}

fn read_lines(text: &[u8]) -> Vec<Line> {
    LineReader::new(text).unwrap().map(Result::unwrap).collect()
}
