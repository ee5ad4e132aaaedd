//! Steps whose beginning cannot be written down: they never happened, and what happened before them is taken back whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use homeport_host::Host;
use homeport_host::hazard::{Hazard, Hazards, Moment, Point};
use homeport_host::operation::{self, OperationError};
use homeport_host::request::SnapshotRef;
use homeport_host::run::RunError;

use crate::data::{restore, snapshot};
use crate::stage::{Ground, Stage, alice};
use crate::version::{second, upgrade};
use crate::view::Now;

/// The beginning of one step cannot be written down.
#[derive(Debug)]
struct Unbegun {
    step: usize,
    struck: AtomicBool,
}

impl Hazards for Unbegun {
    fn at(&self, point: &Point) -> Hazard {
        let strikes = (point.step, point.moment) == (self.step, Moment::BeforeBegin);
        if strikes && !self.struck.swap(true, Ordering::Relaxed) { Hazard::Fail } else { Hazard::None }
    }
}

/// Carries something out again and again, each time with another step that cannot be begun; returns how many there were.
fn each_step_unbegun(
    prepare: impl Fn(&Stage),
    act: impl Fn(&Stage, &Host) -> Result<(), OperationError>,
    before: &[Now],
) -> usize {
    let ground = Ground::new();
    for step in 0.. {
        let stage = ground.stage();
        prepare(&stage);
        stage.engine.restart();
        let host = Host::new(stage.layout.clone(), Arc::new(stage.engine.clone()), Arc::new(stage.routes.clone()));
        let hazard = Arc::new(Unbegun { step, struck: AtomicBool::new(false) });
        let host = host.simulated(hazard.clone()).with_clock(Arc::new(stage.clock.clone()));
        let result = act(&stage, &host);
        if !hazard.struck.load(Ordering::Relaxed) {
            result.unwrap();
            return step;
        }
        assert!(matches!(result, Err(OperationError::Run(RunError::Undone { .. }))), "step {step}: {result:?}");
        assert!(stage.ledger().open_operation().unwrap().is_none(), "step {step}");
        let now = stage.settled(&format!("step {step} could not be begun"));
        assert!(before.contains(&now), "step {step}: {now:?}");
        stage.check_journals("unbegun");
        stage.does(|host| act(&stage, host));
    }
    unreachable!("every plan has an end")
}

fn deploy(stage: &Stage, host: &Host) -> Result<(), OperationError> {
    operation::deploy(host, &stage.request(&alice(), false)).map(drop)
}

fn deployed(stage: &Stage) {
    stage.does(|host| deploy(stage, host));
    stage.any_time();
}

#[test]
fn a_deploy_of_which_no_next_step_can_be_begun_is_taken_back() {
    assert!(each_step_unbegun(|_| {}, deploy, &[Now::Absent]) > 10);
}

#[test]
fn a_restart_of_which_no_next_step_can_be_begun_is_taken_back() {
    let restart = |_: &Stage, host: &Host| operation::restart(host, &alice()).map(drop);
    assert!(each_step_unbegun(deployed, restart, &[Now::running("hello"), Now::down("hello")]) > 10);
}

#[test]
fn a_restore_of_which_no_next_step_can_be_begun_is_taken_back() {
    let prepare = |stage: &Stage| {
        deployed(stage);
        stage.does(snapshot);
    };
    let act = |_: &Stage, host: &Host| restore(host, SnapshotRef::Latest).map(drop);
    assert!(each_step_unbegun(prepare, act, &[Now::running("hello")]) > 10);
}

#[test]
fn an_upgrade_of_which_no_next_step_can_be_begun_is_taken_back() {
    let prepare = |stage: &Stage| {
        deployed(stage);
        stage.put_version(&second());
    };
    let act = |_: &Stage, host: &Host| upgrade(host).map(drop);
    assert_eq!(each_step_unbegun(prepare, act, &[Now::running("hello")]), 23);
}
