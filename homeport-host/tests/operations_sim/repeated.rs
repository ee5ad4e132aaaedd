//! A command whose process died is repeated at once, as a person does it: nobody else has brought anything to its end.

use std::collections::{BTreeMap, BTreeSet};

use homeport_core::fault::Advice as _;
use homeport_core::name::VolumeName;
use homeport_host::engine::Operation;
use homeport_host::engine::sim::{FailOn, When};
use homeport_host::hazard::{Hazard, Moment, Point};
use homeport_host::operation::{self, Execution, OperationError, Outcome, PutBack};
use homeport_host::request::{PurgeRequest, SnapshotRef, TrashRestoreRequest};

use crate::data::{done, restore, snapshot};
use crate::port::{Tree, tree};
use crate::stage::{Command, Ground, Stage, Trouble, alice};

impl Stage {
    fn trees(&self) -> BTreeMap<VolumeName, Tree> {
        let volumes = self.ledger().volumes(&alice()).unwrap();
        volumes.into_iter().map(|one| (one.name, tree(&one.path.join("data")).unwrap())).collect()
    }

    fn take_out(&self, id: &str, trouble: &Trouble) -> (crate::stage::Ran, Option<PutBack>) {
        let request = TrashRestoreRequest { what: id.parse().unwrap(), approve: None, execution: Execution::Real };
        self.with(trouble, |host| operation::trash_restore(host, &request).map(done))
    }
}

/// Both volumes of `alice` in the trash: what they held, and the id.
fn purged(ground: &Ground) -> (Stage, BTreeMap<VolumeName, Tree>, String) {
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.must(Command::Remove);
    let held = stage.trees();
    let request = |approve, execution| PurgeRequest { instance: alice(), volumes: [].into(), approve, execution };
    let token = stage.does(|host| match operation::purge(host, &request(None, Execution::DryRun))? {
        Outcome::Planned { approval, .. } => Ok(approval.unwrap().token),
        Outcome::Done(_) => panic!("not asked for"),
    });
    stage.does(|host| operation::purge(host, &request(Some(token), Execution::Real)));
    let id = stage.does(operation::trash_list).bundles[0].id.to_string();
    (stage, held, id)
}

#[test]
fn putting_back_that_died_is_done_when_it_is_repeated() {
    let ground = Ground::new();
    let (stage, held, id) = purged(&ground);
    let (calm, first) = stage.take_out(&id, &Trouble::default());
    assert!(calm.result.is_ok() && calm.points.len() > 5, "{}", calm.text());
    assert_eq!(stage.trees(), held);
    let volumes = |back: &PutBack| back.what.trees.iter().map(|tree| tree.volume.clone()).collect::<BTreeSet<_>>();
    for point in 0..calm.points.len() {
        let text = format!("died at {}", calm.points[point]);
        let (stage, held, id) = purged(&ground);
        let (ran, _) = stage.take_out(&id, &Trouble::at(point, Hazard::Die));
        assert!(ran.died, "{text}");
        let (again, back) = stage.take_out(&id, &Trouble::default());
        let back = back.unwrap_or_else(|| panic!("{text}: {}", again.text()));
        assert_eq!(volumes(&back), volumes(first.as_ref().unwrap()), "{text}");
        assert!(back.what.id.to_string() == id && back.warnings.len() == 1, "{text}: {back:?}");
        assert_eq!(stage.trees(), held, "{text}");
        assert!(stage.does(operation::trash_list).bundles.is_empty(), "{text}");
        // Once more there is nothing to be done, and that is said.
        let (once_more, _) = stage.take_out(&id, &Trouble::default());
        assert_eq!(once_more.result.unwrap_err().code(), "HP-DAT-007", "{text}");
    }
}

#[test]
fn taking_a_restore_back_that_died_is_done_when_it_is_repeated() {
    let ground = Ground::new();
    let restored = || {
        let stage = ground.stage();
        stage.must(Command::Deploy);
        stage.any_time();
        stage.does(snapshot);
        stage.must(Command::Restart);
        stage.must(Command::Stop);
        let held = stage.trees();
        let id = stage.does(|host| restore(host, SnapshotRef::Latest)).undo.to_string();
        assert_ne!(stage.trees(), held);
        (stage, held, id)
    };
    let (stage, held, id) = restored();
    let (calm, _) = stage.take_out(&id, &Trouble::default());
    assert_eq!(stage.trees(), held, "{}", calm.text());
    let mut anew = 0;
    for point in 0..calm.points.len() {
        let text = format!("died at {}", calm.points[point]);
        let (stage, held, id) = restored();
        let (ran, _) = stage.take_out(&id, &Trouble::at(point, Hazard::Die));
        assert!(ran.died, "{text}");
        // Cut off before its end it was taken back, and is done anew; after that there is nothing left to be done.
        let (again, back) = stage.take_out(&id, &Trouble::default());
        match back {
            Some(_) => anew += 1,
            None => assert_eq!(again.result.unwrap_err().code(), "HP-DAT-007", "{text}"),
        }
        assert_eq!(stage.trees(), held, "{text}");
    }
    assert!(anew > calm.points.len() / 2, "{anew} of {}", calm.points.len());
}

#[test]
fn an_undo_that_is_stuck_is_not_said_to_be_gone() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.does(snapshot);
    stage.must(Command::Restart);
    let id = stage.does(|host| restore(host, SnapshotRef::Latest)).undo.to_string();
    let (calm, _) = stage.take_out(&id, &Trouble::default());
    let step = stage.steps_of_this_kind("read_ahead").iter().position(|name| name == "create_container").unwrap();
    let is_it = |point: &Point| point.step == step && point.moment == Moment::AfterStep;
    let point = calm.points.iter().position(is_it).unwrap();
    let id = stage.does(operation::trash_list).bundles[0].id.to_string();
    let (ran, _) = stage.take_out(&id, &Trouble::at(point, Hazard::Die));
    assert!(ran.died, "{}", ran.text());
    stage.engine.restart();
    stage.engine.fail(FailOn::Every(Operation::Remove), When::Before);
    let script = std::sync::Arc::new(crate::script::Script::new(stage.engine.clone(), []));
    let host = stage.host(script);
    let request = TrashRestoreRequest { what: id.parse().unwrap(), approve: None, execution: Execution::Real };
    let error = operation::trash_restore(&host, &request).unwrap_err();
    assert!(matches!(&error, OperationError::Stuck { name, .. } if *name == alice()), "{error}");
    let (mended, back) = stage.take_out(&id, &Trouble::default());
    assert!(back.is_some(), "{}", mended.text());
}
