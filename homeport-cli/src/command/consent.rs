//! Owns how a command that can be planned first is asked for. Never decides whether consent is needed: the host does.

use homeport_host::operation::{
    Adopted, Emptied, Execution, GivenUp, Moved, Outcome, Pruned, Purged, PutBack, Restored, StoreBegun,
};

use crate::args::Consent;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Render;

impl Consent {
    /// Whether the command is carried out.
    pub(crate) const fn execution(&self) -> Execution {
        execution(self.dry_run)
    }
}

/// Whether a command is carried out.
pub(super) const fn execution(dry_run: bool) -> Execution {
    if dry_run { Execution::DryRun } else { Execution::Real }
}

/// Prints what was done, or what would be.
pub(super) fn tell<P: Render, D: Render + Ends>(context: &Context, outcome: &Outcome<P, D>) -> Result<Exit, Failure> {
    let exit = match outcome {
        Outcome::Done(done) => done.exit(),
        Outcome::Planned { .. } => Exit::Done,
    };
    context.print_as(outcome, exit)
}

/// How a command ends that did something: as what was asked for, or short of it.
pub(super) trait Ends {
    /// The end; what was asked for is so unless something else is known.
    fn exit(&self) -> Exit {
        Exit::Done
    }
}

impl Ends for Adopted {}
impl Ends for GivenUp {}
impl Ends for Moved {}
impl Ends for Pruned {}
impl Ends for Purged {}
impl Ends for StoreBegun {}

impl Ends for Emptied {
    fn exit(&self) -> Exit {
        if self.faults.is_empty() { Exit::Done } else { Exit::Host }
    }
}

impl Ends for Restored {
    fn exit(&self) -> Exit {
        if self.not_running.is_none() { Exit::Done } else { Exit::Host }
    }
}

impl Ends for PutBack {
    fn exit(&self) -> Exit {
        if self.faults.is_empty() && self.not_running.is_none() { Exit::Done } else { Exit::Host }
    }
}

#[cfg(test)]
mod tests {
    use homeport_core::fault::Fault;
    use homeport_core::unit::Bytes;
    use homeport_host::ledger::{Time, TrashReason};
    use homeport_host::operation::TrashView;

    use super::*;

    const ID: &str = "0f0e0d0c-0b0a-4988-8776-655443322110";

    fn at() -> Time {
        "2026-11-23T04:19:45Z".parse().unwrap()
    }

    fn faults(number: usize) -> Vec<Fault> {
        vec![Fault::new("HP-TRS-007", "x", "`x` cannot be deleted"); number]
    }

    fn put_back(number: usize, not_running: Option<&str>) -> PutBack {
        let what = TrashView {
            id: ID.parse().unwrap(),
            reason: TrashReason::Purge,
            instance: "alice".parse().unwrap(),
            port: "shell".parse().unwrap(),
            since: at(),
            until: None,
            snapshot: None,
            trees: Vec::new(),
        };
        let (instance, not_running) = (what.instance.clone(), not_running.map(str::to_owned));
        let (before, undo, running) = (None, None, None);
        PutBack { what, instance, before, undo, running, not_running, faults: faults(number), warnings: Vec::new() }
    }

    fn restored(not_running: Option<&str>) -> Restored {
        Restored {
            instance: "alice".parse().unwrap(),
            snapshot: ID.parse().unwrap(),
            volumes: Vec::new(),
            before: None,
            undo: ID.parse().unwrap(),
            kept_until: at(),
            running: None,
            not_running: not_running.map(str::to_owned),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn what_fell_short_of_what_was_asked_for_does_not_end_as_if_it_were_done() {
        let emptied =
            |number| Emptied { what: Vec::new(), entries: 0, bytes: Bytes::new(0), faults: faults(number) }.exit();
        assert_eq!((emptied(0), emptied(1)), (Exit::Done, Exit::Host));
        let why = Some("its disk is full");
        assert_eq!((restored(None).exit(), restored(why).exit()), (Exit::Done, Exit::Host));
        assert_eq!((put_back(0, None).exit(), put_back(0, why).exit()), (Exit::Done, Exit::Host));
        assert_eq!(put_back(1, None).exit(), Exit::Host);
    }
}
