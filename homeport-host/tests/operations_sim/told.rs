//! What people are told around changes of version and what is stuck: the way on, and nothing that is not so.

use homeport_core::config::{Given, Source};
use homeport_core::digest::Digest;
use homeport_core::fault::Advice as _;
use homeport_host::Host;
use homeport_host::engine::Operation;
use homeport_host::engine::sim::{FailOn, When};
use homeport_host::hazard::Hazard;
use homeport_host::operation::{
    self, AddressState, EndedHow, EndedOperation, Execution, OperationError, Outcome, Repaired, SnapshotView, Upgraded,
};
use homeport_host::request::UpgradeRequest;
use homeport_host::run::RunError;

use crate::data::{done, snapshot};
use crate::data_rules::refusal;
use crate::port::{MANIFEST, Manner};
use crate::stage::{Command, Ground, Stage, Trouble, alice};
use crate::version::{request, rollback, second, two_versions, upgrade};
use crate::view::Now;

/// Puts another image with this manifest into the engine, which takes the name of the one before.
fn put_twin(stage: &Stage, manifest: &str, id: u8) {
    let mut image = stage.port.image(&stage.engine, manifest);
    image.facts.id = Digest::new([id; 32]);
    stage.engine.put_image(image);
}

#[test]
fn a_deploy_of_another_version_names_the_upgrade_to_it() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    let again = |stage: &Stage| refusal(stage, |host| operation::deploy(host, &stage.request(&alice(), false)));
    let told = again(&stage);
    let fault = &told.faults()[0];
    assert_eq!(fault.code, "HP-REQ-011");
    assert!(fault.remedy.contains("`homeport upgrade alice --to homeport/shell:1.1.0`"), "{}", fault.remedy);
    assert!(!fault.remedy.contains("remove"), "{}", fault.remedy);

    // No version leads to another image of the same one.
    let stage = ground.stage();
    stage.must(Command::Deploy);
    put_twin(&stage, MANIFEST, 9);
    let told = again(&stage);
    let fault = &told.faults()[0];
    assert_eq!(fault.code, "HP-REQ-011");
    assert!(fault.remedy.contains("`homeport remove alice`") && !fault.remedy.contains("upgrade"), "{}", fault.remedy);
}

/// The store has one word for every change of version; people are told which one it was.
#[test]
fn a_snapshot_says_before_which_change_of_version_it_was_made() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    stage.does(snapshot);
    stage.does(upgrade);
    stage.does(rollback);
    let list = stage.does(|host| operation::snapshot_list(host, None)).snapshots;
    let whys: Vec<&str> = list.iter().map(SnapshotView::why).collect();
    assert_eq!(whys, ["manual", "before the upgrade from 1.0.0 to 1.1.0", "before the rollback from 1.1.0 to 1.0.0"]);
    assert_eq!(SnapshotView { note: None, ..list[2].clone() }.why(), "before a change of version");
}

/// Everything else that is wrong with it follows from its being another port.
#[test]
fn an_image_of_another_port_is_refused_for_that_alone() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    let other = MANIFEST
        .replace(r#""id":"shell","version":"1.0.0""#, r#""id":"site","version":"0.5.0""#)
        .replace(r#""config":{"#, r#""config":{"name":{"type":"string","required":true},"#)
        .replace(r#""hostkeys":{"path""#, r#""pages":{"path""#);
    let mut image = stage.port.image(&stage.engine, &other);
    image.facts.names = vec!["homeport/site:0.5.0".parse().unwrap()];
    stage.engine.put_image(image);
    let told = refusal(&stage, |host| operation::upgrade(host, &request(Some("homeport/site:0.5.0"))));
    let codes: Vec<_> = told.faults().iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["HP-UPG-001"], "{:?}", told.faults());
    assert_eq!(stage.settled("refused"), Now::running("hello"));
}

/// A key that is needed is not said to be missing because another one that was given beside it is wrong.
#[test]
fn a_key_that_is_given_is_not_missing_beside_one_that_is_wrong() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    let keys = r#""config":{"name":{"type":"string","required":true},"mail":{"type":"string","required":true},"#;
    let needy = MANIFEST.replace(r#""version":"1.0.0""#, r#""version":"2.0.0""#).replace(r#""config":{"#, keys);
    stage.put_version(&needy);
    let given = |key: &str| Given { key: key.to_owned(), text: "x".to_owned(), source: Source::Argument };
    let told = |keys: &[&str]| {
        let asked = UpgradeRequest { given: keys.iter().map(|key| given(key)).collect(), ..request(None) };
        let error = refusal(&stage, |host| operation::upgrade(host, &asked));
        error.faults().iter().map(|fault| format!("{} {}", fault.code, fault.subject)).collect::<Vec<_>>()
    };
    // The secret is refused as an argument.
    assert_eq!(told(&["name", "mail", "token"]), ["HP-CFG-004 config.token"]);
    assert_eq!(told(&["name", "token"]), ["HP-CFG-004 config.token", "HP-CFG-001 config.mail"]);
    assert_eq!(told(&["name"]), ["HP-CFG-001 config.mail"]);
}

/// A stage with two images of the next version beside that which runs: one under each of these names, or without one.
fn with_twins(ground: &Ground, names: [Option<&str>; 2]) -> Stage {
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    for (id, name) in [0x21, 0x42].into_iter().zip(names) {
        let mut image = stage.port.image(&stage.engine, &second());
        image.facts.id = Digest::new([id; 32]);
        image.facts.names = name.map(|name| name.parse().unwrap()).into_iter().collect();
        stage.engine.put_image(image);
    }
    stage
}

#[test]
fn of_two_images_of_a_version_the_one_with_a_name_is_taken_and_the_plan_names_it() {
    let ground = Ground::new();
    let dry = UpgradeRequest { execution: Execution::DryRun, ..request(Some("1.1.0")) };
    // The port's own name goes before any other, and any name before none, whichever id is the higher one.
    for (names, taken) in [
        ([Some("mine/shell:1"), None], ("mine/shell:1", 0x21)),
        ([None, Some("mine/shell:1")], ("mine/shell:1", 0x42)),
        ([Some("homeport/shell:1.1.0"), Some("mine/shell:1")], ("homeport/shell:1.1.0", 0x21)),
    ] {
        let stage = with_twins(&ground, names);
        let Outcome::Planned { plan, .. } = stage.does(|host| operation::upgrade(host, &dry)) else {
            panic!("it was done")
        };
        assert_eq!((plan.reference.as_str(), plan.image), (taken.0, Digest::new([taken.1; 32])));
    }
}

#[test]
fn two_images_of_a_version_are_not_chosen_between() {
    let ground = Ground::new();
    let whole = Digest::new([0x42; 32]).to_string();
    for (names, told) in [
        (
            [Some("mine/shell:1"), Some("other/shell:1")],
            ["`mine/shell:1` (212121212121)", "`other/shell:1` (424242424242)"],
        ),
        ([None, None], [&*format!("`sha256:{}`", "21".repeat(32)), &*format!("`{whole}`, which has no name")]),
    ] {
        let stage = with_twins(&ground, names);
        for to in [Some("1.1.0"), Some("1.1"), None] {
            let error = refusal(&stage, |host| operation::upgrade(host, &request(to)));
            assert_eq!(error.code(), "HP-IMG-007");
            assert!(told.iter().all(|image| error.to_string().contains(image)), "{error}");
            assert!(error.help().unwrap().contains("--to IMAGE"), "{error}");
        }
        assert_eq!(stage.settled("refused"), Now::running("hello"));
        // What is named is taken.
        stage.does(|host| operation::upgrade(host, &request(Some(&whole))).map(drop));
        assert_eq!(stage.settled("named"), Now::running("hello@1.1.0"));
    }
}

type Act = fn(&Host) -> Result<(), OperationError>;

/// A stopped instance gets a version that nobody has seen run; where its first start fails, that may be why.
#[test]
fn a_start_that_fails_names_the_version_from_before() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    let failed = |stage: &Stage, act: Act| {
        stage.port.deeds().manner = Manner::Crashes;
        let error = refusal(stage, act);
        stage.port.deeds().manner = Manner::Works;
        assert!(error.to_string().contains("could not wait until the port is ready"), "{error}");
        assert_eq!(error.code(), "HP-OPN-004");
        error.help().unwrap()
    };
    let start: Act = |host| operation::start(host, &alice()).map(drop);
    let restart: Act = |host| operation::restart(host, &alice()).map(drop);
    stage.must(Command::Stop);
    let told = failed(&stage, start);
    assert!(!told.contains("rollback"), "it never had another version: {told}");
    stage.does(upgrade);
    for act in [start, restart] {
        let told = failed(&stage, act);
        assert!(told.starts_with("what the port reported stands above"), "{told}");
        assert!(
            told.contains("version 1.1.0") && told.contains("`homeport rollback alice` goes back to 1.0.0"),
            "{told}"
        );
    }
    stage.does(rollback);
    stage.must(Command::Start);
    assert_eq!(stage.settled("back"), Now::running("hello"));
}

/// What is there already is no failure: a script may ask for it again.
#[test]
fn an_upgrade_with_nothing_to_do_changes_nothing_and_does_not_fail() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    stage.does(upgrade);
    let before = stage.ledger().instance(&alice()).unwrap().unwrap().container;
    for (to, execution) in [(None, Execution::Real), (Some("1.1.0"), Execution::Real), (Some("1.1"), Execution::DryRun)]
    {
        let asked = UpgradeRequest { execution, ..request(to) };
        let Upgraded::Unchanged(there) = stage.does(|host| operation::upgrade(host, &asked).map(done)) else {
            panic!("{to:?}: it was done again")
        };
        assert_eq!((there.instance, there.version.to_string()), (alice(), "1.1.0".to_owned()));
        assert_eq!(there.named, to.is_some());
    }
    assert_eq!(stage.ledger().instance(&alice()).unwrap().unwrap().container, before);
    assert_eq!(stage.settled("nothing to do"), Now::running("hello@1.1.0"));
    // What is asked for beside it would not be done, and that is said.
    let given = vec![Given { key: "motd".to_owned(), text: "welcome".to_owned(), source: Source::Argument }];
    let told = refusal(&stage, |host| operation::upgrade(host, &UpgradeRequest { given, ..request(None) }));
    assert_eq!(told.code(), "HP-VER-001");
    assert!(told.faults()[0].remedy.contains("`homeport config alice set"), "{:?}", told.faults());
}

/// A higher version that cannot be used may be the one that is meant.
#[test]
fn an_upgrade_that_passes_an_image_over_says_so_and_fails() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.engine.put_image(stage.port.image(&stage.engine, &second()).label("io.homeport.protocol", "9.0"));
    let told = refusal(&stage, |host| operation::upgrade(host, &request(None)));
    assert_eq!(told.code(), "HP-VER-001");
    let [fault] = told.faults() else { panic!("{:?}", told.faults()) };
    assert!(fault.to_string().contains("no higher one that can be used"), "{fault}");
    assert!(fault.actual.contains("homeport/shell:1.1.0"), "{}", fault.actual);
}

/// The last line of the history.
fn last(stage: &Stage) -> String {
    stage.does(|host| operation::history(host, &alice(), Some(1))).pop().unwrap().text
}

#[test]
fn a_repair_says_whether_something_was_finished_or_taken_back_and_the_history_why() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    // Cut off in the middle, an upgrade is taken back.
    let points = two_versions(&ground).with(&Trouble::default(), upgrade).0.points.len();
    let (ran, _) = stage.with(&Trouble::at(points / 2, Hazard::Die), upgrade);
    assert!(ran.died, "{}", ran.text());
    let ended = |kind: &str, how| Repaired {
        ended: vec![EndedOperation { kind: kind.to_owned(), instance: alice(), how }],
        stuck: Vec::new(),
    };
    assert_eq!(stage.does(operation::repair), ended("upgrade", EndedHow::TakenBack));
    let told = stage.does(|host| operation::history(host, &alice(), None));
    assert!(told.iter().any(|line| line.kind == "upgrade" && line.text == "taken back: it was cut off"), "{told:?}");
    // A stop goes on.
    let ran = stage.run(Command::Stop, &Trouble::at(3, Hazard::Die));
    assert!(ran.died, "{}", ran.text());
    assert_eq!(stage.does(operation::repair), ended("stop", EndedHow::Finished));
    assert_eq!(last(&stage), "done");
}

/// A stage with `alice` stopped, whose start is stuck since the engine does not stop the container that is taken back.
fn stuck_in_its_start(ground: &Ground) -> Stage {
    let stopped = || {
        let stage = ground.stage();
        stage.must(Command::Deploy);
        stage.must(Command::Stop);
        stage
    };
    let last = stopped().must(Command::Start).points.len() - 1;
    let stage = stopped();
    stage.engine.restart();
    stage.engine.fail(FailOn::Every(Operation::Stop), When::Before);
    let ran = stage.carry_out(&alice(), Command::Start, &[(last, Hazard::Fail)]);
    assert!(matches!(ran.result, Err(OperationError::Run(RunError::Stuck { .. }))), "{}", ran.text());
    stage
}

#[test]
fn a_history_says_of_what_is_stuck_what_can_be_done_and_later_that_it_was() {
    let ground = Ground::new();
    let stage = stuck_in_its_start(&ground);
    let shown = stage.does(|host| operation::status(host, &alice()));
    let unfinished = shown.unfinished.unwrap();
    assert_eq!(unfinished.kind, "start");
    assert!(unfinished.stuck.unwrap().contains("injected fault"), "why it is stuck");
    let told = last(&stage);
    assert!(told.starts_with("neither finished nor taken back yet: ") && told.contains("injected fault"), "{told}");
    assert!(told.ends_with("; `homeport repair` tries again"), "{told}");
    let ended = vec![EndedOperation { kind: "start".to_owned(), instance: alice(), how: EndedHow::TakenBack }];
    assert_eq!(stage.does(operation::repair), Repaired { ended, stuck: Vec::new() });
    assert_eq!(last(&stage), "taken back: it was stuck");
    assert_eq!(stage.list()[0].unfinished, None);
    assert_eq!(stage.settled("repaired"), Now::stopped("hello"));
}

/// Where the daemon is gone its sockets are, and what nobody reaches is not said to run and no more.
#[test]
fn an_instance_whose_daemon_is_gone_says_that_its_address_is_closed() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    let ssh = "ssh".parse().unwrap();
    let shown = |stage: &Stage| {
        let one = stage.does(|host| operation::status(host, &alice()));
        assert_eq!(stage.list()[0].state, one.state);
        (one.state, one.addresses[&ssh])
    };
    assert_eq!(shown(&stage), ("running".to_owned(), AddressState::Open));
    stage.routes.end_daemon();
    assert_eq!(shown(&stage), ("running, but `ssh` is closed".to_owned(), AddressState::Closed));
    // A start of what runs starts the daemon, which takes the address up.
    stage.must(Command::Start);
    assert_eq!(shown(&stage), ("running".to_owned(), AddressState::Open));
    stage.must(Command::Stop);
    stage.routes.end_daemon();
    assert_eq!(shown(&stage), ("stopped".to_owned(), AddressState::Closed), "nobody misses it");
}
