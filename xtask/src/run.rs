//! Owns running other programs for a task: what is run is said when it fails, output is taken or passed on.
//! Never goes through a shell.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, pipe};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::say;

/// How often it is looked whether a program has ended that says nothing.
const LOOK: Duration = Duration::from_millis(100);
/// So long after its end, all that it said has been read; what is said then is somebody else's.
const RINGS_OUT: Duration = Duration::from_secs(3);

/// Runs a program with its output passed on; fails with what was run where it fails.
pub(crate) fn pass(command: &mut Command) -> Result<()> {
    let words = words(command);
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run `{words}`"))?;
    ensure!(status.success(), "`{words}` failed ({status}); it says why above");
    Ok(())
}

/// Runs a program with its output passed on, line by line, and each line, of either kind, given to `read` as well; fails with
/// what was run where it fails.
pub(crate) fn pass_read(command: &mut Command, mut read: impl FnMut(&str)) -> Result<()> {
    let words = words(command);
    let (lines, out) = pipe().context("cannot make a pipe")?;
    let err = out.try_clone().context("cannot copy a pipe")?;
    let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
    let mut child = child.with_context(|| format!("cannot run `{words}`"))?;
    // The pipe ends when nobody can write to it any more: neither this process, nor what the program has left behind, which
    // is not waited for.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (sender, said) = mpsc::channel();
    thread::spawn(move || BufReader::new(lines).split(b'\n').try_for_each(|line| sender.send(line).ok()));
    let mut ended = None;
    loop {
        match said.recv_timeout(LOOK) {
            Ok(Ok(line)) => {
                let line = String::from_utf8_lossy(&line);
                say::line(&line);
                read(&line);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => break,
        }
        if ended.is_none() && matches!(child.try_wait(), Ok(Some(_))) {
            ended = Some(Instant::now());
        }
        if ended.is_some_and(|ended| ended.elapsed() >= RINGS_OUT) {
            break;
        }
    }
    let status = child.wait().with_context(|| format!("cannot wait for `{words}`"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_either_kind_is_read_and_what_is_left_behind_is_not_waited_for() {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        let left = "for i in $(seq 100); do sleep 0.2; echo left; done";
        command.args(["-c", &format!("echo one; echo two >&2; sleep 2; ({left}) & echo three; exit 3")]);
        let begun = Instant::now();
        let error = pass_read(&mut command, |line| lines.push(line.to_owned())).unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(15));
        lines.retain(|line| line != "left");
        assert_eq!(lines, ["one", "two", "three"]);
        assert!(error.to_string().contains("(exit status: 3)"), "{error}");
    }
}
