//! Memory and open files of walking and reading do not grow with what is walked and read. A process of its own: limits
//! and peaks are the whole process's, so there is one test.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test whose stand cannot be set up has failed")]

use std::fs::File;
use std::io::{BufReader, Read, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use homeport_volumes::tree::{LineReader, TreePath, Walk};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit};

#[expect(dead_code, reason = "only its scratch directory is used")]
#[path = "support/odd_tree.rs"]
mod odd_tree;

/// Names in the wide directory; of 250 bytes each, they take two turns of reading and more.
const WIDE: usize = 120_000;
/// Levels of the deep one, each with a file that comes up on the way back.
const DEEP: usize = 3000;
/// Entries in the text.
const LINES: u64 = 300_000;

#[test]
fn walking_and_reading_need_no_more_for_more() {
    let text = peak(|| {
        let summary = LineReader::new(BufReader::new(Generated::default())).unwrap().finish().unwrap();
        assert_eq!(summary.entries, LINES + 1);
    });
    assert!(text < 8 << 20, "{text} bytes for {LINES} lines");

    let scratch = odd_tree::Scratch::new(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let tree = scratch.dir("tree");
    make(&tree);
    let limit = Rlimit { current: Some(100), maximum: rustix::process::getrlimit(Resource::Nofile).maximum };
    rustix::process::setrlimit(Resource::Nofile, limit).unwrap();
    let root = File::open(&tree).unwrap();
    let mut found = 0;
    let walk = peak(|| {
        let mut last: Option<TreePath> = None;
        for scanned in Walk::new(root.as_fd()) {
            let path = scanned.unwrap().path;
            assert!(last.is_none_or(|last| last < path));
            last = Some(path);
            found += 1;
        }
    });
    // The deep chain, its files, the wide directory, what it is in, and the file that its names are links of.
    assert_eq!(found, 2 * DEEP + WIDE + 2 + WIDE.div_ceil(60_000));
    assert!(walk < 48 << 20, "{walk} bytes for {found} entries");
}

fn make(tree: &Path) {
    let directory = |parent: &_, name: &str| {
        rustix::fs::mkdirat(parent, name, Mode::RWXU).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(parent, name, flags, Mode::empty()).unwrap()
    };
    let mut at = rustix::fs::open(tree, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let wide = directory(&at, "wide");
    for number in 0..WIDE {
        // A file can have some 65,000 names.
        let file = format!("file-{}", number / 60_000);
        if number % 60_000 == 0 {
            drop(
                rustix::fs::openat(&at, &file, OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC, Mode::RUSR).unwrap(),
            );
        }
        let name = format!("{:06}{}", number * 7919 % WIDE, "x".repeat(244));
        rustix::fs::linkat(&at, &file, &wide, name, rustix::fs::AtFlags::empty()).unwrap();
    }
    for _ in 0..DEEP {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        drop(rustix::fs::openat(&at, "z", flags, Mode::RUSR).unwrap());
        at = directory(&at, "d");
    }
}

/// How many bytes the process's peak of memory rose by.
fn peak(run: impl FnOnce()) -> u64 {
    let resident = |field: &str| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the kernel says it");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    };
    // From here on the peak is counted anew.
    File::options().write(true).open("/proc/self/clear_refs").unwrap().write_all(b"5").unwrap();
    let before = resident("VmRSS:");
    run();
    resident("VmHWM:").saturating_sub(before)
}

/// A text of entries that is made while it is read.
#[derive(Default)]
struct Generated {
    next: u64,
    text: Vec<u8>,
    given: usize,
}

impl Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.given == self.text.len() {
            self.text.clear();
            self.given = 0;
            match self.next {
                0 => self.text.extend_from_slice(b"homeport-entries 1\nd 0755 0 0 0.000000000 - - .\n"),
                next if next <= LINES => writeln!(
                    self.text,
                    "f 0644 5000 5000 {next}.000000000 - {next}:1.000000000 {next} - {next:010}.M{next}P77.host:2\\054S"
                )?,
                next if next == LINES + 1 => writeln!(self.text, "end {} {}", LINES + 1, LINES * (LINES + 1) / 2)?,
                _ => return Ok(0),
            }
            self.next += 1;
        }
        let length = buffer.len().min(self.text.len() - self.given);
        buffer[..length].copy_from_slice(&self.text[self.given..self.given + length]);
        self.given += length;
        Ok(length)
    }
}
