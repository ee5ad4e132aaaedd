//! Takes changes of version through everything that can go wrong with them, as `exhaust_data` does with operations on data:
//! afterwards either version runs, on data of its format, and every content that was ever written can be had.

use homeport_host::Host;
use homeport_host::operation::{self, Execution, OperationError, Outcome};
use homeport_host::request::RollbackRequest;

use crate::exhaust_data::{Act, Case, nothing};
use crate::port::Sharing;
use crate::stage::{Command, Stage, alice};
use crate::version::{back, one_way, rollback, second, shared, upgrade, upgrade_one_way};

const BEFORE: [&str; 2] = ["take_slot", "check_port"];
const QUIT: [&str; 4] = ["read_ahead", "hold_routes", "quit_container", "release_volumes"];
const MIGRATE: [&str; 5] = ["snapshot_present", "copy_tree", "migrate_tree", "check_port", "exchange_tree"];

/// The steps of a change of version that stops the old one first.
pub(crate) const REPLACE: &[&str] = &[
    BEFORE[0],
    BEFORE[1],
    QUIT[0],
    QUIT[1],
    QUIT[2],
    QUIT[3],
    MIGRATE[0],
    MIGRATE[1],
    MIGRATE[2],
    MIGRATE[3],
    MIGRATE[4],
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
    "soak",
    "take_over",
];

/// The same where both run for a while.
pub(crate) const OVERLAP: &[&str] = &[
    BEFORE[0],
    BEFORE[1],
    MIGRATE[0],
    MIGRATE[1],
    MIGRATE[2],
    MIGRATE[3],
    MIGRATE[4],
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
    "soak",
    "take_over",
];

/// The same of a stopped instance.
const STOPPED: &[&str] =
    &[BEFORE[0], BEFORE[1], MIGRATE[0], MIGRATE[1], MIGRATE[2], MIGRATE[3], MIGRATE[4], "take_over"];

/// Back to a snapshot, of a stopped instance: both volumes.
const SET_BACK: &[&str] = &[
    BEFORE[0],
    BEFORE[1],
    "snapshot_present",
    "build_tree",
    "build_tree",
    "check_port",
    "exchange_tree",
    "exchange_tree",
    "take_over",
];

fn version(host: &Host) -> Result<String, OperationError> {
    Ok(operation::status(host, &alice())?.version.to_string())
}

fn upgrade_act() -> Act {
    Box::new(|host| upgrade(host).map(|done| format!("{:?}", done.warnings)))
}

/// The upgrade, unless an earlier one has come to its end.
pub(crate) fn upgrade_unless_done(_: &Stage) -> Act {
    Box::new(|host| if version(host)? == "1.1.0" { Ok(String::new()) } else { upgrade_act()(host) })
}

/// The rollback to this version, unless an earlier one has come to its end; with consent where it needs one.
pub(crate) fn rollback_unless_at(stage: &Stage, goal: &str) -> Act {
    if stage.does(version) == goal {
        return Box::new(|_| Ok(String::new()));
    }
    rollback_act(stage)
}

fn rollback_act(stage: &Stage) -> Act {
    let ask = back(Execution::DryRun);
    let approval = stage.does(|host| match operation::rollback(host, &ask)? {
        Outcome::Planned { approval, .. } => Ok(approval),
        Outcome::Done(_) => panic!("not asked for"),
    });
    let Some(approval) = approval else {
        return Box::new(|host| rollback(host).map(|done| format!("{:?}", done.warnings)));
    };
    let request = RollbackRequest { approve: Some(approval.token), execution: Execution::Real, ..ask };
    Box::new(move |host| operation::rollback(host, &request).map(|done| format!("{done:?}")))
}

fn deployed(stage: &Stage) {
    stage.must(Command::Deploy);
    stage.any_time();
    stage.put_version(&second());
}

#[test]
fn upgrade_of_a_running_instance() {
    let prepare = |stage: &Stage| -> Act {
        deployed(stage);
        upgrade_act()
    };
    Case { name: "upgrade of a running instance", prepare, steps: REPLACE, loses: nothing, stride: 61 }.exhaust();
}

#[test]
fn upgrade_of_a_running_instance_beside_the_old_version() {
    let prepare = |stage: &Stage| -> Act {
        stage.put_version(&shared(crate::port::MANIFEST));
        stage.port.deeds().sharing = Sharing::Yes;
        stage.must(Command::Deploy);
        stage.any_time();
        stage.put_version(&shared(&second()));
        upgrade_act()
    };
    Case { name: "upgrade of a running instance, overlapping", prepare, steps: OVERLAP, loses: nothing, stride: 53 }
        .exhaust();
}

#[test]
fn upgrade_of_a_stopped_instance() {
    let prepare = |stage: &Stage| -> Act {
        deployed(stage);
        stage.must(Command::Stop);
        upgrade_act()
    };
    Case { name: "upgrade of a stopped instance", prepare, steps: STOPPED, loses: nothing, stride: 11 }.exhaust();
}

#[test]
fn rollback_of_a_running_instance() {
    let prepare = |stage: &Stage| -> Act {
        deployed(stage);
        stage.does(upgrade);
        rollback_act(stage)
    };
    Case { name: "rollback of a running instance", prepare, steps: REPLACE, loses: nothing, stride: 61 }.exhaust();
}

#[test]
fn rollback_of_a_stopped_instance_to_a_snapshot() {
    let prepare = |stage: &Stage| -> Act {
        stage.must(Command::Deploy);
        stage.any_time();
        stage.put_version(&one_way());
        upgrade_one_way(stage);
        stage.must(Command::Stop);
        rollback_act(stage)
    };
    Case { name: "rollback of a stopped instance to a snapshot", prepare, steps: SET_BACK, loses: nothing, stride: 17 }
        .exhaust();
}

#[test]
fn second_rollback_of_a_stopped_instance_to_what_the_newer_version_left() {
    let prepare = |stage: &Stage| -> Act {
        stage.must(Command::Deploy);
        stage.any_time();
        stage.put_version(&one_way());
        upgrade_one_way(stage);
        let first = rollback_act(stage);
        stage.does(|host| first(host));
        stage.must(Command::Stop);
        rollback_act(stage)
    };
    Case { name: "second rollback, of a stopped instance", prepare, steps: SET_BACK, loses: nothing, stride: 29 }
        .exhaust();
}
