//! Real trees, as odd as they come, gone through and looked at. Root only; nothing is ever skipped.

#![expect(clippy::unwrap_used, reason = "a test whose stand cannot be set up has failed")]

mod catalogue;
mod look;
#[path = "../support/odd_tree.rs"]
mod odd_tree;
mod walk;
