//! Owns the place of a crash test: a process with mounts of its own and a directory in memory. When the process ends,
//! however it ends, the kernel unmounts everything and detaches every loop device; nobody else ever sees the mounts.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Says to the process that it is the one with mounts of its own, and where its directory is.
pub(crate) const PLACE: &str = "HOMEPORT_CRASH_PLACE";
/// A kernel that hangs must not hang the whole run.
const PATIENCE: Duration = Duration::from_hours(1);

/// Runs a program and fails with its words where it fails.
pub(crate) fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program} cannot run: {e}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A directory in memory, in a process of its own.
#[derive(Debug)]
pub(crate) struct Stage {
    place: PathBuf,
}

impl Stage {
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// A new directory.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(&path).unwrap();
        path
    }
}

/// Ends the process and waits for it when it goes.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Runs `work` in a process of its own with mounts of its own. `path` is the calling test's, from the crate on: the
/// process is this very program, asked for that one test.
pub(crate) fn alone(path: &str, work: impl FnOnce(&Stage)) {
    let (_, test) = path.split_once("::").unwrap();
    assert!(rustix::process::geteuid().is_root(), "these tests need root");
    if let Some(place) = std::env::var_os(PLACE) {
        run("mount", &["-t", "tmpfs", "-o", "size=4g,mode=0755", "none", place.to_str().unwrap()]);
        work(&Stage { place: place.into() });
        return;
    }
    let place = tempfile::Builder::new().prefix("homeport-crash-").tempdir().unwrap();
    let said = tempfile::NamedTempFile::with_prefix("homeport-crash-").unwrap();
    let out = |file: &File| Stdio::from(file.try_clone().unwrap());
    // The process dies with the thread that waits for it, and its mounts with the process.
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(PLACE, place.path())
        .stdin(Stdio::null())
        .stdout(out(said.as_file()))
        .stderr(out(said.as_file()))
        .spawn()
        .expect("setpriv and unshare are needed");
    let mut child = Ended(child);
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < PATIENCE, "{test} hangs: {}", words(said.path()));
        std::thread::sleep(Duration::from_millis(10));
    };
    let words = words(said.path());
    println!("{words}");
    assert!(status.success(), "{test}: {status}");
    assert!(words.contains("1 passed"), "no test has the name `{test}`");
}

fn words(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}
