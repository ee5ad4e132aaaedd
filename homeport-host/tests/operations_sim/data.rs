//! Operations on data: what a snapshot, a restore, its undo, a purge and the trash do when nothing goes wrong.

use std::fs;
use std::path::PathBuf;

use homeport_core::fault::Advice as _;
use homeport_host::Host;
use homeport_host::daemon::do_what_is_due;
use homeport_host::hazard::Hazard;
use homeport_host::operation::{self, Execution, OperationError, Outcome, Restored};
use homeport_host::request::{
    DeviceNodes, EmptyRequest, PurgeRequest, RestoreRequest, SnapshotChoice, SnapshotRef, SnapshotRequest, TrashChoice,
    TrashRestoreRequest,
};

use crate::port::{Times, Tree, tree};
use crate::stage::{Command, Ground, Stage, Trouble, alice};
use crate::view::Now;

pub(crate) fn choice(snapshot: SnapshotRef) -> SnapshotChoice {
    SnapshotChoice { instance: alice(), snapshot }
}

pub(crate) fn restore_request(snapshot: SnapshotRef) -> RestoreRequest {
    RestoreRequest {
        which: choice(snapshot),
        volumes: std::collections::BTreeSet::new(),
        devices: DeviceNodes::Refuse,
        approve: None,
        execution: Execution::Real,
    }
}

pub(crate) fn done<P: std::fmt::Debug, D>(outcome: Outcome<P, D>) -> D {
    match outcome {
        Outcome::Done(done) => done,
        Outcome::Planned { plan, .. } => panic!("only planned: {plan:?}"),
    }
}

pub(crate) fn restore(host: &Host, snapshot: SnapshotRef) -> Result<Restored, OperationError> {
    operation::snapshot_restore(host, &restore_request(snapshot)).map(done)
}

pub(crate) fn snapshot(host: &Host) -> Result<operation::SnapshotMade, OperationError> {
    operation::snapshot_create(host, &SnapshotRequest { instance: alice(), note: None })
}

impl Stage {
    /// The live tree of `home`.
    pub(crate) fn home(&self) -> Tree {
        tree(&self.home_dir().join("data")).unwrap()
    }

    pub(crate) fn home_dir(&self) -> PathBuf {
        let volumes = self.ledger().volumes(&alice()).unwrap();
        volumes.into_iter().find(|volume| volume.name.as_str() == "home").unwrap().path
    }

    pub(crate) fn any_time(&self) {
        self.port.deeds().times = Times::Any;
    }
}

#[test]
fn a_snapshot_of_a_running_instance_is_restored_and_the_restore_is_undone() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    let first = stage.home();
    let made = stage.does(snapshot);
    assert_eq!(made.snapshot.volumes.len(), 2);
    assert_eq!(made.snapshot.consistency.as_str(), "running");
    assert!(made.work.files_read >= 2);
    stage.must(Command::Restart);
    let second = stage.home();
    assert_ne!(first, second);
    let restored = stage.does(|host| restore(host, SnapshotRef::Latest));
    assert!(restored.running.is_some() && restored.before.is_some());
    assert_eq!(restored.volumes.len(), 2);
    assert_eq!(stage.settled("restored"), Now::running("hello"));
    // The port has started on the first state and written one more letter.
    let third = stage.home();
    assert!(first.keys().all(|name| third.contains_key(name)) && third.len() == first.len() + 1);
    assert!(!second.keys().all(|name| third.contains_key(name)));
    let list = stage.does(operation::trash_list);
    assert_eq!((list.bundles.len(), list.faults.len()), (1, 0));
    assert_eq!(list.bundles[0].id, restored.undo);
    assert_eq!(list.bundles[0].snapshot, restored.before);
    assert_eq!(list.bundles[0].trees.len(), 2);
    let what = restored.undo.to_string().parse().unwrap();
    let undone = stage.does(|host| {
        operation::trash_restore(host, &TrashRestoreRequest { what, approve: None, execution: Execution::Real })
            .map(done)
    });
    assert_eq!(stage.settled("undone"), Now::running("hello"));
    let fourth = stage.home();
    assert!(second.keys().all(|name| fourth.contains_key(name)) && fourth.len() == second.len() + 1);
    let list = stage.does(operation::trash_list);
    assert_eq!(list.bundles.len(), 1);
    assert_eq!(Some(list.bundles[0].id), undone.undo);
    assert_eq!(stage.does(|host| operation::snapshot_list(host, None)).snapshots.len(), 3);
}

/// The bytes of all packs of the store.
fn stored(stage: &Stage) -> u64 {
    let packs = fs::read_dir(stage.layout.store_dir().join("packs")).unwrap();
    packs.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// What is there is read into the store while the port goes on, and after the stop only what has changed since. Killed in
/// between, it leaves nothing but objects, and nothing was stopped.
#[test]
fn a_running_instance_is_read_before_it_is_stopped() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.does(snapshot);
    let mut chance = 1_u64;
    let large: Vec<u8> = std::iter::repeat_with(|| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 56).to_le_bytes()[0]
    })
    .take(3_000_000)
    .collect();
    fs::write(stage.home_dir().join("data/letter-large"), large).unwrap();
    let uuid =
        stage.ledger().volumes(&alice()).unwrap().into_iter().find(|one| one.name.as_str() == "home").unwrap().uuid;
    stage.port.deeds().set(&uuid, &stage.home());
    let before = stored(&stage);
    let first = SnapshotRef::Number(homeport_volumes::store::Sequence::new(1).unwrap());
    let (ran, _) = stage.with(&Trouble::at(1, Hazard::Die), |host| restore(host, first.clone()));
    assert!(ran.died, "{}", ran.text());
    assert!(
        stage.engine.calls().iter().all(|call| !format!("{call:?}").to_lowercase().contains("stop")),
        "nothing was stopped"
    );
    let ahead = stored(&stage);
    assert!(ahead > before + 3_000_000, "{before} and {ahead} bytes");
    assert_eq!(stage.does(|host| operation::snapshot_list(host, None)).snapshots.len(), 1);
    stage.run(Command::Unrelated, &Trouble::default());
    assert_eq!(stage.settled("taken back"), Now::running("hello"));
    let restored = stage.does(|host| restore(host, first.clone()));
    assert!(restored.before.is_some());
    let after = stored(&stage);
    assert!(after < ahead + 100_000, "{ahead} and {after} bytes: what was read ahead is not stored again");
    let steps = stage.steps_of_this_kind("read_ahead");
    let place = |name: &str| steps.iter().position(|step| step == name).unwrap();
    assert!(
        place("read_ahead") < place("hold_routes") && place("stop_container") < place("snapshot_present"),
        "{steps:?}"
    );
}

#[test]
fn volumes_of_a_removed_instance_are_restored_in_place() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.does(snapshot);
    stage.must(Command::Restart);
    stage.any_time();
    let second = stage.home();
    stage.must(Command::Remove);
    let restored =
        stage.does(|host| restore(host, SnapshotRef::Number(homeport_volumes::store::Sequence::new(1).unwrap())));
    assert!(restored.running.is_none());
    assert_eq!(stage.home().len(), second.len() - 1);
    assert_eq!(stage.settled("restored"), Now::Absent);
    stage.must(Command::Deploy);
    assert_eq!(stage.settled("deployed"), Now::running("hello"));
}

#[test]
fn purging_takes_consent_to_what_is_there_and_the_trash_gives_it_back() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    let request = |approve, execution| PurgeRequest {
        instance: alice(),
        volumes: std::collections::BTreeSet::new(),
        approve,
        execution,
    };
    let code = |result: Result<Outcome<_, operation::Purged>, OperationError>| result.unwrap_err().code();
    let purge = |host: &Host, approve, execution| operation::purge(host, &request(approve, execution));
    // It runs.
    stage.with(&Trouble::default(), |host| {
        assert_eq!(code(purge(host, None, Execution::DryRun)), "HP-DAT-005");
        Ok(())
    });
    stage.must(Command::Stop);
    let plan = |host: &Host| match purge(host, None, Execution::DryRun) {
        Ok(Outcome::Planned { plan, approval }) => Ok((plan, approval.unwrap().token)),
        other => panic!("{other:?}"),
    };
    let (shown, token) = stage.does(plan);
    assert_eq!(shown.volumes.iter().map(|volume| volume.entries).collect::<Vec<_>>(), [2, 2]);
    stage.does(|host| {
        assert_eq!(code(purge(host, None, Execution::Real)), "HP-APR-002");
        let stranger = Some("aaaa-aaaa-aaaa-aaaa".parse().unwrap());
        assert_eq!(code(purge(host, stranger, Execution::Real)), "HP-APR-003");
        Ok(())
    });
    // A file more than was approved.
    fs::write(stage.home_dir().join("data/more"), "x").unwrap();
    stage.does(|host| {
        assert_eq!(code(purge(host, Some(token.clone()), Execution::Real)), "HP-APR-007");
        Ok(())
    });
    fs::remove_file(stage.home_dir().join("data/more")).unwrap();
    let (_, token) = stage.does(plan);
    let before = stage.home();
    let home = stage.home_dir();
    let purged = stage.does(|host| purge(host, Some(token.clone()), Execution::Real).map(done));
    assert_eq!(stage.settled("purged"), Now::Absent);
    assert_eq!(stage.ledger().all_volumes().unwrap(), []);
    assert!(!home.exists());
    // The token is used up, also for whoever deploys it again.
    stage.must(Command::Deploy);
    stage.must(Command::Stop);
    stage.does(|host| {
        assert_eq!(code(purge(host, Some(token.clone()), Execution::Real)), "HP-APR-004");
        Ok(())
    });
    let back = |host: &Host| {
        let what = purged.trash.to_string().parse().unwrap();
        operation::trash_restore(host, &TrashRestoreRequest { what, approve: None, execution: Execution::Real })
            .map(done)
    };
    let refused = stage.with(&Trouble::default(), back).0;
    assert_eq!(refused.result.unwrap_err().code(), "HP-DAT-011");
    let (_, token) = stage.does(plan);
    stage.does(|host| purge(host, Some(token), Execution::Real).map(done));
    stage.does(back);
    assert_eq!(stage.home(), before);
    stage.must(Command::Deploy);
    assert_eq!(stage.settled("deployed on what came back"), Now::running("hello"));
    assert!(before.keys().all(|name| stage.home().contains_key(name)));
}

#[test]
fn the_trash_is_emptied_with_consent_or_after_its_time() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.does(snapshot);
    stage.must(Command::Restart);
    let restored = stage.does(|host| restore(host, SnapshotRef::Latest));
    let empty = |host: &Host, what, approve, execution| {
        operation::trash_empty(host, &EmptyRequest { what, approve, execution })
    };
    let due = stage.does(|host| empty(host, TrashChoice::Due, None, Execution::Real).map(done));
    assert_eq!(due.what, []);
    let named = || TrashChoice::Named(vec![restored.undo.to_string().parse().unwrap()]);
    stage.does(|host| {
        assert_eq!(empty(host, named(), None, Execution::Real).unwrap_err().code(), "HP-APR-002");
        Ok(())
    });
    let token = stage.does(|host| match empty(host, named(), None, Execution::DryRun) {
        Ok(Outcome::Planned { approval, .. }) => Ok(approval.unwrap().token),
        other => panic!("{other:?}"),
    });
    let emptied = stage.does(|host| empty(host, named(), Some(token), Execution::Real).map(done));
    assert_eq!((emptied.what.len(), emptied.faults.len()), (1, 0));
    assert_eq!(stage.does(operation::trash_list).bundles, []);
    stage.must(Command::Restart);
    stage.does(|host| restore(host, SnapshotRef::Latest));
    // Thirty days, each of which the daemon sees.
    for _ in 0..29 {
        stage.clock.forward(1);
        stage.does(|host| Ok(do_what_is_due(host)?));
    }
    assert_eq!(stage.does(|host| empty(host, TrashChoice::Due, None, Execution::Real).map(done)).what, []);
    stage.clock.forward(2);
    assert_eq!(stage.does(|host| empty(host, TrashChoice::Due, None, Execution::Real).map(done)).what.len(), 1);
    assert_eq!(stage.settled("emptied"), Now::running("hello"));
}
