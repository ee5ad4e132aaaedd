//! What survives when the machine stops: every write that reaches a disk is recorded with its place in the order, disks
//! are made again as a power cut at any moment could have left them, mounted, recovered and judged. Root only; nothing
//! is ever skipped.
//!
//! `HOMEPORT_EXHAUST=1` looks at ten times as many images and at every system call; `HOMEPORT_CRASH_SEED` sets the seed
//! of what is drawn at random, which every failure names; `HOMEPORT_CRASH_KEEP` a directory for the images that failed.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test whose stage cannot be set up has failed")]
#![expect(clippy::print_stdout, reason = "counts and times of what was tried are shown with the test's name")]

mod disk;
mod effort;
mod power;
mod replay;
mod stage;
