//! A port that may stand still since the process that froze it is gone: whatever other containers of its instance come and go,
//! the one that stands still is let go on.

use std::fs;
use std::path::Path;

use homeport_host::daemon::do_what_is_due;
use homeport_host::engine::sim::When;
use homeport_host::engine::{ContainerId, ContainerRef, Operation};
use homeport_host::hazard::Hazard;
use homeport_host::operation;

use crate::data::snapshot;
use crate::data_rules::HOOKS;
use crate::port::{Migrating, Sharing};
use crate::stage::{Command, Ground, Stage, Trouble, alice};
use crate::version::{next_of, shared, upgrade};
use crate::view::Now;

/// A port that is frozen for snapshots, deployed, and its next version, which may have the volumes beside it.
fn frozen_for_snapshots(ground: &Ground) -> Stage {
    let stage = ground.stage_of(&shared(HOOKS));
    stage.port.deeds().sharing = Sharing::Yes;
    stage.must(Command::Deploy);
    stage.any_time();
    stage.put_version(&shared(&next_of(HOOKS)));
    stage
}

fn container(stage: &Stage) -> ContainerId {
    stage.ledger().instance(&alice()).unwrap().unwrap().container.unwrap()
}

/// The commands that were run since this was asked last.
fn commands(stage: &Stage) -> Vec<String> {
    std::mem::take(&mut stage.port.deeds().commands)
}

/// The numbers of the calls by which the last process ran something in a container, and in which.
fn runs(stage: &Stage) -> Vec<(usize, String)> {
    let calls = stage.engine.calls().into_iter().enumerate();
    calls.filter(|(_, call)| call.operation == Operation::Exec).map(|(n, call)| (n, call.subject)).collect()
}

/// The daemon looks, and lets this container go on.
fn is_let_go(stage: &Stage, frozen: &ContainerId) {
    is_let_go_by(stage, frozen, &stage.layout.frozen_note(&alice(), frozen));
}

/// The same where this note says so.
fn is_let_go_by(stage: &Stage, frozen: &ContainerId, note: &Path) {
    assert!(note.exists(), "who comes later does not know that it may stand still");
    commands(stage);
    stage.does(|host| Ok(do_what_is_due(host)?));
    assert_eq!(commands(stage), ["go"]);
    let ran: Vec<String> = runs(stage).into_iter().map(|(_, container)| container).collect();
    assert_eq!(ran, [ContainerRef::from(frozen).to_string()]);
    assert!(!note.exists());
}

#[test]
fn a_port_that_an_upgrade_left_frozen_is_let_go_though_the_upgrade_is_taken_back() {
    let ground = Ground::new();
    let twin = frozen_for_snapshots(&ground);
    twin.does(upgrade);
    let (freeze, _) = runs(&twin)[0].clone();

    let stage = frozen_for_snapshots(&ground);
    let old = container(&stage);
    commands(&stage);
    let (ran, _) = stage.with(&Trouble::in_call(freeze, When::After, Hazard::Die), upgrade);
    assert!(ran.died && ran.result.is_err(), "{}", ran.text());
    assert_eq!(commands(&stage), ["still"], "it died while the port stood still");
    // The next command takes the upgrade back: what it removes in the slot of the new version is not what stands still.
    stage.run(Command::Unrelated, &Trouble::default());
    assert!(stage.ledger().open_operation().unwrap().is_none());
    assert_eq!(container(&stage), old);
    is_let_go(&stage, &old);
    assert_eq!(stage.settled("taken back"), Now::running("hello"));
}

#[test]
fn a_port_that_could_not_be_thawed_is_let_go_though_another_version_looked_and_failed() {
    let ground = Ground::new();
    for older_note in [false, true] {
        let stage = frozen_for_snapshots(&ground);
        let old = container(&stage);
        if older_note {
            // An older HomePort wrote no container.
            stage.does(snapshot);
            fs::create_dir_all(stage.layout.frozen_dir()).unwrap();
            fs::write(stage.layout.older_frozen_note(&alice()), "go").unwrap();
            stage.port.deeds().unfit = true;
        } else {
            stage.port.deeds().failing = vec!["go".to_owned()];
            stage.port.deeds().migrating = Migrating::FailsHalfWay;
        }
        let ran = stage.with(&Trouble::default(), upgrade).0;
        assert!(ran.undone().is_some(), "{}", ran.text());
        stage.port.deeds().failing.clear();
        assert_eq!(container(&stage), old, "it went on serving");
        if older_note {
            is_let_go_by(&stage, &old, &stage.layout.older_frozen_note(&alice()));
        } else {
            is_let_go(&stage, &old);
        }
    }
}

#[test]
fn it_is_the_container_that_stands_still_that_is_let_go_also_after_another_took_over() {
    let ground = Ground::new();
    let stage = frozen_for_snapshots(&ground);
    let old = container(&stage);
    stage.port.deeds().failing = vec!["go".to_owned()];
    stage.does(upgrade);
    assert_ne!(container(&stage), old);
    stage.port.deeds().failing.clear();
    is_let_go(&stage, &old);

    // The note goes with the container that it names, and with no other.
    let stage = frozen_for_snapshots(&ground);
    let old = container(&stage);
    stage.port.deeds().failing = vec!["go".to_owned()];
    stage.does(upgrade);
    let note = stage.layout.frozen_note(&alice(), &old);
    assert!(note.exists());
    stage.does(|host| operation::retire(host, &alice(), std::slice::from_ref(&old)));
    assert!(!note.exists(), "the container that stood still is gone");
}

#[test]
fn a_container_that_stands_still_is_let_go_also_after_another_was_frozen_and_thawed() {
    let ground = Ground::new();
    let stage = frozen_for_snapshots(&ground);
    let old = container(&stage);
    stage.port.deeds().failing = vec!["go".to_owned()];
    stage.does(upgrade);
    let new = container(&stage);
    assert_ne!(new, old);
    stage.port.deeds().failing.clear();
    let made = stage.does(snapshot);
    assert_eq!(made.snapshot.consistency.as_str(), "frozen");
    assert!(!stage.layout.frozen_note(&alice(), &new).exists(), "the new one goes on");
    is_let_go(&stage, &old);
}
