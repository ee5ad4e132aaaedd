//! Owns the daemon's place: at most one process of a HomePort has it, and the kernel gives it back when that one is gone.
//! Never asks who has it to do anything.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::error::DaemonError;
use super::spawn;
use crate::layout::Layout;

/// Between two tries for a place that another has.
const PAUSE: Duration = Duration::from_millis(5);
/// How long one that was killed may take to be gone.
const DIES: Duration = Duration::from_secs(10);
/// How long one that gives its place up may take for it.
const GIVES_UP: Duration = Duration::from_secs(10);

/// Until when a place is waited for that another process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Not at all, unless that process is about to be gone: it was killed a moment ago.
    Gone,
    /// It has said that it gives its place up.
    GivenUp,
}

/// The daemon's place, for as long as this lives.
#[derive(Debug)]
pub(super) struct Claim(File);

impl Claim {
    /// Takes the place.
    ///
    /// # Errors
    /// [`DaemonError::AlreadyRunning`] where another process has it.
    pub(super) fn take(layout: &Layout, until: Until) -> Result<Self, DaemonError> {
        let path = layout.daemon_pid_file();
        let failed = |source: io::Error| DaemonError::Io { action: "claim", path: path.clone(), source };
        let mut file = open(layout).map_err(failed)?;
        let begun = Instant::now();
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) => {
                    let pid = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
                    let is_waited_for = match until {
                        // One that lives would be waited for until somebody ends it, and then be there again.
                        Until::Gone => begun.elapsed() < DIES && pid.parse().is_ok_and(spawn::is_ending),
                        Until::GivenUp => begun.elapsed() < GIVES_UP,
                    };
                    if !is_waited_for {
                        return Err(DaemonError::AlreadyRunning { pid });
                    }
                    std::thread::sleep(PAUSE);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(failed(error.into())),
            }
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Self(file))
    }

    /// Gives the place to whoever wants it, also where a process that was just forked still has the file open.
    pub(super) fn give_up(self) {
        // Where this fails, closing the file gives it up.
        rustix::fs::flock(&self.0, FlockOperation::Unlock).ok();
    }
}

/// Whether a process has the place now.
pub(super) fn is_taken(layout: &Layout) -> bool {
    let Ok(file) = File::open(layout.daemon_pid_file()) else { return false };
    // It is given back at once, with the file. Who wants to have it just then tries again.
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
}

fn open(layout: &Layout) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(layout.daemon_pid_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_place_until_it_gives_it_up() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::under(dir.path()).unwrap();
        assert!(!is_taken(&layout));
        layout.prepare().unwrap();
        let first = Claim::take(&layout, Until::Gone).unwrap();
        assert!(is_taken(&layout));
        let refused = Claim::take(&layout, Until::Gone).unwrap_err();
        let own = std::process::id().to_string();
        assert!(matches!(&refused, DaemonError::AlreadyRunning { pid } if *pid == own), "{refused}");
        let waiting = std::thread::spawn({
            let layout = layout.clone();
            move || Claim::take(&layout, Until::GivenUp).map(drop)
        });
        std::thread::sleep(Duration::from_millis(30));
        first.give_up();
        waiting.join().unwrap().unwrap();
        assert!(!is_taken(&layout));
    }
}
