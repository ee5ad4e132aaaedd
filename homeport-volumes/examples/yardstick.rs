//! What the least costs that a snapshot can be compared with: looking at every entry of a tree, reading every file, and
//! reading and hashing every file. Never writes anything.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};
use sha2::{Digest as _, Sha256};

/// What is done with each file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Look,
    Read,
    Hash,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["scan", dir] => tree(dir, Depth::Look),
        ["read", dir] => tree(dir, Depth::Read),
        ["hash", dir] => tree(dir, Depth::Hash),
        ["hash-listed", list] => listed(list),
        _ => Err("wanted: yardstick scan|read|hash DIR | hash-listed FILE".into()),
    };
    match done {
        Ok((entries, bytes)) => {
            let _gone = writeln!(std::io::stdout(), "{entries} entries, {bytes} bytes read");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _gone = writeln!(std::io::stderr(), "yardstick: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(u64, u64), Box<dyn std::error::Error>>;

/// Hashes the files whose paths stand in a file, one a line.
fn listed(list: &str) -> Outcome {
    let paths = std::fs::read_to_string(list)?;
    let mut buffer = vec![0; 1 << 20];
    let (mut entries, mut bytes) = (0, 0);
    for path in paths.lines() {
        bytes += read(File::open(path)?.into(), Depth::Hash, &mut buffer)?;
        entries += 1;
    }
    Ok((entries, bytes))
}

fn tree(dir: &str, depth: Depth) -> Outcome {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut waiting = vec![openat(CWD, dir, flags, Mode::empty())?];
    let mut buffer = vec![0; 1 << 20];
    let (mut entries, mut bytes) = (0, 0);
    while let Some(dir) = waiting.pop() {
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            entries += 1;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => waiting.push(openat(&dir, name, flags | OFlags::NOFOLLOW, Mode::empty())?),
                FileType::RegularFile if depth != Depth::Look => {
                    let file = openat(&dir, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
                    bytes += read(file, depth, &mut buffer)?;
                }
                _ => {}
            }
        }
    }
    Ok((entries, bytes))
}

fn read(file: OwnedFd, depth: Depth, buffer: &mut [u8]) -> std::io::Result<u64> {
    let mut file = File::from(file);
    let mut hash = Sha256::new();
    let mut bytes = 0;
    loop {
        let read = file.read(buffer)?;
        if read == 0 {
            // Kept, so that no compiler leaves out the work.
            std::hint::black_box(hash.finalize());
            return Ok(bytes);
        }
        bytes += u64::try_from(read).unwrap_or(0);
        if depth == Depth::Hash {
            hash.update(&buffer[..read]);
        }
    }
}
