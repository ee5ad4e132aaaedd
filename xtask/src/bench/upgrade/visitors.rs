//! Owns people who log in at a rate, each with an OpenSSH client of its own, and how each login went. Never changes what
//! they log in to.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::ssh::Login;

/// How many may be on their way at once. Where all are, the next one is late, and the rate is lower.
const AT_ONCE: usize = 32;
/// What a login says when it is in.
const SAYS: &str = "in";

/// How one login went.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    /// When it was to begin.
    pub(super) due: Instant,
    /// From then until it was over.
    pub(super) took: Duration,
    /// Why it failed.
    pub(super) failed: Option<String>,
}

/// People who log in until they are told to end.
#[derive(Debug)]
pub(super) struct Visitors {
    over: Arc<AtomicBool>,
    visits: Arc<Mutex<Vec<Visit>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Visitors {
    /// So many a second, from now on.
    pub(super) fn of(login: &Login, a_second: u32) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let visits = Arc::new(Mutex::new(Vec::new()));
        let turns = Arc::new(Mutex::new(Turns { next: Instant::now(), every: Duration::from_secs(1) / a_second }));
        let person = |_| {
            let (over, visits, turns) = (Arc::clone(&over), Arc::clone(&visits), Arc::clone(&turns));
            let login = login.clone();
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let due = turns.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
                    sleep(due.saturating_duration_since(Instant::now()));
                    let failed = visit(&login).err().map(|error| format!("{error:#}"));
                    let visit = Visit { due, took: due.elapsed(), failed };
                    visits.lock().unwrap_or_else(PoisonError::into_inner).push(visit);
                }
            })
        };
        let threads = (0..AT_ONCE).map(person).collect();
        Self { over, visits, threads }
    }

    /// Every visit since the last time that this was asked.
    pub(super) fn take(&self) -> Vec<Visit> {
        std::mem::take(&mut *self.visits.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends them; what they did last is returned.
    pub(super) fn end(mut self) -> Result<Vec<Visit>> {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| anyhow!("a visitor of the benchmark ended by a panic"))?;
        }
        Ok(self.take())
    }
}

impl Drop for Visitors {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

/// When who begins.
#[derive(Debug)]
struct Turns {
    next: Instant,
    every: Duration,
}

impl Turns {
    /// The next turn. Those that nobody was free for are left out: they are not made up for all at once.
    fn take(&mut self, now: Instant) -> Instant {
        let due = self.next.max(now.checked_sub(self.every).unwrap_or(now));
        self.next = due + self.every;
        due
    }
}

/// One login: a connection, the host's key checked, a key shown, a shell that says a word.
fn visit(login: &Login) -> Result<()> {
    let mut ssh = login.ssh(&format!("echo {SAYS}"));
    let output = ssh.stdin(Stdio::null()).output()?;
    if output.status.success() && output.stdout == format!("{SAYS}\n").as_bytes() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(anyhow!("ssh ended with {}: {}", output.status, said.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_keep_the_rate_and_make_up_for_nothing() {
        let start = Instant::now();
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        let mut turns = Turns { next: start, every: Duration::from_millis(20) };
        assert_eq!([turns.take(at(0)), turns.take(at(0)), turns.take(at(0))], [at(0), at(20), at(40)]);
        assert_eq!(turns.take(at(500)), at(480), "nobody was free for a while");
        assert_eq!(turns.take(at(500)), at(500));
    }
}
