//! Owns the question whether a tree was written to after a moment: what a container that still has it may do after another
//! tree took its place. Never changes anything.

use std::os::fd::AsFd;

use crate::tree::{Timestamp, TreeFault, Walk};

/// The newest status change of any entry in the directory, which is open for reading; `None` for an empty one. The
/// directory itself does not count: that it was renamed is no change of what is in it.
///
/// A store into a mapped page that was dirty already is not seen. [spec: STO-24]
///
/// # Errors
/// The first entry that cannot be looked at.
pub fn newest_change(directory: impl AsFd) -> Result<Option<Timestamp>, TreeFault> {
    let mut newest = None;
    for (index, scanned) in Walk::new(directory.as_fd()).enumerate() {
        let scanned = scanned?;
        if index > 0 {
            newest = newest.max(Some(scanned.stat.changed));
        }
    }
    Ok(newest)
}
