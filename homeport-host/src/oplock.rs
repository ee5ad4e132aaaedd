//! Owns the lock that lets one operation at a time change anything, and the note of who holds it.
//! Never says whether an operation was finished: the ledger does.
//!
//! The kernel keeps the lock (`flock` on `state/lock`), so that it is free as soon as its holder is gone, however it
//! went. The note in the file is for people only; what it says counts for nothing while nobody holds the lock.

mod error;
mod holder;

pub use error::LockError;
pub use holder::{Holder, ProcessId};

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags};

use crate::layout::Layout;
use crate::ledger::Time;

/// Between two tries for a lock that another holds.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether to wait for a lock that another holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Report who holds it.
    No,
    /// Try again for so long, then report who holds it.
    For(Duration),
}

/// How the waiting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Who holds the lock, where it says.
    pub holder: Option<Holder>,
    /// For how long it was waited by now.
    pub waited: Duration,
}

/// The right to change the ledger of one root: no other process has it as long as this value lives.
///
/// It ends when the value is dropped or its process ends. It is not inherited by programs that the process starts.
#[derive(Debug)]
pub struct OperationLock {
    file: File,
    layout: Layout,
}

impl OperationLock {
    /// Takes the lock of this root and notes who holds it, where that can be written. `Layout::prepare` comes first.
    ///
    /// `command` is shown to whoever finds the lock taken; no secret belongs in it. `waiting` is called before each
    /// pause, about 20 times a second, so that waiting can be shown.
    ///
    /// # Errors
    /// `Busy` when another process has the lock and still has it after the wait.
    pub fn acquire(
        layout: &Layout,
        wait: Wait,
        command: &str,
        now: Time,
        mut waiting: impl FnMut(&Waiting),
    ) -> Result<Self, LockError> {
        let path = layout.lock_file();
        let failed = |source: io::Error| LockError::Io { path: path.clone(), source };
        let file = open(&path).map_err(failed)?;
        let begun = Instant::now();
        while !try_lock(&file).map_err(failed)? {
            let waited = begun.elapsed();
            let left = match wait {
                Wait::No => Duration::ZERO,
                Wait::For(patience) => patience.saturating_sub(waited),
            };
            let holder = Holder::read(&file);
            if left.is_zero() {
                return Err(busy(holder));
            }
            waiting(&Waiting { holder, waited });
            std::thread::sleep(PAUSE.min(left));
        }
        // It is for people only: a full disk is no reason not to have the lock, and may be what the next operation mends.
        Holder::new(ProcessId::current(), command, now).write(&file).ok();
        Ok(Self { file, layout: layout.clone() })
    }

    /// The places of the root that is locked.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }
}

impl Drop for OperationLock {
    /// Takes the note away and frees the lock, also where a process that was just forked still has the file open.
    fn drop(&mut self) {
        // A note that stays is wrong about nothing: it counts only while the lock is held.
        self.file.set_len(0).ok();
        // Where this fails, closing the file frees the lock.
        rustix::fs::flock(&self.file, FlockOperation::Unlock).ok();
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

fn try_lock(file: &File) -> io::Result<bool> {
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(false),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn busy(holder: Option<Holder>) -> LockError {
    match holder {
        Some(Holder { pid, command, since }) => LockError::Busy { pid, command, since },
        None => LockError::BusyUnknown,
    }
}

#[cfg(test)]
mod tests;
