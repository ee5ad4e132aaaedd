//! Owns keeping the kernel tracking and translating connections while somebody flushes all of its rules: it does so only as long as
//! any rule asks for it, and forgets where packets go that were translated until then.
//!
//! A table that has an owner is taken away by nobody else, nor by `nft flush ruleset`, but ends with the process that owns it. One
//! that asks for both and does nothing is owned by an `nft` that waits for words which never come. A kernel or an `nft` that
//! knows no owners is no worse off than without.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use super::command::find;
use super::table::TableName;

/// The process that owns the table.
#[derive(Debug)]
pub(super) struct Guard(Child);

impl Guard {
    /// One for this HomePort and this process; `None` where there cannot be one.
    pub(super) fn start(table: &TableName) -> Option<Self> {
        let mut command = Command::new(find("nft")?);
        // It keeps what it was told in a file of its user's, where it can.
        command
            .env("HOME", "/dev/null")
            .arg("-i")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/");
        let mut guard = Self(command.spawn().ok()?);
        let words = words(table, guard.0.id());
        guard.0.stdin.as_mut()?.write_all(words.as_bytes()).ok()?;
        Some(guard)
    }

    /// Whether it has not ended.
    pub(super) fn is_there(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.kill().unwrap_or(());
        self.0.wait().ok();
    }
}

/// One chain has translation go on, and its one rule tracking.
fn words(table: &TableName, process: u32) -> String {
    let name = format!("{table}-guard-{process}");
    format!(
        "add table inet {name} {{ flags owner; }}\n\
         add chain inet {name} keep {{ type nat hook postrouting priority 300; policy accept; }}\n\
         add rule inet {name} keep ct state invalid return\n"
    )
}
