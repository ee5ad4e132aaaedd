//! Real trees, as odd as they come, gone through and looked at. Root only; nothing is ever skipped.

#![expect(clippy::unwrap_used, reason = "a test whose stand cannot be set up has failed")]

mod catalogue;
#[expect(dead_code, reason = "no disk is filled here")]
#[path = "../restore/disk.rs"]
mod disk;
mod look;
#[path = "../support/odd_tree.rs"]
mod odd_tree;
#[expect(dead_code, reason = "only what disks need is used")]
#[path = "../volumes/stand.rs"]
mod stand;
mod walk;
