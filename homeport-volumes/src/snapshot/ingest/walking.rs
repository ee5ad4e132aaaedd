//! Owns who walks through a volume: whoever reads it, and from some size on a thread that goes ahead, so that the next
//! entries are looked at while those before are compared and written. Never changes the order, and never goes far ahead.

use std::os::fd::BorrowedFd;
use std::sync::mpsc::sync_channel;

use crate::tree::{Scanned, TreeFault, Walk};

/// So many entries are not worth a thread.
const SMALL: usize = 16_384;
/// How many entries are handed over at once, and how many times so many wait at most: together as many as a scan looks at
/// before it reads the first of them.
const AT_ONCE: usize = 256;
const WAIT: usize = 64;
/// How many bytes the paths have of those that are handed over at once; the last of them may go beyond that.
const PATHS_AT_ONCE: usize = 64 << 10;

/// Walks through `data` and gives all that comes up to `take`, in the order of the walk, until there is no more or `take`
/// fails.
///
/// Memory beside that of a [`Walk`]: some 16,000 entries, of which the paths have some 4 MiB.
///
/// # Errors
/// What `take` said; and `no_thread` of the reason where no thread can be had.
pub(super) fn walk<E>(
    data: BorrowedFd<'_>,
    mut take: impl FnMut(Result<Scanned, TreeFault>) -> Result<(), E>,
    no_thread: impl FnOnce(std::io::Error) -> E,
) -> Result<(), E> {
    let mut walk = Walk::new(data);
    for _ in 0..SMALL {
        let Some(found) = walk.next() else { return Ok(()) };
        take(found)?;
    }
    std::thread::scope(|scope| {
        let (hand_over, handed_over) = sync_channel::<Vec<_>>(WAIT);
        let ahead = move || {
            loop {
                let some = some_of(&mut walk);
                // Whoever takes them has failed, and takes no more.
                if some.is_empty() || hand_over.send(some).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("walk".to_owned()).spawn_scoped(scope, ahead).map_err(no_thread)?;
        handed_over.into_iter().flatten().try_for_each(take)
    })
}

/// What is handed over at once; nothing at the end.
fn some_of(walk: &mut Walk<'_>) -> Vec<Result<Scanned, TreeFault>> {
    let mut some = Vec::new();
    let mut paths = 0;
    while some.len() < AT_ONCE && paths < PATHS_AT_ONCE {
        let Some(found) = walk.next() else { break };
        paths += found.as_ref().map_or_else(TreeFault::path, |scanned| &scanned.path).as_bytes().len();
        some.push(found);
    }
    some
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd as _;

    use super::*;

    /// More entries than are worth a thread, and a fault among the later ones.
    #[test]
    fn a_large_volume_comes_up_as_one_walk_has_it() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..40 {
            let below = dir.path().join(format!("{n:02}"));
            fs::create_dir(&below).unwrap();
            File::create(below.join("first")).unwrap();
            for name in 1..500 {
                fs::hard_link(below.join("first"), below.join(name.to_string())).unwrap();
            }
        }
        let data = File::open(dir.path()).unwrap();
        // The names at the top are known when the first of them comes up; this one is gone before it does.
        let going = dir.path().join("38 goes");
        let note = |found: Result<Scanned, TreeFault>| {
            if found.as_ref().is_ok_and(|scanned| scanned.path.as_bytes() == b"00") {
                fs::remove_file(&going).unwrap();
            }
            found.map(|scanned| scanned.path).map_err(|fault| fault.to_string())
        };
        File::create(&going).unwrap();
        let wanted: Vec<_> = Walk::new(data.as_fd()).map(note).collect();
        assert!(wanted.len() > SMALL + 2000);
        let faults: Vec<_> = wanted.iter().enumerate().filter(|(_, found)| found.is_err()).collect();
        assert!(
            matches!(faults[..], [(at, Err(fault))] if at > SMALL && fault == "`38\\040goes` is gone"),
            "{faults:?}"
        );
        File::create(&going).unwrap();
        let mut found = Vec::new();
        let taken: Result<(), String> = walk(
            data.as_fd(),
            |one| {
                found.push(note(one));
                Ok(())
            },
            |error| error.to_string(),
        );
        assert_eq!(taken, Ok(()));
        assert!(found == wanted, "{} and {}", found.len(), wanted.len());
        for stop in [1, SMALL - 1, SMALL, SMALL + 1, SMALL + 1000] {
            let mut left = stop;
            let stopped: Result<(), String> = walk(
                data.as_fd(),
                |_| {
                    left -= 1;
                    if left == 0 { Err("enough".to_owned()) } else { Ok(()) }
                },
                |error| error.to_string(),
            );
            assert_eq!((stopped, left), (Err("enough".to_owned()), 0), "{stop}");
        }
    }

    /// Paths of nearly 3,000 bytes.
    #[test]
    fn what_waits_is_bounded_by_its_paths_too() {
        let dir = tempfile::tempdir().unwrap();
        let deep: std::path::PathBuf = std::iter::repeat_n("d".repeat(250), 11).collect();
        let deep = dir.path().join(deep);
        fs::create_dir_all(&deep).unwrap();
        for n in 0..100 {
            File::create(deep.join(format!("{n:0200}"))).unwrap();
        }
        let data = File::open(dir.path()).unwrap();
        let mut walk = Walk::new(data.as_fd());
        let mut counts = Vec::new();
        loop {
            let some = some_of(&mut walk);
            let bytes: usize = some.iter().map(|found| found.as_ref().unwrap().path.as_bytes().len()).sum();
            assert!(bytes < PATHS_AT_ONCE + 4096, "{bytes}");
            if some.is_empty() {
                break;
            }
            counts.push(some.len());
        }
        assert_eq!(counts.iter().sum::<usize>(), 100 + 11 + 1);
        assert!(counts.len() > 3, "{counts:?}");
    }
}
