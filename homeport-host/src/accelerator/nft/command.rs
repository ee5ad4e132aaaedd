//! Owns running the programs by which the kernel's tables are read and changed. Never decides what to run.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where programs of an administrator are, beside what `PATH` says: a daemon may be started with a short one.
const ALSO: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Where a program is, by its name.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&path).chain(ALSO.map(PathBuf::from));
    all.map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// Runs a program with this on its standard input, and returns what it wrote.
///
/// # Errors
/// In words: what it said on standard error where it failed, or why it did not run.
pub(super) fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S], input: &str) -> Result<String, String> {
    let file = find(program).ok_or_else(|| format!("the program `{program}` was not found"))?;
    let ran = Command::new(file)
        .args(arguments)
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            if let Some(mut stdin) = child.stdin.take() {
                // One that ends before it has read everything says why.
                stdin.write_all(input.as_bytes()).ok();
            }
            child.wait_with_output()
        });
    let output = ran.map_err(|error| format!("`{program}` could not be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(str::trim).find(|line| !line.is_empty());
    Err(said.map_or_else(|| format!("`{program}` ended with {}", output.status), |line| format!("`{program}`: {line}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_its_input_and_what_it_says_is_told() {
        assert_eq!(run("cat", &[] as &[&str], "in and out").unwrap(), "in and out");
        assert_eq!(run("sh", &["-c", "echo; echo no >&2; exit 3"], "").unwrap_err(), "`sh`: no");
        assert_eq!(run("sh", &["-c", "exit 3"], "").unwrap_err(), "`sh` ended with exit status: 3");
        assert_eq!(
            run("no-such-program", &[] as &[&str], "").unwrap_err(),
            "the program `no-such-program` was not found"
        );
    }
}
