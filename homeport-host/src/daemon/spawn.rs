//! Owns starting the daemon in the background, where no service manager does, and waiting until it has ended.
//! Never decides whether it should run.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::layout::Layout;
use crate::routes::RoutesError;

/// How long the daemon may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How often it is asked.
const PAUSE: Duration = Duration::from_millis(5);

/// Starts `program daemon run` with its output in the log, and returns when it answers. The daemon leaves the session itself.
pub(super) fn start(
    layout: &Layout,
    program: &Path,
    arguments: &[OsString],
    answers: impl Fn() -> bool,
) -> Result<(), RoutesError> {
    let failed = |source| RoutesError::Spawn { program: program.to_owned(), source };
    let log_path = layout.daemon_log();
    if let Some(parent) = log_path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut log = OpenOptions::new().create(true).append(true).open(&log_path).map_err(failed)?;
    let before = log.seek(SeekFrom::End(0)).map_err(failed)?;
    let mut command = Command::new(program);
    command.args(["daemon", "run"]).args(layout.root_arguments()).args(arguments);
    command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log).current_dir("/");
    let mut child = command.spawn().map_err(failed)?;
    let end = Instant::now() + START_LIMIT;
    while Instant::now() < end {
        if answers() {
            return Ok(());
        }
        if let Ok(Some(_status)) = child.try_wait() {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    Err(RoutesError::NotStarted { said: tail(&log_path, before), log: log_path })
}

/// What was written to the log from `from` on, its last lines.
fn tail(path: &Path, from: u64) -> String {
    let text = fs::read(path).unwrap_or_default();
    let new = text.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default();
    let new = String::from_utf8_lossy(new);
    let lines: Vec<&str> = new.lines().rev().take(5).collect();
    lines.into_iter().rev().map(|line| homeport_core::text::clip(line, 300)).collect::<Vec<_>>().join("; ")
}

/// Waits until the process is gone; `false` where it is still there after `limit`.
pub(super) fn wait_for_end(pid: u32, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if is_gone(pid) {
            return true;
        }
        std::thread::sleep(PAUSE);
    }
    is_gone(pid)
}

/// Whether no process has this id, or only one that waits to be reaped.
fn is_gone(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
