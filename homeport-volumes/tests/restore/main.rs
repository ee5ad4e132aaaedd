//! Restores into real volumes on real file systems: what comes back, what is refused, and what a crash or a full disk
//! leaves. Root only; nothing is ever skipped.

#![expect(clippy::unwrap_used, reason = "a test whose stand cannot be set up has failed")]

mod bounds;
mod crash;
mod differs;
mod disk;
mod disks;
mod exchange;
#[path = "../support/few_files.rs"]
mod few_files;
mod hostile;
mod house;
mod lend;
mod memory;
#[path = "../support/odd_tree.rs"]
#[expect(dead_code, reason = "the tree brings more than each test uses")]
mod odd_tree;
mod one;
#[path = "../volumes/stand.rs"]
#[expect(dead_code, reason = "the stand is that of the volumes' own tests, and not all of it is needed here")]
mod stand;
mod vault;
mod whole;
