//! Runs one test of this binary in a process of its own that may open few files, and tells the most memory that it took.

use std::ffi::OsStr;
use std::process::Command;

/// The most memory, in KiB, that the test `victim` takes with this variable set. It may open 160 files: those that this
/// process has open are not its. It has to print its [`own_peak`].
pub(crate) fn peak_of(victim: &str, variable: &str, value: impl AsRef<OsStr>) -> u64 {
    let output = Command::new("prlimit")
        .args(["--nofile=160:160", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", victim, "--nocapture", "--test-threads=1"])
        .env(variable, value)
        .output()
        .unwrap_or_else(|error| panic!("`prlimit` is needed: {error}"));
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{words} {}", String::from_utf8_lossy(&output.stderr));
    let peak = words.lines().find_map(|line| line.split_once("VmHWM:")?.1.trim().strip_suffix(" kB")?.parse().ok());
    peak.unwrap_or_else(|| panic!("it did not tell its peak: {words}"))
}

/// What this process took at most, as the kernel says it.
pub(crate) fn own_peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned()
}
