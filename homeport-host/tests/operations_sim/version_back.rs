//! Ways up of an instance that has no container, and what is told of one that is stopped.

use std::fs;

use homeport_host::operation::{self, ClientsView, Execution, Outcome, VersionPlan};
use homeport_host::plan::{Kind, Step};
use homeport_host::request::UpgradeRequest;

use crate::port::Manner;
use crate::stage::{Command, Ground, Stage, Trouble, alice};
use crate::version::{request, two_that_share, upgrade};
use crate::view::Now;

fn planned_up(stage: &Stage, to: &str) -> VersionPlan {
    let ask = UpgradeRequest { execution: Execution::DryRun, ..request(Some(to)) };
    stage.does(|host| match operation::upgrade(host, &ask)? {
        Outcome::Planned { plan, .. } => Ok(plan),
        Outcome::Done(_) => panic!("not asked for"),
    })
}

#[test]
fn an_instance_that_should_run_and_has_no_container_is_not_taken_for_one_that_serves() {
    let ground = Ground::new();
    let stage = two_that_share(&ground);
    stage.port.deeds().manner = Manner::Crashes;
    assert!(stage.run(Command::Restart, &Trouble::default()).result.is_err());
    assert_eq!(stage.ledger().instance(&alice()).unwrap().unwrap().container, None);
    stage.port.deeds().manner = Manner::Works;
    let plan = planned_up(&stage, "1.1.0");
    assert_eq!(plan.clients, ClientsView::Wait);
    let quits = |step: &Step| matches!(step, Step::QuitContainer { .. });
    assert!(plan.plan.kind == Kind::Upgrade && !plan.plan.steps.iter().any(quits), "{:?}", plan.plan.steps);
    let changed = stage.does(upgrade);
    assert_eq!(changed.lingers_until, None);
    assert_eq!(stage.settled("upgraded"), Now::running("hello@1.1.0"));
}

#[test]
fn a_stopped_instance_says_nothing() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    let slot = stage.ledger().instance(&alice()).unwrap().unwrap().slot;
    let said = stage.layout.instance_run_dir(&alice(), slot).join("status.json");
    let status = |condition: &str| {
        format!(
            r#"{{"hp":1,"port":"shell","version":"1.0.0","instance":"alice","condition":"{condition}","text":"{condition}",
            "since":"2026-01-01T00:00:00Z","services":{{}}}}"#
        )
    };
    let seen = |condition: &str| {
        fs::write(&said, status(condition)).unwrap();
        let view = stage.does(|host| operation::status(host, &alice()));
        (view.state, view.status.map(|status| status.text))
    };
    assert_eq!(seen("ready"), ("ready".to_owned(), Some("ready".to_owned())));
    assert_eq!(seen("stopping"), ("stopping".to_owned(), Some("stopping".to_owned())));
    stage.must(Command::Stop);
    assert_eq!(seen("stopping"), ("stopped".to_owned(), None));
}
