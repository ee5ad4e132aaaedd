//! Owns running other programs for a task: what is run is said when it fails, output is taken or passed on.
//! Never goes through a shell.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Runs a program with its output passed on; fails with what was run where it fails.
pub(crate) fn pass(command: &mut Command) -> Result<()> {
    let words = words(command);
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run `{words}`"))?;
    ensure!(status.success(), "`{words}` failed ({status}); it says why above");
    Ok(())
}

/// Runs a program and returns what it wrote to standard output; fails with what it wrote to standard error.
pub(crate) fn take(command: &mut Command) -> Result<String> {
    let words = words(command);
    let output = output(command)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{words}` failed ({}): {}", output.status, said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program and returns how it ended, whatever that is.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let words = words(command);
    command.stdin(Stdio::null()).output().with_context(|| format!("cannot run `{words}`"))
}

/// The cargo that runs this task.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// What is run, in one line.
fn words(command: &Command) -> String {
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    all.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
