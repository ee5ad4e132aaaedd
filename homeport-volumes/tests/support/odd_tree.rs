//! Trees with everything in them that backup programs lose, and a comparison of two trees that shares no code with
//! what it is used to test. Root only, on a file system that keeps extended attributes and holes.
//!
//! For any integration test: `#[path = "../support/odd_tree.rs"] mod odd_tree;`, with an expectation of dead code where
//! it uses a part only.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, IFlags, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

/// How deep the deepest directory of the tree is.
pub(crate) const DEPTH: usize = 5000;

/// One oddity: the name of its directory in the tree, and what makes it there.
pub(crate) struct Odd {
    /// The name.
    pub(crate) name: &'static str,
    make: fn(&Place),
}

/// The tree's own directory is one more.
pub(crate) const ODDITIES: &[Odd] = &[
    odd("access-list", |at| {
        at.file("file", b"acl");
        at.xattr("file", "system.posix_acl_access", &acl(0o640));
    }),
    odd("access-list-default", |at| {
        at.dir("dir");
        at.xattr("dir", "system.posix_acl_default", &acl(0o750));
    }),
    odd("access-list-fifo", |at| {
        at.node("fifo", FileType::Fifo, 0);
        at.xattr("fifo", "system.posix_acl_access", &acl(0o600));
    }),
    odd("attribute-binary", |at| {
        at.file("file", b"x");
        at.xattr("file", "user.binary", &(0..=255).collect::<Vec<u8>>());
    }),
    odd("attribute-empty", |at| {
        at.file("file", b"x");
        at.xattr("file", "user.empty", b"");
    }),
    odd("attribute-large", |at| {
        at.file("file", b"x");
        // A small ext4 has blocks of 1 KiB, and one block for all attributes of a file.
        let set =
            |length| rustix::fs::lsetxattr(at.at("file"), "user.large", &[0xa5; 3000][..length], XattrFlags::empty());
        set(3000).or_else(|_| set(700)).unwrap();
    }),
    odd("attribute-many", |at| {
        at.dir("dir");
        for number in 0..16 {
            at.xattr("dir", &format!("user.{number:02}"), format!("value {number}").as_bytes());
        }
    }),
    odd("attribute-name", |at| {
        at.file("file", b"x");
        at.xattr_bytes("file", b"user.a=b,c%d\\e \xff\n", b"odd");
    }),
    odd("attribute-symlink", |at| {
        at.symlink("link", b"nowhere");
        at.xattr("link", "trusted.note", b"of the link itself");
    }),
    odd("attribute-trusted", |at| {
        at.file("file", b"x");
        at.xattr("file", "trusted.note", b"kept");
    }),
    odd("capability", |at| {
        at.file("file", b"#!/bin/true\n");
        at.chmod("file", 0o755);
        // VFS_CAP_REVISION_2 with the effective bit, and CAP_NET_BIND_SERVICE permitted.
        let value: [u32; 5] = [0x0200_0001, 1 << 10, 0, 0, 0];
        at.xattr("file", "security.capability", &value.map(u32::to_le_bytes).concat());
    }),
    odd("deep", |at| {
        let mut parent = at.fd();
        for level in 0..DEPTH {
            rustix::fs::mkdirat(&parent, c"d", Mode::from_raw_mode(0o755)).unwrap();
            parent = directory(&parent, b"d");
            if level % 1000 == 999 {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
                let file = rustix::fs::openat(&parent, c"e", flags, Mode::from_raw_mode(0o640)).unwrap();
                rustix::io::write(&file, format!("level {level}").as_bytes()).unwrap();
                rustix::fs::fsetxattr(&file, c"user.level", &level.to_le_bytes(), XattrFlags::empty()).unwrap();
            }
        }
    }),
    odd("device-block", |at| at.node("device", FileType::BlockDevice, rustix::fs::makedev(511, 262_143))),
    odd("device-character", |at| at.node("device", FileType::CharacterDevice, rustix::fs::makedev(1, 3))),
    odd("directory-empty", |at| at.dir("empty")),
    odd("directory-read-only", |at| {
        at.dir("dir");
        at.file("dir/file", b"in it");
        at.chmod("dir", 0o555);
    }),
    odd("directory-sgid", |at| {
        at.dir("dir");
        at.chown("dir", 0, 5000);
        at.chmod("dir", 0o2775);
        at.file("dir/file", b"inherits");
    }),
    odd("directory-sticky", |at| {
        at.dir("dir");
        at.chmod("dir", 0o1777);
    }),
    odd("directory-time", |at| {
        at.dir("dir");
        at.file("dir/file", b"made before the time was set");
        at.time("dir", 1_000_000_000, 123_456_789);
    }),
    odd("fifo", |at| {
        at.node("fifo", FileType::Fifo, 0);
        at.chown("fifo", 5000, 5001);
        at.time("fifo", 1_000_000_001, 1);
    }),
    odd("file-all-bytes", |at| at.file("file", &(0..=255).collect::<Vec<u8>>())),
    odd("file-empty", |at| at.file("file", b"")),
    odd("file-mebibyte", |at| {
        at.file("exact", &noise(1 << 20));
        at.file("one-less", &noise((1 << 20) - 1));
        at.file("one-more", &noise((1 << 20) + 1));
    }),
    odd("file-large", |at| at.file("file", &noise(5_000_000))),
    odd("file-zeros", |at| at.file("file", &[0; 300_000])),
    odd("flag-append", |at| {
        at.file("file", b"log\n");
        at.flags("file", IFlags::APPEND);
    }),
    odd("flag-immutable", |at| {
        at.file("file", b"stone");
        at.flags("file", IFlags::IMMUTABLE);
    }),
    odd("flag-no-dump", |at| {
        at.file("file", b"x");
        at.flags("file", IFlags::NODUMP | IFlags::NOATIME | IFlags::SYNC);
    }),
    odd("hard-link", |at| {
        at.dir("a");
        at.file("b", b"three names");
        at.link("b", "a/z");
        at.link("b", "c");
    }),
    odd("hard-link-fifo", |at| {
        at.node("one", FileType::Fifo, 0);
        at.link("one", "other");
    }),
    odd("hard-link-symlink", |at| {
        at.symlink("one", b"target");
        at.link("one", "other");
    }),
    odd("mode-0000", |at| {
        at.file("file", b"nobody's");
        at.chmod("file", 0);
        at.dir("dir");
        at.file("dir/file", b"hidden");
        at.chmod("dir", 0);
    }),
    odd("mode-7777", |at| {
        at.file("file", b"x");
        at.chmod("file", 0o7777);
    }),
    odd("mode-sgid", |at| {
        at.file("file", b"x");
        at.chown("file", 5000, 5000);
        at.chmod("file", 0o2755);
    }),
    odd("mode-suid", |at| {
        at.file("file", b"x");
        at.chown("file", 5000, 5000);
        at.chmod("file", 0o4755);
    }),
    odd("name-255-bytes", |at| at.file_bytes(&[b'x'; 255], b"long")),
    odd("name-255-odd-bytes", |at| at.file_bytes(&[0xfe; 255], b"long")),
    odd("name-backslash", |at| at.file_bytes(b"a\\040b\\n", b"x")),
    odd("name-blank", |at| {
        at.file_bytes(b" ", b"one");
        at.file_bytes(b" leading and trailing ", b"two");
    }),
    odd("name-control", |at| at.file_bytes(&(1..32).chain([127]).collect::<Vec<u8>>(), b"x")),
    odd("name-dash", |at| {
        at.file_bytes(b"-rf", b"x");
        at.file_bytes(b"--", b"y");
    }),
    odd("name-dots", |at| {
        at.file_bytes(b"...", b"x");
        at.file_bytes(b"..a", b"x");
        at.file_bytes(b".hidden", b"x");
    }),
    odd("name-newline", |at| {
        at.file_bytes(b"a\nb", b"x");
        at.file_bytes(b"\n", b"x");
    }),
    odd("name-not-utf-8", |at| at.file_bytes(b"\xff\xfe\x80", b"x")),
    odd("name-order", |at| {
        // `a.b` comes before `a/b` as bytes, and after it as names.
        for name in ["a", "a.b", "a-"] {
            at.dir(name);
        }
        for name in ["a/b", "a.b/c", "a-/d", "a0", "a!"] {
            at.file(name, name.as_bytes());
        }
    }),
    odd("name-percent", |at| at.file_bytes(b"100%s,\"quoted\",'$HOME'`x`", b"x")),
    odd("name-tab", |at| at.file_bytes(b"a\tb", b"x")),
    odd("owner-large", |at| {
        at.file("file", b"x");
        at.chown("file", (1 << 21) + 1, 4_294_967_294);
        at.dir("dir");
        at.chown("dir", 3_000_000_000, (1 << 21) + 2);
    }),
    odd("socket", |at| {
        at.node("socket", FileType::Socket, 0);
        at.time("socket", 1_000_000_002, 2);
    }),
    odd("sparse-1-gib", |at| at.sparse("file", 1 << 30, &[(500 << 20, b"in the middle")])),
    odd("sparse-end", |at| at.sparse("file", 10 << 20, &[(0, b"data first")])),
    odd("sparse-only", |at| at.sparse("file", 64 << 20, &[])),
    odd("sparse-small", |at| at.sparse("file", 200_000, &[(0, b"begin"), (199_990, b"end")])),
    odd("sparse-start", |at| at.sparse("file", (10 << 20) + 3, &[(10 << 20, b"end")])),
    odd("symlink-absolute", |at| at.symlink("link", b"/etc/passwd")),
    odd("symlink-dangling", |at| at.symlink("link", b"does/not exist")),
    odd("symlink-longest", |at| at.symlink("link", &longest_target(&at.0))),
    odd("symlink-not-utf-8", |at| at.symlink("link", b"\xff\n \\")),
    odd("symlink-outside", |at| at.symlink("link", b"../../../../../../outside")),
    odd("symlink-owner-and-time", |at| {
        at.symlink("link", b"x");
        at.chown("link", 5000, 5000);
        at.time("link", -1, 999_999_999);
    }),
    odd("symlink-to-directory", |at| {
        at.dir("dir");
        at.file("dir/file", b"x");
        at.symlink("link", b"dir");
    }),
    odd("time-before-1970", |at| {
        at.file("file", b"x");
        // Five and a half seconds before.
        at.time("file", -6, 500_000_000);
    }),
    odd("time-1901", |at| {
        at.file("file", b"x");
        at.time("file", -(1 << 31), 0);
    }),
    odd("time-2223", |at| {
        at.file("file", b"x");
        at.time("file", 8_000_000_000, 999_999_999);
    }),
    odd("time-nanosecond", |at| {
        at.file("file", b"x");
        at.time("file", 1_700_000_000, 1);
    }),
    odd("time-zero", |at| {
        at.file("file", b"x");
        at.time("file", 0, 0);
    }),
];

const fn odd(name: &'static str, make: fn(&Place)) -> Odd {
    Odd { name, make }
}

/// Makes all oddities in `tree`, an empty directory, which becomes odd itself.
pub(crate) fn make(tree: &Path) {
    make_but(tree, &[]);
}

/// Makes all oddities but those with these names.
pub(crate) fn make_but(tree: &Path, without: &[&str]) {
    for Odd { name, make } in ODDITIES.iter().filter(|odd| !without.contains(&odd.name)) {
        let place = Place(tree.join(name));
        std::fs::create_dir(&place.0).unwrap();
        make(&place);
    }
    let place = Place(tree.to_owned());
    place.xattr(".", "user.root", b"of the whole tree");
    place.chown(".", 5000, 5000);
    place.chmod(".", 0o2750);
    place.time(".", 1_234_567_890, 987_654_321);
}

/// Takes the flags off a tree of [`make`], or off a copy of it, so that it can be removed or changed.
pub(crate) fn unlock(tree: &Path) {
    for name in ["flag-append", "flag-immutable", "flag-no-dump"] {
        if let Ok(file) = std::fs::File::open(tree.join(name).join("file")) {
            let kept = rustix::fs::ioctl_getflags(&file).map(|flags| flags & IFlags::from_bits_retain(!0xf8));
            kept.and_then(|flags| rustix::fs::ioctl_setflags(&file, flags)).ok();
        }
    }
}

/// A directory of its own that goes with everything in it, however odd. Made before anything is made in it.
#[derive(Debug)]
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    /// A new directory below `parent`.
    pub(crate) fn new(parent: &Path) -> Self {
        Self(tempfile::Builder::new().prefix("odd-").tempdir_in(parent).unwrap().keep())
    }

    /// A new, empty directory in it.
    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            unlock(&entry.path());
        }
        let removed = Command::new("rm").arg("-rf").arg("--one-file-system").arg("--").arg(&self.0).status();
        assert!(std::thread::panicking() || removed.is_ok_and(|status| status.success()), "{self:?} stays");
    }
}

/// Where one oddity is made.
pub(crate) struct Place(PathBuf);

impl Place {
    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn fd(&self) -> OwnedFd {
        rustix::fs::open(&self.0, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.at(name), bytes).unwrap();
    }

    fn file_bytes(&self, name: &[u8], bytes: &[u8]) {
        std::fs::write(self.0.join(OsStr::from_bytes(name)), bytes).unwrap();
    }

    fn dir(&self, name: &str) {
        std::fs::create_dir(self.at(name)).unwrap();
    }

    fn symlink(&self, name: &str, target: &[u8]) {
        std::os::unix::fs::symlink(OsStr::from_bytes(target), self.at(name)).unwrap();
    }

    fn link(&self, first: &str, other: &str) {
        std::fs::hard_link(self.at(first), self.at(other)).unwrap();
    }

    fn node(&self, name: &str, kind: FileType, device: u64) {
        rustix::fs::mknodat(CWD, self.at(name), kind, Mode::from_raw_mode(0o620), device).unwrap();
    }

    fn chmod(&self, name: &str, mode: u32) {
        rustix::fs::chmod(self.at(name), Mode::from_raw_mode(mode)).unwrap();
    }

    fn chown(&self, name: &str, uid: u32, gid: u32) {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::fs::chownat(CWD, self.at(name), Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }

    fn time(&self, name: &str, seconds: i64, nanos: i64) {
        let time = Timespec { tv_sec: seconds, tv_nsec: nanos };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, self.at(name), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }

    fn xattr(&self, name: &str, attribute: &str, value: &[u8]) {
        self.xattr_bytes(name, attribute.as_bytes(), value);
    }

    fn xattr_bytes(&self, name: &str, attribute: &[u8], value: &[u8]) {
        rustix::fs::lsetxattr(self.at(name), attribute, value, XattrFlags::empty()).unwrap();
    }

    fn flags(&self, name: &str, flags: IFlags) {
        let file = std::fs::File::open(self.at(name)).unwrap();
        // The others are the file system's own, and it refuses to have them taken off.
        let others = rustix::fs::ioctl_getflags(&file).unwrap();
        rustix::fs::ioctl_setflags(&file, others | flags).unwrap();
    }

    fn sparse(&self, name: &str, size: u64, data: &[(u64, &[u8])]) {
        use std::os::unix::fs::FileExt as _;
        let file = std::fs::File::create(self.at(name)).unwrap();
        file.set_len(size).unwrap();
        for (offset, bytes) in data {
            file.write_all_at(bytes, *offset).unwrap();
        }
        file.sync_all().unwrap();
    }
}

/// The longest target that the file system of `directory` takes: 4095 bytes, 3 KiB or 1 KiB.
pub(crate) fn longest_target(directory: &Path) -> Vec<u8> {
    let takes = |length: &usize| {
        let (link, target) = (directory.join("try"), vec![b'y'; *length]);
        let made = std::os::unix::fs::symlink(OsStr::from_bytes(&target), &link);
        made.is_ok() && std::fs::remove_file(&link).is_ok()
    };
    vec![b'y'; [4095, 3072, 1023].into_iter().find(takes).unwrap()]
}

/// An access control list as the kernel keeps it, in which user 5005 may read.
fn acl(mode: u16) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    let undefined = u32::MAX;
    let entries = [
        (0x01, mode >> 6, undefined),
        (0x02, 4, 5005),
        (0x04, mode >> 3, undefined),
        (0x10, 7, undefined),
        (0x20, mode, undefined),
    ];
    for (tag, permissions, id) in entries {
        bytes.extend(u16::to_le_bytes(tag));
        bytes.extend((permissions & 7).to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// Bytes without a pattern, the same each time.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn directory(parent: impl AsFd, name: &[u8]) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty()).unwrap()
}

/// Everything in which two trees differ, the directories themselves among it: one text for each entry and property,
/// beginning with its path. Compared are names, kinds, modes, owners, modification times, device numbers, link targets,
/// contents, whether holes are kept, all extended attributes but the host's, flags, and which names are hard links of
/// one another. Not compared: inode numbers, times of access and of status change, sizes of directories.
pub(crate) fn differences(one: &Path, other: &Path) -> Vec<String> {
    Comparison::run(one, other)
}

/// Fails, with the first few of the [`differences`], if there are any.
#[track_caller]
pub(crate) fn assert_same(one: &Path, other: &Path) {
    let found = differences(one, other);
    assert!(found.is_empty(), "{} differences: {:#?}", found.len(), &found[..found.len().min(20)]);
}

#[derive(Default)]
struct Comparison {
    found: Vec<String>,
    /// The first name of each inode with several, in either tree.
    names: [std::collections::HashMap<(u64, u64), String>; 2],
}

impl Comparison {
    fn run(one: &Path, other: &Path) -> Vec<String> {
        let mut comparison = Self::default();
        let open = |path: &Path| {
            let fd =
                rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
            rustix::fs::syncfs(&fd).unwrap();
            fd
        };
        let roots = [open(one), open(other)];
        let stats = [0, 1].map(|at| rustix::fs::fstat(&roots[at]).unwrap());
        comparison.properties(".", [&roots[0], &roots[1]], [c"."; 2], &stats);
        // Directories wait open, with a path to show: depth costs neither stack nor long paths.
        let mut waiting = vec![(String::new(), roots)];
        while let Some((path, pair)) = waiting.pop() {
            comparison.directories(&path, &pair, &mut waiting);
        }
        comparison.found
    }

    fn directories(&mut self, path: &str, pair: &[OwnedFd; 2], waiting: &mut Vec<(String, [OwnedFd; 2])>) {
        let [one, other] = [0, 1].map(|at| names(&pair[at]));
        let shown = |name: &CString| {
            // A path of thousands of names says no more than its end.
            let start = path.len().saturating_sub(300);
            let start = (start..=path.len()).find(|at| path.is_char_boundary(*at)).unwrap_or(0);
            format!("{}{}{}", &path[start..], if path.is_empty() { "" } else { "/" }, name.as_bytes().escape_ascii())
        };
        for name in one.iter().filter(|name| other.binary_search(name).is_err()) {
            self.found.push(format!("{}: missing", shown(name)));
        }
        for name in other.iter().filter(|name| one.binary_search(name).is_err()) {
            self.found.push(format!("{}: not wanted", shown(name)));
        }
        for name in one.iter().filter(|name| other.binary_search(name).is_ok()) {
            let stats = [0, 1].map(|at| rustix::fs::statat(&pair[at], name, AtFlags::SYMLINK_NOFOLLOW).unwrap());
            let path = shown(name);
            if !self.properties(&path, [&pair[0], &pair[1]], [name, name], &stats) {
                continue;
            }
            if FileType::from_raw_mode(stats[0].st_mode) == FileType::Directory {
                waiting.push((path, [0, 1].map(|at| directory(&pair[at], name.as_bytes()))));
            }
        }
    }

    /// Compares one entry; false if the kinds differ, so that nothing more can be compared.
    fn properties(
        &mut self,
        path: &str,
        parents: [&OwnedFd; 2],
        names: [&std::ffi::CStr; 2],
        stats: &[Stat; 2],
    ) -> bool {
        let before = self.found.len();
        self.same(path, "kind", stats.each_ref().map(|stat| FileType::from_raw_mode(stat.st_mode)));
        if self.found.len() > before {
            return false;
        }
        let kind = FileType::from_raw_mode(stats[0].st_mode);
        self.same(path, "mode", stats.each_ref().map(|stat| format!("{:o}", stat.st_mode & 0o7777)));
        self.same(path, "owner", stats.each_ref().map(|stat| (stat.st_uid, stat.st_gid)));
        self.same(path, "time", stats.each_ref().map(|stat| (stat.st_mtime, stat.st_mtime_nsec)));
        self.same(path, "device", stats.each_ref().map(|stat| stat.st_rdev));
        if kind != FileType::Directory {
            self.same(path, "size", stats.each_ref().map(|stat| stat.st_size));
            self.same(path, "number of names", stats.each_ref().map(|stat| stat.st_nlink));
            let firsts = [0, 1].map(|at| {
                let inode = (stats[at].st_dev, stats[at].st_ino);
                self.names[at].entry(inode).or_insert_with(|| path.to_owned()).clone()
            });
            self.same(path, "first name", firsts);
        }
        self.same(path, "attributes", [0, 1].map(|at| attributes(parents[at], names[at])));
        match kind {
            FileType::Symlink => {
                let targets = [0, 1].map(|at| rustix::fs::readlinkat(parents[at], names[at], Vec::new()).unwrap());
                self.same(path, "target", targets);
            }
            FileType::RegularFile | FileType::Directory => {
                let files = [0, 1].map(|at| {
                    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    rustix::fs::openat(parents[at], names[at], flags, Mode::empty()).unwrap()
                });
                let flags = [0, 1].map(|at| match rustix::fs::ioctl_getflags(&files[at]) {
                    Ok(flags) => flags.bits() & 0xf8,
                    Err(_) => 0,
                });
                self.same(path, "flags", flags);
                if kind == FileType::RegularFile && stats[0].st_size == stats[1].st_size {
                    self.content(path, &files, stats);
                }
            }
            _ => {}
        }
        true
    }

    fn content(&mut self, path: &str, files: &[OwnedFd; 2], stats: &[Stat; 2]) {
        let size = u64::try_from(stats[0].st_size).unwrap();
        let next = |at: usize, offset| match rustix::fs::seek(&files[at], SeekFrom::Data(offset)) {
            Ok(data) => data,
            Err(Errno::NXIO) => size,
            Err(error) => panic!("{error}"),
        };
        let (mut one, mut other) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        let mut offset = 0;
        while offset < size {
            offset = next(0, offset).min(next(1, offset));
            if offset >= size {
                break;
            }
            let length = [(0, &mut one), (1, &mut other)].map(|(at, buffer)| full_read(&files[at], buffer, offset));
            if length[0] != length[1] || length[0] == 0 || one[..length[0]] != other[..length[1]] {
                self.found.push(format!("{path}: other content at {offset}"));
                return;
            }
            offset += length[0] as u64;
        }
        let [kept, found] = stats.each_ref().map(|stat| stat.st_blocks);
        if found > kept + 128 && found * 512 > stats[0].st_size / 2 && kept * 512 < stats[0].st_size / 2 {
            self.found.push(format!("{path}: holes are filled: {found} blocks instead of {kept}"));
        }
    }

    fn same<T: PartialEq + std::fmt::Debug>(&mut self, path: &str, what: &str, [one, other]: [T; 2]) {
        if one != other {
            self.found.push(format!("{path}: {what} is {other:?} instead of {one:?}"));
        }
    }
}

fn full_read(file: &OwnedFd, buffer: &mut [u8], offset: u64) -> usize {
    let mut length = 0;
    while length < buffer.len() {
        match rustix::io::pread(file, &mut buffer[length..], offset + length as u64).unwrap() {
            0 => break,
            read => length += read,
        }
    }
    length
}

fn names(directory: &OwnedFd) -> Vec<CString> {
    let entries = Dir::read_from(directory).unwrap().map(|entry| entry.unwrap().file_name().to_owned());
    let mut names: Vec<CString> = entries.filter(|name| !matches!(name.to_bytes(), b"." | b"..")).collect();
    names.sort();
    names
}

/// The extended attributes, by a path through the open directory that the entry is in.
fn attributes(parent: &OwnedFd, name: &std::ffi::CStr) -> std::collections::BTreeMap<String, String> {
    let path = [format!("/proc/self/fd/{}/", parent.as_raw_fd()).as_bytes(), name.to_bytes()].concat();
    let mut list = vec![0; 65_536];
    let length = match rustix::fs::llistxattr(&path[..], &mut list) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => panic!("{}: {error}", path.escape_ascii()),
    };
    let mut found = std::collections::BTreeMap::new();
    for attribute in list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if attribute.starts_with(b"trusted.homeport.") {
            continue;
        }
        let mut value = vec![0; 65_536];
        let length = rustix::fs::lgetxattr(&path[..], attribute, &mut value).unwrap();
        found.insert(attribute.escape_ascii().to_string(), value[..length].escape_ascii().to_string());
    }
    found
}
