//! Brings the engine up and waits until it answers.
//! Never restarts one that answers, and never touches containers.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::stale::{self, Owner};
use crate::say;

/// How long the engine may take to answer; a first start on a busy machine was seen to take 12 s.
const PATIENCE: Duration = Duration::from_mins(2);

/// Where the engine keeps what it runs with.
#[derive(Debug)]
pub(crate) struct Paths {
    pub(super) socket: PathBuf,
    pub(super) pid_file: PathBuf,
    pub(super) exec_root: PathBuf,
    pub(super) log: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            socket: "/var/run/docker.sock".into(),
            pid_file: "/var/run/docker.pid".into(),
            exec_root: "/var/run/docker".into(),
            log: "/var/log/homeport-dockerd.log".into(),
        }
    }
}

/// Makes sure that the engine answers on its socket.
pub(super) fn start(paths: &Paths) -> Result<()> {
    if answers(&paths.socket) {
        say::line(format_args!("engine: dockerd answers on `{}`", paths.socket.display()));
        return Ok(());
    }
    if let Owner::Alive(pid) = stale::owner(&paths.pid_file, "dockerd") {
        say::line(format_args!("engine: dockerd (pid {pid}) is starting"));
        return wait(paths, || matches!(stale::owner(&paths.pid_file, "dockerd"), Owner::Alive(_)));
    }
    if Path::new("/run/systemd/system").is_dir() {
        say::line("engine: starting docker.service");
        let status = Command::new("systemctl").args(["start", "docker"]).stdin(Stdio::null()).status();
        let status = status.context("cannot run `systemctl`")?;
        if !status.success() {
            bail!("`systemctl start docker` failed ({status}): see `journalctl -u docker`");
        }
        return wait(paths, || true);
    }
    stale::clear(paths)?;
    launch(paths)?;
    let launched = Instant::now();
    let lives = || {
        // The pid file is written a moment after the start.
        launched.elapsed() < Duration::from_secs(5)
            || matches!(stale::owner(&paths.pid_file, "dockerd"), Owner::Alive(_))
    };
    wait(paths, lives)
}

/// Runs its arguments. Whatever else our caller left open (a pipe of CI, say) must not live on in a daemon.
const CLOSE_AND_RUN: &str = r#"for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi
done
cd / && exec "$0" "$@""#;

/// Starts dockerd in a session of its own, with nothing inherited but its log.
fn launch(paths: &Paths) -> Result<()> {
    let program = super::packages::find_program("dockerd").context("`dockerd` was not found in PATH")?;
    say::line(format_args!(
        "engine: no service manager runs here; starting `{}`, log in `{}`",
        program.display(),
        paths.log.display()
    ));
    let log = File::options().create(true).append(true).open(&paths.log);
    let log = log.with_context(|| format!("cannot open `{}`", paths.log.display()))?;
    let status = Command::new("setsid")
        .args(["--fork", "bash", "-c", CLOSE_AND_RUN])
        .arg(&program)
        .arg(format!("--host=unix://{}", paths.socket.display()))
        .arg(format!("--pidfile={}", paths.pid_file.display()))
        .arg(format!("--exec-root={}", paths.exec_root.display()))
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share the log file")?)
        .stderr(log)
        .status()
        .context("cannot run `setsid`")?;
    if !status.success() {
        bail!("`setsid` could not start dockerd ({status})");
    }
    Ok(())
}

/// Waits until the engine answers, saying so every two seconds; fails early when `lives` says that it ended.
fn wait(paths: &Paths, lives: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    let mut said = 0;
    while begun.elapsed() < PATIENCE {
        if answers(&paths.socket) {
            say::line(format_args!("engine: dockerd answers after {:.1} s", begun.elapsed().as_secs_f32()));
            return Ok(());
        }
        if !lives() {
            bail!("dockerd ended while starting; the end of `{}`:\n{}", paths.log.display(), tail(&paths.log));
        }
        let seconds = begun.elapsed().as_secs();
        if seconds >= said + 2 {
            said = seconds;
            say::line(format_args!("engine: waiting for dockerd ({seconds} s)"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let seconds = PATIENCE.as_secs();
    bail!("dockerd did not answer within {seconds} s; the end of `{}`:\n{}", paths.log.display(), tail(&paths.log))
}

/// Whether an engine answers a ping on this socket.
fn answers(socket: &Path) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        let mut reply = Vec::new();
        stream.take(4096).read_to_end(&mut reply)?;
        Ok(String::from_utf8_lossy(&reply).lines().next().is_some_and(|line| line.contains(" 200 ")))
    };
    ping().unwrap_or(false)
}

/// The last lines of a log, for a message.
pub(super) fn tail(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_an_engine_that_says_200_answers() {
        let dir = std::env::temp_dir().join(format!("homeport-xtask-ping-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let socket = dir.join("docker.sock");
        assert!(!answers(&socket), "no socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let replies = ["HTTP/1.0 200 OK\r\n\r\nOK", "HTTP/1.0 500 Internal Server Error\r\n\r\n", ""];
        let server = std::thread::spawn(move || {
            for reply in replies {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 512];
                let read = stream.read(&mut request).unwrap();
                assert!(request[..read].starts_with(b"GET /_ping"));
                stream.write_all(reply.as_bytes()).unwrap();
            }
        });
        assert!(answers(&socket));
        assert!(!answers(&socket), "500");
        assert!(!answers(&socket), "closed without a word");
        server.join().unwrap();
        assert!(!answers(&socket), "nobody listens any more");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
