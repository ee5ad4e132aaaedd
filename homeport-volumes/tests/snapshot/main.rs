//! Snapshots of real directories, taken, proven, compared and moved to other stores. Root only; nothing is ever skipped.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test whose stand cannot be set up has failed")]

mod archive;
mod bounds;
mod changes;
mod disks;
#[path = "../support/few_files.rs"]
mod few_files;
#[path = "../support/forged.rs"]
mod forged;
mod house;
mod law;
mod links;
#[path = "../support/odd_tree.rs"]
mod odd_tree;
mod passes;
mod trouble;
mod verify;
