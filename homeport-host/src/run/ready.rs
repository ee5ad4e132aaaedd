//! Owns waiting for a port to be ready: until it says so itself, ends, or has no time left. [spec: ENT-30, ENT-31]
//! Never starts or stops anything.

use std::time::{Duration, Instant};

use homeport_core::unit::{Bytes, Seconds};

use super::error::StepError;
use super::evidence::exit_meaning;
use super::memory;
use crate::engine::{ContainerRef, ContainerState, Engine, ExitFacts, MemoryEnd};
use crate::notify::NotifySocket;
use crate::progress::{Event, Progress};

/// How often the container itself is looked at while it says nothing.
const LOOK: Duration = Duration::from_millis(100);

/// What is waited for.
pub(super) struct Waiting<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) container: &'a ContainerRef,
    pub(super) socket: &'a NotifySocket,
    pub(super) progress: &'a dyn Progress,
    pub(super) memory: Bytes,
    pub(super) proc: &'a std::path::Path,
}

impl Waiting<'_> {
    /// Returns when the container's first process has said that the port is ready.
    pub(super) fn until_ready(&self, within: Seconds) -> Result<(), StepError> {
        let begun = Instant::now();
        let end = begun + Duration::from_secs(within.get().into());
        let (mut said, mut kills) = (None, 0);
        loop {
            let state = self.engine.inspect(self.container)?.map(|facts| facts.state);
            let pid = match state {
                Some(ContainerState::Running { pid, .. }) => pid,
                Some(ContainerState::Exited(exit)) => return Err(self.ended(&exit, kills, begun.elapsed())),
                _ => return Err(StepError::Vanished),
            };
            kills = memory::kills(self.proc, pid).max(kills);
            let look = Instant::now() + LOOK;
            while Instant::now() < look {
                let notice = self.socket.receive(pid, look.saturating_duration_since(Instant::now()));
                let notice = notice.map_err(|source| StepError::Io { action: "listen to the port", source })?;
                if notice.ready {
                    return Ok(());
                }
                if let Some(text) = notice.status {
                    self.progress.event(&Event::PortSays { text: text.clone() });
                    said = Some(text);
                }
            }
            if Instant::now() >= end {
                return Err(match kills {
                    0 => StepError::NotReady { within, said },
                    kills => self.out_of_memory(killed(kills, begun.elapsed())),
                });
            }
        }
    }

    /// How it ended; for want of memory where the kernel killed for that, whichever process it took last.
    fn ended(&self, exit: &ExitFacts, kills: u64, after: Duration) -> StepError {
        match (exit.memory, kills) {
            (MemoryEnd::Enough, 0) => StepError::Ended { how: exit_meaning(exit) },
            (MemoryEnd::OutOfMemory, 0) => self.out_of_memory(killed(1, after)),
            (MemoryEnd::Enough | MemoryEnd::OutOfMemory, kills) => self.out_of_memory(killed(kills, after)),
        }
    }

    fn out_of_memory(&self, how: String) -> StepError {
        StepError::OutOfMemory { limit: self.memory, how }
    }
}

/// What the kernel did for want of memory.
fn killed(kills: u64, after: Duration) -> String {
    format!("{kills} of its processes were killed in {} s", after.as_secs().max(1))
}
