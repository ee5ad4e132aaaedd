//! Snapshots that no honest writer makes: each is refused with its code, nothing outside of the staging area is touched,
//! and nothing is left. One row each. [spec: STO-19, STO-31]

use std::fs;
use std::path::PathBuf;

use homeport_core::fault::Advice as _;
use homeport_core::unit::{Gid, Uid};
use homeport_volumes::store::ObjectId;
use homeport_volumes::tree::Line;
use homeport_volumes::tree::{
    Attributes, Content, FileFlags, Kind, LinkTarget, Piece, TreePath, Xattr, XattrName, check_name,
};

use crate::house::{House, TX, ready, sample};
use crate::memory::{Memory, meta};
use crate::stand::picture;

/// What is told, the lines, and the codes that may refuse them.
type Row = (&'static str, fn() -> Memory, &'static [&'static str]);

fn file_of(size: u64, content: Content) -> Memory {
    Memory::new().entry("f", meta(0o644), Kind::File { size, content })
}

/// A link to `..` of the volume or further, and then something below it: the shapes of CVE-2026-33056 (a link and a
/// directory of the same name), CVE-2025-45582 (a link in a first step, a file through it in a second), and their kin.
const ROWS: [Row; 25] = [
    ("a link, then a file below it", || Memory::new().symlink("l", b"/").file("l/f", b"x"), &["HP-RST-011"]),
    ("a link up, then a file below it", || Memory::new().symlink("l", b"../../..").file("l/f", b"x"), &["HP-RST-011"]),
    ("a link, then a directory of the same name", || Memory::new().symlink("l", b"..").dir("l"), &["HP-RST-010"]),
    (
        "a link, then a directory of the same name with a file in it",
        || Memory::new().symlink("l", b"..").dir("l").file("l/canary", b"x"),
        &["HP-RST-010"],
    ),
    ("a directory, then a link of the same name", || Memory::new().dir("l").symlink("l", b".."), &["HP-RST-010"]),
    (
        "a link, then a file of the same name",
        || Memory::new().symlink("l", b"../canary").file("l", b"x"),
        &["HP-RST-010"],
    ),
    ("a file twice", || Memory::new().file("f", b"1").file("f", b"2"), &["HP-RST-010"]),
    ("a directory twice", || Memory::new().dir("d").file("d/f", b"1").dir("d"), &["HP-RST-010"]),
    ("a file as a directory", || Memory::new().file("f", b"1").file("f/g", b"2"), &["HP-RST-011"]),
    ("a name whose directory is missing", || Memory::new().file("d/f", b"1"), &["HP-RST-011"]),
    ("a directory that was left before", || Memory::new().dir("d").file("e", b"").file("d/f", b"1"), &["HP-RST-011"]),
    ("another name of a directory", || Memory::new().dir("d").hard_link("e", "d"), &["HP-RST-010"]),
    ("another name of nothing", || Memory::new().hard_link("e", "d"), &["HP-RST-010"]),
    (
        "another name of something through a link",
        || Memory::new().symlink("l", b"../../../../..").hard_link("m", "l/canary"),
        &["HP-RST-010"],
    ),
    ("another name over a file", || Memory::new().file("f", b"1").file("g", b"2").hard_link("g", "f"), &["HP-RST-010"]),
    ("the top as a file", || Memory::default().entry(".", meta(0o644), Kind::Fifo), &["HP-RST-011"]),
    ("two tops", || Memory::new().entry(".", meta(0o777), Kind::Directory), &["HP-RST-011"]),
    ("no top", || Memory::default().file("f", b"1"), &["HP-RST-011"]),
    ("nothing at all", Memory::default, &["HP-RST-011"]),
    ("a size that no file has", || file_of(u64::MAX, Content::Empty), &["HP-RST-010"]),
    (
        "an object of another size",
        || {
            let mut memory = file_of(3, Content::Whole(ObjectId::of(b"four")));
            memory.object(b"four");
            memory
        },
        &["HP-RST-011"],
    ),
    ("an object that is missing", || file_of(4, Content::Whole(ObjectId::of(b"four"))), &["HP-STO-030"]),
    ("pieces that overlap", || Memory::new().pieces("f", 10, &[(0, b"abcd"), (3, b"efg")]), &["HP-RST-011"]),
    ("a piece behind the end", || Memory::new().pieces("f", 10, &[(8, b"abcd")]), &["HP-RST-011"]),
    ("a device node that nobody asked for", || Memory::new().null_device("null"), &["HP-RST-011"]),
];

/// More that needs more words.
fn odd_rows() -> Vec<(&'static str, Memory, &'static [&'static str])> {
    let piece = |offset, length| Line::Piece(Piece { offset, length, object: ObjectId::of(b"x") });
    let mut nobody = meta(0o644);
    nobody.uid = Uid::new(u32::MAX);
    let mut no_group = meta(0o644);
    no_group.gid = Gid::new(u32::MAX);
    let mut strange = meta(0o644);
    let xattr = Xattr::new(XattrName::new(*b"nonsense.x").unwrap(), vec![1]).unwrap();
    strange.attributes = Attributes::with_xattrs(vec![xattr]).unwrap();
    let mut list = meta(0o644);
    let xattr = Xattr::new(XattrName::new(*b"system.posix_acl_access").unwrap(), vec![9; 9]).unwrap();
    list.attributes = Attributes::with_xattrs(vec![xattr]).unwrap();
    let mut fixed = meta(0o777);
    fixed.attributes.flags = FileFlags::IMMUTABLE;
    let target = || Kind::Symlink { target: LinkTarget::new(*b"../../../canary").unwrap() };
    vec![
        ("a piece of nothing", Memory::new().line(piece(0, 1)), &["HP-RST-011"]),
        ("a piece of a directory", Memory::new().dir("d").line(piece(0, 1)), &["HP-RST-011"]),
        ("a piece at the end of all numbers", file_of(9, Content::Pieces).line(piece(u64::MAX, 1)), &["HP-RST-011"]),
        (
            "a piece with another length",
            {
                let mut memory = file_of(9, Content::Pieces).line(piece(0, 5));
                memory.object(b"x");
                memory
            },
            &["HP-RST-011"],
        ),
        ("an owner that means no change", Memory::new().file_with("f", nobody, b"x"), &["HP-RST-011"]),
        ("a group that means no change", Memory::new().file_with("f", no_group, b"x"), &["HP-RST-011"]),
        ("an attribute of no kind", Memory::new().file_with("f", strange, b"x"), &["HP-RST-010"]),
        ("an access list that is none", Memory::new().file_with("f", list, b"x"), &["HP-RST-010"]),
        ("a link that cannot be changed", Memory::new().entry("l", fixed, target()), &["HP-RST-011"]),
        ("another name of the top", Memory::new().hard_link("e", "."), &["HP-RST-011"]),
        ("another name as the top", Memory::new().file("f", b"x").hard_link(".", "f"), &["HP-RST-011"]),
    ]
}

/// L25.
#[test]
fn story_l25_hostile_snapshots_touch_nothing_outside_of_the_staging_area() {
    let rows = ROWS.iter().map(|(name, lines, codes)| (*name, lines(), *codes)).chain(odd_rows());
    let house = House::new();
    // Everything around the volume is watched, and what a link could lead to is there.
    let canaries: [PathBuf; 4] =
        [house.at("canary"), house.at("../canary"), house.at("../../canary"), house.stand.at("canary")];
    for canary in &canaries[1..] {
        fs::write(canary, "sings").unwrap();
    }
    let mut held = house.hold();
    drop(ready(&mut held, TX, &Memory::default()).unwrap_err());
    let before = picture(house.stand.dir.path());
    let mut count = 0;
    for (name, source, codes) in rows {
        let error = ready(&mut held, TX, &source).unwrap_err();
        assert!(codes.contains(&error.code()), "{name}: {} {error:?}", error.code());
        assert!(error.help().is_some(), "{name}: {error:?}");
        assert_eq!(picture(house.stand.dir.path()), before, "{name}");
        count += 1;
    }
    assert_eq!(count, 36);
    ready(&mut held, TX, &sample()).unwrap();
}

/// What a line cannot even say: no name leads up, out or nowhere.
#[test]
fn story_l25_no_path_of_a_snapshot_leads_out_of_it() {
    for bad in [
        &b""[..],
        b"/",
        b"/etc/passwd",
        b"..",
        b"../x",
        b"a/..",
        b"a/../b",
        b"a/./b",
        b"./a",
        b"a//b",
        b"a/",
        b"a\0b",
        &[b'x'; 256],
    ] {
        TreePath::from_bytes(bad).unwrap_err();
    }
    for bad in [&b""[..], b".", b"..", b"a/b", b"a\0", &[b'x'; 256]] {
        check_name(bad).unwrap_err();
    }
}
