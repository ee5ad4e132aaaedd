//! Owns how far a file system's times and holes can be believed. Decides from what the kernel says of itself and of the
//! file system; never tries anything out, because nothing is written into a volume that is read.

use std::os::fd::BorrowedFd;

use rustix::io;

use crate::tree::{StatKey, Timestamp};

/// How far the file system of a volume is believed. [spec: STO-24, STO-25]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trust {
    /// Whether equal times mean that nothing was written.
    pub keys: Keys,
    /// Whether the kernel knows where a file's holes are.
    pub holes: Holes,
}

/// Whether equal times mean that nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Each change after a look gives another time.
    Fine,
    /// Two changes within two seconds may have one time.
    Coarse,
    /// A write can leave every time as it is: each file is read each time.
    Worthless,
}

/// Whether the kernel knows where a file's holes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holes {
    /// What it calls a hole is one.
    Known,
    /// Every byte is read, and what is zero is a hole.
    Read,
}

const EXT: i64 = 0xef53;
const XFS: i64 = 0x5846_5342;
const BTRFS: i64 = 0x9123_683e;
const TMPFS: i64 = 0x0102_1994;

/// The first kernel whose times tell two changes apart with a look between them, whatever the clock's tick.
const FINE_SINCE: (u32, u32) = (6, 13);

impl Trust {
    /// How far the file system of the directory is believed, on this kernel.
    pub(crate) fn in_directory(directory: BorrowedFd<'_>) -> io::Result<Self> {
        let found = rustix::fs::fstatfs(directory)?;
        Ok(Self::decide(found.f_type, rustix::system::uname().release().to_str().unwrap_or_default()))
    }

    /// A store into a page that is dirty already changes no time in memory's own file system, and what other file
    /// systems do nobody has tried out: network, FUSE and stacked ones are read each time.
    fn decide(magic: i64, release: &str) -> Self {
        match magic {
            EXT | XFS | BTRFS if version(release).is_some_and(|found| found >= FINE_SINCE) => {
                Self { keys: Keys::Fine, holes: Holes::Known }
            }
            EXT | XFS | BTRFS => Self { keys: Keys::Coarse, holes: Holes::Known },
            TMPFS => Self { keys: Keys::Worthless, holes: Holes::Known },
            _ => Self { keys: Keys::Worthless, holes: Holes::Read },
        }
    }
}

impl Keys {
    /// The key to keep of a look in a scan that began at `start`. [spec: STO-25]
    pub(crate) fn keep(self, key: StatKey, start: Timestamp) -> Option<StatKey> {
        let old = key.changed.seconds() < start.seconds().saturating_sub(2);
        match self {
            Self::Fine => Some(key),
            Self::Coarse => old.then_some(key),
            Self::Worthless => None,
        }
    }
}

/// Major and minor number of a kernel's release, as `uname -r` gives it.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_tried_out_is_believed() {
        let rows = [
            (EXT, "6.18.44", Keys::Fine, Holes::Known),
            (XFS, "6.13.0-rc1", Keys::Fine, Holes::Known),
            (BTRFS, "7.0.1-amd64", Keys::Fine, Holes::Known),
            (EXT, "6.12.9", Keys::Coarse, Holes::Known),
            (EXT, "6.1.0-18-amd64", Keys::Coarse, Holes::Known),
            (XFS, "unknown", Keys::Coarse, Holes::Known),
            (TMPFS, "6.18.44", Keys::Worthless, Holes::Known),
            (0x794c_7630, "6.18.44", Keys::Worthless, Holes::Read),
            (0x6969, "6.18.44", Keys::Worthless, Holes::Read),
            (0x6573_5546, "6.18.44", Keys::Worthless, Holes::Read),
        ];
        for (magic, release, keys, holes) in rows {
            assert_eq!(Trust::decide(magic, release), Trust { keys, holes }, "{magic:#x} {release}");
        }
    }

    #[test]
    fn a_change_just_before_the_scan_has_no_key_where_times_are_coarse() {
        let at = |seconds, nanos| Timestamp::new(seconds, nanos).unwrap();
        let key = |changed| StatKey { inode: 7, changed };
        let start = at(1000, 500);
        let rows = [(at(997, 999_999_999), true), (at(998, 0), false), (at(1000, 0), false), (at(5000, 0), false)];
        for (changed, kept) in rows {
            assert_eq!(Keys::Coarse.keep(key(changed), start), kept.then_some(key(changed)), "{changed:?}");
            assert_eq!(Keys::Fine.keep(key(changed), start), Some(key(changed)));
            assert_eq!(Keys::Worthless.keep(key(changed), start), None);
        }
    }
}
