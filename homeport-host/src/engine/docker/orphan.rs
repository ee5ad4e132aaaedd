//! Owns the end of processes that are left of a container of which the engine does not know that it runs: an engine that is
//! killed while it starts a container leaves the first process behind, with everything mounted, and its successor knows
//! nothing of it. Never ends a process that is not in that container's control group.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::time::Instant;

use super::connect::Call;
use crate::engine::error::EngineError;
use crate::engine::name::ContainerId;

/// How long a process that was killed may take to be gone: it gives its memory and its mounts back before.
const END: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// Kills every process in the container's control group, and returns once there is none. An engine in another process
/// namespace shows none here.
///
/// # Errors
/// [`EngineError::Unexpected`], with their numbers, where some are still there after ten seconds.
pub(super) async fn end_left(call: &Call, id: &ContainerId) -> Result<(), EngineError> {
    let deadline = Instant::now() + END;
    loop {
        let left = processes_of(Path::new("/proc"), id);
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let numbers: Vec<String> = left.iter().map(|pid| pid.as_raw_nonzero().to_string()).collect();
            let numbers = numbers.join(", ");
            return Err(call.unexpected(format!("processes of container `{id}` were killed and do not end: {numbers}")));
        }
        for pid in left {
            kill(pid, id);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// One that ended meanwhile is no error.
fn kill(pid: Pid, id: &ContainerId) {
    let Ok(process) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return };
    // The descriptor is of whatever has the number now; only then is this asked.
    if is_in(&groups(Path::new("/proc"), pid), id) {
        let _gone = rustix::process::pidfd_send_signal(process, Signal::KILL);
    }
}

/// The processes in the container's control group that have not ended: one that waits to be asked for its end has none.
fn processes_of(proc: &Path, id: &ContainerId) -> Vec<Pid> {
    let names = fs::read_dir(proc).into_iter().flatten().filter_map(Result::ok);
    let pids = names.filter_map(|name| Pid::from_raw(name.file_name().to_str()?.parse().ok()?));
    pids.filter(|pid| is_in(&groups(proc, *pid), id) && !has_ended(proc, *pid)).collect()
}

/// The control groups of a process as the kernel writes them, a line each; of one that is gone none.
fn groups(proc: &Path, pid: Pid) -> String {
    fs::read_to_string(proc.join(pid.as_raw_nonzero().to_string()).join("cgroup")).unwrap_or_default()
}

/// Whether it only waits for its parent to ask how it ended (state `Z` or `X`: proc(5)). It has no mounts any more.
fn has_ended(proc: &Path, pid: Pid) -> bool {
    let stat = fs::read_to_string(proc.join(pid.as_raw_nonzero().to_string()).join("stat")).unwrap_or_default();
    // The name of the command, in brackets, may have anything in it.
    stat.rsplit_once(')').is_none_or(|(_, rest)| matches!(rest.trim_start().chars().next(), None | Some('Z' | 'X')))
}

/// Whether one of these groups is the container's, or below it: `/docker/ID`, and with systemd `docker-ID.scope`.
fn is_in(groups: &str, id: &ContainerId) -> bool {
    let paths = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.flat_map(|path| path.split('/')).any(|name| {
        let name = name.strip_suffix(".scope").unwrap_or(name);
        name.rsplit('-').next() == Some(id.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_a_containers_by_the_whole_name_of_its_group() {
        let id: ContainerId = "a1".repeat(32).parse().unwrap();
        for (groups, wanted) in [
            (format!("12:pids:/docker/{id}\n0::/\n"), true),
            (format!("0::/system.slice/docker-{id}.scope\n"), true),
            (format!("0::/../../docker/{id}/inner\n"), true),
            (format!("1:name=systemd:/docker/{id}\n"), true),
            (format!("12:pids:/docker/{id}0\n"), false),
            (format!("12:pids:/docker/0{id}\n"), false),
            (format!("12:pids:/docker/{}\n", "a2".repeat(32)), false),
            (format!("12:{id}:/docker\n"), false),
            ("0::/\n".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_in(&groups, &id), wanted, "{groups}");
        }
    }

    #[test]
    fn one_that_has_ended_and_one_that_is_gone_are_left_of_nothing() {
        let id: ContainerId = "a1".repeat(32).parse().unwrap();
        let proc = tempfile::tempdir().unwrap();
        for (pid, stat) in [(7, "7 (runc:[2:INIT]) S 1"), (8, "8 (a) Z b) R 1"), (9, "9 (x) Z 1"), (10, "")] {
            let place = proc.path().join(pid.to_string());
            fs::create_dir(&place).unwrap();
            fs::write(place.join("cgroup"), format!("0::/docker/{id}\n")).unwrap();
            fs::write(place.join("stat"), stat).unwrap();
        }
        fs::create_dir(proc.path().join("self")).unwrap();
        let mut found: Vec<i32> =
            processes_of(proc.path(), &id).into_iter().map(|pid| pid.as_raw_nonzero().get()).collect();
        found.sort_unstable();
        assert_eq!(found, [7, 8]);
    }
}
