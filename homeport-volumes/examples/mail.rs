//! Makes mail for benchmarks: Maildirs of small files and mailboxes of large ones, the same for the same arguments on
//! every machine. Never measures anything.
//!
//! Bytes are three parts of words to two parts of base64, in lines as mail has them; zstd's fastest level leaves 55 % of
//! them. Nothing repeats: what a store saves by it would not be saved with mail of people.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "wanted: mail maildirs DIR FILES | mailboxes DIR FILES BYTES | deliver DIR SEED FILES BYTES | \
                     flag DIR SEED FILES | append FILE SEED BYTES | overwrite DIR SEED PAGES | names DIR FILES";
/// How many files stand in one directory.
const IN_ONE: u64 = 1000;
const PAGE: u64 = 8192;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _gone = writeln!(std::io::stderr(), "mail: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    match args {
        ["maildirs", dir, files] => maildirs(Path::new(dir), files.parse()?)?,
        ["mailboxes", dir, files, bytes] => mailboxes(Path::new(dir), files.parse()?, bytes.parse()?)?,
        ["deliver", dir, seed, files, bytes] => deliver(Path::new(dir), seed.parse()?, files.parse()?, bytes.parse()?)?,
        ["flag", dir, seed, files] => flag(Path::new(dir), seed.parse()?, files.parse()?)?,
        ["append", file, seed, bytes] => append(Path::new(file), seed.parse()?, bytes.parse()?)?,
        ["overwrite", dir, seed, pages] => overwrite(Path::new(dir), seed.parse()?, pages.parse()?)?,
        ["names", dir, files] => names(Path::new(dir), files.parse()?)?,
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

/// Folders with a thousand mails of 2 to 40 KiB each.
fn maildirs(root: &Path, files: u64) -> std::io::Result<()> {
    let words = Words::new();
    let mut text = Vec::new();
    for n in 0..files {
        let folder = folder(root, n / IN_ONE);
        if n % IN_ONE == 0 {
            for part in ["cur", "new", "tmp"] {
                fs::create_dir_all(folder.join(part))?;
            }
        }
        let mut chance = Chance::new(1, n);
        let length = chance.between(2 << 10, 40 << 10);
        words.mail(&mut chance, length, &mut text);
        fs::write(folder.join(format!("cur/{}.M{n}P77.mx:2,", 1_700_000_000 + n)), &text)?;
    }
    Ok(())
}

/// Files of one length, of mails one after another.
fn mailboxes(root: &Path, files: u64, bytes: u64) -> std::io::Result<()> {
    let words = Words::new();
    fs::create_dir_all(root)?;
    let mut text = Vec::new();
    for n in 0..files {
        let mut file = File::create_new(root.join(format!("{n:02}.mbox")))?;
        let mut chance = Chance::new(2, n);
        let mut left = bytes;
        while left > 0 {
            let length = chance.between(2 << 10, 40 << 10).min(left);
            words.mail(&mut chance, length, &mut text);
            file.write_all(&text)?;
            left -= length;
        }
    }
    Ok(())
}

/// New mails of `bytes` in all, spread over the folders; says their paths.
fn deliver(root: &Path, seed: u64, files: u64, bytes: u64) -> std::io::Result<()> {
    let words = Words::new();
    let folders = folders(root)?;
    let mut text = Vec::new();
    for n in 0..files {
        let mut chance = Chance::new(1000 + seed, n);
        words.mail(&mut chance, bytes / files.max(1), &mut text);
        let folder = &folders[chance.below(folders.len())];
        let file = folder.join(format!("{}.S{seed}N{n}.mx:2,", 1_800_000_000 + n));
        fs::write(&file, &text)?;
        writeln!(std::io::stdout(), "{}", file.display())?;
    }
    Ok(())
}

/// Marks mails as read: each gets another name.
fn flag(root: &Path, seed: u64, files: u64) -> std::io::Result<()> {
    let folders = folders(root)?;
    let mut chance = Chance::new(2000 + seed, 0);
    let mut left = files;
    for folder in folders.iter().cycle().take(folders.len() * 1000) {
        let mut found: Vec<PathBuf> =
            fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        found.sort();
        for _ in 0..left.min(5) {
            let from = found.swap_remove(chance.below(found.len()));
            let mut to = from.clone().into_os_string();
            to.push("S");
            fs::rename(&from, PathBuf::from(to))?;
            left -= 1;
        }
        if left == 0 {
            return Ok(());
        }
    }
    Err(std::io::Error::other("there are too few mails"))
}

fn append(file: &Path, seed: u64, bytes: u64) -> std::io::Result<()> {
    let mut text = Vec::new();
    Words::new().mail(&mut Chance::new(3000 + seed, 0), bytes, &mut text);
    File::options().append(true).open(file)?.write_all(&text)
}

/// Writes pages anew, each far from the others.
fn overwrite(root: &Path, seed: u64, pages: u64) -> std::io::Result<()> {
    let words = Words::new();
    let mut files: Vec<PathBuf> = fs::read_dir(root)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.sort();
    let count = u64::try_from(files.len()).unwrap_or(1);
    let in_one = pages.div_ceil(count);
    let mut text = Vec::new();
    for n in 0..pages {
        let mut chance = Chance::new(4000 + seed, n);
        let mut file = File::options().write(true).open(&files[usize::try_from(n % count).unwrap_or(0)])?;
        let slot = file.metadata()?.len() / PAGE / in_one;
        // In the middle half of its part of the file, so that two pages never lie in one chunk.
        let page = (n / count) * slot + chance.between(slot / 4, slot * 3 / 4);
        words.mail(&mut chance, PAGE, &mut text);
        file.seek(SeekFrom::Start(page * PAGE))?;
        file.write_all(&text)?;
    }
    Ok(())
}

/// Files of a few bytes, each its own: for what costs memory by the entry and by the object.
fn names(root: &Path, files: u64) -> std::io::Result<()> {
    for n in 0..files {
        let folder = root.join(format!("{:04}", n / IN_ONE));
        if n % IN_ONE == 0 {
            fs::create_dir_all(&folder)?;
        }
        fs::write(folder.join(format!("{}.M{n}P77.mx:2,S", 1_700_000_000 + n)), n.to_string())?;
    }
    Ok(())
}

fn folder(root: &Path, n: u64) -> PathBuf {
    root.join(format!("user{:02}/.Folder{}", n / 5, n % 5))
}

/// The places of mail, in the order of their names.
fn folders(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let all = (0..u64::from(u16::MAX)).map(|n| folder(root, n).join("cur"));
    let mut found: Vec<PathBuf> = all.take_while(|folder| folder.is_dir()).collect();
    found.sort();
    if found.is_empty() {
        return Err(std::io::Error::other(format!("`{}` holds no mail", root.display())));
    }
    Ok(found)
}

/// Chance that is the same each time: `SplitMix64`.
struct Chance(u64);

impl Chance {
    fn new(seed: u64, n: u64) -> Self {
        let mut chance = Self(seed << 40 ^ n);
        chance.next();
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to just below `high`.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low).max(1)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap_or(1).max(1)).unwrap_or(0)
    }
}

/// Words of a language that nobody speaks; short ones are used more often.
struct Words(Vec<Vec<u8>>);

impl Words {
    const COUNT: usize = 1 << 12;

    fn new() -> Self {
        let mut chance = Chance::new(0, 0);
        let letters =
            b"eeeeeeeeeeeettttttttaaaaaaaaooooooooiiiiiiinnnnnnnssssssrrrrrrhhhhhhddddllllcccuuummmwwffggyyppbbvk";
        let word = |n: usize| {
            let length = 2 + n.ilog2().min(9) as usize / 2 + chance.below(4);
            (0..length).map(|_| letters[chance.below(letters.len())]).collect()
        };
        Self((1..=Self::COUNT).map(word).collect())
    }

    /// A mail of exactly this length.
    fn mail(&self, chance: &mut Chance, length: u64, text: &mut Vec<u8>) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        text.clear();
        let id = chance.next();
        let _infallible = write!(
            text,
            "From: {id:016x}@example.org\nMessage-ID: <{id:016x}@mx.example.org>\nMIME-Version: 1.0\nSubject: "
        );
        let mut line = 9;
        while text.len() < length * 3 / 5 {
            // The product of three: the first words of the list far more often than the last.
            let three = chance.next();
            let (a, b, c) = (three & 0xfff, (three >> 12) & 0xfff, (three >> 24) & 0xfff);
            let word = &self.0[usize::try_from((a * b * c) >> 24).unwrap_or(0)];
            text.extend_from_slice(word);
            line += word.len() + 1;
            text.push(if line > 70 { b'\n' } else { b' ' });
            if line > 70 {
                line = 0;
            }
        }
        text.extend_from_slice(b"\n\n");
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        while text.len() < length {
            for _ in 0..8 {
                let mut bits = chance.next();
                for _ in 0..9 {
                    text.push(digits[usize::try_from(bits & 63).unwrap_or(0)]);
                    bits >>= 6;
                }
            }
            text.push(b'\n');
        }
        text.truncate(length);
    }
}
