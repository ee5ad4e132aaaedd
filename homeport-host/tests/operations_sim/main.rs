//! Every operation on the simulated engine, with a real ledger, real volumes and real mounts: each step fails in turn, the
//! process dies at each point in turn, and the next command leaves a consistent state with every byte of data in it.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says how much it covered"
)]

mod bad_inputs;
mod clients;
mod consent;
mod consistency;
mod data;
mod data_rules;
mod datagrams;
mod exhaust;
mod exhaust_data;
mod exhaust_version;
mod frozen;
mod full_disk;
mod let_go;
mod lost_snapshots;
mod marks;
mod model;
mod places;
mod port;
mod random;
mod reach;
mod repeated;
mod ruled;
mod script;
mod stage;
mod store_rules;
mod stuck;
mod told;
mod trash_rules;
mod unbegun;
mod version;
mod version_back;
mod view;
mod written;

use exhaust::{Course, Subject, Succeeds};
use stage::{Command, Stage};
use view::Now;

/// What brings an instance up, after its volumes were made and it was recorded or its former container was stopped.
const BRING_UP: [&str; 10] = [
    "ensure_network",
    "reserve_route",
    "remove_old_container",
    "use_volumes",
    "prepare_run_dir",
    "create_container",
    "start_container",
    "await_ready",
    "point_route",
    "probe_route",
];

fn steps<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<&'a str> {
    [before, &BRING_UP, &["want_running"], after].concat()
}

fn deployed(stage: &Stage) {
    stage.must(Command::Deploy);
}

fn stopped(stage: &Stage) {
    deployed(stage);
    stage.must(Command::Stop);
}

fn deploy(name: &'static str, command: Command, prepare: fn(&Stage)) -> Subject {
    Subject {
        name,
        prepare,
        command,
        course: Course::Back,
        before: Now::Absent,
        after: Now::running("hello"),
        undone: vec![Now::Absent],
        other: (Command::Remove, Succeeds::NoInstance, Now::Absent),
        stride: 3,
    }
}

#[test]
fn deploy_with_new_volumes() {
    deploy("deploy with new volumes", Command::Deploy, |_| {})
        .exhaust(&steps(&["make_volume", "make_volume", "record"], &[]));
}

#[test]
fn deploy_on_kept_volumes() {
    let kept = |stage: &Stage| {
        deployed(stage);
        stage.must(Command::Remove);
    };
    let subject = deploy("deploy on kept volumes", Command::Deploy, kept);
    Subject { stride: 11, ..subject }.exhaust(&steps(&["record"], &[]));
}

#[test]
fn deploy_on_an_operators_directory() {
    let subject = deploy("deploy on an operator's directory", Command::DeployOnDisk, Stage::make_directory);
    Subject { stride: 11, ..subject }.exhaust(&steps(&["make_volume", "make_volume", "record"], &[]));
}

#[test]
fn start() {
    Subject {
        name: "start",
        prepare: stopped,
        command: Command::Start,
        course: Course::Back,
        before: Now::stopped("hello"),
        after: Now::running("hello"),
        undone: vec![Now::stopped("hello")],
        other: (Command::Remove, Succeeds::Yes, Now::Absent),
        stride: 11,
    }
    .exhaust(&steps(&[], &[]));
}

#[test]
fn restart() {
    Subject {
        name: "restart",
        prepare: deployed,
        command: Command::Restart,
        course: Course::Back,
        before: Now::running("hello"),
        after: Now::running("hello"),
        undone: vec![Now::running("hello"), Now::down("hello")],
        other: (Command::Start, Succeeds::Yes, Now::running("hello")),
        stride: 29,
    }
    .exhaust(&steps(&["hold_routes", "stop_container", "release_volumes"], &[]));
}

#[test]
fn config_of_a_running_instance() {
    Subject {
        name: "config of a running instance",
        prepare: deployed,
        command: Command::Config("welcome"),
        course: Course::Back,
        before: Now::running("hello"),
        after: Now::running("welcome"),
        undone: vec![Now::running("hello")],
        other: (Command::Stop, Succeeds::Yes, Now::stopped("hello")),
        stride: 29,
    }
    .exhaust(&steps(&["hold_routes", "stop_container", "release_volumes"], &["reconfigure"]));
}

#[test]
fn config_of_a_stopped_instance() {
    Subject {
        name: "config of a stopped instance",
        prepare: stopped,
        command: Command::Config("welcome"),
        course: Course::Back,
        before: Now::stopped("hello"),
        after: Now::stopped("welcome"),
        undone: vec![Now::stopped("hello")],
        other: (Command::Start, Succeeds::Yes, Now::running("hello")),
        stride: 1,
    }
    .exhaust(&["reconfigure"]);
}

#[test]
fn stop() {
    Subject {
        name: "stop",
        prepare: deployed,
        command: Command::Stop,
        course: Course::On,
        before: Now::running("hello"),
        after: Now::stopped("hello"),
        undone: Vec::new(),
        other: (Command::Start, Succeeds::Yes, Now::running("hello")),
        stride: 1,
    }
    .exhaust(&["want_stopped", "close_routes", "stop_container", "release_volumes"]);
}

#[test]
fn remove() {
    Subject {
        name: "remove",
        prepare: deployed,
        command: Command::Remove,
        course: Course::On,
        before: Now::running("hello"),
        after: Now::Absent,
        undone: Vec::new(),
        other: (Command::Deploy, Succeeds::Yes, Now::running("hello")),
        stride: 3,
    }
    .exhaust(&[
        "want_stopped",
        "close_routes",
        "stop_container",
        "release_volumes",
        "remove_old_container",
        "remove_run_dir",
        "release_routes",
        "remove_network",
        "forget",
    ]);
}
