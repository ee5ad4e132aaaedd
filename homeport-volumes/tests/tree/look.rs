//! What is kept of each odd thing, and how it comes back from its text.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use homeport_volumes::tree::{
    Content, DeviceNumbers, Entry, FileFlags, HardLink, Kind, Line, Piece, Timestamp, TreePath,
};

use crate::catalogue;
use crate::disk::{self, Disk};
use crate::odd_tree::{self, DEPTH, ODDITIES, Scratch, differences};

fn scratch() -> Scratch {
    Scratch::new(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

struct Found {
    entries: HashMap<TreePath, Entry>,
    links: HashMap<TreePath, HardLink>,
    pieces: HashMap<TreePath, Vec<Piece>>,
}

impl Found {
    fn new(lines: Vec<Line>) -> Self {
        let mut found = Self { entries: HashMap::new(), links: HashMap::new(), pieces: HashMap::new() };
        let mut last = TreePath::root();
        for line in lines {
            match line {
                Line::Entry(entry) => {
                    last = entry.path.clone();
                    found.entries.insert(last.clone(), entry);
                }
                Line::HardLink(link) => drop(found.links.insert(link.path.clone(), link)),
                Line::Piece(piece) => found.pieces.entry(last.clone()).or_default().push(piece),
            }
        }
        found
    }

    fn entry(&self, path: impl AsRef<[u8]>) -> &Entry {
        let path = TreePath::from_bytes(path.as_ref()).unwrap();
        self.entries.get(&path).unwrap_or_else(|| panic!("{path} is missing"))
    }

    fn xattr(&self, path: &str, name: &[u8]) -> &[u8] {
        let xattrs = self.entry(path).meta.attributes.xattrs();
        xattrs.iter().find(|xattr| xattr.name().as_bytes() == name).unwrap_or_else(|| panic!("{path}")).value()
    }

    fn size_and_pieces(&self, path: &str) -> (u64, Vec<(u64, u32)>) {
        let Kind::File { size, content: Content::Pieces } = self.entry(path).kind else { panic!("{path}") };
        let path = TreePath::from_bytes(path).unwrap();
        (size, self.pieces[&path].iter().map(|piece| (piece.offset, piece.length)).collect())
    }
}

#[test]
fn every_oddity_is_in_the_entries_and_in_their_text() {
    every_oddity_in(&scratch());
}

#[test]
fn every_oddity_is_kept_on_each_file_system() {
    for kind in disk::KINDS {
        let stand = scratch();
        let disk = Disk::mount(kind, &stand.0.join("disk"));
        every_oddity_in(&Scratch::new(disk.point()));
    }
}

fn every_oddity_in(scratch: &Scratch) {
    let tree = scratch.dir("tree");
    odd_tree::make(&tree);
    assert!(ODDITIES.len() >= 55);

    let lines = catalogue::lines(&tree);
    let text = catalogue::text(&lines);
    assert!(catalogue::read(&text) == lines, "the text says something else");
    assert!(catalogue::text(&catalogue::lines(&tree)) == text, "an unchanged tree has two texts");
    let found = Found::new(lines);
    for odd in ODDITIES {
        found.entry(odd.name);
    }

    let root = found.entry(".");
    assert_eq!((root.meta.mode.get(), root.meta.uid.get(), root.meta.gid.get()), (0o2750, 5000, 5000));
    assert_eq!(root.meta.modified, Timestamp::new(1_234_567_890, 987_654_321).unwrap());
    assert_eq!(found.xattr(".", b"user.root"), b"of the whole tree");

    // Attributes of every kind of inode.
    assert_eq!(found.xattr("access-list/file", b"system.posix_acl_access").len(), 4 + 5 * 8);
    assert_eq!(found.xattr("access-list-default/dir", b"system.posix_acl_default").len(), 4 + 5 * 8);
    assert_eq!(found.xattr("access-list-fifo/fifo", b"system.posix_acl_access").len(), 4 + 5 * 8);
    assert_eq!(found.xattr("attribute-symlink/link", b"trusted.note"), b"of the link itself");
    assert_eq!(found.xattr("attribute-name/file", b"user.a=b,c%d\\e \xff\n"), b"odd");
    assert!(matches!(found.xattr("attribute-large/file", b"user.large"), [0xa5, .., 0xa5]));
    assert_eq!(found.xattr("attribute-empty/file", b"user.empty"), b"");
    assert_eq!(found.entry("attribute-many/dir").meta.attributes.xattrs().len(), 16);
    assert_eq!(found.xattr("capability/file", b"security.capability")[..8], [1, 0, 0, 2, 0, 4, 0, 0]);
    for (path, flags) in [
        ("flag-append/file", FileFlags::APPEND),
        ("flag-immutable/file", FileFlags::IMMUTABLE),
        ("flag-no-dump/file", FileFlags::NO_DUMP.union(FileFlags::NO_ATIME).union(FileFlags::SYNC)),
        ("file-empty/file", FileFlags::NONE),
    ] {
        assert_eq!(found.entry(path).meta.attributes.flags, flags, "{path}");
    }
    kinds(&found, &tree);
    owners_and_times(&found);
    content_and_names(&found);
}

fn kinds(found: &Found, tree: &Path) {
    let block = Kind::Block(DeviceNumbers { major: 511, minor: 262_143 });
    assert_eq!(found.entry("device-block/device").kind, block);
    assert_eq!(found.entry("device-character/device").kind, Kind::Character(DeviceNumbers { major: 1, minor: 3 }));
    assert_eq!((&found.entry("fifo/fifo").kind, &found.entry("socket/socket").kind), (&Kind::Fifo, &Kind::Socket));
    for (path, target) in [
        ("symlink-not-utf-8/link", &b"\xff\n \\"[..]),
        ("symlink-longest/link", &odd_tree::longest_target(tree)),
        ("symlink-outside/link", b"../../../../../../outside"),
    ] {
        let Kind::Symlink { target: found } = &found.entry(path).kind else { panic!("{path}") };
        assert_eq!(found.as_bytes(), target);
    }

    // Hard links: the name that comes first in order is the entry, whatever was made first.
    for (path, first) in [
        ("hard-link/b", "hard-link/a/z"),
        ("hard-link/c", "hard-link/a/z"),
        ("hard-link-fifo/other", "hard-link-fifo/one"),
        ("hard-link-symlink/other", "hard-link-symlink/one"),
    ] {
        let link = &found.links[&TreePath::from_bytes(path).unwrap()];
        assert_eq!(link.first, TreePath::from_bytes(first).unwrap());
        found.entry(first);
    }
}

fn owners_and_times(found: &Found) {
    let owner = found.entry("owner-large/file").meta.clone();
    assert_eq!((owner.uid.get(), owner.gid.get()), (2_097_153, 4_294_967_294));
    for (path, mode) in
        [("mode-0000/file", 0), ("mode-0000/dir", 0), ("mode-7777/file", 0o7777), ("mode-suid/file", 0o4755)]
    {
        assert_eq!(found.entry(path).meta.mode.get(), mode, "{path}");
    }
    for (path, time) in [
        ("time-before-1970/file", "-5.500000000"),
        ("time-1901/file", "-2147483648.000000000"),
        ("time-zero/file", "0.000000000"),
        ("time-2223/file", "8000000000.999999999"),
        ("time-nanosecond/file", "1700000000.000000001"),
        ("symlink-owner-and-time/link", "-0.000000001"),
        ("directory-time/dir", "1000000000.123456789"),
    ] {
        assert_eq!(found.entry(path).meta.modified.to_string(), time, "{path}");
    }
}

fn content_and_names(found: &Found) {
    assert!(matches!(found.entry("file-empty/file").kind, Kind::File { size: 0, content: Content::Empty }));
    assert!(matches!(found.entry("sparse-only/file").kind, Kind::File { size: 67_108_864, content: Content::Empty }));
    assert!(matches!(found.entry("file-zeros/file").kind, Kind::File { size: 300_000, content: Content::Whole(_) }));
    assert!(matches!(found.entry("file-mebibyte/exact").kind, Kind::File { content: Content::Whole(_), .. }));
    assert_eq!(found.size_and_pieces("file-mebibyte/one-more"), (1_048_577, vec![(0, 1_048_576), (1_048_576, 1)]));
    for (path, size, data) in [
        ("sparse-1-gib/file", 1 << 30, &[500 << 20][..]),
        ("sparse-end/file", 10 << 20, &[0]),
        ("sparse-small/file", 200_000, &[0, 199_990]),
        ("sparse-start/file", (10 << 20) + 3, &[10 << 20]),
    ] {
        let (found, pieces) = found.size_and_pieces(path);
        assert_eq!(found, size, "{path}");
        // Blocks have 1 KiB or 4 KiB.
        assert_eq!(pieces.len(), data.len(), "{path}: {pieces:?}");
        for ((offset, length), byte) in pieces.iter().zip(data) {
            assert!((*offset..offset + u64::from(*length)).contains(byte), "{path}: {pieces:?}");
        }
        assert!(pieces.iter().all(|piece| piece.1 <= 4096), "{path}: {pieces:?}");
    }

    // Names and depth.
    for name in
        [&b"name-newline/a\nb"[..], b"name-tab/a\tb", b"name-backslash/a\\040b\\n", b"name-not-utf-8/\xff\xfe\x80"]
    {
        found.entry(name);
    }
    found.entry([&b"name-255-odd-bytes/"[..], &[0xfe; 255]].concat());
    let deepest = ["deep/", &"d/".repeat(DEPTH), "e"].concat();
    assert!(deepest.len() > 2 * 4096);
    assert_eq!(found.entry(&deepest).meta.mode.get(), 0o640);
    assert_eq!(found.xattr(&deepest, b"user.level"), (DEPTH - 1).to_le_bytes());
}

#[test]
fn the_comparison_of_trees_sees_every_change() {
    let scratch = scratch();
    let [one, other] = ["one", "other"].map(|name| scratch.dir(name));
    odd_tree::make(&one);
    odd_tree::make(&other);
    odd_tree::assert_same(&one, &one);
    // Made one after the other, they have other times.
    let found = differences(&one, &other);
    assert!(found.iter().all(|text| text.contains(": time is ")));
    assert!(found.iter().all(|text| !text.starts_with("time-") || !text.contains("/file")));
    odd_tree::unlock(&other);
    let script = r#"
        chmod 0600 file-all-bytes/file; touch -d @5 file-large/file; chown 1:1 fifo/fifo
        ln -sfn elsewhere symlink-dangling/link; rm hard-link/c; cp hard-link/b hard-link/c
        rm -f sparse-1-gib/file; head -c 1073741824 /dev/zero >sparse-1-gib/file
        printf X | dd of=sparse-start/file bs=1 seek=5000000 conv=notrunc status=none
        echo >name-tab/new; rm name-newline/*; mkdir socket/dir; rm socket/socket; mv socket/dir socket/socket
        rm deep/"$(printf 'd/%.0s' $(seq 1000))"e
    "#;
    let done = Command::new("sh").arg("-ec").arg(script).current_dir(&other).status().unwrap();
    assert!(done.success());
    let found = differences(&one, &other);
    for wanted in [
        "file-all-bytes/file: mode is",
        "file-large/file: time is (5, 0)",
        "fifo/fifo: owner is",
        "flag-append/file: flags is",
        "flag-immutable/file: flags is",
        "symlink-dangling/link: target is",
        "hard-link/c: first name is",
        "hard-link/b: number of names is",
        "sparse-1-gib/file: other content",
        "sparse-start/file: other content at",
        "name-tab/new: not wanted",
        "name-newline/\\n: missing",
        "socket/socket: kind is",
        "d/e: missing",
    ] {
        assert!(found.iter().any(|text| text.contains(wanted)), "{wanted}");
    }
}

#[test]
fn printf_reads_what_is_escaped() {
    let all: Vec<u8> = (1..=255).collect();
    for bytes in [&all[..], b"-n %s \\101 \\\\ 100%", b"--", b"\n", b"0\x001", b"a,b"] {
        // Without a zero, which no shell can pass on; a newline at the end is kept, for nothing substitutes it.
        let bytes: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
        let text = homeport_volumes::tree::escaped(&bytes);
        for shell in ["sh", "bash"] {
            let output = Command::new(shell).args(["-c", "printf -- \"$1\"", shell, &text]).output().unwrap();
            assert_eq!(output.stdout, bytes, "{shell}: {text}");
        }
    }
}
