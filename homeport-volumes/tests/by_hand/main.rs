//! Snapshots outlive the program that took them: `spec/restore.sh` restores them with a shell and tar, and every release
//! restores the stores in `spec/golden`. Root only; nothing is ever skipped.

#![expect(clippy::unwrap_used, reason = "a test whose stand cannot be set up has failed")]

mod golden;
#[path = "../support/keep.rs"]
mod keep;
#[path = "../support/listing.rs"]
mod listing;
#[path = "../support/odd_tree.rs"]
#[expect(dead_code, reason = "not all of it is needed here")]
mod odd_tree;
mod script;
