//! Owns the exit codes: what each says, and which one an error leads to. Pure; every kind of error is decided here by hand.

use std::process::ExitCode;

use homeport_host::daemon::DaemonError;
use homeport_host::engine::EngineError;
use homeport_host::image::ImageError;
use homeport_host::layout::LayoutError;
use homeport_host::ledger::{LedgerError, Refusal};
use homeport_host::operation::OperationError;
use homeport_host::routes::RoutesError;
use homeport_host::run::{RunError, StepError};

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is so.
    Done,
    /// The request or the port is at fault: the same command fails again.
    Request,
    /// The command line is wrong.
    Usage,
    /// This machine or the engine failed: the same command may succeed later.
    Host,
    /// It failed, and the way back failed too.
    Stuck,
    /// What a program in a container said.
    Program(u8),
}

impl Exit {
    /// The number for whoever called.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Request => 1,
            Self::Usage => 2,
            Self::Host => 3,
            Self::Stuck => 4,
            Self::Program(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

pub(crate) fn of_operation(error: &OperationError) -> Exit {
    match error {
        OperationError::NotRoot { .. }
        | OperationError::NoInstance { .. }
        | OperationError::NotRunning { .. }
        | OperationError::Silent { .. }
        | OperationError::Approval(_) => Exit::Request,
        OperationError::Layout(error) => of_layout(error),
        OperationError::Data(error) if error.is_request() => Exit::Request,
        OperationError::Lock(_)
        | OperationError::StoredManifest { .. }
        | OperationError::Data(_)
        | OperationError::WayBack(_) => Exit::Host,
        OperationError::Ledger(error) => of_ledger(error),
        OperationError::Engine(error) => of_engine(error),
        OperationError::Routes(error) => of_routes(error),
        OperationError::Image(error) => of_image(error),
        // What the engine itself cannot do is among the faults where it is the only thing that is wrong.
        OperationError::Refused { faults, .. } => {
            if !faults.is_empty() && faults.iter().all(|fault| fault.code.starts_with("HP-ENG-")) {
                Exit::Host
            } else {
                Exit::Request
            }
        }
        OperationError::Run(error) => of_run(error),
        OperationError::NotReady { failed, .. } => of_run(failed),
        OperationError::Stuck { .. } | OperationError::NotRestored { .. } => Exit::Stuck,
    }
}

pub(crate) fn of_daemon(error: &DaemonError) -> Exit {
    match error {
        DaemonError::AlreadyRunning { .. } | DaemonError::NotRoot => Exit::Request,
        DaemonError::Layout(error) => of_layout(error),
        DaemonError::Ledger(error) => of_ledger(error),
        DaemonError::Descriptors(_)
        | DaemonError::Io { .. }
        | DaemonError::NotHandedOver { .. }
        | DaemonError::Thread { .. } => Exit::Host,
    }
}

pub(crate) fn of_layout(error: &LayoutError) -> Exit {
    match error {
        LayoutError::Root { .. } | LayoutError::Missing { .. } | LayoutError::TooLong { .. } => Exit::Request,
        _ => Exit::Host,
    }
}

pub(crate) fn of_engine(error: &EngineError) -> Exit {
    match error {
        EngineError::Invalid { .. } => Exit::Request,
        EngineError::SocketMissing { .. }
        | EngineError::NotRunning { .. }
        | EngineError::PermissionDenied { .. }
        | EngineError::TooOld { .. }
        | EngineError::NotFound { .. }
        | EngineError::Conflict { .. }
        | EngineError::Refused { .. }
        | EngineError::Timeout { .. }
        | EngineError::Lost { .. }
        | EngineError::TooLarge { .. }
        | EngineError::Unexpected { .. }
        | EngineError::Runtime { .. }
        | EngineError::Died { .. } => Exit::Host,
    }
}

/// An address that cannot be had was asked for; everything else is between this machine and the daemon.
pub(crate) fn of_routes(error: &RoutesError) -> Exit {
    match error {
        RoutesError::Refused { code, .. } => match *code {
            "HP-RTR-001" | "HP-RTR-002" | "HP-RTR-003" | "HP-RTR-004" | "HP-RTR-005" | "HP-RTR-007" => Exit::Request,
            _ => Exit::Host,
        },
        RoutesError::NotRunning { .. }
        | RoutesError::NotStarted { .. }
        | RoutesError::Spawn { .. }
        | RoutesError::Talk { .. }
        | RoutesError::Leftover(_)
        | RoutesError::Died => Exit::Host,
    }
}

fn of_ledger(error: &LedgerError) -> Exit {
    match error {
        LedgerError::Refused(
            Refusal::UnknownInstance(_)
            | Refusal::OtherPort { .. }
            | Refusal::PathTaken { .. }
            | Refusal::VolumeTaken { .. }
            | Refusal::VolumeIsOther { .. }
            | Refusal::GenerationBack { .. }
            | Refusal::VolumeHasData { .. }
            | Refusal::PortTaken { .. }
            | Refusal::Unstorable { .. },
        ) => Exit::Request,
        _ => Exit::Host,
    }
}

fn of_image(error: &ImageError) -> Exit {
    match error {
        ImageError::PortMissing { .. }
        | ImageError::Missing { .. }
        | ImageError::NoVersion { .. }
        | ImageError::Ambiguous { .. }
        | ImageError::NoManifest { .. }
        | ImageError::Manifest { .. }
        | ImageError::Contract { .. } => Exit::Request,
        ImageError::Engine { source, .. } => of_engine(source),
        ImageError::Note { .. } => Exit::Host,
    }
}

fn of_run(error: &RunError) -> Exit {
    match error {
        RunError::Undone { cause, .. } | RunError::Unfinished { cause, .. } => of_step(cause),
        RunError::Stuck { .. } => Exit::Stuck,
        RunError::Journal { .. } | RunError::Died { .. } => Exit::Host,
    }
}

fn of_step(error: &StepError) -> Exit {
    match error {
        StepError::Engine(error) => of_engine(error),
        StepError::Routes(error) => of_routes(error),
        StepError::Ledger(error) => of_ledger(error),
        // A volume that is not safe to use is the request's; a disk that fails is not.
        StepError::Volume(error) => match homeport_core::fault::Advice::code(error) {
            "HP-VOL-020" | "HP-VOL-021" => Exit::Host,
            _ => Exit::Request,
        },
        StepError::Layout(error) => of_layout(error),
        // A restore that was refused names every fault; one that failed names none.
        StepError::Restore(error) if !homeport_core::fault::Advice::faults(error).is_empty() => Exit::Request,
        StepError::Container(_)
        | StepError::Hook { .. }
        | StepError::Ended { .. }
        | StepError::OutOfMemory { .. }
        | StepError::NotReady { .. }
        | StepError::Unfit { .. }
        | StepError::Migration { .. }
        | StepError::TooSlow { .. }
        | StepError::Faltered { .. } => Exit::Request,
        StepError::Store(_)
        | StepError::Snapshot(_)
        | StepError::Changed { .. }
        | StepError::Restore(_)
        | StepError::Trash(_)
        | StepError::RunDir(_)
        | StepError::Probe { .. }
        | StepError::Io { .. }
        | StepError::NoRoom { .. }
        | StepError::Vanished
        | StepError::OtherMount { .. }
        | StepError::OutOfOrder { .. }
        | StepError::Simulated
        | StepError::Died => Exit::Host,
        StepError::NotTakenBack { .. } => Exit::Stuck,
    }
}

#[cfg(test)]
#[path = "exit_tests.rs"]
mod tests;
