//! Owns the question whether a tree was written to after a moment: what a container that still has it may do after another
//! tree took its place. Never changes anything.

use std::os::fd::AsFd;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::error::RestoreError;
use crate::store::StoreError;
use crate::tree::{Line, Timestamp, TreeFault, TreePath, Walk};

/// The newest change of what is in the directory, which is open for reading: the newest status change of any entry in it.
/// The directory itself does not count: an exchange changes its status everywhere, and its time of modification on XFS. What
/// went from there is found by [`gone_from_top`].
///
/// A store into a mapped page that was dirty already is not seen. [spec: STO-24, UPG-49]
///
/// # Errors
/// The first entry that cannot be looked at.
pub fn newest_change(directory: impl AsFd) -> Result<Timestamp, TreeFault> {
    let mut newest = Timestamp::EPOCH;
    for (index, scanned) in Walk::new(directory.as_fd()).enumerate() {
        let changed = scanned?.stat.changed;
        if index > 0 {
            newest = newest.max(changed);
        }
    }
    Ok(newest)
}

/// The first name right below the top that the lines of a snapshot have and the directory has not: that it went is written
/// to the directory's own times only, which say as much after an exchange. Everything else that can be done to a name shows in
/// the [newest change](newest_change). [spec: UPG-49]
///
/// The lines are read to their end, where it is known that they are those of the snapshot.
///
/// # Errors
/// A line that cannot be read, or a name that cannot be looked for.
pub fn gone_from_top(
    directory: impl AsFd,
    lines: impl IntoIterator<Item = Result<Line, StoreError>>,
) -> Result<Option<TreePath>, RestoreError> {
    let mut gone = None;
    for line in lines {
        let line = line?;
        let Some(path) = line.path().filter(|path| gone.is_none() && is_at_top(path)) else { continue };
        match rustix::fs::statat(directory.as_fd(), path.as_bytes(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => {}
            Err(Errno::NOENT) => gone = Some(path.clone()),
            Err(error) => return Err(RestoreError::Tree(TreeFault::io("look for", path)(error))),
        }
    }
    Ok(gone)
}

fn is_at_top(path: &TreePath) -> bool {
    !path.is_root() && !path.as_bytes().contains(&b'/')
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::tree::HardLink;

    fn open(directory: &Path) -> fs::File {
        fs::File::open(directory).unwrap()
    }

    fn newest(directory: &Path) -> Timestamp {
        newest_change(open(directory)).unwrap()
    }

    /// Lines that have nothing but a path.
    fn lines(of: &Path) -> Vec<Line> {
        let line = |path: TreePath| Line::HardLink(HardLink { first: path.clone(), path });
        Walk::new(open(of).as_fd()).map(|found| line(found.unwrap().path)).collect()
    }

    fn gone(directory: &Path, lines: &[Line]) -> Option<String> {
        let lines = lines.iter().cloned().map(Ok);
        gone_from_top(open(directory), lines).unwrap().map(|path| path.to_string())
    }

    /// Until the clock of the file system has gone on.
    fn wait() {
        std::thread::sleep(std::time::Duration::from_millis(30));
    }

    #[test]
    fn what_is_deleted_at_the_top_is_gone_and_what_is_deleted_below_is_a_change() {
        let place = tempfile::tempdir().unwrap();
        let (data, moved) = (place.path().join("data"), place.path().join("moved"));
        fs::create_dir_all(data.join("deep")).unwrap();
        for name in ["first", "second", "deep/third"] {
            fs::write(data.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("nowhere", data.join("link")).unwrap();
        let (before, lines) = (newest(&data), lines(&data));
        wait();
        fs::rename(&data, &moved).unwrap();
        assert_eq!((newest(&moved), gone(&moved, &lines)), (before, None));
        wait();
        fs::remove_file(moved.join("second")).unwrap();
        assert_eq!((newest(&moved), gone(&moved, &lines)), (before, Some("second".to_owned())));
        fs::remove_file(moved.join("deep/third")).unwrap();
        let below = newest(&moved);
        assert!(below > before, "{below:?}, {before:?}");
        wait();
        fs::write(moved.join("first"), "another").unwrap();
        assert!(newest(&moved) > below);
    }

    #[test]
    fn from_a_directory_that_was_emptied_something_is_gone() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("only"), "one").unwrap();
        let lines = lines(place.path());
        fs::remove_file(place.path().join("only")).unwrap();
        assert_eq!(gone(place.path(), &lines), Some("only".to_owned()));
    }

    #[test]
    fn lines_that_end_in_damage_say_nothing() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("only"), "one").unwrap();
        let entries = crate::store::EntriesId::new([7; 32]);
        let damage = StoreError::EntriesDamaged { entries, why: "a test".to_owned() };
        let lines = lines(place.path()).into_iter().map(Ok).chain([Err(damage)]);
        fs::remove_file(place.path().join("only")).unwrap();
        assert!(matches!(gone_from_top(open(place.path()), lines), Err(RestoreError::Store(_))));
    }
}
