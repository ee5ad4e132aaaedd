//! Owns how the daemon and its holder are started, starting the daemon in the background, where no service manager does, and
//! waiting until it has ended.
//! Never decides whether it should run.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::claim;
use crate::layout::Layout;
use crate::routes::RoutesError;

/// How long the daemon may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How often it is asked.
const PAUSE: Duration = Duration::from_millis(5);

/// The environment by which a service manager says that it wants to hear of its service, and which process it started itself.
const SERVICE_MANAGER: (&str, &str) = ("NOTIFY_SOCKET", "SYSTEMD_EXEC_PID");

/// The program that a daemon is, and what it is told beside the root.
#[derive(Debug, Clone)]
pub struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Launch {
    /// By this program, with these arguments.
    pub fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { program, arguments }
    }

    /// The command that does this for the HomePort of this layout.
    pub(super) fn command(&self, layout: &Layout, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).args(layout.root_arguments()).args(&self.arguments);
        command
    }

    /// The words that start a daemon again where one is gone; none where a service manager does that, or where they are no text.
    pub(super) fn words(&self, layout: &Layout) -> Vec<String> {
        let (hears, started) = SERVICE_MANAGER;
        let own = std::process::id().to_string();
        if std::env::var_os(hears).is_some() || std::env::var_os(started).is_some_and(|pid| pid == own.as_str()) {
            return Vec::new();
        }
        let command = self.command(layout, &["daemon", "run"]);
        let all = std::iter::once(command.get_program()).chain(command.get_args());
        all.map(|word| word.to_str().map(str::to_owned)).collect::<Option<_>>().unwrap_or_default()
    }
}

/// Whether the place of a daemon is free or another one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// No daemon runs. Should another one come up meanwhile, that is as good.
    Free,
    /// A daemon runs, and gives its place to the one that is started.
    TakenOver,
}

/// Starts a daemon with its output in the log, and returns when it answers. The daemon leaves the session itself.
pub(super) fn start(
    layout: &Layout,
    launch: &Launch,
    place: Place,
    answers: impl Fn() -> bool,
) -> Result<(), RoutesError> {
    let failed = |source| RoutesError::Spawn { program: launch.program.clone(), source };
    let log_path = layout.daemon_log();
    if let Some(parent) = log_path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut log = OpenOptions::new().create(true).append(true).open(&log_path).map_err(failed)?;
    let before = log.seek(SeekFrom::End(0)).map_err(failed)?;
    let words: &[&str] = match place {
        Place::Free => &["daemon", "run"],
        Place::TakenOver => &["daemon", "run", "--take-over"],
    };
    let mut command = launch.command(layout, words);
    command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log).current_dir("/");
    let mut child = command.spawn().map_err(failed)?;
    let end = Instant::now() + START_LIMIT;
    while Instant::now() < end {
        if answers() {
            return Ok(());
        }
        // One that found the place taken has ended: who has it is about to answer.
        let another_comes = || place == Place::Free && claim::is_taken(layout);
        if matches!(child.try_wait(), Ok(Some(_))) && !another_comes() {
            // It may have answered and ended since, or another one has come.
            if answers() {
                return Ok(());
            }
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
        Ok(stat) => is_dead(&stat),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// The same, or one that the kernel is taking down: what it has open is about to be closed.
pub(super) fn is_ending(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => is_dead(&stat) || is_taken_down(&stat),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Whether a line of `/proc/PID/stat` is of a process that waits to be reaped.
fn is_dead(stat: &str) -> bool {
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Whether it is of one that the kernel is taking down: `PF_EXITING` among its flags, the ninth field.
fn is_taken_down(stat: &str) -> bool {
    const PF_EXITING: u32 = 4;
    let flags = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(6)?.parse::<u32>().ok());
    flags.is_some_and(|flags| flags & PF_EXITING != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_dies_is_told_from_one_that_lives_by_its_state_and_its_flags() {
        let rows = [
            ("7 (a b) c) S 1 7 7 0 -1 4194560 100 0", false, false),
            ("7 (homeport) Z 1 7 7 0 -1 4194564 100 0", true, true),
            ("7 (homeport) R 1 7 7 0 -1 4194564 100 0", false, true),
            ("7 (homeport) X", true, false),
            ("", false, false),
        ];
        for (stat, dead, down) in rows {
            assert_eq!((is_dead(stat), is_taken_down(stat)), (dead, down), "{stat}");
        }
        let own = std::process::id();
        assert!(!is_gone(own) && !is_ending(own));
        assert!(is_gone(u32::MAX) && is_ending(u32::MAX));
    }
}
