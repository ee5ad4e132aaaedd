//! Owns which calls fail or kill the process, and when. Never changes what a call does.

use std::path::PathBuf;

use crate::engine::error::{Action, EngineError, Operation};

/// Whether a fault strikes before a call has any effect, or after all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing was done.
    Before,
    /// All was done, and the caller does not learn it.
    After,
    /// The engine is still at it when the process that asked is gone, or waits no longer: a container comes up some calls
    /// later, and its name is taken meanwhile. The same as `After` for every other call.
    Later,
}

/// Which call a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// The call of this number since the last restart, counted from 0 as in [`super::SimEngine::calls`].
    Call(usize),
    /// The next call of this kind.
    Next(Operation),
    /// Every call of this kind until the restart.
    Every(Operation),
}

/// Why the engine cannot be reached at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// There is no socket.
    SocketMissing,
    /// Nobody listens.
    NotRunning,
    /// The socket is somebody else's.
    PermissionDenied,
}

/// What becomes of a call after its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Fail,
    /// The caller waits no longer.
    TimeOut,
    Die,
}

/// The planned faults of one process's life.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) calls: Vec<Action>,
    pub(super) outage: Option<Outage>,
    planned: Vec<(FailOn, When)>,
    death: Option<(usize, When)>,
    dead: bool,
    later: bool,
}

impl Faults {
    pub(super) fn fail(&mut self, on: FailOn, when: When) {
        self.planned.push((on, when));
    }

    pub(super) const fn die_at(&mut self, call: usize, when: When) {
        self.death = Some((call, when));
    }

    pub(super) const fn die(&mut self) {
        self.dead = true;
    }

    pub(super) const fn is_dead(&self) -> bool {
        self.dead
    }

    /// Whether the call that is carried out takes its time.
    pub(super) const fn is_later(&self) -> bool {
        self.later
    }

    /// A new process: no call made, no fault planned. An outage is the engine's and stays.
    pub(super) fn restart(&mut self) {
        *self = Self { outage: self.outage, ..Self::default() };
    }

    /// Writes a call down and says what becomes of it; an error where it has no effect at all.
    pub(super) fn begin(&mut self, action: &Action) -> Result<Verdict, EngineError> {
        let number = self.calls.len();
        self.later = false;
        self.calls.push(action.clone());
        let died = || EngineError::Died { action: action.clone() };
        if self.dead {
            return Err(died());
        }
        if let Some((call, when)) = self.death
            && call == number
        {
            return match when {
                When::Before => {
                    self.dead = true;
                    Err(died())
                }
                When::After => Ok(Verdict::Die),
                When::Later => {
                    self.later = true;
                    Ok(Verdict::Die)
                }
            };
        }
        if let Some(outage) = self.outage {
            return Err(unreachable(outage));
        }
        match self.take(number, action.operation) {
            None => Ok(Verdict::Pass),
            Some(When::Before) => Err(injected(action.clone())),
            Some(When::Later) if action.operation == Operation::Create => {
                self.later = true;
                Ok(Verdict::TimeOut)
            }
            Some(When::After | When::Later) => Ok(Verdict::Fail),
        }
    }

    fn take(&mut self, number: usize, operation: Operation) -> Option<When> {
        let strikes = |on: FailOn| match on {
            FailOn::Call(call) => call == number,
            FailOn::Next(kind) | FailOn::Every(kind) => kind == operation,
        };
        let index = self.planned.iter().position(|(on, _)| strikes(*on))?;
        let (on, when) = self.planned[index];
        if !matches!(on, FailOn::Every(_)) {
            self.planned.remove(index);
        }
        Some(when)
    }
}

/// The failure that a planned fault shows.
pub(super) fn injected(action: Action) -> EngineError {
    EngineError::Refused { action, status: 500, message: "injected fault".to_owned() }
}

fn unreachable(outage: Outage) -> EngineError {
    let socket = PathBuf::from(crate::engine::docker::DEFAULT_SOCKET);
    match outage {
        Outage::SocketMissing => EngineError::SocketMissing { socket },
        Outage::NotRunning => EngineError::NotRunning { socket, source: std::io::ErrorKind::ConnectionRefused.into() },
        Outage::PermissionDenied => EngineError::PermissionDenied { socket },
    }
}
