//! Owns the note in the lock's file: who holds the lock, with what command, since when.
//! Never decides whether the lock is held: only the kernel knows.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use homeport_core::text::clip;

use crate::ledger::Time;

/// The longest command that is noted, in characters.
const MAX_COMMAND: usize = 200;
/// The longest note that is read, in bytes.
const MAX_NOTE: usize = 4096;
/// How often a note that is just being written is read again.
const TRIES: u32 = 5;

/// The number of a process. The kernel gives it to another one once the process is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ProcessId(u32);

impl ProcessId {
    /// The process with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// This process.
    pub fn current() -> Self {
        Self(std::process::id())
    }

    /// The bare number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Who holds a lock, by its own word.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// The process.
    pub pid: ProcessId,
    /// What it does, in at most 200 characters and without control characters.
    pub command: String,
    /// Since when.
    pub since: Time,
}

impl Holder {
    /// The note of a process that takes the lock now.
    pub(super) fn new(pid: ProcessId, command: &str, since: Time) -> Self {
        Self { pid, command: clip(command, MAX_COMMAND), since }
    }

    /// Writes the note over whatever was there, in one write. Where that fails there is none.
    pub(super) fn write(&self, file: &File) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        file.set_len(0)?;
        let written = file.write_all_at(&line, 0);
        if written.is_err() {
            file.set_len(0)?;
        }
        written
    }

    /// Reads the note; `None` where there is none that can be understood, also after some tries.
    pub(super) fn read(file: &File) -> Option<Self> {
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
            let mut note = vec![0; MAX_NOTE];
            let length = file.read_at(&mut note, 0).ok()?;
            let line = note[..length].split(|byte| *byte == b'\n').next()?;
            if let Ok(holder) = serde_json::from_slice(line) {
                return Some(holder);
            }
        }
        None
    }
}
