//! Owns the file system in which everything is made, and the data in it. Removed when it is dropped.
//!
//! It is an ext4 of its own, with a journal, in a file: without a journal, ext4 takes up to a millisecond to find an inode
//! while many were deleted lately, so that each tool would pay for what the one before left to be removed.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::tool::{Kept, Tool};
use crate::{run, say};

/// Files of the small set and of the large one, and bytes of each of the large.
const SMALL: f64 = 100_000.0;
const LARGE: u32 = 20;
const LARGE_BYTES: f64 = 102.0 * 1024.0 * 1024.0;
/// What data, stores and restored trees take together at full size, at most.
const ROOM: f64 = 15.0e9;
/// How the directory's name begins; the process that made it ends it.
const NAME: &str = "homeport-bench-";
/// Where in the directory the file system is mounted.
const MOUNT: &str = "disk";
/// Entries of the set that only counts memory.
const NAMES: f64 = 1_000_000.0;

/// The file system.
#[derive(Debug)]
pub(super) struct Place {
    /// What is removed in the end: the file, and the directory on which it is mounted.
    outside: PathBuf,
    root: PathBuf,
    examples: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.outside) {
            say::warning(format_args!("`{}` cannot be removed: {error:#}", self.outside.display()));
        }
    }
}

/// Which data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    /// Maildirs: many small files.
    Small,
    /// Mailboxes: few large files.
    Large,
    /// A great many files of a few bytes, for memory.
    Names,
}

impl Set {
    const fn word(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
            Self::Names => "names",
        }
    }
}

impl Place {
    /// Makes it below `above`, where there has to be room for `scale` of everything.
    pub(super) fn make(above: &Path, examples: PathBuf, scale: f64) -> Result<Self> {
        clear_dead(above)?;
        let free =
            nix::sys::statvfs::statvfs(above).with_context(|| format!("cannot examine `{}`", above.display()))?;
        let free = u128::from(free.blocks_available()) * u128::from(free.fragment_size());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few gigabytes")]
        let wanted = (ROOM * scale) as u128 + (1 << 29);
        ensure!(free >= wanted, "`{}` has {free} bytes free: wanted {wanted}", above.display());
        let outside = above.join(format!("{NAME}{}", std::process::id()));
        let root = outside.join(MOUNT);
        std::fs::create_dir(&outside).with_context(|| format!("cannot make `{}`", outside.display()))?;
        let place = Self { outside, root, examples };
        std::fs::create_dir(&place.root)?;
        // More, for what the file system takes and what borg wants free; the disk holds only what is used.
        mount(&place.outside.join("disk.img"), u64::try_from(wanted / 10 * 11 + (1 << 30))?, &place.root)?;
        for dir in ["data", "cache", "stores", "restored"] {
            std::fs::create_dir(place.root.join(dir))?;
        }
        Ok(place)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn examples(&self) -> &Path {
        &self.examples
    }

    pub(super) fn data(&self, set: Set) -> PathBuf {
        self.root.join("data").join(set.word())
    }

    /// Runs the program that makes data; returns what it said.
    pub(super) fn mail(&self, words: &[&str]) -> Result<String> {
        run::take(Command::new(self.examples.join("mail")).args(words).current_dir(self.root.join("data")))
    }

    /// Makes a set, `scale` of its full size.
    pub(super) fn fill(&self, set: Set, scale: f64) -> Result<()> {
        ensure!(scale > 0.0 && scale <= 1.0, "the scale is {scale}: wanted more than 0 and at most 1");
        let say = |number: f64| format!("{:.0}", (number * scale).ceil());
        match set {
            Set::Small => self.mail(&["maildirs", set.word(), &say(SMALL)])?,
            Set::Large => self.mail(&["mailboxes", set.word(), &LARGE.to_string(), &say(LARGE_BYTES)])?,
            Set::Names => self.mail(&["names", set.word(), &say(NAMES)])?,
        };
        Ok(())
    }

    /// What a tool keeps of a set; nothing is there yet.
    pub(super) fn kept<'a>(&'a self, tool: Tool, data: &'a Path, cache: &'a Path) -> Kept<'a> {
        let set = data.file_name().unwrap_or_default().to_string_lossy();
        let store = self.root.join("stores").join(format!("{set}-{tool:?}"));
        Kept { tool, data, store, examples: &self.examples, cache, saved: 0 }
    }

    pub(super) fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Removes everything that tools keep and a set, so that the disk has room for the next.
    pub(super) fn clear(&self, set: Set) -> Result<()> {
        for dir in [self.root.join("stores"), self.cache(), self.data(set)] {
            std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove `{}`", dir.display()))?;
            std::fs::create_dir(&dir)?;
        }
        std::fs::remove_dir(self.data(set))?;
        Ok(())
    }

    /// A directory to restore into, that is not there.
    pub(super) fn target(&self) -> Result<PathBuf> {
        let target = self.root.join("restored/it");
        if target.exists() {
            std::fs::remove_dir_all(&target).with_context(|| format!("cannot remove `{}`", target.display()))?;
        }
        Ok(target)
    }
}

/// Makes an ext4 of so many bytes in a new file, of which the disk holds what was used, and mounts it.
fn mount(image: &Path, bytes: u64, on: &Path) -> Result<()> {
    std::fs::File::create_new(image)?.set_len(bytes)?;
    // Nothing is left to be initialized while others are measured.
    let format = ["-q", "-F", "-i", "8192", "-E", "lazy_itable_init=0,lazy_journal_init=0"];
    run::pass(Command::new("mkfs.ext4").args(format).arg(image))?;
    run::pass(Command::new("mount").args(["-o", "loop"]).arg(image).arg(on))
}

/// Unmounts what is mounted there and removes everything.
fn remove(outside: &Path) -> Result<()> {
    let root = outside.join(MOUNT);
    let above = std::fs::metadata(outside)?.dev();
    if std::fs::metadata(&root).is_ok_and(|inside| inside.dev() != above) {
        run::pass(Command::new("umount").arg(&root))?;
    }
    Ok(std::fs::remove_dir_all(outside)?)
}

/// Removes what sessions left that were ended from outside.
fn clear_dead(above: &Path) -> Result<()> {
    for entry in std::fs::read_dir(above).with_context(|| format!("cannot list `{}`", above.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(NAME)?.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists()) {
            say::line(format_args!("removing `{}`, which a session left that is dead", entry.path().display()));
            remove(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_session_left_is_removed_and_nothing_else() {
        let above = std::env::temp_dir().join(format!("homeport-xtask-place-{}", std::process::id()));
        // No process has the highest number.
        let (dead, alive) = (format!("{NAME}4294967295"), format!("{NAME}{}", std::process::id()));
        let names = [dead.as_str(), &alive, "homeport-bench-of-mine", "else"];
        for name in names {
            std::fs::create_dir_all(above.join(name).join("data")).unwrap();
        }
        clear_dead(&above).unwrap();
        let left: Vec<bool> = names.iter().map(|name| above.join(name).exists()).collect();
        std::fs::remove_dir_all(&above).unwrap();
        assert_eq!(left, [false, true, true, true]);
    }
}
