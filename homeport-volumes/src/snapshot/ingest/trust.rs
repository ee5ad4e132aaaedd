//! Owns how far a file system's times and holes can be believed. Decides from what the kernel says of the file system;
//! never tries anything out, because nothing is written into a volume that is read.

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
    /// Two changes within two seconds may have one time, and a long write may have the time of its begin.
    AfterTwoSeconds,
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

/// How long before a scan a change has to lie for its time to be believed. ext2, ext3 and ext4 with small inodes, which
/// cannot be told from ext4, have times of one second; most kernels' clocks tick every few milliseconds; and a write that
/// goes over a file sets the time before it copies.
const SECONDS: i64 = 2;

impl Trust {
    /// How far the file system of the directory is believed.
    pub(crate) fn in_directory(directory: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self::decide(rustix::fs::fstatfs(directory)?.f_type))
    }

    /// A store into a page that is dirty already changes no time in memory's own file system, and what other file
    /// systems do nobody has tried out: network, FUSE and stacked ones are read each time.
    fn decide(magic: i64) -> Self {
        match magic {
            EXT | XFS | BTRFS => Self { keys: Keys::AfterTwoSeconds, holes: Holes::Known },
            TMPFS => Self { keys: Keys::Worthless, holes: Holes::Known },
            _ => Self { keys: Keys::Worthless, holes: Holes::Read },
        }
    }
}

impl Keys {
    /// The key to keep of a look in a scan that began at `start`. [spec: STO-25]
    pub(crate) fn keep(self, key: StatKey, start: Timestamp) -> Option<StatKey> {
        let old = key.changed.seconds() < start.seconds().saturating_sub(SECONDS);
        match self {
            Self::AfterTwoSeconds => old.then_some(key),
            Self::Worthless => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_tried_out_is_believed() {
        let rows = [
            (EXT, Keys::AfterTwoSeconds, Holes::Known),
            (XFS, Keys::AfterTwoSeconds, Holes::Known),
            (BTRFS, Keys::AfterTwoSeconds, Holes::Known),
            (TMPFS, Keys::Worthless, Holes::Known),
            (0x794c_7630, Keys::Worthless, Holes::Read),
            (0x6969, Keys::Worthless, Holes::Read),
            (0x6573_5546, Keys::Worthless, Holes::Read),
        ];
        for (magic, keys, holes) in rows {
            assert_eq!(Trust::decide(magic), Trust { keys, holes }, "{magic:#x}");
        }
    }

    #[test]
    fn a_change_just_before_the_scan_has_no_key() {
        let at = |seconds, nanos| Timestamp::new(seconds, nanos).unwrap();
        let key = |changed| StatKey { inode: 7, changed };
        let start = at(1000, 500);
        let rows = [(at(997, 999_999_999), true), (at(998, 0), false), (at(1000, 0), false), (at(5000, 0), false)];
        for (changed, kept) in rows {
            assert_eq!(Keys::AfterTwoSeconds.keep(key(changed), start), kept.then_some(key(changed)), "{changed:?}");
            assert_eq!(Keys::Worthless.keep(key(changed), start), None);
        }
    }
}
