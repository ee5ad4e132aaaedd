//! Owns what `/etc/fstab` says should be mounted. Never reads the file itself and never mounts anything.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use crate::mountinfo::{MountTable, unescape};
use crate::path::VolumePath;

/// One line of `fstab` that names a mount point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FstabEntry {
    /// What is to be mounted, for example `UUID=...` or `/dev/sdb1`.
    pub source: OsString,
    /// Where.
    pub point: PathBuf,
}

/// Reads the text of an `fstab`: comments, swap and lines that name no absolute mount point are left out.
///
/// A line that makes no sense is left out too: the file is the operator's and other programs judge it.
pub(crate) fn parse(text: &[u8]) -> Vec<FstabEntry> {
    let read = |line: &[u8]| {
        let mut fields = line.split(|b| *b == b' ' || *b == b'\t').filter(|field| !field.is_empty());
        let source = unescape(fields.next().filter(|field| !field.starts_with(b"#"))?)?;
        let point = unescape(fields.next()?)?;
        point.as_bytes().starts_with(b"/").then(|| FstabEntry { source, point: PathBuf::from(point) })
    };
    text.split(|b| *b == b'\n').filter_map(read).collect()
}

/// The deepest entry on the way to `path` (or at it) that is not mounted: whatever is found at the path is not on the
/// disk that the operator meant. [spec: VOL-31]
pub(crate) fn unmounted_on_the_way(
    entries: &[FstabEntry],
    mounts: &MountTable,
    path: &VolumePath,
) -> Option<FstabEntry> {
    let on_the_way = entries.iter().filter(|entry| path.as_path().starts_with(&entry.point));
    let missing = on_the_way.filter(|entry| mounts.at(&entry.point).is_none());
    missing.max_by_key(|entry| entry.point.components().count()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FSTAB: &[u8] = b"# comment\n\nUUID=1 / ext4 defaults 0 1\n  /dev/sdb1\t/mnt/my\\040disk ext4 noauto 0 0\n\
        LABEL=x /mnt/my\\040disk/deep xfs defaults\nUUID=2 none swap sw 0 0\n#/dev/sdc /srv ext4\nlonely\nbad\\9 /x\n";

    #[test]
    fn only_lines_that_name_a_mount_point_count() {
        let points: Vec<_> = parse(FSTAB).into_iter().map(|entry| entry.point).collect();
        assert_eq!(points, ["/", "/mnt/my disk", "/mnt/my disk/deep"].map(PathBuf::from));
    }

    #[test]
    fn a_path_below_an_entry_that_is_not_mounted_is_found() {
        let entries = parse(FSTAB);
        let root = "1 0 8:1 / / rw - ext4 a rw\n";
        let disk = "2 1 8:2 / /mnt/my\\040disk rw - ext4 b rw\n";
        for (mounts, path, wanted) in [
            (root.to_owned(), "/srv/mail", None),
            (root.to_owned(), "/mnt/my disk/mail", Some("/mnt/my disk")),
            (root.to_owned(), "/mnt/my disk", Some("/mnt/my disk")),
            (root.to_owned(), "/mnt/my disk2", None),
            (format!("{root}{disk}"), "/mnt/my disk/mail", None),
            (format!("{root}{disk}"), "/mnt/my disk/deep/mail", Some("/mnt/my disk/deep")),
            (root.to_owned(), "/mnt/my disk/deep/mail", Some("/mnt/my disk/deep")),
        ] {
            let table = MountTable::parse(mounts.as_bytes()).unwrap();
            let found = unmounted_on_the_way(&entries, &table, &path.parse().unwrap()).map(|entry| entry.point);
            assert_eq!(found, wanted.map(PathBuf::from), "{path}");
        }
    }
}
