//! Owns the lock of a store: one writer at a time. Never waits without saying so. [spec: STO-2]

use std::fs::{File, TryLockError};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, OFlags, StatxFlags};

use super::error::StoreError;
use super::place::{LOCK, Place};
use crate::file::open_in;

/// The held lock; dropping it, or the end of the process, lets go.
#[derive(Debug)]
pub(crate) struct StoreLock {
    file: File,
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        // A child that another thread is just starting has a copy of the descriptor until its `exec`.
        let _unlocked = self.file.unlock();
    }
}

/// Takes the lock, and makes its file where that is missing. Tries again for `wait`, and says once, in words, whom it
/// waits for.
pub(crate) fn take(place: &Place, wait: Duration, waiting: &mut dyn FnMut(&str)) -> Result<StoreLock, StoreError> {
    let path = || place.path.as_path().join(LOCK);
    let file = open_in(place.top.as_fd(), LOCK, OFlags::RDWR | OFlags::CREATE, 0o600)
        .map_err(|error| place.failed("open", path(), super::draft::DIRECTORY_BYTES, error.into()))?;
    let (started, mut told) = (Instant::now(), false);
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(source)) => return Err(StoreError::Io { action: "lock", path: path(), source }),
            Err(TryLockError::WouldBlock) => {}
        }
        let holder = holder_of(&file);
        if started.elapsed() >= wait {
            return Err(StoreError::Busy { path: place.path.clone(), holder });
        }
        if !told {
            waiting(&format!("the store at `{}` is being written to by {holder}", place.path));
            told = true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let here = rustix::fs::statx(&place.top, LOCK, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::INO);
    let mine = rustix::fs::statx(&file, "", AtFlags::EMPTY_PATH, StatxFlags::INO);
    match (here, mine) {
        (Ok(here), Ok(mine)) if here.stx_ino == mine.stx_ino => Ok(StoreLock { file }),
        _ => {
            let reason = format!("`{LOCK}` in it was exchanged while it was being locked");
            Err(StoreError::Place { path: place.path.clone(), reason })
        }
    }
}

/// Who holds the lock, as far as the kernel says it.
fn holder_of(file: &File) -> String {
    let found = || {
        let stat = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::INO).ok()?;
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        find_holder(&locks, (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino))
    };
    found().map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// The process that holds the `flock` of a file, in the text of `/proc/locks`: `1: FLOCK ADVISORY WRITE 42 08:01:7 0 EOF`.
fn find_holder(locks: &str, (major, minor, inode): (u32, u32, u64)) -> Option<u32> {
    let wanted = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, "FLOCK", _, "WRITE", pid, place, ..] if place == wanted => pid.parse().ok().filter(|pid| *pid > 0),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::find_holder;

    #[test]
    fn the_holder_is_found_among_the_kernels_locks() {
        let locks = "1: POSIX  ADVISORY  WRITE 9 08:01:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 812 fe:01:77 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 999 fe:01:77 0 EOF\n3: FLOCK  ADVISORY  READ 7 fe:01:78 0 EOF\n";
        assert_eq!(find_holder(locks, (0xfe, 1, 77)), Some(812));
        assert_eq!(find_holder(locks, (8, 1, 77)), None);
        assert_eq!(find_holder(locks, (0xfe, 1, 78)), None);
    }
}
