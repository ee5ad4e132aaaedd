//! Ways back and up of an instance that has no container.

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
