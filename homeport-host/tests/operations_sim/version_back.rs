//! Ways back between versions: to data that was left, to a snapshot that helps, to addresses that others have by now, and
//! of an instance that has no container.

use std::collections::BTreeMap;
use std::fs;

use homeport_core::fault::Advice as _;
use homeport_core::name::EndpointName;
use homeport_host::operation::{
    self, ClientsView, Execution, MigrationWay, Outcome, VersionChanged, VersionPlan, WayBackView,
};
use homeport_host::plan::{Kind, Step};
use homeport_host::request::{DeployRequest, PortRef, RollbackRequest, UpgradeRequest};

use crate::data::{done, snapshot};
use crate::data_rules::refusal;
use crate::port::{MANIFEST, Manner, SECOND_KEY, Tree, tree};
use crate::stage::{Command, Ground, Stage, Trouble, alice};
use crate::version::{
    back, one_way, request, rollback, second, two_that_share, two_versions, upgrade, upgrade_one_way, went,
};
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

/// The way back, with consent.
fn approved_back(stage: &Stage) -> (VersionPlan, VersionChanged) {
    let (plan, approve) = planned_back(stage, &back(Execution::Real));
    assert!(approve.is_some() && plan.needs_approval.is_some(), "{plan:?}");
    let request = RollbackRequest { approve, ..back(Execution::Real) };
    (plan, stage.does(|host| operation::rollback(host, &request).map(done)))
}

/// What is in both volumes.
fn data(stage: &Stage) -> [Tree; 2] {
    ["home", "hostkeys"].map(|name| tree(&stage.volume(name).join("data")).unwrap())
}

/// Whether everything of the one is in the other as it was.
fn holds(now: &[Tree; 2], then: &[Tree; 2]) -> bool {
    let all = |(now, then): (&Tree, &Tree)| then.iter().all(|(name, bytes)| now.get(name) == Some(bytes));
    now.iter().zip(then).all(all)
}

/// A stage that went up to a version from which no steps lead down, wrote there, and went back to the snapshot.
fn set_back(ground: &Ground) -> (Stage, [Tree; 2], VersionPlan, VersionChanged) {
    let stage = two_versions(ground);
    stage.put_version(&one_way());
    upgrade_one_way(&stage);
    stage.must(Command::Restart);
    let newer = data(&stage);
    let (plan, changed) = approved_back(&stage);
    assert_eq!(stage.settled("set back"), Now::running("hello"));
    assert!(!holds(&data(&stage), &newer), "what was written since is not there");
    (stage, newer, plan, changed)
}

#[test]
fn a_second_way_back_leads_to_the_data_that_the_newer_version_left() {
    let ground = Ground::new();
    let (stage, newer, plan, changed) = set_back(&ground);
    assert!(
        matches!(&plan.way_back, WayBackView::Snapshot { volumes, everything }
        if volumes.len() == 2 && everything.is_empty()),
        "{:?}",
        plan.way_back
    );
    assert_eq!(changed.way_back, plan.way_back);
    stage.must(Command::Restart);
    let older = data(&stage);

    let (plan, again) = approved_back(&stage);
    assert!(plan.migrations.len() == 2 && plan.migrations.iter().all(|one| one.way == MigrationWay::Snapshot));
    let snapshot = changed.snapshot.unwrap().to_string();
    let told = |text: &String| text.contains(&snapshot) && text.contains("homeport upgrade alice --to 2.0.0");
    assert!(plan.warnings.iter().any(told) && again.warnings.iter().any(told), "{:?}", plan.warnings);
    assert_eq!((again.to.to_string(), &again.way_back), ("2.0.0".into(), &plan.way_back));
    assert_eq!(stage.settled("the newer data"), Now::running("hello@2.0.0"));
    let now = data(&stage);
    assert!(holds(&now, &newer) && !holds(&now, &older), "{now:?}");
    assert_eq!(now[1], newer[1]);

    // And once more: to what the older version wrote meanwhile.
    let third = approved_back(&stage).1;
    assert_eq!(third.to.to_string(), "1.0.0");
    assert_eq!(stage.settled("the older data"), Now::running("hello"));
    let now = data(&stage);
    assert!(holds(&now, &older) && !now[1].contains_key(SECOND_KEY), "{now:?}");
}

#[test]
fn what_a_version_left_can_be_gone_back_to_also_over_a_version_in_between() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    stage.does(upgrade);
    stage.put_version(&one_way().replace(r#""endpoints""#, r#""upgrade":{"from":">=1.1"},"endpoints""#));
    stage.does(upgrade);
    stage.must(Command::Restart);
    let newer = data(&stage);
    // Down over both at once: to the snapshot from before the first of them.
    let ask = |execution, approve| UpgradeRequest { execution, approve, ..request(Some("1.0.0")) };
    let token = stage.does(|host| match operation::upgrade(host, &ask(Execution::DryRun, None))? {
        Outcome::Planned { approval, .. } => Ok(approval.unwrap().token),
        Outcome::Done(_) => panic!("not asked for"),
    });
    let down = stage.does(|host| operation::upgrade(host, &ask(Execution::Real, Some(token))).map(went));
    assert!(matches!(down.way_back, WayBackView::Snapshot { .. }), "{:?}", down.way_back);
    assert!(!holds(&data(&stage), &newer), "what was written since is not there");

    assert_eq!(approved_back(&stage).1.to.to_string(), "2.0.0");
    assert_eq!(stage.settled("the newer data"), Now::running("hello@2.0.0"));
    assert!(holds(&data(&stage), &newer));
}

#[test]
fn volumes_that_another_port_left_are_none_of_the_version_from_before() {
    let ground = Ground::new();
    let other = MANIFEST.replace(r#""id":"shell""#, r#""id":"zeta""#).replace(r#""format":1"#, r#""format":7"#);
    let stage = ground.stage_of(&other);
    // At places of its own: those that HomePort chooses are the same for every port.
    let places = ["home", "hostkeys"].map(|name| (name.parse().unwrap(), stage.directory().with_file_name(name)));
    for (_, place) in &places {
        fs::create_dir_all(place).unwrap();
    }
    let (port, volumes) = (PortRef::Id("zeta".parse().unwrap()), places.into_iter().collect());
    let request = DeployRequest { port, volumes, ..stage.request(&alice(), false) };
    stage.does(|host| operation::deploy(host, &request));
    stage.must(Command::Remove);
    stage.put_version(MANIFEST);
    stage.must(Command::Deploy);
    stage.any_time();
    stage.put_version(&one_way());
    upgrade_one_way(&stage);
    let former = stage.ledger().former(&alice()).unwrap().unwrap();
    let formats: Vec<_> = former.formats.iter().map(|(name, format)| (name.as_str(), format.get())).collect();
    assert_eq!(formats, [("home", 1), ("hostkeys", 1)]);
}

#[test]
fn an_upgrade_after_a_way_back_takes_along_what_is_there_and_says_where_the_newer_data_is() {
    let ground = Ground::new();
    let (stage, newer, _, changed) = set_back(&ground);
    let older = data(&stage);
    let plan = planned_up(&stage, "2.0.0");
    assert!(plan.migrations.iter().all(|one| one.way == MigrationWay::StepsOfNext), "{:?}", plan.migrations);
    let snapshot = changed.snapshot.unwrap().to_string();
    let told = |text: &String| text.contains(&snapshot) && text.contains("homeport rollback alice");
    assert!(plan.warnings.iter().any(told), "{:?}", plan.warnings);
    upgrade_one_way(&stage);
    let now = data(&stage);
    assert!(holds(&now, &older) && !holds(&now, &newer), "{now:?}");
}

#[test]
fn a_way_back_whose_snapshot_is_gone_is_refused_and_says_what_can_be_done() {
    let ground = Ground::new();
    let (stage, ..) = set_back(&ground);
    let snapshots = stage.layout.store_dir().join("snapshots");
    let mut files: Vec<_> = fs::read_dir(snapshots).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    fs::remove_file(files.last().unwrap()).unwrap();
    let error = refusal(&stage, rollback);
    let fault = error.faults().iter().find(|fault| fault.code == "HP-VER-005").cloned();
    assert!(fault.unwrap().remedy.contains("homeport upgrade alice --to 2.0.0"), "{:?}", error.faults());
    assert_eq!(stage.settled("refused"), Now::running("hello"));
}

/// The same manifest whose host keys belong into no snapshot.
fn cached(manifest: &str) -> String {
    manifest.replace(r#""path":"/var/lib/hostkeys","#, r#""path":"/var/lib/hostkeys","class":"cache","#)
}

#[test]
fn what_is_set_back_is_in_the_snapshot_before_though_it_belongs_into_none() {
    let ground = Ground::new();
    let stage = ground.stage_of(&cached(MANIFEST));
    stage.must(Command::Deploy);
    stage.any_time();
    stage.put_version(&cached(&one_way()));
    upgrade_one_way(&stage);
    let newer = data(&stage);
    let (plan, changed) = approved_back(&stage);
    assert_eq!(plan.snapshot.len(), 2, "{:?}", plan.snapshot);
    assert!(matches!(&changed.way_back, WayBackView::Snapshot { everything, .. } if everything.is_empty()));
    approved_back(&stage);
    assert!(holds(&data(&stage), &newer));
}

#[test]
fn the_newest_snapshot_that_has_what_is_needed_is_gone_back_to() {
    let ground = Ground::new();
    let stage = ground.stage_of(&cached(MANIFEST));
    stage.must(Command::Deploy);
    stage.any_time();
    stage.put_version(&cached(&one_way()));
    let first = upgrade_one_way(&stage);
    // Newer ones, without the host keys: what is in them would do for the older version.
    let made = stage.does(snapshot);
    assert_eq!(made.snapshot.volumes.len(), 1);
    stage.put_version(&cached(&one_way()).replace("2.0.0", "2.0.1"));
    stage.does(upgrade);
    let plan = planned_up(&stage, "1.0.0");
    assert_eq!(plan.migrations.len(), 2, "{:?}", plan.migrations);
    assert!(plan.migrations.iter().all(|one| one.way == MigrationWay::Snapshot));
    let from = plan.plan.steps.iter().filter_map(|step| match step {
        Step::BuildTree { snapshot, .. } => Some(*snapshot),
        _ => None,
    });
    assert!(from.eq([first.snapshot.unwrap(); 2]), "{:?}", plan.plan.steps);
}

/// A stage whose newer version has an endpoint with this address, and that went back: the address is free.
fn with_former_address(ground: &Ground, address: &str) -> (Stage, homeport_core::unit::PortNumber) {
    let web = r#""endpoints":{"web":{"port":8080,"protocol":"http","exposure":"public","default_public":"random"},"#;
    let stage = two_versions(ground);
    stage.put_version(&second().replace(r#""endpoints":{"#, web));
    let routes = BTreeMap::from([("web".parse().unwrap(), address.parse().unwrap())]);
    stage.does(|host| operation::upgrade(host, &UpgradeRequest { routes, ..request(None) }).map(went));
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
