//! What a walk costs beside a bare loop of `openat`, `getdents` and `fstatat`, and what entries cost to write and read.
//!
//! `cargo run --release -p homeport-volumes --example tree_cost -- DIRECTORY [FILES]` makes a tree of mail files below
//! DIRECTORY, where it is not there yet, and measures on it, in turns; the figures are CPU seconds, user and system.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use homeport_volumes::store::ObjectId;
use homeport_volumes::tree::{
    Attributes, Content, Entry, Kind, Line, LineReader, LineWriter, Meta, Scanned, StatKind, Walk,
};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Pairs that are measured, after one that is not.
const ROUNDS: usize = 9;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args_os().skip(1);
    let directory = arguments.next().ok_or("wanted a directory")?;
    let files: usize = arguments.next().map_or(Ok(100_000), |files| files.to_string_lossy().parse())?;
    for (shape, per_directory) in [("maildir", 1000), ("one-directory", files)] {
        let tree = Path::new(&directory).join(format!("{shape}-{files}"));
        make(&tree, files, per_directory)?;
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..=ROUNDS {
            let bare = timed(|| bare(&tree))?;
            let walk = timed(|| walk(&tree))?;
            if bare.1 != walk.1 {
                return Err(format!("the loop sees {} entries, the walk {}", bare.1, walk.1).into());
            }
            if round > 0 {
                times[0].push(bare.0);
                times[1].push(walk.0);
            }
        }
        let [bare, walk] = times.map(median);
        println!("{shape}: {files} files: bare {bare:.3} s, walk {walk:.3} s, ratio {:.2}", walk / bare);
        entries(&tree, &Path::new(&directory).join("entries"))?;
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    Ok(())
}

/// Directories of mail files; those that are there stay.
fn make(tree: &Path, files: usize, per_directory: usize) -> Outcome<()> {
    if tree.exists() {
        return Ok(());
    }
    for number in 0..files {
        let folder = tree.join(format!("folder-{:04}", number / per_directory)).join("cur");
        if number % per_directory == 0 {
            std::fs::create_dir_all(&folder)?;
        }
        // Names as a mail server gives them, not in the order of making.
        let mixed = number.wrapping_mul(2_654_435_761) % 4_294_967_291;
        let size = 2048 + mixed % 38_000;
        let name = format!("{}.M{mixed:010}P{}.mail,S={size},W={size}:2,S", 1_700_000_000 + number, mixed % 30_000);
        std::fs::write(folder.join(name), vec![b'x'; 64])?;
    }
    Ok(())
}

/// What any scan does at least: every directory opened and read, every name asked for.
fn bare(tree: &Path) -> Outcome<u64> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut waiting: Vec<OwnedFd> = vec![rustix::fs::open(tree, flags, Mode::empty())?];
    let mut buffer = Vec::with_capacity(64 << 10);
    let mut count = 1;
    while let Some(directory) = waiting.pop() {
        let mut entries = RawDir::new(&directory, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
            count += 1;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                waiting.push(rustix::fs::openat(&directory, name, flags, Mode::empty())?);
            }
        }
    }
    Ok(count)
}

fn walk(tree: &Path) -> Outcome<u64> {
    let root = File::open(tree)?;
    let mut count = 0;
    for scanned in Walk::new(root.as_fd()) {
        count += u64::from(!scanned?.path.as_bytes().is_empty());
    }
    Ok(count)
}

fn entries(tree: &Path, into: &Path) -> Outcome<()> {
    let root = File::open(tree)?;
    let lines = Walk::new(root.as_fd())
        .map(|scanned| {
            let Scanned { path, stat } = scanned?;
            let content = Content::Whole(ObjectId::of(path.as_bytes()));
            let kind = match stat.kind {
                StatKind::Directory => Kind::Directory,
                _ => Kind::File { size: stat.size, content },
            };
            let attributes = Attributes::default();
            let (mode, uid, gid, modified) = (stat.mode, stat.uid, stat.gid, stat.modified);
            let meta = Meta { mode, uid, gid, modified, attributes, key: Some(stat.key()) };
            Ok(Line::Entry(Entry { path, meta, kind }))
        })
        .collect::<Outcome<Vec<Line>>>()?;
    let (written, summary) = timed(|| {
        let mut writer = LineWriter::new(BufWriter::new(File::create(into)?))?;
        for line in &lines {
            writer.line(line)?;
        }
        Ok(writer.finish()?.1)
    })?;
    drop(lines);
    let (read, same) = timed(|| Ok(LineReader::new(BufReader::new(File::open(into)?))?.finish()?))?;
    let size = std::fs::metadata(into)?.len();
    println!("  {} entries, {size} bytes: write {written:.3} s, read {read:.3} s", summary.entries);
    if same == summary { Ok(()) } else { Err("what was read is not what was written".into()) }
}

/// The CPU seconds of a run, and what it gives.
fn timed<T>(run: impl FnOnce() -> Outcome<T>) -> Outcome<(f64, T)> {
    let cpu = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        std::time::Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0)).as_secs_f64()
    };
    let before = cpu();
    let result = run()?;
    Ok((cpu() - before, result))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
