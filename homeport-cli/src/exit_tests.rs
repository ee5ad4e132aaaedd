//! One row for each kind of error: what it makes of the exit code.

use std::io;
use std::path::PathBuf;

use homeport_core::fault::Fault;
use homeport_core::manifest::ManifestError;
use homeport_core::unit::{Bytes, Format, Seconds};
use homeport_host::engine::{Action, Operation};
use homeport_host::oplock::LockError;
use homeport_host::plan::{Kind, Step};
use homeport_volumes::VolumeError;

use super::*;

fn io_error() -> io::Error {
    io::Error::other("x")
}

fn path() -> PathBuf {
    PathBuf::from("/x")
}

fn name() -> homeport_core::name::InstanceName {
    "a".parse().unwrap()
}

fn undone(cause: StepError) -> OperationError {
    OperationError::Run(RunError::Undone {
        kind: Kind::Deploy,
        instance: name(),
        step: Box::new(Step::Record),
        cause: Box::new(cause),
        evidence: Box::default(),
        kept: Vec::new(),
    })
}

fn routes(code: &'static str) -> RoutesError {
    RoutesError::Refused { code, message: String::new(), help: None }
}

/// The same of an instance that had another version before.
fn not_ready(cause: StepError) -> OperationError {
    let OperationError::Run(failed) = undone(cause) else { panic!("not begun") };
    let version = |text: &str| text.parse().unwrap();
    OperationError::NotReady {
        name: name(),
        version: version("1.1.0"),
        former: version("1.0.0"),
        failed: Box::new(failed),
    }
}

fn refused(codes: &[&'static str]) -> OperationError {
    let faults = codes.iter().map(|code| Fault::new(code, "x", "x")).collect();
    OperationError::Refused { what: String::new(), faults }
}

#[test]
fn the_codes_are_those_that_are_promised() {
    let exits = [Exit::Done, Exit::Request, Exit::Usage, Exit::Host, Exit::Stuck, Exit::Program(42)];
    assert_eq!(exits.map(Exit::code), [0, 1, 2, 3, 4, 42]);
}

#[test]
fn what_was_asked_for_is_at_fault() {
    let image = || String::from("x");
    let rows = [
        OperationError::NotRoot { uid: 1 },
        OperationError::NoInstance { name: name(), known: Vec::new() },
        OperationError::NotRunning { name: name() },
        OperationError::Layout(LayoutError::Root { root: path() }),
        OperationError::Layout(LayoutError::Missing { root: path() }),
        OperationError::Layout(LayoutError::TooLong { root: path(), found: 2, max: 1 }),
        OperationError::Ledger(LedgerError::Refused(Refusal::UnknownInstance(name()))),
        OperationError::Engine(EngineError::Invalid { action: Action::new(Operation::Create), faults: Vec::new() }),
        OperationError::Routes(routes("HP-RTR-003")),
        OperationError::Image(ImageError::PortMissing { port: image() }),
        OperationError::Image(ImageError::Missing { image: image() }),
        OperationError::Image(ImageError::NoVersion { port: image(), found: image(), wanted: image() }),
        OperationError::Image(ImageError::Ambiguous {
            port: "shell".parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
            images: Vec::new(),
        }),
        OperationError::Image(ImageError::NoManifest { image: image(), label: "x" }),
        OperationError::Image(ImageError::Manifest { image: image(), source: ManifestError::TooLarge { found: 1 } }),
        OperationError::Image(ImageError::Contract { image: image(), faults: Vec::new() }),
        refused(&[]),
        refused(&["HP-CFG-001"]),
        refused(&["HP-ENG-101", "HP-CFG-001"]),
        undone(StepError::Ended { how: String::new() }),
        not_ready(StepError::Ended { how: String::new() }),
        undone(StepError::OutOfMemory { limit: Bytes::new(1), how: String::new() }),
        undone(StepError::NotReady { within: Seconds::new(1), said: None }),
        undone(StepError::Unfit { how: String::new() }),
        undone(StepError::Migration {
            volume: "v".parse().unwrap(),
            from: Format::new(1),
            to: Format::new(2),
            how: String::new(),
        }),
        undone(StepError::TooSlow { what: "migrate", within: Seconds::new(1) }),
        undone(StepError::Faltered { how: String::new() }),
        undone(StepError::Routes(routes("HP-RTR-001"))),
        undone(StepError::Volume(VolumeError::Refused(Vec::new()))),
    ];
    for error in rows {
        assert_eq!(of_operation(&error), Exit::Request, "{error:?}");
    }
}

#[test]
fn this_machine_or_the_engine_failed() {
    let io = || StepError::Io { action: "x", source: io_error() };
    let rows = [
        OperationError::Layout(LayoutError::NotDirectory { path: path() }),
        OperationError::Layout(LayoutError::Untrusted { path: path(), uid: 1, mode: 0o777, euid: 0 }),
        OperationError::Lock(LockError::BusyUnknown),
        OperationError::Ledger(LedgerError::Damaged { file: path(), found: String::new() }),
        OperationError::StoredManifest { name: name(), source: ManifestError::TooLarge { found: 1 } },
        OperationError::Engine(EngineError::SocketMissing { socket: path() }),
        OperationError::Engine(EngineError::NotRunning { socket: path(), source: io_error() }),
        OperationError::Engine(EngineError::PermissionDenied { socket: path() }),
        OperationError::Engine(EngineError::Conflict { action: Action::new(Operation::Stop), message: String::new() }),
        OperationError::Routes(RoutesError::NotRunning { socket: path() }),
        OperationError::Routes(RoutesError::NotStarted { said: String::new(), log: path() }),
        OperationError::Routes(RoutesError::Spawn { program: path(), source: io_error() }),
        OperationError::Routes(RoutesError::Talk { socket: path(), source: io_error() }),
        OperationError::Routes(routes("HP-DMN-008")),
        OperationError::Image(ImageError::Engine {
            image: String::new(),
            source: EngineError::SocketMissing { socket: path() },
        }),
        OperationError::Image(ImageError::Note { image: String::new(), source: io_error() }),
        refused(&["HP-ENG-101"]),
        undone(io()),
        undone(StepError::Vanished),
        undone(StepError::NoRoom { place: path(), wanted: Bytes::new(1), source: io_error() }),
        undone(StepError::OtherMount { volume: "v".parse().unwrap(), found: String::new() }),
        undone(StepError::Volume(VolumeError::Io { action: "x", path: path(), source: io_error() })),
        undone(StepError::Engine(EngineError::SocketMissing { socket: path() })),
        OperationError::Run(RunError::Unfinished {
            kind: Kind::Stop,
            instance: name(),
            step: Box::new(Step::CloseRoutes),
            cause: Box::new(io()),
        }),
        OperationError::Run(RunError::Journal {
            kind: Kind::Stop,
            instance: name(),
            source: LedgerError::Damaged { file: path(), found: String::new() },
        }),
    ];
    for error in rows {
        assert_eq!(of_operation(&error), Exit::Host, "{error:?}");
    }
}

#[test]
fn the_way_back_failed_too() {
    let rows = [
        OperationError::Stuck { name: name(), reason: String::new() },
        OperationError::NotRestored {
            name: name(),
            failed: Box::new(undone(StepError::Vanished)),
            source: Box::new(OperationError::NotRoot { uid: 1 }),
        },
        OperationError::Run(RunError::Stuck {
            kind: Kind::Deploy,
            instance: name(),
            step: Box::new(Step::Record),
            cause: Box::new(StepError::Ended { how: String::new() }),
            left: Vec::new(),
            evidence: Box::default(),
        }),
        undone(StepError::NotTakenBack { what: String::new() }),
    ];
    for error in rows {
        assert_eq!(of_operation(&error), Exit::Stuck, "{error:?}");
    }
}

#[test]
fn a_daemon_that_cannot_run() {
    let rows = [
        (DaemonError::AlreadyRunning { pid: "1".to_owned() }, Exit::Request),
        (DaemonError::NotRoot, Exit::Request),
        (DaemonError::Layout(LayoutError::Root { root: path() }), Exit::Request),
        (DaemonError::Layout(LayoutError::NotDirectory { path: path() }), Exit::Host),
        (DaemonError::Ledger(LedgerError::Damaged { file: path(), found: String::new() }), Exit::Host),
        (DaemonError::Io { action: "x", path: path(), source: io_error() }, Exit::Host),
        (DaemonError::NotHandedOver { message: "x".to_owned() }, Exit::Host),
    ];
    for (error, wanted) in rows {
        assert_eq!(of_daemon(&error), wanted, "{error:?}");
    }
}
