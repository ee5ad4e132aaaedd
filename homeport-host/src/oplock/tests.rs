//! The lock between real processes and within one. The other process is this test binary again.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use homeport_core::fault::Advice as _;

use super::*;

const ROOT: &str = "HOMEPORT_LOCK_TEST_ROOT";

fn now() -> Time {
    "2026-11-23T04:19:45Z".parse().unwrap()
}

fn prepared() -> (tempfile::TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::under(directory.path()).unwrap();
    layout.prepare().unwrap();
    (directory, layout)
}

fn take(layout: &Layout, wait: Wait) -> Result<OperationLock, LockError> {
    OperationLock::acquire(layout, wait, "deploy web", now(), |_| {})
}

/// A child that is gone with the value.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// As a child: takes the lock, says so and keeps it until it is killed. Else: takes it and gives it back.
#[test]
fn a_holder_says_that_it_has_the_lock() {
    let (_directory, own) = prepared();
    let told = std::env::var_os(ROOT).map(PathBuf::from);
    let layout = told.as_deref().map_or_else(|| own.clone(), |root| Layout::under(root).unwrap());
    let lock = take(&layout, Wait::No).unwrap();
    let note = fs::read_to_string(layout.lock_file()).unwrap();
    assert!(note.contains("\"deploy web\"") && note.contains(&std::process::id().to_string()), "{note}");
    println!("\nlocked");
    while told.is_some() {
        std::thread::park();
    }
    drop(lock);
    assert_eq!(fs::read_to_string(layout.lock_file()).unwrap(), "");
}

#[test]
fn one_process_has_the_lock_and_its_death_frees_it() {
    let (directory, layout) = prepared();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "oplock::tests::a_holder_says_that_it_has_the_lock", "--nocapture"])
        .env(ROOT, directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut other = Other(child);
    let mut lines = BufReader::new(other.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "locked"));

    let text = format!("another operation goes on: `deploy web`, process {}, since {}", other.0.id(), now());
    let error = take(&layout, Wait::No).unwrap_err();
    assert_eq!((error.code(), error.to_string()), ("HP-OPL-001", text.clone()));
    let mut seen = Vec::new();
    let patience = Duration::from_millis(120);
    let begun = Instant::now();
    let error =
        OperationLock::acquire(&layout, Wait::For(patience), "list", now(), |waiting| seen.push(waiting.clone()))
            .unwrap_err();
    assert!(begun.elapsed() >= patience && error.to_string() == text, "{error}");
    assert!(seen.len() >= 2 && seen.is_sorted_by_key(|waiting| waiting.waited), "{seen:?}");
    assert!(seen.iter().all(|waiting| waiting.holder.as_ref().is_some_and(|holder| holder.pid.get() == other.0.id())));

    other.0.kill().unwrap();
    other.0.wait().unwrap();
    let lock = take(&layout, Wait::No).unwrap();
    assert_eq!(lock.layout(), &layout);
    assert!(fs::read_to_string(layout.lock_file()).unwrap().contains(&std::process::id().to_string()));
}

#[test]
fn a_lock_that_comes_free_while_waiting_is_taken() {
    let (_directory, layout) = prepared();
    let first = take(&layout, Wait::No).unwrap();
    let mut first = Some(first);
    let second = OperationLock::acquire(&layout, Wait::For(Duration::from_mins(1)), "second", now(), |_| {
        first.take();
    });
    assert!(second.is_ok());
}

#[test]
fn a_program_that_is_started_does_not_keep_the_lock() {
    let (_directory, layout) = prepared();
    let lock = take(&layout, Wait::No).unwrap();
    let sleeper = Other(Command::new("sleep").arg("60").spawn().unwrap());
    let lock_file = fs::canonicalize(layout.lock_file()).unwrap();
    let open_files = fs::read_dir(format!("/proc/{}/fd", sleeper.0.id())).unwrap();
    // A file that the program closes meanwhile is none that it keeps.
    let targets: Vec<_> = open_files.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok()).collect();
    assert!(!targets.is_empty() && !targets.contains(&lock_file), "{targets:?}");
    drop(lock);
    take(&layout, Wait::No).unwrap();
}

#[test]
fn a_note_is_for_people_and_can_be_anything() {
    let (_directory, layout) = prepared();
    let lock = OperationLock::acquire(&layout, Wait::No, &format!("a\nb{}", "x".repeat(5000)), now(), |_| {}).unwrap();
    let LockError::Busy { command, .. } = take(&layout, Wait::No).unwrap_err() else { panic!() };
    assert!(command.starts_with("a\\nb") && command.chars().count() < 210, "{command}");
    for note in ["", "{", "\n", "{\"pid\": -1}\n", "\u{0}"] {
        fs::write(layout.lock_file(), note).unwrap();
        assert_eq!(take(&layout, Wait::No).unwrap_err().code(), "HP-OPL-002", "{note}");
    }
    drop(lock);
    fs::write(layout.lock_file(), "{").unwrap();
    take(&layout, Wait::No).unwrap();
}

#[test]
fn a_link_in_the_place_of_the_lock_is_refused() {
    let (directory, layout) = prepared();
    let elsewhere = directory.path().join("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, layout.lock_file()).unwrap();
    assert_eq!(take(&layout, Wait::No).unwrap_err().code(), "HP-OPL-003");
    assert!(!elsewhere.exists());
}
