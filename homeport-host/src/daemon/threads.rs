//! Owns the daemon's threads beside the router's: what each is for, that none of them ends by itself unnoticed, and their end.
//! Never does what one of them is for.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::answer::Daemon;
use super::keep::Keeper;
use super::serve::say;
use super::timer;
use super::upkeep;
use super::watch::{self, Notice};
use super::work;
use crate::engine::Cancel;
use crate::host::Host;

/// How often it is looked whether what leads clients past the router is as it was made.
const FRONTS: Duration = Duration::from_secs(1);
/// How long threads are waited for that were told to end: only one in the middle of an operation takes longer.
const END: Duration = Duration::from_secs(2);
/// How long a port that stands still for a snapshot is waited for at the end. Whoever ends the daemon waits for 30 s.
const FREEZES_END: Duration = Duration::from_secs(15);

/// The threads that watch the engine, decide, start instances again, and do what is due by the clock.
pub(super) struct Watch {
    cancel: Cancel,
    notices: Sender<Notice>,
    /// Dropped, they end what is done by the clock.
    clocks: [Sender<()>; 3],
    threads: Threads,
}

/// Threads by what they do.
struct Threads(Vec<(&'static str, JoinHandle<()>)>);

impl Threads {
    /// One that has ended, which none does before it is told to.
    fn ended(&self) -> Option<&'static str> {
        self.0.iter().find(|(_, thread)| thread.is_finished()).map(|(what, _)| *what)
    }
}

/// Threads that were told to end.
pub(super) struct Ending {
    host: Host,
    threads: Threads,
}

impl Watch {
    pub(super) fn begin(daemon: &Daemon) -> Self {
        let (notices, received) = channel();
        let (tasks, ordered) = channel();
        let cancel = Cancel::new();
        let (host, flag, sender) = (daemon.host.clone(), cancel.clone(), notices.clone());
        let follower = std::thread::spawn(move || watch::follow(&host, &flag, &sender));
        let (host, flag, sender) = (daemon.host.clone(), cancel.clone(), notices.clone());
        let worker = std::thread::spawn(move || work::work(&host, &flag, &ordered, &sender));
        let keeper = Keeper::new(daemon.host.clone(), daemon.addresses.clone(), tasks);
        let keeper = std::thread::spawn(move || keeper.run(&received));
        let (host, (timer, ticking)) = (daemon.host.clone(), channel());
        let ticker = std::thread::spawn(move || timer::run(&host, &ticking));
        let (host, (monthly, waiting)) = (daemon.host.clone(), channel());
        let upkeep = std::thread::spawn(move || upkeep::run(&host, &waiting));
        let (addresses, (fronts, looking)) = (daemon.addresses.clone(), channel::<()>());
        let front_keeper = std::thread::spawn(move || {
            while looking.recv_timeout(FRONTS) == Err(RecvTimeoutError::Timeout) {
                addresses.look_after_fronts();
            }
        });
        let threads = Threads(vec![
            ("follows the engine's events", follower),
            ("starts instances again", worker),
            ("keeps up what should run", keeper),
            ("takes snapshots by the clock", ticker),
            ("verifies and rehearses by the clock", upkeep),
            ("keeps up what leads clients past the router", front_keeper),
        ]);
        Self { cancel, notices, clocks: [timer, monthly, fronts], threads }
    }

    /// What a thread did that has ended though nobody told it to.
    pub(super) fn ended(&self) -> Option<&'static str> {
        self.threads.ended()
    }

    /// Tells the threads to end: none of them begins anything any more. One that is in the middle of an operation goes on with
    /// it, as long as the process does.
    pub(super) fn end(self, host: &Host) -> Ending {
        self.cancel.cancel();
        drop(self.clocks);
        self.notices.send(Notice::Stop).ok();
        let end = Instant::now() + END;
        for (_, thread) in &self.threads.0 {
            while !thread.is_finished() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ending { host: host.clone(), threads: self.threads }
    }
}

impl Ending {
    /// Whether every thread has come to its end.
    pub(super) fn is_over(&self) -> bool {
        self.threads.0.iter().all(|(_, thread)| thread.is_finished())
    }

    /// The end of the process. An operation that is not over is not waited for: its journal tells what was begun. A port that
    /// stands still for a snapshot is waited for, and let go on then in any case.
    pub(super) fn leave(self) {
        for (name, why) in crate::taking::end_freezes(&self.host, FREEZES_END) {
            say(&format!("`{name}` may stand still: {why}; restart it if it does"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_ends_or_panics_is_noticed_by_what_it_did() {
        let (stop, stopped) = channel::<()>();
        let lives = std::thread::spawn(move || assert!(stopped.recv().is_err()));
        let mut threads = Threads(vec![("lives", lives)]);
        assert_eq!(threads.ended(), None);
        let gone = std::thread::spawn(|| std::panic::resume_unwind(Box::new(())));
        while !gone.is_finished() {
            std::thread::yield_now();
        }
        threads.0.push(("panicked", gone));
        assert_eq!(threads.ended(), Some("panicked"));
        drop(stop);
        while threads.0.iter().any(|(_, thread)| !thread.is_finished()) {
            std::thread::yield_now();
        }
        assert_eq!(threads.ended(), Some("lives"));
    }
}
