//! Owns the daemon's side of its drainers: finding them, asking them, and taking away the names of those that were killed.
//! Remembers nothing that it could look up, so that a daemon that was just started knows as much.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::ask::{Answer, Ask, Draining};
use crate::daemon::control::LINE_LIMIT;
use crate::layout::Layout;

/// How long a drainer may take for an answer: whoever asks may have clients who wait for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What drainers have left.
#[derive(Debug, Clone, Default)]
pub(in crate::daemon) struct Drained {
    /// Each of them; of one that does not answer what it said last.
    pub(in crate::daemon) known: Vec<Draining>,
    /// Whether one of them is there and does not answer.
    pub(in crate::daemon) is_silent: bool,
}

/// The way to every drainer of one HomePort.
#[derive(Debug)]
pub(in crate::daemon) struct Drainers {
    directory: PathBuf,
    last: Mutex<BTreeMap<PathBuf, Draining>>,
}

/// What asking one came to.
enum Asked {
    Answered(Answer),
    /// Nobody listens there any more.
    Gone,
    Silent,
}

impl Drainers {
    /// Those of this HomePort.
    pub(in crate::daemon) fn new(layout: &Layout) -> Self {
        Self { directory: layout.drain_dir(), last: Mutex::default() }
    }

    /// What each of them has left.
    pub(in crate::daemon) fn all(&self) -> Drained {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut drained, mut known) = (Drained::default(), BTreeMap::new());
        for path in self.sockets() {
            match ask_one(&path, &Ask::Status) {
                Asked::Answered(Answer::Status(status)) => {
                    known.insert(path, *status);
                }
                Asked::Gone => {}
                Asked::Answered(_) | Asked::Silent => {
                    drained.is_silent = true;
                    if let Some(status) = last.remove(&path) {
                        known.insert(path, status);
                    }
                }
            }
        }
        drained.known = known.values().cloned().collect();
        *last = known;
        drained
    }

    /// Tells each of them. One that does not answer is seen by its clients; the next look at everything tells it again.
    pub(in crate::daemon) fn tell(&self, ask: &Ask) {
        for path in self.sockets() {
            ask_one(&path, ask);
        }
    }

    /// Ends each of them; the process ids of those that were told.
    pub(in crate::daemon) fn stop(&self) -> Vec<u32> {
        let pids: Vec<u32> = self.all().known.iter().map(|one| one.pid).collect();
        self.tell(&Ask::Stop);
        pids
    }

    /// Their sockets. Usually there is not even the directory.
    fn sockets(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "sock"))
            .collect()
    }
}

/// Asks the drainer that listens there. Where none does any more, its name is taken away.
fn ask_one(path: &Path, ask: &Ask) -> Asked {
    match exchange(path, ask) {
        Ok(answer) => Asked::Answered(answer),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {
            fs::remove_file(path).ok();
            Asked::Gone
        }
        Err(_) => Asked::Silent,
    }
}

fn exchange(path: &Path, ask: &Ask) -> io::Result<Answer> {
    // One that stands still takes nobody in, and is not waited for.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let mut stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(ask)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_LIMIT as u64)).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}
