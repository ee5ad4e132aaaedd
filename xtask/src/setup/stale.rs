//! Clears what a killed engine leaves behind: pid files and sockets that would make the next start fail.
//! Never ends a process but an orphaned containerd of the same engine, and never one whose name is another.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::say;

/// What a pid file says about the process that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// There is no pid file.
    Nobody,
    /// The process lives, and it is the program that the file is for.
    Alive(u32),
    /// The file names no process, or a process of another program that got the number since.
    Gone,
}

/// Looks who wrote `pid_file`, for a program whose kernel name is `program`.
pub(super) fn owner(pid_file: &Path, program: &str) -> Owner {
    let Ok(text) = std::fs::read_to_string(pid_file) else { return Owner::Nobody };
    let Ok(pid) = text.trim().parse::<u32>() else { return Owner::Gone };
    if is_running(pid, program) { Owner::Alive(pid) } else { Owner::Gone }
}

/// Whether process `pid` runs and is `program`; a zombie does not run.
fn is_running(pid: u32, program: &str) -> bool {
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    comm.trim() == program && !matches!(state, None | Some('Z' | 'X'))
}

/// Removes the pid files and sockets of an engine that is known to be dead.
///
/// dockerd refuses to start while its pid file names any live process at all, and a containerd that outlived it
/// often does not answer to the next one in time: both are cleared here.
pub(super) fn clear(paths: &super::dockerd::Paths) -> Result<()> {
    let containerd_pid = paths.exec_root.join("containerd/containerd.pid");
    if let Owner::Alive(pid) = owner(&containerd_pid, "containerd") {
        say::line(format_args!("engine: ending containerd (pid {pid}) that outlived its dockerd"));
        end(pid, "containerd")?;
    }
    let stale = [
        paths.pid_file.clone(),
        paths.socket.clone(),
        containerd_pid,
        paths.exec_root.join("containerd/containerd.sock"),
        paths.exec_root.join("containerd/containerd.sock.ttrpc"),
        paths.exec_root.join("containerd/containerd-debug.sock"),
    ];
    for file in stale {
        remove(&file)?;
    }
    Ok(())
}

fn remove(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Ok(()) => say::line(format_args!("engine: removed stale `{}`", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot remove stale `{}`", file.display())),
    }
    Ok(())
}

/// Ends one process by its number: asks for ten seconds, then insists.
fn end(pid: u32, program: &str) -> Result<()> {
    for (signal, patience) in [("-TERM", Duration::from_secs(10)), ("-KILL", Duration::from_secs(5))] {
        let status = Command::new("kill").arg(signal).arg(pid.to_string()).stdin(Stdio::null()).status();
        status.with_context(|| format!("cannot run `kill {signal} {pid}`"))?;
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if !is_running(pid, program) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    bail!("`{program}` with pid {pid} does not end, not even by SIGKILL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_counts_only_while_that_program_lives() {
        let dir = std::env::temp_dir().join(format!("homeport-xtask-stale-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("x.pid");
        let own_name = std::fs::read_to_string("/proc/self/comm").unwrap();
        assert_eq!(owner(&file, "dockerd"), Owner::Nobody);
        let rows = [
            ("", own_name.trim(), Owner::Gone),
            ("nonsense", own_name.trim(), Owner::Gone),
            (&std::process::id().to_string(), own_name.trim(), Owner::Alive(std::process::id())),
            (&std::process::id().to_string(), "dockerd", Owner::Gone),
            ("4194304", "dockerd", Owner::Gone),
        ];
        for (text, program, wanted) in rows {
            std::fs::write(&file, text).unwrap();
            assert_eq!(owner(&file, program), wanted, "{text:?} for {program}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
