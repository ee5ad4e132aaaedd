//! Real directories, real disks in loop devices, real mounts and real kills. Root only; nothing is ever skipped.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test whose stand cannot be set up has failed")]

mod adopt;
mod answered;
mod bad_inputs;
mod cell;
mod crash;
mod disks;
mod lifecycle;
mod mounts;
mod picture;
mod readable;
mod stand;
mod trash;
