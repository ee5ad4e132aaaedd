//! Owns the file systems on which everything is proven, and how a small one is made.

use std::fs::File;

use crate::disk::Blocks;
use crate::stage::{Stage, run};

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ext4,
    Xfs,
    Btrfs,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Ext4, Self::Xfs, Self::Btrfs];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    /// An empty one: with room for a collection to write anew, and little in it, because every image is written whole.
    pub(crate) fn make(self, stage: &Stage) -> Blocks {
        const MIB: u64 = 1024 * 1024;
        let (size, program, options): (_, _, &[&str]) = match self {
            Self::Ext4 => (160 * MIB, "mkfs.ext4", &["-q", "-F", "-J", "size=4"]),
            Self::Xfs => (160 * MIB, "mkfs.xfs", &["--unsupported", "-q", "-f"]),
            Self::Btrfs => (192 * MIB, "mkfs.btrfs", &["-q", "-f"]),
        };
        let image = stage.at("empty.img");
        File::create(&image).unwrap().set_len(size).unwrap();
        let mut args = options.to_vec();
        args.push(image.to_str().unwrap());
        run(program, &args);
        let blocks = Blocks::load(&image);
        std::fs::remove_file(image).unwrap();
        blocks
    }
}
