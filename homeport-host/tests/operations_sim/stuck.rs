//! What cannot be taken back: it is said, only its instance is refused, and it ends when what stood in the way is mended.

use std::sync::Arc;

use homeport_host::Host;
use homeport_host::engine::Operation;
use homeport_host::engine::sim::{FailOn, When};
use homeport_host::hazard::{Hazard, Hazards, Moment, Point};
use homeport_host::ledger::{HasData, VolumeState};
use homeport_host::operation::{self, OperationError};
use homeport_host::run::RunError;

use crate::port::Manner;
use crate::stage::{Command, Ground, Ran, Stage, Trouble, alice};
use crate::version::{two_that_share, upgrade};
use crate::view::Now;

fn bob() -> homeport_core::name::InstanceName {
    "bob".parse().unwrap()
}

/// A process in which the engine refuses every call of this kind.
fn refused(stage: &Stage, kind: Operation, command: Command, points: &[(usize, Hazard)]) -> Ran {
    stage.engine.restart();
    stage.engine.fail(FailOn::Every(kind), When::Before);
    stage.carry_out(&alice(), command, points)
}

/// While `alice` is stuck, `bob` is not.
fn others_go_on(stage: &Stage, kind: Operation) {
    for command in [Command::Deploy, Command::Start, Command::Remove] {
        let ran = refused(stage, kind, command, &[]);
        assert!(matches!(&ran.result, Err(OperationError::Stuck { name, .. }) if *name == alice()), "{}", ran.text());
        assert!(ran.text().contains("injected fault"), "{}", ran.text());
    }
    stage.engine.restart();
    stage.engine.fail(FailOn::Every(kind), When::Before);
    let ran = stage.carry_out(&bob(), Command::Deploy, &[]);
    assert!(ran.result.is_ok(), "{}", ran.text());
    assert!(stage.list().iter().any(|view| view.name == bob() && view.state == "running"));
    let ledger = stage.ledger();
    assert_eq!((ledger.open_operation().unwrap(), ledger.stuck_operations().unwrap().len()), (None, 1));
    stage.check_data("while it is stuck");
}

#[test]
fn a_container_that_the_engine_does_not_remove() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.port.deeds().manner = Manner::Crashes;
    let ran = refused(&stage, Operation::Remove, Command::Deploy, &[]);
    let Err(OperationError::Run(RunError::Stuck { step, cause, left, evidence, .. })) = &ran.result else {
        panic!("{}", ran.text())
    };
    assert_eq!(step.name(), "await_ready");
    assert!(cause.to_string().contains("exit code 70"), "{cause}");
    assert_eq!(evidence.exit.as_ref().map(|exit| exit.code.get()), Some(70));
    assert!(left.iter().all(|left| left.contains("injected fault")) && !left.is_empty(), "{left:?}");
    stage.port.deeds().manner = Manner::Works;
    others_go_on(&stage, Operation::Remove);
    stage.must(Command::Deploy);
    let all = stage.all_settled("after it was mended");
    assert_eq!(all.into_values().collect::<Vec<_>>(), [Now::running("hello"), Now::running("hello")]);
}

#[test]
fn a_container_that_the_engine_does_not_stop() {
    let ground = Ground::new();
    let stage = ground.stage();
    let last = ground.stage().must(Command::Deploy).points.len() - 1;
    let ran = refused(&stage, Operation::Stop, Command::Deploy, &[(last, Hazard::Fail)]);
    assert!(matches!(ran.result, Err(OperationError::Run(RunError::Stuck { .. }))), "{}", ran.text());
    others_go_on(&stage, Operation::Stop);
    // The network stays while what could not be stopped runs in it, and that is no reason to keep `bob`.
    stage.engine.restart();
    let ran = stage.run_for(&bob(), Command::Stop, &Trouble::default());
    assert!(ran.result.is_ok(), "{}", ran.text());
    assert_eq!(stage.all_settled("after it was mended").into_values().collect::<Vec<_>>(), [Now::stopped("hello")]);
}

#[test]
fn an_instance_is_removed_beside_one_that_is_stuck() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.run_for(&bob(), Command::Deploy, &Trouble::default()).result.unwrap();
    stage.run_for(&bob(), Command::Stop, &Trouble::default()).result.unwrap();
    let last = ground.stage().must(Command::Deploy).points.len() - 1;
    refused(&stage, Operation::Stop, Command::Deploy, &[(last, Hazard::Fail)]);
    stage.engine.restart();
    stage.engine.fail(FailOn::Every(Operation::Stop), When::Before);
    let ran = stage.carry_out(&bob(), Command::Remove, &[]);
    assert!(ran.result.is_ok(), "{}", ran.text());
    stage.run(Command::Unrelated, &Trouble::default());
    assert_eq!(stage.settled("after it was mended"), Now::Absent);
}

#[test]
fn a_removal_that_the_engine_does_not_let_end() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    let ran = refused(&stage, Operation::Remove, Command::Remove, &[]);
    assert_eq!(ran.unfinished().map(|(step, _)| step.name()), Some("remove_old_container"), "{}", ran.text());
    others_go_on(&stage, Operation::Remove);
    stage.must(Command::Remove);
    let all = stage.all_settled("after it was mended");
    assert_eq!(all.into_iter().collect::<Vec<_>>(), [(bob(), Now::running("hello"))]);
}

/// A step of an operation fails, and each undo after it in turn, before and after its effect.
fn each_undo_fails(failing: &str, prepare: fn(&Stage), command: Command, wanted: &Now) {
    let ground = Ground::new();
    let calm = ground.stage();
    prepare(&calm);
    let points = calm.must(command).points;
    let steps = calm.last_steps();
    let place = steps.iter().position(|step| step == failing).unwrap();
    let first = points.iter().rposition(|point| point.step == place).unwrap();
    for undo in 0..2 * (place + 1) {
        let stage = ground.stage();
        prepare(&stage);
        let ran = stage.run(command, &Trouble::at(first, Hazard::Fail).then(first + 1 + undo, Hazard::Fail));
        let point = &ran.points[first + 1 + undo];
        let case = format!("{command:?}: failed after `{failing}`, then {point} (`{}`)", steps[point.step]);
        let Err(OperationError::Run(RunError::Stuck { left, .. })) = &ran.result else {
            panic!("{case}: {}", ran.text())
        };
        assert_eq!(left.len(), 1, "{case}: {left:?}");
        stage.check_data(&case);
        assert_eq!(stage.ledger().stuck_operations().unwrap().len(), 1, "{case}");
        let told = stage.list().into_iter().find(|shown| shown.name == alice()).map(|shown| shown.state);
        assert!(told.is_none_or(|state| state.starts_with("stuck: ")), "{case}: `list` says nothing of it");
        stage.run(Command::Unrelated, &Trouble::default());
        assert_eq!(stage.settled(&case), *wanted, "{case}");
        if command == Command::Deploy {
            stage.check_kept(&case, false);
        }
    }
    println!("{command:?}, failed after `{failing}`: {} undos failed, before and after their effect", place + 1);
}

#[test]
fn each_undo_of_a_deploy_fails() {
    each_undo_fails("want_running", |_| {}, Command::Deploy, &Now::Absent);
}

#[test]
fn each_undo_of_a_deploy_fails_while_the_volumes_are_blank() {
    each_undo_fails("create_container", |_| {}, Command::Deploy, &Now::Absent);
}

#[test]
fn each_undo_of_a_configuration_fails() {
    let deployed = |stage: &Stage| {
        stage.must(Command::Deploy);
    };
    each_undo_fails("reconfigure", deployed, Command::Config("welcome"), &Now::running("hello"));
}

/// Empties the volumes just before they are to be taken back, and lets the last step fail.
#[derive(Debug)]
struct Emptied(Stage);

impl Hazards for Emptied {
    fn at(&self, point: &Point) -> Hazard {
        if point.moment == Moment::BeforeUndo && point.step < 2 {
            for volume in self.0.ledger().all_volumes().unwrap() {
                for entry in std::fs::read_dir(volume.path.join("data")).unwrap() {
                    std::fs::remove_file(entry.unwrap().path()).unwrap();
                }
            }
        }
        if point.moment == Moment::BeforeCommit { Hazard::Fail } else { Hazard::None }
    }
}

#[test]
fn a_volume_that_held_data_is_kept_and_known_when_somebody_emptied_it() {
    let ground = Ground::new();
    let hazards = Arc::new(Emptied(ground.stage()));
    let stage = &hazards.0;
    let host = Host::new(stage.layout.clone(), Arc::new(stage.engine.clone()), Arc::new(stage.routes.clone()));
    let result = operation::deploy(&host.simulated(hazards.clone()), &stage.request(&alice(), false));
    let Err(OperationError::Run(RunError::Undone { kept, .. })) = result else { panic!("{result:?}") };
    assert_eq!(kept.len(), 2);
    let ledger = stage.ledger();
    assert_eq!((ledger.open_operation().unwrap(), ledger.stuck_operations().unwrap()), (None, Vec::new()));
    for volume in ledger.all_volumes().unwrap() {
        assert_eq!((volume.state, volume.has_data), (VolumeState::Kept, HasData::Yes));
        assert!(volume.path.join(".homeport/marker.json").exists());
    }
    let again = stage.run(Command::Deploy, &Trouble::default());
    let Err(OperationError::Refused { faults, .. }) = &again.result else { panic!("{}", again.text()) };
    assert_eq!(faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["HP-VOL-005", "HP-VOL-005"]);
}

#[test]
fn each_undo_of_an_overlapping_upgrade_fails_and_the_version_that_serves_keeps_its_own() {
    let ground = Ground::new();
    let calm = two_that_share(&ground);
    let (ran, _) = calm.with(&Trouble::default(), upgrade);
    let steps = calm.steps_of_this_kind("take_slot");
    let place = steps.iter().position(|step| step == "await_ready").unwrap();
    let first = ran.points.iter().position(|point| point.step == place && point.moment == Moment::AfterStep).unwrap();
    drop(calm);
    for undo in 0..2 * (place + 1) {
        let stage = two_that_share(&ground);
        let record = stage.ledger().instance(&alice()).unwrap().unwrap();
        let own = stage.layout.instance_run_dir(&alice(), record.slot);
        let trouble = Trouble::at(first, Hazard::Fail).then(first + 1 + undo, Hazard::Fail);
        let (ran, _) = stage.with(&trouble, upgrade);
        let case = format!("undo {undo}: {}", ran.text());
        assert!(matches!(&ran.result, Err(OperationError::Run(RunError::Stuck { .. }))), "{case}");
        assert!(own.join("config.json").exists(), "{case}: what the container that serves has");
        stage.run(Command::Unrelated, &Trouble::default());
        assert_eq!(stage.settled(&case), Now::running("hello"), "{case}");
        assert!(own.join("config.json").exists(), "{case}: what the container that serves has, afterwards");
    }
}
