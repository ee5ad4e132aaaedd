//! Owns the kernel's table of mounts (`/proc/PID/mountinfo`) as values. Never reads the file itself.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::path::{Relation, relation};

/// The device of a file system as the mount table names it. On btrfs it is not what `stat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber {
    /// The major number.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
}

/// Where a directory is, apart from where it is mounted: two paths with one location are one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file system.
    pub device: DeviceNumber,
    /// The path from the file system's own root.
    pub inner: PathBuf,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The kernel's number of the mount; what `statx` gives as `stx_mnt_id`.
    pub id: u64,
    /// The number of the mount that it is mounted on.
    pub parent: u64,
    /// The file system.
    pub device: DeviceNumber,
    /// Which directory of the file system is mounted.
    pub root: PathBuf,
    /// Where it is mounted.
    pub point: PathBuf,
    /// The options of the mount, split at commas.
    pub options: Vec<String>,
    /// The type of the file system, for example `ext4`.
    pub kind: String,
    /// What was mounted, for example `/dev/sdb1`.
    pub source: OsString,
    /// The options of the file system, split at commas.
    pub super_options: Vec<String>,
}

/// All mounts that a process sees, in the kernel's order: what was mounted later stands later.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MountTable(Vec<Mount>);

/// A line of a mount table that does not have its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the mount table cannot be read: `{text}`")]
pub struct MountTableError {
    /// The number of the line, from 1.
    pub line: usize,
    /// The line, with U+FFFD for what is not UTF-8.
    pub text: String,
}

impl Location {
    /// How this directory lies to `other`; [`Relation::Separate`] on another file system.
    pub fn relation(&self, other: &Self) -> Relation {
        if self.device == other.device { relation(&self.inner, &other.inner) } else { Relation::Separate }
    }
}

impl Mount {
    /// Whether nothing can be written through this mount.
    pub fn is_read_only(&self) -> bool {
        let read_only = |options: &[String]| options.iter().any(|option| option == "ro");
        read_only(&self.options) || read_only(&self.super_options)
    }

    /// What is mounted, apart from where.
    pub fn location(&self) -> Location {
        Location { device: self.device, inner: self.root.clone() }
    }
}

impl MountTable {
    /// Reads the text of `/proc/PID/mountinfo`. Octal escapes are resolved, so that a mount point with a blank is
    /// compared as what it is.
    ///
    /// # Errors
    /// The first line that does not have the documented form.
    pub fn parse(text: &[u8]) -> Result<Self, MountTableError> {
        let lines = text.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        let read = |(at, line): (usize, &[u8])| {
            parse_line(line).ok_or_else(|| MountTableError { line: at + 1, text: String::from_utf8_lossy(line).into() })
        };
        lines.map(read).collect::<Result<_, _>>().map(Self)
    }

    /// All mounts, in the kernel's order.
    pub fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.0.iter()
    }

    /// The mount with this number.
    pub fn by_id(&self, id: u64) -> Option<&Mount> {
        self.0.iter().find(|mount| mount.id == id)
    }

    /// What is mounted exactly at `point`: the topmost where several are.
    pub fn at(&self, point: &Path) -> Option<&Mount> {
        self.0.iter().rev().find(|mount| mount.point == point)
    }

    /// The mounts strictly below `path`.
    pub fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Mount> {
        self.0.iter().filter(move |mount| relation(&mount.point, path) == Relation::Inside)
    }

    /// The location of `path`, which was found on the mount `id`; `None` if the table does not know that mount there.
    pub fn locate(&self, id: u64, path: &Path) -> Option<Location> {
        let mount = self.by_id(id)?;
        let rest = path.strip_prefix(&mount.point).ok()?;
        let inner = if rest.as_os_str().is_empty() { mount.root.clone() } else { mount.root.join(rest) };
        Some(Location { device: mount.device, inner })
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    let text = |field: &[u8]| str::from_utf8(field).ok().map(str::to_owned);
    let number = |field: &[u8]| str::from_utf8(field).ok()?.parse::<u64>().ok();
    let list = |field: &[u8]| Some(text(field)?.split(',').map(str::to_owned).collect::<Vec<_>>());
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let (major, minor) = str::from_utf8(fields.next()?).ok()?.split_once(':')?;
    let device = DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? };
    let root = PathBuf::from(unescape(fields.next()?)?);
    let point = PathBuf::from(unescape(fields.next()?)?);
    let options = list(fields.next()?)?;
    fields.by_ref().find(|field| *field == b"-")?;
    let kind = text(fields.next()?)?;
    let source = unescape(fields.next()?)?;
    let super_options = list(unescape(fields.next()?)?.as_bytes()).unwrap_or_default();
    Some(Mount { id, parent, device, root, point, options, kind, source, super_options })
}

/// Resolves `\ooo`, as the kernel and `fstab` write blanks, tabs, newlines and backslashes.
///
/// `None` where a backslash is not followed by three octal digits of one byte.
pub(crate) fn unescape(field: &[u8]) -> Option<OsString> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'\\' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let (digits, tail) = tail.split_at_checked(3)?;
        let value = digits.iter().try_fold(0_u16, |value, digit| match digit {
            b'0'..=b'7' => Some(value * 8 + u16::from(digit - b'0')),
            _ => None,
        })?;
        bytes.push(u8::try_from(value).ok()?);
        rest = tail;
    }
    Some(OsString::from_vec(bytes))
}

/// Writes a path as the kernel does in its tables.
#[cfg(test)]
pub(crate) fn escape(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().iter().fold(Vec::new(), |mut text, byte| {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => text.extend(format!("\\{byte:03o}").bytes()),
            plain => text.push(*plain),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use proptest::prelude::*;

    use super::*;

    const TABLE: &str = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n\
        40 27 7:0 /sub /mnt/my\\040disk rw,relatime shared:1 master:2 - ext4 /dev/loop0 ro,errors=remount-ro\n\
        41 27 7:1 / /mnt/my\\040disk rw - xfs /dev/loop1 rw\n\
        42 41 0:50 / /mnt/my\\040disk/data/x rw - tmpfs none rw\n";

    #[test]
    fn a_table_is_read_with_escapes_resolved_and_the_topmost_mount_found() {
        let table = MountTable::parse(TABLE.as_bytes()).unwrap();
        let disk = Path::new("/mnt/my disk");
        assert_eq!(table.at(disk).unwrap().id, 41);
        assert!(table.by_id(40).unwrap().is_read_only());
        assert!(!table.by_id(41).unwrap().is_read_only());
        assert_eq!(table.below(disk).map(|m| m.id).collect::<Vec<_>>(), [42]);
        let location = table.locate(40, Path::new("/mnt/my disk/a/b")).unwrap();
        assert_eq!(location, Location { device: DeviceNumber { major: 7, minor: 0 }, inner: "/sub/a/b".into() });
        assert_eq!(table.locate(40, Path::new("/elsewhere")), None);
        assert_eq!(table.locate(40, disk).unwrap().inner, Path::new("/sub"));
    }

    #[test]
    fn broken_lines_are_named() {
        for (bad, line) in [
            ("27 1 254:0 / / rw - ext4\n", 1),
            ("27 1 254:0 / / rw - ext4 a rw\nx 1 254:0 / / rw - ext4 a rw\n", 2),
            ("27 1 254 / / rw - ext4 a rw\n", 1),
            ("27 1 254:0 / /a\\0 rw - ext4 a rw\n", 1),
            ("27 1 254:0 / /a\\777 rw - ext4 a rw\n", 1),
            ("27 1 254:0 / / rw ext4 a rw\n", 1),
        ] {
            assert_eq!(MountTable::parse(bad.as_bytes()).unwrap_err().line, line, "{bad}");
        }
    }

    #[test]
    fn this_machines_own_table_is_read() {
        let text = std::fs::read("/proc/self/mountinfo").unwrap();
        let table = MountTable::parse(&text).unwrap();
        assert!(table.at(Path::new("/proc")).is_some_and(|mount| mount.kind == "proc"));
        assert_eq!(table.iter().count(), text.split(|b| *b == b'\n').filter(|l| !l.is_empty()).count());
    }

    proptest! {
        #[test]
        fn what_the_kernel_escapes_is_read_back(bytes in proptest::collection::vec(1_u8.., 0..64)) {
            let path = Path::new(OsStr::from_bytes(&bytes));
            let text = escape(path);
            prop_assert!(!text.contains(&b' ') && !text.contains(&b'\n'));
            prop_assert_eq!(unescape(&text).unwrap(), path.as_os_str());
        }

        #[test]
        fn a_line_is_read_back(point in "(/[ a-z\\\\\t\n#é]{1,9}){1,4}", root in "(/[ a-z\\\\]{1,9}){1,3}", id in 0_u64.., major in 0_u32..) {
            let line = format!(
                "{id} 1 {major}:7 {} {} rw shared:3 - ext4 none rw\n",
                String::from_utf8(escape(Path::new(&root))).unwrap(),
                String::from_utf8(escape(Path::new(&point))).unwrap()
            );
            let table = MountTable::parse(line.as_bytes()).unwrap();
            let mount = table.by_id(id).unwrap();
            prop_assert_eq!(&mount.point, Path::new(&point));
            prop_assert_eq!(&mount.root, Path::new(&root));
            prop_assert_eq!(mount.device, DeviceNumber { major, minor: 7 });
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _verdict = MountTable::parse(&bytes);
        }
    }
}
