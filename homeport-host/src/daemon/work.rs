//! Owns the one thread that carries out what the keeper orders, one operation after the other, as the command line would.
//! Never decides what is to be done.

use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use homeport_core::name::InstanceName;

use super::supervise::Tried;
use super::watch::Notice;
use crate::engine::{Cancel, ContainerId};
use crate::host::Host;
use crate::operation::{LifecycleOutcome, OperationError, resume_cut_off, retire, start_again};
use crate::oplock::LockError;
use crate::run::{RunError, with_causes};

/// When a start is tried again that something else than the port was in the way of.
const SOON: Duration = Duration::from_secs(5);
/// The same where somebody has to mend something first.
const LATER: Duration = Duration::from_secs(30);

/// Something to carry out.
#[derive(Debug)]
pub(super) enum Task {
    /// Bring to an end what was cut off, unless somebody is at it.
    Resume,
    /// Start an instance whose container ended.
    Start(InstanceName, Option<ContainerId>),
    /// End these containers of an instance, which only finished what they began.
    Retire(InstanceName, Vec<ContainerId>),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Did {
    /// Of bringing to an end what was cut off; why it could not be.
    Resume(Option<String>),
    /// Of a start, and why it failed.
    Start(InstanceName, Tried, Option<String>),
    /// Of ending a container that retired, and why it could not be.
    Retire(InstanceName, Option<String>),
}

/// Carries out what is ordered until nobody can order any more, or it is cancelled: what was ordered then is another's.
pub(super) fn work(host: &Host, cancel: &Cancel, tasks: &Receiver<Task>, notices: &Sender<Notice>) {
    for task in tasks {
        if cancel.is_cancelled() {
            return;
        }
        let did = match task {
            // An operation that goes on sees to itself, so this waits for none.
            Task::Resume => Did::Resume(match resume_cut_off(&host.clone().with_patience(Duration::ZERO)) {
                Ok(()) | Err(OperationError::Lock(LockError::Busy { .. } | LockError::BusyUnknown)) => None,
                Err(error) => Some(with_causes(&error)),
            }),
            Task::Start(name, died) => {
                let (tried, why) = outcome(&start_again(host, &name, died.as_ref()));
                Did::Start(name, tried, why)
            }
            Task::Retire(name, containers) => {
                let why = retire(host, &name, &containers).err().map(|error| with_causes(&error));
                Did::Retire(name, why)
            }
        };
        if notices.send(Notice::Did(did)).is_err() {
            return;
        }
    }
}

/// Only what was begun and taken back counts against the port.
fn outcome(result: &Result<LifecycleOutcome, OperationError>) -> (Tried, Option<String>) {
    let error = match result {
        Ok(LifecycleOutcome::Changed) => return (Tried::Up, None),
        Ok(LifecycleOutcome::Unchanged) | Err(OperationError::NoInstance { .. }) => return (Tried::Needless, None),
        Err(error) => error,
    };
    let tried = match error {
        OperationError::Run(RunError::Undone { evidence, .. }) => Tried::Failed(evidence.exit.clone()),
        OperationError::Stuck { .. } | OperationError::Refused { .. } | OperationError::Run(RunError::Stuck { .. }) => {
            Tried::PutOff(LATER)
        }
        _ => Tried::PutOff(SOON),
    };
    (tried, Some(with_causes(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Kind, Step};
    use crate::run::{Evidence, StepError};

    #[test]
    fn only_what_was_begun_and_taken_back_counts_against_the_port() {
        let instance: InstanceName = "a".parse().unwrap();
        let undone = RunError::Undone {
            kind: Kind::Start,
            instance: instance.clone(),
            step: Box::new(Step::HoldRoutes),
            cause: Box::new(StepError::Vanished),
            evidence: Box::new(Evidence::default()),
            kept: Vec::new(),
        };
        assert!(matches!(outcome(&Err(undone.into())).0, Tried::Failed(None)));
        let stuck = OperationError::Stuck { name: instance.clone(), reason: "a test".to_owned() };
        assert!(matches!(outcome(&Err(stuck)), (Tried::PutOff(LATER), Some(_))));
        assert!(matches!(outcome(&Err(LockError::BusyUnknown.into())), (Tried::PutOff(SOON), Some(_))));
        let gone = OperationError::NoInstance { name: instance, known: Vec::new() };
        assert!(matches!(outcome(&Err(gone)), (Tried::Needless, None)));
        assert!(matches!(outcome(&Ok(LifecycleOutcome::Unchanged)).0, Tried::Needless));
        assert!(matches!(outcome(&Ok(LifecycleOutcome::Changed)).0, Tried::Up));
    }
}
