//! What survives when the machine stops: every write that reaches a disk is recorded with its place in the order, disks
//! are made again as a power cut at any moment could have left them, mounted, recovered and judged. Root only; nothing
//! is ever skipped.
//!
//! `HOMEPORT_EXHAUST=1` looks at ten times as many images and at every system call; `HOMEPORT_CRASH_SEED` sets the seed
//! of what is drawn at random, which every failure names; `HOMEPORT_CRASH_KEEP` a directory for the images that failed.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test whose stage cannot be set up has failed")]
#![expect(clippy::print_stdout, reason = "counts and times of what was tried are shown with the test's name")]

/// A module with one test for each file system: `$run` gets the stage and the file system.
macro_rules! on_each_file_system {
    ($name:ident, $run:ident) => {
        mod $name {
            use crate::disk::Kind;
            use crate::stage::alone;

            #[test]
            fn ext4() {
                alone(concat!(module_path!(), "::ext4"), |stage| super::$run(stage, Kind::Ext4));
            }

            #[test]
            fn xfs() {
                alone(concat!(module_path!(), "::xfs"), |stage| super::$run(stage, Kind::Xfs));
            }

            #[test]
            fn btrfs() {
                alone(concat!(module_path!(), "::btrfs"), |stage| super::$run(stage, Kind::Btrfs));
            }
        }
    };
}

mod adopt;
mod calls;
mod collection;
mod discipline;
mod disk;
mod effort;
mod exchange;
mod failing;
#[path = "../restore/memory.rs"]
#[expect(dead_code, reason = "the snapshots are those of the restore's own tests, and not all of it is needed here")]
mod memory;
#[path = "../volumes/picture.rs"]
mod picture;
mod place;
mod power;
mod purge;
mod replay;
mod snapshots;
mod stage;
mod trees;
mod volume;
mod workload;
