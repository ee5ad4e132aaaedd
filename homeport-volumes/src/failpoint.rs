//! Owns the named moments at which a crash or a failure can be tried out: every step that changes what is on the disk
//! passes one. Never does anything unless armed.
//!
//! A thread arms for itself with [`arm`]; a process is armed as a whole by `HOMEPORT_FAILPOINT=<name>:<nth>:<blow>` in its
//! environment, where `<blow>` is `kill`, or `EIO` or `ENOSPC`. After a [`Blow::Crash`] every later point of the same
//! thread fails too, so that what would tidy up after an error does not run either: the disk is left as a crash leaves it.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;

/// The variable that arms a whole process.
pub const VARIABLE: &str = "HOMEPORT_FAILPOINT";

/// What happens at an armed point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// This process is killed, as by the kernel.
    Kill,
    /// The step fails, and each later point of this thread too: the nearest thing to a crash within one process.
    Crash,
    /// The step fails once with this error.
    Error(Errno),
}

struct Armed {
    name: String,
    left: Cell<u32>,
    blow: Blow,
}

#[derive(Default)]
struct Local {
    armed: RefCell<Option<Armed>>,
    crashed: Cell<bool>,
    seen: RefCell<Option<Vec<&'static str>>>,
}

thread_local! {
    static LOCAL: Local = Local::default();
}

/// Keeps a point armed for this thread; dropping it disarms, and ends a crash.
#[derive(Debug)]
#[must_use]
pub struct Guard(());

impl Drop for Guard {
    fn drop(&mut self) {
        LOCAL.with(|local| {
            local.armed.take();
            local.crashed.set(false);
        });
    }
}

/// Strikes the `nth` time, from 1, that this thread passes the point `name`; `*` stands for every name.
pub fn arm(name: &str, nth: u32, blow: Blow) -> Guard {
    let armed = Armed { name: name.to_owned(), left: Cell::new(nth), blow };
    LOCAL.with(|local| local.armed.replace(Some(armed)));
    Guard(())
}

/// The names of the points that this thread passes while `work` runs, in their order.
pub fn record<T>(work: impl FnOnce() -> T) -> (T, Vec<&'static str>) {
    LOCAL.with(|local| local.seen.replace(Some(Vec::new())));
    let result = work();
    (result, LOCAL.with(|local| local.seen.take()).unwrap_or_default())
}

/// Stands before a step that changes what is on the disk. `name` says which: `store.pack.sync`.
///
/// # Errors
/// Only what the point is armed with.
pub fn point(name: &'static str) -> io::Result<()> {
    let blow = LOCAL.with(|local| {
        if let Some(seen) = local.seen.borrow_mut().as_mut() {
            seen.push(name);
        }
        if local.crashed.get() {
            return Some(Blow::Crash);
        }
        local.armed.borrow().as_ref().and_then(|armed| armed.pass(name))
    });
    match blow.or_else(|| process()?.pass(name)) {
        None => Ok(()),
        Some(Blow::Error(error)) => Err(error.into()),
        Some(Blow::Crash) => {
            LOCAL.with(|local| local.crashed.set(true));
            Err(io::Error::other(format!("crashed at `{name}`")))
        }
        Some(Blow::Kill) => {
            // Nothing of this process runs after this: no destructor, no handler.
            let _sent = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            Err(io::Error::other(format!("killed at `{name}`")))
        }
    }
}

impl Armed {
    fn pass(&self, name: &str) -> Option<Blow> {
        if self.left.get() == 0 || (self.name != name && self.name != "*") {
            return None;
        }
        self.left.set(self.left.get() - 1);
        (self.left.get() == 0).then_some(self.blow)
    }
}

/// What the environment arms; counted over all threads.
struct Process {
    name: String,
    left: AtomicU32,
    blow: Blow,
}

impl Process {
    fn pass(&self, name: &str) -> Option<Blow> {
        if self.name != name && self.name != "*" {
            return None;
        }
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        (before == Ok(1)).then_some(self.blow)
    }
}

fn process() -> Option<&'static Process> {
    static PROCESS: OnceLock<Option<Process>> = OnceLock::new();
    PROCESS.get_or_init(|| parse(&std::env::var(VARIABLE).ok()?)).as_ref()
}

fn parse(text: &str) -> Option<Process> {
    let mut parts = text.rsplitn(3, ':');
    let blow = match parts.next()? {
        "kill" => Blow::Kill,
        "EIO" => Blow::Error(Errno::IO),
        "ENOSPC" => Blow::Error(Errno::NOSPC),
        _ => return None,
    };
    let left = AtomicU32::new(parts.next()?.parse().ok()?);
    Some(Process { name: parts.next()?.to_owned(), left, blow })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_strikes_at_its_turn_and_only_there() {
        let guard = arm("b", 2, Blow::Error(Errno::NOSPC));
        assert!(point("b").is_ok() && point("a").is_ok());
        assert_eq!(point("b").unwrap_err().raw_os_error(), Some(28));
        assert!(point("b").is_ok());
        drop(guard);
        assert!(point("b").is_ok());
    }

    #[test]
    fn nothing_happens_after_a_crash() {
        let guard = arm("*", 2, Blow::Crash);
        let ((), seen) = record(|| {
            assert!(point("a").is_ok());
            assert!(point("b").is_err() && point("c").is_err());
        });
        assert_eq!(seen, ["a", "b", "c"]);
        drop(guard);
        assert!(point("c").is_ok());
    }

    #[test]
    fn the_environments_text_names_a_point_a_turn_and_a_blow() {
        let armed = parse("store.pack.sync:1:EIO").unwrap();
        assert_eq!((armed.pass("other"), armed.pass("store.pack.sync")), (None, Some(Blow::Error(Errno::IO))));
        assert_eq!(armed.pass("store.pack.sync"), None);
        assert!(parse("a:b:kill").is_none() && parse("a:1:sleep").is_none() && parse("1:kill").is_none());
    }
}
