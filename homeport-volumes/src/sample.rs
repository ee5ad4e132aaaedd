//! Owns a quick look into `data/`: how much is there and whose it is, as far as a bounded number of entries says.
//! Never follows a link, never reads a file, and takes the same time however much the volume holds.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use homeport_core::unit::{Bytes, Uid};
use rustix::fs::{AtFlags, Dir, FileType, StatxFlags};
use rustix::io::Errno;

use crate::directory::{self, Entry};
use crate::facts::{Reached, Sample};

/// How many entries are looked at.
const ENTRIES: u64 = 1000;
/// How many directories are entered.
const DIRECTORIES: usize = 100;

/// Looks into the directory, which is open for reading: at most [`ENTRIES`] entries in [`DIRECTORIES`] directories, those
/// at the top first. Entries that vanish meanwhile do not count.
pub(crate) fn take(data: BorrowedFd<'_>) -> Result<Sample, Errno> {
    let mut look = Look { entries: 0, bytes: 0, owners: BTreeMap::new(), below: Vec::new(), entered: 1 };
    let mut whole = look.look_into(data)?;
    let mut at = 0;
    while whole && let Some(next) = look.below.get_mut(at).and_then(Option::take) {
        whole = look.look_into(next.as_fd())?;
        at += 1;
    }
    Ok(Sample {
        entries: look.entries,
        bytes: Bytes::new(look.bytes),
        reached: if whole { Reached::Everything } else { Reached::Part },
        owners: look.owners.into_iter().collect(),
    })
}

struct Look {
    entries: u64,
    bytes: u64,
    owners: BTreeMap<Uid, u64>,
    /// Directories that were seen and not entered yet, each open.
    below: Vec<Option<OwnedFd>>,
    entered: usize,
}

impl Look {
    /// Whether all of it could be looked at.
    fn look_into(&mut self, directory: BorrowedFd<'_>) -> Result<bool, Errno> {
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if self.entries == ENTRIES {
                return Ok(false);
            }
            let mask = StatxFlags::TYPE | StatxFlags::UID | StatxFlags::SIZE;
            let stat = match rustix::fs::statx(directory, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, mask)
            {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error),
            };
            self.entries += 1;
            *self.owners.entry(Uid::new(stat.stx_uid)).or_default() += 1;
            match FileType::from_raw_mode(stat.stx_mode.into()) {
                FileType::RegularFile => self.bytes = self.bytes.saturating_add(stat.stx_size),
                FileType::Directory => {
                    if self.entered == DIRECTORIES {
                        return Ok(false);
                    }
                    let Ok(name) = name.to_str() else { return Ok(false) };
                    if let Entry::Directory(fd) = directory::child(directory, name)? {
                        self.entered += 1;
                        self.below.push(Some(directory::readable(fd)?));
                    }
                }
                _ => {}
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(files: u64, directories: u64) -> Sample {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..directories {
            std::fs::create_dir(dir.path().join(format!("d{n}"))).unwrap();
        }
        for n in 0..files {
            std::fs::write(dir.path().join(format!("f{n}")), "four").unwrap();
        }
        take(std::fs::File::open(dir.path()).unwrap().as_fd()).unwrap()
    }

    #[test]
    fn a_small_tree_is_looked_at_whole_and_a_large_one_is_not() {
        let small = sample(10, 5);
        assert_eq!((small.entries, small.bytes.get(), small.reached), (15, 40, Reached::Everything));
        assert_eq!(small.owners.iter().map(|(_, count)| count).sum::<u64>(), 15);
        assert_eq!(sample(ENTRIES, 0).reached, Reached::Everything);
        let large = sample(ENTRIES + 1, 0);
        assert_eq!((large.entries, large.reached), (ENTRIES, Reached::Part));
        assert_eq!(sample(0, DIRECTORIES as u64 - 1).reached, Reached::Everything);
        assert_eq!(sample(0, DIRECTORIES as u64).reached, Reached::Part);
    }
}
