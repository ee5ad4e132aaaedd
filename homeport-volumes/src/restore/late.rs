//! Owns the question whether a tree was written to after a moment: what a container that still has it may do after another
//! tree took its place. Never changes anything.

use std::os::fd::AsFd;

use crate::tree::{Timestamp, TreeFault, Walk};

/// The newest change in the directory, which is open for reading: the newest status change of any entry in it, and the last
/// time that an entry of the directory itself came or went. The status of the directory itself does not count: that it was
/// renamed is no change of what is in it. A time of modification that somebody set counts as one.
///
/// A store into a mapped page that was dirty already is not seen. [spec: STO-24, UPG-49]
///
/// # Errors
/// The first entry that cannot be looked at.
pub fn newest_change(directory: impl AsFd) -> Result<Timestamp, TreeFault> {
    let mut newest = Timestamp::EPOCH;
    for (index, scanned) in Walk::new(directory.as_fd()).enumerate() {
        let stat = scanned?.stat;
        newest = newest.max(if index == 0 { stat.modified } else { stat.changed });
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn newest(directory: &Path) -> Timestamp {
        newest_change(fs::File::open(directory).unwrap()).unwrap()
    }

    /// Until the clock of the file system has gone on.
    fn wait() {
        std::thread::sleep(std::time::Duration::from_millis(30));
    }

    #[test]
    fn what_is_deleted_at_the_top_is_a_change_and_a_rename_of_the_whole_is_none() {
        let place = tempfile::tempdir().unwrap();
        let (data, moved) = (place.path().join("data"), place.path().join("moved"));
        fs::create_dir_all(data.join("deep")).unwrap();
        for name in ["first", "second", "deep/third"] {
            fs::write(data.join(name), name).unwrap();
        }
        let before = newest(&data);
        wait();
        fs::rename(&data, &moved).unwrap();
        assert_eq!(newest(&moved), before);
        let mut last = before;
        for name in ["second", "deep/third"] {
            wait();
            fs::remove_file(moved.join(name)).unwrap();
            let now = newest(&moved);
            assert!(now > last, "`{name}` was deleted: {now:?}, {last:?}");
            last = now;
        }
        wait();
        fs::write(moved.join("first"), "another").unwrap();
        assert!(newest(&moved) > last);
    }

    #[test]
    fn a_directory_that_was_emptied_was_changed() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("only"), "one").unwrap();
        let before = newest(place.path());
        wait();
        fs::remove_file(place.path().join("only")).unwrap();
        assert!(newest(place.path()) > before);
    }
}
