//! Owns one trial: the tests are built and run in the copy, and what came of it is a value. Never decides whether that
//! is what was wanted.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::run;
use crate::seeded::fault::Test;
use crate::seeded::scratch::Scratch;

/// A fault may make a test wait for ever; the longest takes a fraction of this.
const PATIENCE_SECONDS: &str = "600";
/// How `timeout` says that it had to end the program.
const TIMED_OUT: i32 = 124;

/// What the tests said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// So many passed, none failed.
    Passed(usize),
    /// These failed.
    Failed(Vec<String>),
    /// They did not come to an end.
    Hung,
}

/// Builds the test's binary; fails if it does not compile: a fault that the compiler finds proves nothing.
pub(super) fn build(scratch: &Scratch, test: &Test) -> Result<()> {
    let mut command = scratch.cargo();
    command.args(["test", "--no-run", "--quiet", "--locked"]).args(test.selection());
    let output = run::output(&mut command)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "it does not compile:\n{}", said.trim());
    Ok(())
}

/// Runs the test, which is built.
pub(super) fn run(scratch: &Scratch, test: &Test) -> Result<Outcome> {
    let cargo = scratch.cargo();
    let mut command = Command::new("timeout");
    command.args(["--kill-after=10", PATIENCE_SECONDS]).arg(cargo.get_program());
    command.args(["test", "--locked"]).args(test.selection()).args(["--", &test.name]);
    if let Some(dir) = cargo.get_current_dir() {
        command.current_dir(dir);
    }
    for (name, value) in cargo.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = run::output(&mut command)?;
    if output.status.code() == Some(TIMED_OUT) {
        return Ok(Outcome::Hung);
    }
    let said = String::from_utf8_lossy(&output.stdout);
    read(&said, output.status.success()).with_context(|| {
        format!("cannot read what the tests said:\n{said}\n{}", String::from_utf8_lossy(&output.stderr))
    })
}

/// Reads the words of the test runner.
fn read(said: &str, success: bool) -> Result<Outcome> {
    let passed = said.lines().find_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse().ok());
    let failed: Vec<String> = said
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
        .map(str::to_owned)
        .collect();
    match (success, passed) {
        (true, Some(passed)) => Ok(Outcome::Passed(passed)),
        (false, None) if !failed.is_empty() => Ok(Outcome::Failed(failed)),
        _ => anyhow::bail!("neither a success nor a failed test"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_runner_are_read() {
        let passed =
            "running 2 tests\ntest a ... ok\ntest b ... ok\n\ntest result: ok. 2 passed; 0 failed; 0 ignored\n";
        assert_eq!(read(passed, true).unwrap(), Outcome::Passed(2));
        let failed = "running 2 tests\ntest a::x ... FAILED\ntest b ... ok\n\nfailures:\n    a::x\n\ntest result: FAILED. 1 passed; 1 failed\n";
        assert_eq!(read(failed, false).unwrap(), Outcome::Failed(vec!["a::x".into()]));
        read("error: could not compile", false).unwrap_err();
        read(passed, false).unwrap_err();
    }
}
