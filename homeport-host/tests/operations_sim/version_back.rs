//! Ways back between versions: to addresses that others have by now, and of an instance that has no container.

use std::collections::BTreeMap;
use std::fs;

use homeport_core::name::EndpointName;
use homeport_host::operation::{self, ClientsView, Execution, Outcome, VersionPlan};
use homeport_host::plan::{Kind, Step};
use homeport_host::request::{DeployRequest, RollbackRequest, UpgradeRequest};

use crate::data::done;
use crate::port::Manner;
use crate::stage::{Command, Ground, Stage, Trouble, alice};
use crate::version::{back, request, rollback, second, two_that_share, two_versions, upgrade};
use crate::view::Now;

/// The way back as it is planned, with the token where it needs one.
fn planned_back(stage: &Stage, asked: &RollbackRequest) -> (VersionPlan, Option<homeport_host::approval::Token>) {
    let ask = RollbackRequest { execution: Execution::DryRun, ..asked.clone() };
    stage.does(|host| match operation::rollback(host, &ask)? {
        Outcome::Planned { plan, approval } => Ok((plan, approval.map(|approval| approval.token))),
        Outcome::Done(_) => panic!("not asked for"),
    })
}

fn planned_up(stage: &Stage, to: &str) -> VersionPlan {
    let ask = UpgradeRequest { execution: Execution::DryRun, ..request(Some(to)) };
    stage.does(|host| match operation::upgrade(host, &ask)? {
        Outcome::Planned { plan, .. } => Ok(plan),
        Outcome::Done(_) => panic!("not asked for"),
    })
}

/// A stage whose newer version has an endpoint with this address, and that went back: the address is free.
fn with_former_address(ground: &Ground, address: &str) -> (Stage, homeport_core::unit::PortNumber) {
    let web = r#""endpoints":{"web":{"port":8080,"protocol":"http","exposure":"public","default_public":"random"},"#;
    let stage = two_versions(ground);
    stage.put_version(&second().replace(r#""endpoints":{"#, web));
    let routes = BTreeMap::from([("web".parse().unwrap(), address.parse().unwrap())]);
    stage.does(|host| operation::upgrade(host, &UpgradeRequest { routes, ..request(None) }).map(done));
    let port = web_port(&stage).unwrap();
    stage.does(rollback);
    (stage, port)
}

fn web_port(stage: &Stage) -> Option<homeport_core::unit::PortNumber> {
    let web: EndpointName = "web".parse().unwrap();
    stage.ledger().routes(&alice()).unwrap().into_iter().find(|route| route.endpoint == web).map(|route| route.port)
}

/// Another instance takes the address.
fn take(stage: &Stage, port: homeport_core::unit::PortNumber) {
    let routes = BTreeMap::from([("ssh".parse().unwrap(), port.to_string().parse().unwrap())]);
    let deploy = DeployRequest { routes, ..stage.request(&"bob".parse().unwrap(), false) };
    stage.does(|host| operation::deploy(host, &deploy).map(drop));
}

#[test]
fn a_former_address_that_another_has_by_now_is_done_without_and_told() {
    let ground = Ground::new();
    for (address, said) in [("random", "another random port"), ("40123", "it gets no public address")] {
        let (stage, port) = with_former_address(&ground, address);
        take(&stage, port);
        let told =
            |text: &String| text.contains(&format!("`*:{port}`")) && text.contains("of `bob`") && text.contains(said);
        let (plan, _) = planned_back(&stage, &back(Execution::Real));
        assert!(plan.warnings.iter().any(told), "{:?}", plan.warnings);
        let changed = stage.does(rollback);
        assert!(changed.warnings.iter().any(told), "{:?}", changed.warnings);
        match (address, web_port(&stage)) {
            ("random", Some(now)) => assert_ne!(now, port),
            ("40123", None) => {}
            (_, now) => panic!("{address}: {now:?}"),
        }
        let view = stage.does(|host| operation::status(host, &alice()));
        assert_eq!((view.version.to_string(), view.state), ("1.1.0".to_owned(), "running".to_owned()));
    }
}

#[test]
fn a_way_back_can_be_given_another_address_or_none() {
    let ground = Ground::new();
    for (wish, wanted) in [("40124", Some("40124")), ("none", None)] {
        let (stage, port) = with_former_address(&ground, "40123");
        take(&stage, port);
        let routes = BTreeMap::from([("web".parse().unwrap(), wish.parse().unwrap())]);
        let request = RollbackRequest { routes, ..back(Execution::Real) };
        let changed = stage.does(|host| operation::rollback(host, &request).map(done));
        assert_eq!(changed.warnings, Vec::<String>::new());
        assert_eq!(web_port(&stage).map(|port| port.to_string()).as_deref(), wanted);
    }
}

#[test]
fn a_random_port_that_another_program_has_by_now_is_another_one_and_told() {
    let ground = Ground::new();
    let (stage, port) = with_former_address(&ground, "random");
    stage.routes.take(port);
    let changed = stage.does(rollback);
    let now = web_port(&stage).unwrap();
    assert_ne!(now, port);
    let told = |text: &String| text.contains(&format!("`*:{now}`")) && text.contains(&format!("`*:{port}`"));
    assert!(changed.warnings.iter().any(told), "{:?}", changed.warnings);
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
