//! Volumes of which nothing is left, and trees in the trash that lie in others: what is told is what happens.

use std::collections::BTreeMap;
use std::fs;

use homeport_core::unit::Bytes;
use homeport_host::Host;
use homeport_host::approval::Token;
use homeport_host::operation::{self, Execution, OperationError, Outcome, PurgePlan, Purged};
use homeport_host::request::{EmptyRequest, PurgeRequest, SnapshotRef, TrashChoice, TrashRestoreRequest};

use crate::data::{done, restore, snapshot};
use crate::port::tree;
use crate::stage::{Command, Ground, Stage, Trouble, alice};
use crate::view::Now;

fn purge_request(approve: Option<Token>, execution: Execution) -> PurgeRequest {
    PurgeRequest { instance: alice(), volumes: std::collections::BTreeSet::new(), approve, execution }
}

fn plan(host: &Host) -> Result<(PurgePlan, Token), OperationError> {
    match operation::purge(host, &purge_request(None, Execution::DryRun))? {
        Outcome::Planned { plan, approval } => Ok((plan, approval.unwrap().token)),
        Outcome::Done(done) => panic!("done: {done:?}"),
    }
}

fn purge(stage: &Stage) -> Purged {
    let (_, token) = stage.does(plan);
    stage.does(|host| operation::purge(host, &purge_request(Some(token), Execution::Real)).map(done))
}

fn take_out(host: &Host, what: &str) -> Result<operation::PutBack, OperationError> {
    let what = what.parse().unwrap();
    operation::trash_restore(host, &TrashRestoreRequest { what, approve: None, execution: Execution::Real }).map(done)
}

/// Lets `ruin` have the volume `home`, and brings its data back from a snapshot.
fn comes_back_after(ruin: fn(&std::path::Path), is_blank: bool) {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.does(snapshot);
    stage.must(Command::Stop);
    let (before, home) = (stage.home(), stage.home_dir());
    let trees: BTreeMap<_, _> = stage
        .ledger()
        .volumes(&alice())
        .unwrap()
        .into_iter()
        .map(|volume| (volume.name, tree(&volume.path.join("data")).unwrap()))
        .collect();
    ruin(&home);
    let refused = stage.run(Command::Start, &Trouble::default());
    let Err(OperationError::Refused { faults, .. }) = &refused.result else { panic!("{}", refused.text()) };
    assert!(faults.iter().any(|fault| fault.remedy.contains("homeport purge alice --dry-run")), "{faults:?}");
    let (shown, token) = stage.does(plan);
    let lost: Vec<_> = shown.lost.iter().map(|lost| (lost.name.as_str(), lost.is_blank)).collect();
    assert_eq!(lost, [("home", is_blank)]);
    assert_eq!(shown.volumes.iter().map(|volume| volume.name.as_str()).collect::<Vec<_>>(), ["hostkeys"]);
    stage.does(|host| {
        let unapproved = operation::purge(host, &purge_request(None, Execution::Real));
        assert_eq!(homeport_core::fault::Advice::code(&unapproved.unwrap_err()), "HP-APR-002");
        Ok(())
    });
    stage.does(|host| operation::purge(host, &purge_request(Some(token), Execution::Real)).map(done));
    assert_eq!(stage.ledger().all_volumes().unwrap(), []);
    assert_eq!(stage.does(|host| operation::snapshot_list(host, None)).snapshots.len(), 1);
    let listed = stage.does(operation::trash_list);
    assert_eq!((listed.bundles.len(), listed.faults.len()), (1, 0), "only what was there is in the trash");
    stage.must(Command::Deploy);
    stage.port.deeds().set(&shown.lost[0].uuid, &BTreeMap::new());
    // The new volumes are to be what the old ones were.
    for volume in stage.ledger().volumes(&alice()).unwrap() {
        stage.port.deeds().set(&volume.uuid, &trees[&volume.name]);
    }
    stage.does(|host| restore(host, SnapshotRef::Number(homeport_volumes::store::Sequence::new(1).unwrap())));
    assert_eq!(stage.settled("restored"), Now::running("hello"));
    assert!(before.keys().all(|name| stage.home().contains_key(name)));
}

#[test]
fn a_volume_whose_directory_is_gone_is_let_go_and_its_data_restored() {
    comes_back_after(|home| fs::remove_dir_all(home).unwrap(), false);
}

#[test]
fn a_volume_whose_directory_is_blank_is_let_go_and_its_data_restored() {
    comes_back_after(
        |home| {
            fs::remove_dir_all(home).unwrap();
            fs::create_dir(home).unwrap();
        },
        true,
    );
}

#[test]
fn what_lies_in_the_trash_of_a_purged_volume_is_told_counted_and_deleted_as_told() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.does(snapshot);
    stage.must(Command::Restart);
    stage.does(|host| restore(host, SnapshotRef::Latest));
    stage.must(Command::Stop);
    let (shown, token) = stage.does(plan);
    let inner: Vec<_> = shown.volumes.iter().flat_map(|volume| &volume.inner).collect();
    assert_eq!(inner.len(), 2);
    assert!(inner.iter().all(|inner| inner.entries.is_some_and(|entries| entries > 0)), "{inner:?}");
    // One more file in what a restore took out is not what was approved.
    let more = stage.home_dir().join(format!(".homeport/trash/{}/data/more", inner[0].tx));
    let more = if more.parent().unwrap().exists() {
        more
    } else {
        stage.home_dir().join(format!(".homeport/trash/{}/data/more", inner[1].tx))
    };
    fs::write(&more, "x").unwrap();
    stage.does(|host| {
        let changed = operation::purge(host, &purge_request(Some(token), Execution::Real));
        assert_eq!(homeport_core::fault::Advice::code(&changed.unwrap_err()), "HP-APR-007");
        Ok(())
    });
    fs::remove_file(&more).unwrap();
    let (shown, _) = stage.does(plan);
    purge(&stage);
    let list = stage.does(operation::trash_list);
    assert_eq!((list.bundles.len(), list.faults.len()), (1, 0));
    let trees = &list.bundles[0].trees;
    for volume in &shown.volumes {
        let tree = trees.iter().find(|tree| tree.volume == volume.name).unwrap();
        let inner = volume.inner.iter().map(|inner| inner.entries.unwrap()).sum::<u64>();
        assert_eq!(tree.inner.len(), 1);
        assert_eq!(tree.entries, Some(volume.entries + inner));
    }
    let empty = |host: &Host, approve, execution| {
        operation::trash_empty(host, &EmptyRequest { what: TrashChoice::All, approve, execution })
    };
    let (shown, token) = stage.does(|host| match empty(host, None, Execution::DryRun)? {
        Outcome::Planned { plan, approval } => Ok((plan, approval.unwrap().token)),
        Outcome::Done(done) => panic!("done: {done:?}"),
    });
    let trees = || shown.what.iter().flat_map(|view| &view.trees);
    assert!(trees().all(|tree| tree.inner.len() == 1));
    let emptied = stage.does(|host| empty(host, Some(token.clone()), Execution::Real).map(done));
    assert_eq!(emptied.entries, trees().map(|tree| tree.entries.unwrap()).sum::<u64>());
    assert_eq!(emptied.bytes.get(), trees().map(|tree| tree.bytes.map_or(0, Bytes::get)).sum::<u64>());
    assert_eq!(emptied.what, shown.what);
    assert_eq!(stage.does(operation::trash_list).bundles, []);
    assert_eq!(stage.ledger().trash().unwrap(), []);
}

#[test]
fn a_bundle_of_which_a_tree_is_missing_is_not_taken_out_as_if_it_were_whole() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.must(Command::Stop);
    let before = stage.home();
    let bundle = purge(&stage).trash.to_string();
    let trees = stage.does(operation::trash_list).bundles[0].trees.clone();
    let [home, keys] = ["home", "hostkeys"].map(|name| trees.iter().find(|tree| tree.volume.as_str() == name).unwrap());
    let there = stage.layout.data_dir().join(".trash").join(home.tx.to_string());
    let away = stage.layout.state_dir().join("away");
    fs::rename(&there, &away).unwrap();
    let (refused, _) = stage.with(&Trouble::default(), |host| take_out(host, &bundle));
    let Err(OperationError::Refused { faults, .. }) = &refused.result else { panic!("{}", refused.text()) };
    assert_eq!(
        faults.iter().map(|fault| (fault.code, fault.subject.as_str())).collect::<Vec<_>>(),
        [("HP-DAT-010", "volumes.home")]
    );
    assert!(faults[0].remedy.contains(&format!("homeport trash restore {}", keys.tx)), "{}", faults[0].remedy);
    assert_eq!(stage.ledger().all_volumes().unwrap(), [], "nothing was taken out");
    // What is there comes back by its own id, and the rest with the bundle as soon as it is there again.
    stage.does(|host| take_out(host, &keys.tx.to_string()));
    assert_eq!(stage.ledger().all_volumes().unwrap().len(), 1);
    fs::create_dir_all(there.parent().unwrap()).unwrap();
    fs::rename(&away, &there).unwrap();
    stage.does(|host| take_out(host, &bundle));
    assert_eq!(stage.home(), before);
    stage.must(Command::Deploy);
    assert_eq!(stage.settled("deployed"), Now::running("hello"));
}
