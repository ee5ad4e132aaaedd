//! Another version of a port: up, down and back, what is refused, what needs consent, and what is found out.

use std::collections::BTreeMap;

use homeport_core::fault::Advice as _;
use homeport_host::Host;
use homeport_host::engine::sim::When;
use homeport_host::engine::{Engine as _, Operation};
use homeport_host::hazard::Hazard;
use homeport_host::operation::{
    self, ClientsView, Execution, OperationError, Outcome, Upgraded, VersionChanged, VersionPlan, WayBackView,
};
use homeport_host::plan::Step;
use homeport_host::request::{
    DeployRequest, EmptyRequest, PruneRequest, PruneWish, RollbackRequest, SnapshotRef, TrashChoice, UpgradeRequest,
    VersionChoice,
};
use homeport_host::run::RunError;

use crate::data::{done, restore, snapshot};
use crate::data_rules::{number, refusal};
use crate::port::{MANIFEST, Manner, Migrating, Omits, SECOND_KEY, Sharing, tree};
use crate::stage::{Command, Ground, Stage, Trouble, alice};
use crate::view::Now;

/// The same port, one version later: its host keys have another format, with a step up and one down.
pub(crate) fn second() -> String {
    next_of(MANIFEST)
}

/// The same of a port with this manifest.
pub(crate) fn next_of(manifest: &str) -> String {
    let migration = r#""migrations":[{"volume":"hostkeys","from":1,"to":2,"down":true}],"#;
    let text = manifest
        .replace(r#""version":"1.0.0""#, r#""version":"1.1.0""#)
        .replace(r#""path":"/var/lib/hostkeys","format":1"#, r#""path":"/var/lib/hostkeys","format":2,"min_format":2"#)
        .replace(r#""endpoints""#, &format!(r#"{migration}"endpoints""#));
    assert_ne!(text, manifest);
    text
}

/// The same whose step cannot be taken back.
pub(crate) fn one_way() -> String {
    second().replace(r#""down":true"#, r#""down":false"#).replace(r#""version":"1.1.0""#, r#""version":"2.0.0""#)
}

/// A manifest whose volumes two containers may have at once, and that writes to none of them once it is ready.
pub(crate) fn shared(manifest: &str) -> String {
    shared_and_written(manifest).replace(r#""access":"shared","#, r#""access":"shared","writes":"start","#)
}

/// A manifest whose volumes two containers may have at once, and that writes to them as long as it runs.
pub(crate) fn shared_and_written(manifest: &str) -> String {
    manifest
        .replace(r#""path":"/home/user","#, r#""path":"/home/user","access":"shared","#)
        .replace(r#""path":"/var/lib/hostkeys","#, r#""path":"/var/lib/hostkeys","access":"shared","#)
}

pub(crate) fn request(to: Option<&str>) -> UpgradeRequest {
    let to: Option<VersionChoice> = to.map(|to| to.parse().unwrap());
    let (given, routes) = (Vec::new(), BTreeMap::new());
    UpgradeRequest { instance: alice(), to, given, routes, approve: None, execution: Execution::Real }
}

pub(crate) fn upgrade(host: &Host) -> Result<VersionChanged, OperationError> {
    operation::upgrade(host, &request(None)).map(went)
}

/// That an upgrade was carried out.
pub(crate) fn went(outcome: Outcome<VersionPlan, Upgraded>) -> VersionChanged {
    match done(outcome) {
        Upgraded::Changed(changed) => *changed,
        Upgraded::Unchanged(there) => panic!("there was nothing to do: {there:?}"),
    }
}

pub(crate) fn back(execution: Execution) -> RollbackRequest {
    RollbackRequest { instance: alice(), routes: BTreeMap::new(), approve: None, execution }
}

/// The upgrade to the version whose step cannot be taken back, with consent.
pub(crate) fn upgrade_one_way(stage: &Stage) -> VersionChanged {
    let ask = UpgradeRequest { execution: Execution::DryRun, ..request(None) };
    let token = stage.does(|host| match operation::upgrade(host, &ask)? {
        Outcome::Planned { approval, .. } => Ok(approval.unwrap().token),
        Outcome::Done(_) => panic!("not asked for"),
    });
    let with = UpgradeRequest { approve: Some(token), ..request(None) };
    stage.does(|host| operation::upgrade(host, &with).map(went))
}

pub(crate) fn rollback(host: &Host) -> Result<VersionChanged, OperationError> {
    operation::rollback(host, &back(Execution::Real)).map(done)
}

fn planned(host: &Host) -> Result<VersionPlan, OperationError> {
    match operation::upgrade(host, &UpgradeRequest { execution: Execution::DryRun, ..request(None) })? {
        Outcome::Planned { plan, .. } => Ok(plan),
        Outcome::Done(_) => panic!("not asked for"),
    }
}

fn codes(error: &OperationError) -> Vec<&'static str> {
    error.faults().iter().map(|fault| fault.code).collect()
}

/// A stage with the port deployed and its next version loaded.
pub(crate) fn two_versions(ground: &Ground) -> Stage {
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.put_version(&second());
    stage
}

/// The same where two versions may have the volumes at once.
pub(crate) fn two_that_share(ground: &Ground) -> Stage {
    let stage = ground.stage_of(&shared(MANIFEST));
    stage.port.deeds().sharing = Sharing::Yes;
    stage.must(Command::Deploy);
    stage.any_time();
    stage.put_version(&shared(&second()));
    stage
}

#[test]
fn an_upgrade_migrates_a_copy_and_a_rollback_takes_it_down_again() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    let keys = stage.volume("hostkeys");
    let first = tree(&keys.join("data")).unwrap();
    let changed = stage.does(upgrade);
    assert_eq!((changed.from.to_string(), changed.to.to_string()), ("1.0.0".into(), "1.1.0".into()));
    assert!(changed.snapshot.is_some() && changed.trash.is_some() && changed.lingers_until.is_none());
    assert_eq!(changed.way_back, WayBackView::Reversible);
    assert_eq!(stage.settled("upgraded"), Now::running("hello@1.1.0"));
    let second = tree(&keys.join("data")).unwrap();
    assert!(second.contains_key(SECOND_KEY) && first.iter().all(|(name, bytes)| second.get(name) == Some(bytes)));
    let list = stage.does(operation::trash_list);
    assert_eq!((list.bundles.len(), list.faults.len()), (1, 0));
    assert_eq!(Some(list.bundles[0].id), changed.trash);

    let back = stage.does(rollback);
    assert_eq!((back.from.to_string(), back.to.to_string()), ("1.1.0".into(), "1.0.0".into()));
    assert_eq!(stage.settled("rolled back"), Now::running("hello"));
    let third = tree(&keys.join("data")).unwrap();
    assert_eq!(third, second, "the way down takes no key away");
    let again = stage.does(rollback);
    assert_eq!(again.to.to_string(), "1.1.0", "the version from before is now the higher one");
    assert_eq!(stage.settled("and up again"), Now::running("hello@1.1.0"));
}

/// A stage with the port deployed, whose image wants volumes of the engine where the port has its own.
fn one_that_declares_volumes(ground: &Ground) -> Stage {
    let stage = ground.stage();
    let image = stage.port.image(&stage.engine, MANIFEST);
    stage.engine.put_image(image.volume("/home/user").volume("/var/lib/hostkeys"));
    stage.must(Command::Deploy);
    stage.any_time();
    stage
}

/// A migration sees one volume, and its image may want one of the engine in the place of each.
#[test]
fn an_image_that_declares_the_ports_volumes_is_migrated_as_any_other() {
    let ground = Ground::new();
    let stage = one_that_declares_volumes(&ground);
    let image = stage.port.image(&stage.engine, &second());
    stage.engine.put_image(image.volume("/home/user").volume("/var/lib/hostkeys"));
    stage.does(upgrade);
    assert_eq!(stage.settled("upgraded"), Now::running("hello@1.1.0"));
    stage.does(rollback);
    assert_eq!(stage.settled("rolled back"), Now::running("hello"));
}

/// In each of its calls that make a container, while the engine is still at it, the process dies or waits no longer.
fn cut_off_while_a_container_is_made(
    prepare: fn(&Ground) -> Stage,
    hazard: Hazard,
    act: impl Fn(&Host) -> Result<(), OperationError>,
) {
    let ground = Ground::new();
    let stage = prepare(&ground);
    stage.does(&act);
    let calls = stage.engine.calls();
    let making = calls.iter().enumerate().filter(|(_, call)| call.operation == Operation::Create);
    let making: Vec<usize> = making.map(|(number, _)| number).collect();
    assert!(!making.is_empty());
    for call in making {
        let stage = prepare(&ground);
        let (ran, _) = stage.with(&Trouble::in_call(call, When::Later, hazard), &act);
        assert_eq!((ran.died, ran.undone().is_some()), (hazard == Hazard::Die, hazard == Hazard::Fail), "call {call}");
        stage.does(operation::resume_cut_off);
        // The engine has all the time that it needs.
        (0..100).for_each(|_| stage.engine.ping().unwrap());
        assert_eq!(stage.settled(&format!("call {call}")), Now::running("hello"));
    }
}

#[test]
fn no_container_comes_up_later_that_a_process_asked_for_which_died() {
    cut_off_while_a_container_is_made(two_versions, Hazard::Die, |host| upgrade(host).map(drop));
    cut_off_while_a_container_is_made(two_versions, Hazard::Die, |host| operation::restart(host, &alice()).map(drop));
}

#[test]
fn no_container_comes_up_later_whose_making_took_too_long() {
    cut_off_while_a_container_is_made(two_versions, Hazard::Fail, |host| upgrade(host).map(drop));
}

#[test]
fn no_container_of_an_image_that_declares_volumes_comes_up_later_either() {
    let restart = |host: &Host| operation::restart(host, &alice()).map(drop);
    cut_off_while_a_container_is_made(one_that_declares_volumes, Hazard::Die, restart);
}

#[test]
fn versions_that_share_overlap_and_the_old_one_retires_later() {
    let ground = Ground::new();
    let stage = two_that_share(&ground);
    let old = stage.ledger().instance(&alice()).unwrap().unwrap().container.unwrap();
    let changed = stage.does(upgrade);
    assert!(changed.lingers_until.is_some());
    assert_eq!(stage.settled("upgraded"), Now::running("hello@1.1.0"));
    let running = |stage: &Stage| stage.engine.containers().iter().filter(|one| one.state.is_running()).count();
    assert_eq!(running(&stage), 2, "clients of the old version stay");
    stage.does(|host| operation::retire(host, &alice(), std::slice::from_ref(&old)));
    assert_eq!(running(&stage), 1);
    assert_eq!(stage.settled("retired"), Now::running("hello@1.1.0"));
    // And again while one retires: its slot is needed.
    stage.does(rollback);
    assert_eq!(running(&stage), 2);
    stage.does(rollback);
    assert_eq!(running(&stage), 2, "the one that retired has made room");
    assert_eq!(stage.settled("up again"), Now::running("hello@1.1.0"));
    stage.must(Command::Stop);
    assert_eq!(running(&stage), 0, "a stop ends both");
    assert_eq!(stage.settled("stopped"), Now::stopped("hello@1.1.0"));
    stage.must(Command::Start);
    stage.must(Command::Remove);
    assert_eq!(stage.settled("removed"), Now::Absent);
}

/// What clients of the present version write after the copy was made, and are told that it is kept, would be in the trash
/// only: nobody writes while data becomes another.
#[test]
fn clients_wait_where_the_present_version_still_writes_to_what_is_migrated() {
    let ground = Ground::new();
    let stage = ground.stage_of(&shared_and_written(MANIFEST));
    stage.port.deeds().sharing = Sharing::Yes;
    stage.must(Command::Deploy);
    stage.any_time();
    stage.put_version(&shared_and_written(&second()));
    let running = |stage: &Stage| stage.engine.containers().iter().filter(|one| one.state.is_running()).count();
    let changed = stage.does(upgrade);
    assert_eq!((changed.lingers_until, running(&stage)), (None, 1));
    let back = stage.does(rollback);
    assert_eq!((back.lingers_until, running(&stage)), (None, 1));
    assert_eq!(stage.settled("back"), Now::running("hello"));
}

#[test]
fn a_stopped_instance_is_upgraded_and_stays_stopped() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    stage.must(Command::Stop);
    let changed = stage.does(upgrade);
    assert!(changed.running.is_none());
    assert_eq!(stage.settled("upgraded"), Now::stopped("hello@1.1.0"));
    stage.must(Command::Start);
    assert_eq!(stage.settled("started"), Now::running("hello@1.1.0"));
}

#[test]
fn the_same_plan_has_the_same_hash_and_tells_what_would_be_done() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    let (one, two) = (stage.does(planned), stage.does(planned));
    assert_eq!(one.hash, two.hash);
    assert_eq!(one.needs_approval, None);
    assert_eq!((one.from.to_string(), one.to.to_string()), ("1.0.0".into(), "1.1.0".into()));
    assert_eq!(one.migrations.len(), 1);
    assert_eq!((one.migrations[0].from.get(), one.migrations[0].to.get()), (1, 2));
    assert_eq!(one.clients, ClientsView::Wait);
    assert_eq!(one.snapshot.len(), 2);
    assert!(one.changes.iter().any(|change| change.rule.contains("format")), "{:?}", one.changes);
    assert_eq!(stage.settled("planned"), Now::running("hello"), "nothing was done");
}

#[test]
fn what_cannot_be_taken_back_needs_consent_to_exactly_that() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    stage.put_version(&one_way());
    let refused = stage.with(&Trouble::default(), upgrade).0;
    assert!(refused.text().contains("needs"), "{}", refused.text());
    let ask = UpgradeRequest { execution: Execution::DryRun, ..request(None) };
    let offer = |stage: &Stage| {
        stage.does(|host| match operation::upgrade(host, &ask)? {
            Outcome::Planned { plan, approval } => Ok((plan, approval.unwrap().token)),
            Outcome::Done(_) => panic!("not asked for"),
        })
    };
    let (plan, token) = offer(&stage);
    assert!(plan.needs_approval.is_some());
    assert!(matches!(plan.way_back, WayBackView::Snapshot { .. }), "{:?}", plan.way_back);
    // The consent to going to another version is worth nothing here.
    let other = UpgradeRequest { approve: Some(token.clone()), ..request(Some("1.1")) };
    let (ran, _) = stage.with(&Trouble::default(), |host| operation::upgrade(host, &other));
    assert!(ran.result.is_err());
    let with = UpgradeRequest { approve: Some(token.clone()), ..request(None) };
    stage.does(|host| operation::upgrade(host, &with));
    assert_eq!(stage.settled("upgraded"), Now::running("hello@2.0.0"));
    // Back there is only the snapshot, and that needs consent again.
    let keys = stage.volume("hostkeys");
    let ran = stage.with(&Trouble::default(), rollback).0;
    assert!(ran.result.is_err(), "without consent");
    let back = back(Execution::DryRun);
    let token = stage.does(|host| match operation::rollback(host, &back)? {
        Outcome::Planned { approval, .. } => Ok(approval.unwrap().token),
        Outcome::Done(_) => panic!("not asked for"),
    });
    let back = RollbackRequest { approve: Some(token), execution: Execution::Real, ..back };
    stage.does(|host| operation::rollback(host, &back));
    assert_eq!(stage.settled("rolled back"), Now::running("hello"));
    assert!(!tree(&keys.join("data")).unwrap().contains_key(SECOND_KEY), "it is what it was before");
    let kept = stage.does(operation::trash_list).bundles.iter().any(|bundle| bundle.trees.len() == 2);
    assert!(kept, "what was written since is in the trash");
}

#[test]
fn a_version_that_does_not_get_ready_is_taken_back() {
    let ground = Ground::new();
    for make in [two_versions, two_that_share] {
        let stage = make(&ground);
        let before = tree(&stage.volume("hostkeys").join("data")).unwrap();
        stage.port.deeds().manner = Manner::Crashes;
        let (ran, _) = stage.with(&Trouble::default(), |host| {
            let host = host.clone();
            let port = stage.port.clone();
            // The version from before works again, as it did.
            let heal = std::thread::spawn(move || {
                while port.deeds().greetings.len() < 2 {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                port.deeds().manner = Manner::Works;
            });
            let done = upgrade(&host);
            heal.join().unwrap();
            done
        });
        let Err(OperationError::Run(RunError::Undone { step, .. })) = &ran.result else {
            panic!("{}", ran.text());
        };
        assert_eq!(step.name(), "await_ready");
        assert_eq!(stage.settled("taken back"), Now::running("hello"));
        let now = tree(&stage.volume("hostkeys").join("data")).unwrap();
        assert_eq!(now, before);
    }
}

#[test]
fn a_migration_that_fails_or_lies_changes_nothing() {
    let ground = Ground::new();
    for (migrating, step) in [(Migrating::FailsHalfWay, "migrate_tree"), (Migrating::Lies, "check_port")] {
        let stage = two_versions(&ground);
        let before = tree(&stage.volume("hostkeys").join("data")).unwrap();
        stage.port.deeds().migrating = migrating;
        let ran = stage.with(&Trouble::default(), upgrade).0;
        let Some((failed, why, _)) = ran.undone() else { panic!("{migrating:?}: {}", ran.text()) };
        assert_eq!(failed.name(), step, "{why}");
        assert_eq!(stage.settled("taken back"), Now::running("hello"));
        assert_eq!(tree(&stage.volume("hostkeys").join("data")).unwrap(), before, "{migrating:?}");
    }
}

/// The ledger is on the disk that is full, so that nothing can be written down until the copy is thrown away.
#[test]
fn a_migration_that_fills_the_disk_of_the_ledger_is_taken_back() {
    for make in [two_versions, two_that_share] {
        let ground = Ground::small();
        let stage = make(&ground);
        let before = tree(&stage.volume("hostkeys").join("data")).unwrap();
        stage.port.deeds().migrating = Migrating::FillsTheDisk;
        let ran = stage.with(&Trouble::default(), upgrade).0;
        let Some((failed, why, _)) = ran.undone() else { panic!("{}", ran.text()) };
        assert_eq!(failed.name(), "migrate_tree", "{why}");
        assert_eq!(stage.settled("taken back"), Now::running("hello"));
        assert_eq!(tree(&stage.volume("hostkeys").join("data")).unwrap(), before);
        stage.port.deeds().migrating = Migrating::Works;
        stage.does(upgrade);
        assert_eq!(stage.settled("upgraded"), Now::running("hello@1.1.0"));
    }
}

#[test]
fn every_reason_against_a_version_is_told_and_nothing_is_done() {
    let ground = Ground::new();
    for (manifest, wanted) in [
        // A chain with a gap: no step leads from format 1 to 3.
        (second().replace(r#""format":2,"min_format":2"#, r#""format":3,"min_format":3"#), "manifest"),
        // A key that is needed and has no value, in a version that may not ask for one.
        (second().replace(r#""config":{"#, r#""config":{"name":{"type":"string","required":true},"#), "HP-CFG-001"),
        (second().replace(r#""version":"1.1.0""#, r#""version":"1.0.1""#), "HP-UPG-004"),
        (second().replace(r#""title":"A shell"}"#, r#""title":"A shell"},"upgrade":{"from":">=1.0.5"}"#), "HP-UPG-005"),
    ] {
        let stage = two_versions(&ground);
        stage.put_version(&manifest);
        let (ran, _) = stage.with(&Trouble::default(), |host| {
            operation::upgrade(host, &request(Some(if wanted == "HP-UPG-004" { "1.0.1" } else { "1.1.0" })))
        });
        let Err(error) = &ran.result else { panic!("{wanted}: it was done") };
        if wanted != "manifest" {
            assert!(codes(error).contains(&wanted), "{wanted}: {:?}", error.faults());
        }
        assert_eq!(stage.settled("refused"), Now::running("hello"));
    }
    let fresh = ground.stage();
    fresh.must(Command::Deploy);
    let ran = fresh.with(&Trouble::default(), rollback).0;
    let Err(error) = &ran.result else { panic!("it was done") };
    assert_eq!(codes(error), ["HP-VER-002"]);
}

/// The new version looks at everything with the configuration that it would get, while the old one serves.
#[test]
fn a_version_that_finds_something_wrong_is_not_gone_to() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    let before = stage.ledger().instance(&alice()).unwrap().unwrap().container;
    stage.port.deeds().unfit = true;
    let ran = stage.with(&Trouble::default(), upgrade).0;
    let Some((failed, ..)) = ran.undone() else { panic!("{}", ran.text()) };
    assert_eq!(failed.name(), "check_port");
    assert_eq!(stage.settled("unfit"), Now::running("hello"));
    let after = stage.ledger().instance(&alice()).unwrap().unwrap().container;
    assert_eq!(before, after, "the old version was never stopped");
    assert_eq!(stage.does(operation::trash_list).bundles.len(), 0);
}

#[test]
fn what_did_not_fit_into_what_a_look_noted_is_asked_for_elsewhere() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    // The one that is noted at the end, an older format, is what a migration mends.
    stage.port.deeds().omits = Omits::FromItsEnd;
    let ran = stage.with(&Trouble::default(), upgrade).0;
    let (step, why, _) = ran.undone().unwrap();
    assert!(matches!(step, Step::CheckPort(_)), "{why}");
    assert_eq!(stage.settled("refused"), Now::running("hello"));
}

#[test]
fn a_copy_for_which_there_is_no_room_is_refused() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    let greedy = second().replace(r#""down":true"#, r#""down":true,"space_percent":1000"#);
    stage.put_version(&greedy);
    // The stage's disk has 512 MiB; a sparse file takes no room and counts with its size.
    let hole = stage.volume("hostkeys").join("data/hole");
    std::fs::File::create(&hole).unwrap().set_len(1 << 40).unwrap();
    let ran = stage.with(&Trouble::default(), planned).0;
    let Err(error) = &ran.result else { panic!("there was room") };
    assert_eq!(codes(error), ["HP-VER-004"], "{}", ran.text());
    std::fs::remove_file(hole).unwrap();
    assert_eq!(stage.settled("no room"), Now::running("hello"));
}

#[test]
fn a_new_endpoint_gets_an_address_only_where_one_is_asked_for() {
    let ground = Ground::new();
    let added = r#""endpoints":{"web":{"port":8080,"protocol":"http","exposure":"public","default_public":"random"},"#;
    let more = second().replace(r#""endpoints":{"#, added);
    let web: homeport_core::name::EndpointName = "web".parse().unwrap();
    let routes = |stage: &Stage| stage.ledger().routes(&alice()).unwrap();
    let stage = two_versions(&ground);
    stage.put_version(&more);
    stage.does(upgrade);
    assert_eq!(routes(&stage).len(), 1, "nobody asked for one");

    let stage = two_versions(&ground);
    stage.put_version(&more);
    let ssh = routes(&stage);
    let wished = BTreeMap::from([(web.clone(), "random".parse().unwrap())]);
    let asking = UpgradeRequest { routes: wished, ..request(None) };
    stage.does(|host| operation::upgrade(host, &asking).map(went));
    let both = routes(&stage);
    assert_eq!(both.len(), 2);
    let port = both.iter().find(|route| route.endpoint == web).unwrap().port;
    // Back down it is given up, and up again it is the same one.
    stage.does(rollback);
    assert_eq!(routes(&stage), ssh);
    assert_eq!(stage.routes.leads().len(), 1, "the address is free");
    stage.does(rollback);
    assert_eq!(routes(&stage).iter().find(|route| route.endpoint == web).unwrap().port, port);
    // One that has an address keeps it, and cannot be asked for another.
    stage.does(rollback);
    let wished = BTreeMap::from([("ssh".parse().unwrap(), "random".parse().unwrap())]);
    let asking = UpgradeRequest { routes: wished, ..request(None) };
    let (ran, _) = stage.with(&Trouble::default(), |host| operation::upgrade(host, &asking));
    let Err(error) = &ran.result else { panic!("it was done") };
    assert_eq!(codes(error), ["HP-REQ-041"]);
}

#[test]
fn an_endpoint_of_both_versions_without_an_address_gets_none() {
    let ground = Ground::new();
    let added = r#""endpoints":{"web":{"port":8080,"protocol":"http","exposure":"public","default_public":"random"},"#;
    let stage = ground.stage_of(&MANIFEST.replace(r#""endpoints":{"#, added));
    let without = BTreeMap::from([("web".parse().unwrap(), "none".parse().unwrap())]);
    let deploy = DeployRequest { routes: without, ..stage.request(&alice(), false) };
    stage.does(|host| operation::deploy(host, &deploy).map(drop));
    stage.put_version(&second().replace(r#""endpoints":{"#, added));
    let before = stage.ledger().routes(&alice()).unwrap();
    assert_eq!(before.len(), 1);
    let wished = BTreeMap::from([("web".parse().unwrap(), "random".parse().unwrap())]);
    let asking = UpgradeRequest { routes: wished, ..request(None) };
    let (ran, _) = stage.with(&Trouble::default(), |host| operation::upgrade(host, &asking));
    let Err(error) = &ran.result else { panic!("it was done: a way back would have left the address open") };
    assert_eq!(codes(error), ["HP-REQ-041"]);
    assert_eq!(stage.ledger().routes(&alice()).unwrap(), before);
}

#[test]
fn a_store_that_is_gone_does_not_keep_the_old_version_from_retiring() {
    let ground = Ground::new();
    let stage = two_that_share(&ground);
    let old = stage.ledger().instance(&alice()).unwrap().unwrap().container.unwrap();
    stage.does(upgrade);
    let store = stage.layout.store_dir().to_owned();
    std::fs::rename(&store, store.with_extension("gone")).unwrap();
    stage.does(|host| operation::retire(host, &alice(), std::slice::from_ref(&old)));
    let told = stage.does(|host| operation::history(host, &alice(), None));
    assert!(told.iter().any(|line| line.text.contains("cannot be said")), "{told:?}");
    assert_eq!(stage.engine.containers().iter().filter(|one| one.state.is_running()).count(), 1);
    std::fs::rename(store.with_extension("gone"), &store).unwrap();
    assert_eq!(stage.settled("retired"), Now::running("hello@1.1.0"));
}

#[test]
fn the_snapshot_that_the_way_back_stands_on_is_kept() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    stage.does(upgrade);
    // What the upgrade took out is deleted for good, and another change has a snapshot of its own.
    let empty = |approve, execution| EmptyRequest { what: TrashChoice::All, approve, execution };
    let token = stage.does(|host| match operation::trash_empty(host, &empty(None, Execution::DryRun))? {
        Outcome::Planned { approval, .. } => Ok(approval.map(|approval| approval.token)),
        Outcome::Done(_) => panic!("not asked for"),
    });
    stage.does(|host| operation::trash_empty(host, &empty(token.clone(), Execution::Real)).map(drop));
    stage.does(snapshot);
    stage.does(|host| restore(host, SnapshotRef::Latest));
    let prune = PruneRequest {
        instance: alice(),
        what: PruneWish::Named(vec![number(1)]),
        approve: None,
        execution: Execution::DryRun,
    };
    let error = refusal(&stage, |host| operation::snapshot_prune(host, &prune));
    assert_eq!(error.code(), "HP-DAT-013", "{error}");
    assert!(error.faults()[0].actual.contains("can be taken back"), "{:?}", error.faults());
}

#[test]
fn the_history_tells_what_was_done_and_why_it_failed() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    stage.port.deeds().migrating = Migrating::FailsHalfWay;
    assert!(stage.with(&Trouble::default(), upgrade).0.result.is_err());
    stage.port.deeds().migrating = Migrating::Works;
    stage.does(upgrade);
    let told = stage.does(|host| operation::history(host, &alice(), None));
    let put_away = "done: the data from before of `hostkeys` is in the trash; the container of the version from before was \
                    removed";
    assert!(told.iter().any(|line| line.kind == "retire" && line.text == put_away), "{told:?}");
    let kinds: Vec<_> = told.iter().map(|line| line.kind.as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "upgrade").count(), 2, "{told:?}");
    assert!(told.iter().any(|line| line.text == "done: from 1.0.0 to 1.1.0"), "{told:?}");
    assert!(
        told.iter().any(|line| line.text.starts_with("taken back: ") && line.text.contains("migration")),
        "{told:?}"
    );
}

impl Stage {
    /// The directory of a volume of `alice`.
    pub(crate) fn volume(&self, name: &str) -> std::path::PathBuf {
        let volumes = self.ledger().volumes(&alice()).unwrap();
        volumes.into_iter().find(|volume| volume.name.as_str() == name).unwrap().path
    }
}
