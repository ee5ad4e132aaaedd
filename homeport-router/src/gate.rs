//! Owns the state of a route as a value and the only rules by which it changes. Never waits, connects or counts.
//!
//! ```text
//!   (new) --> Held --point--> Running(gen n) --point other--> Running(gen n+1)
//!              ^ |  ^            |      |
//!              | |  +----hold----+      +--close--+
//!              | +--close, or held too long--+    |
//!              |                             v    v
//!              +-----------hold----------- Closed --point--> Running(gen n+1)
//!   Held --clients waited as long as they may--> Overdue --point--> Running(gen n+1), --close--> Closed
//!   any --release--> Released (final)
//! ```

use std::fmt;

use crate::target::Target;

/// Counts the targets that a route has had, from 1; 0 before the first. Connections carry the one that they began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// The target of this number, for whoever plays a router.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The bare number, for messages.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Tells one hold from the next, so that a late end of an earlier one ends nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HoldNumber(u64);

/// A hold that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    /// The last renewal.
    pub(crate) renewal: HoldNumber,
    /// The first hold of those that follow each other: since then no client has got through.
    pub(crate) since: HoldNumber,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Held {
        since: HoldNumber,
    },
    /// Held for longer than clients are let wait: they are refused until there is a target again.
    Overdue,
    Running(Target),
    Closed,
    Released,
}

/// Something that happens to a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GateEvent {
    /// The route leads to this target from now on.
    Point(Target),
    /// A container is being replaced: clients wait.
    Hold,
    /// The instance was stopped: clients are refused.
    Close,
    /// This hold was not renewed in time.
    HoldExpired(HoldNumber),
    /// Since this hold clients have waited as long as they may, however often it was renewed.
    HoldOverdue(HoldNumber),
    /// The route is given up.
    Release,
}

/// What a request changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The route is in another state than before.
    Changed,
    /// The route was held already, and the time that it may stay so starts again.
    Renewed,
    /// The route was as wanted already.
    Unchanged,
}

/// What becomes of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission<'a> {
    /// It is connected with this target.
    Forward(Generation, &'a Target),
    /// It waits, for as long as this hold lasts.
    Wait(Hold),
    /// It is reset.
    Refuse,
    /// Its route is gone.
    Gone,
}

/// The state of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gate {
    phase: Phase,
    generation: Generation,
    hold: HoldNumber,
}

impl Gate {
    /// A fresh reservation: held, and never pointed.
    pub(crate) fn fresh() -> Self {
        Self { phase: Phase::Held { since: HoldNumber(1) }, generation: Generation(0), hold: HoldNumber(1) }
    }

    /// Lets the event happen. `None` after the release: nothing happens to a route that is gone.
    pub(crate) fn apply(&mut self, event: GateEvent) -> Option<Change> {
        let change = match (&self.phase, event) {
            (Phase::Released, _) => return None,
            (Phase::Running(now), GateEvent::Point(target)) if *now == target => Change::Unchanged,
            (_, GateEvent::Point(target)) => {
                self.generation.0 += 1;
                self.phase = Phase::Running(target);
                Change::Changed
            }
            (Phase::Held { .. }, GateEvent::Hold) => {
                self.hold.0 += 1;
                Change::Renewed
            }
            (Phase::Running(_) | Phase::Closed, GateEvent::Hold) => {
                self.hold.0 += 1;
                self.phase = Phase::Held { since: self.hold };
                Change::Changed
            }
            (Phase::Overdue, GateEvent::Hold) | (Phase::Closed, GateEvent::Close) => Change::Unchanged,
            (_, GateEvent::Close) => {
                self.phase = Phase::Closed;
                Change::Changed
            }
            (Phase::Held { .. }, GateEvent::HoldExpired(hold)) if hold == self.hold => {
                self.phase = Phase::Closed;
                Change::Changed
            }
            (Phase::Held { since }, GateEvent::HoldOverdue(hold)) if hold == *since => {
                self.phase = Phase::Overdue;
                Change::Changed
            }
            (_, GateEvent::HoldExpired(_) | GateEvent::HoldOverdue(_)) => Change::Unchanged,
            (_, GateEvent::Release) => {
                self.phase = Phase::Released;
                Change::Changed
            }
        };
        Some(change)
    }

    /// What becomes of a client that is here now.
    pub(crate) fn admission(&self) -> Admission<'_> {
        match &self.phase {
            Phase::Held { since } => Admission::Wait(Hold { renewal: self.hold, since: *since }),
            Phase::Running(target) => Admission::Forward(self.generation, target),
            Phase::Closed | Phase::Overdue => Admission::Refuse,
            Phase::Released => Admission::Gone,
        }
    }

    /// Says whether clients are connected with the target of this generation.
    pub(crate) fn runs(&self, generation: Generation) -> bool {
        matches!(self.admission(), Admission::Forward(current, _) if current == generation)
    }
}

#[cfg(test)]
mod tests;
