//! What the trash does where something stands in the way: nothing is locked by it, and what is known of it stays true.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::sync::Arc;
use std::time::{Duration, Instant};

use homeport_core::fault::Advice as _;
use homeport_host::Host;
use homeport_host::daemon::{Emptying, do_what_is_due, do_what_is_due_at};
use homeport_host::engine::Operation;
use homeport_host::engine::sim::{FailOn, When};
use homeport_host::hazard::Hazard;
use homeport_host::operation::{self, Emptied, Execution, OperationError, Outcome, PutBack, TrashView};
use homeport_host::request::{EmptyRequest, PurgeRequest, SnapshotRef, TrashChoice, TrashRestoreRequest};

use crate::data::{done, restore, snapshot};
use crate::stage::{Command, Ground, Stage, Trouble, alice};

/// A file in the data of a tree that cannot be deleted, until this is dropped. It may be moved with the data.
struct Immutable(PathBuf);

impl Immutable {
    fn in_tree(data: &Path) -> Self {
        let mut files = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
        let file = files.find(|path| path.is_file()).unwrap();
        assert!(
            Program::new("chattr").arg("+i").arg(&file).status().unwrap().success(),
            "chattr +i {}",
            file.display()
        );
        Self(data.parent().unwrap().to_owned())
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        drop(Program::new("chattr").args(["-R", "-i"]).arg(&self.0).status());
    }
}

/// Volumes of which `home` is in the operator's directory were purged: the bundle, and where the data of `home` is.
fn purged(stage: &Stage) -> (TrashView, PathBuf) {
    stage.make_directory();
    stage.must(Command::DeployOnDisk);
    stage.any_time();
    stage.must(Command::Stop);
    let request = |approve, execution| PurgeRequest { instance: alice(), volumes: [].into(), approve, execution };
    let token = stage.does(|host| match operation::purge(host, &request(None, Execution::DryRun))? {
        Outcome::Planned { approval, .. } => Ok(approval.unwrap().token),
        Outcome::Done(_) => panic!("not asked for"),
    });
    stage.does(|host| operation::purge(host, &request(Some(token), Execution::Real)).map(done));
    let bundle = stage.does(operation::trash_list).bundles.remove(0);
    let home = bundle.trees.iter().find(|tree| tree.volume.as_str() == "home").unwrap();
    let data = stage.directory().join(".homeport/trash").join(home.tx.to_string()).join("data");
    assert!(data.exists());
    (bundle, data)
}

/// Empties all of it, with consent.
fn empty(stage: &Stage, trouble: &Trouble) -> Result<Emptied, OperationError> {
    let request = |approve, execution| EmptyRequest { what: TrashChoice::All, approve, execution };
    let token = stage.does(|host| match operation::trash_empty(host, &request(None, Execution::DryRun))? {
        Outcome::Planned { approval, .. } => Ok(approval.map(|approval| approval.token)),
        Outcome::Done(_) => panic!("not asked for"),
    });
    let act = |host: &Host| operation::trash_empty(host, &request(token, Execution::Real)).map(done);
    let (ran, emptied) = stage.with(trouble, act);
    ran.result.map(|()| emptied.unwrap())
}

fn take_out(stage: &Stage, bundle: &TrashView, trouble: &Trouble) -> Result<PutBack, OperationError> {
    let request =
        TrashRestoreRequest { what: bundle.id.to_string().parse().unwrap(), approve: None, execution: Execution::Real };
    let (ran, back) = stage.with(trouble, |host| operation::trash_restore(host, &request).map(done));
    ran.result.map(|()| back.unwrap())
}

/// Nothing is left to be done before something new can be.
fn is_free(stage: &Stage) {
    stage.run(Command::Unrelated, &Trouble::default());
    let ledger = stage.ledger();
    assert!(ledger.open_operation().unwrap().is_none());
    assert_eq!(ledger.stuck_operations().unwrap(), []);
    let error = stage.run(Command::Stop, &Trouble::default()).result.unwrap_err();
    assert!(matches!(error, OperationError::NoInstance { .. }), "{error}");
}

fn volumes(stage: &Stage) -> Vec<String> {
    stage.ledger().all_volumes().unwrap().into_iter().map(|volume| volume.name.to_string()).collect()
}

fn in_trash(stage: &Stage) -> Vec<String> {
    stage.ledger().trash().unwrap().into_iter().map(|record| record.name.to_string()).collect()
}

#[test]
fn a_tree_that_was_partly_deleted_is_refused_locks_nothing_and_can_be_deleted_in_the_end() {
    let ground = Ground::new();
    let stage = ground.stage();
    let (bundle, data) = purged(&stage);
    let stays = Immutable::in_tree(&data);
    let emptied = empty(&stage, &Trouble::default()).unwrap();
    assert_eq!(emptied.faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["HP-TRS-007"]);
    assert_eq!(in_trash(&stage), ["home"], "what is left stays known, and only that");
    is_free(&stage);
    let error = take_out(&stage, &bundle, &Trouble::default()).unwrap_err();
    let OperationError::Refused { faults, .. } = &error else { panic!("{error}") };
    assert_eq!(faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["HP-TRS-005"]);
    assert!(faults[0].remedy.contains("homeport trash empty"), "{faults:?}");
    is_free(&stage);
    drop(stays);
    assert_eq!(empty(&stage, &Trouble::default()).unwrap().faults, []);
    assert_eq!(in_trash(&stage), [""; 0]);
    assert_eq!(stage.does(operation::trash_list).bundles, []);
}

#[test]
fn what_has_its_place_taken_is_refused_before_anything_is_moved() {
    let ground = Ground::new();
    let stage = ground.stage();
    let (bundle, _) = purged(&stage);
    fs::create_dir(stage.directory().join("data")).unwrap();
    let error = take_out(&stage, &bundle, &Trouble::default()).unwrap_err();
    assert_eq!(error.code(), "HP-TRS-003", "{error}");
    assert_eq!(volumes(&stage), [""; 0], "not even the volume whose place is free");
    is_free(&stage);
    fs::remove_dir(stage.directory().join("data")).unwrap();
    let back = take_out(&stage, &bundle, &Trouble::default()).unwrap();
    assert_eq!((back.what.trees.len(), back.faults.len()), (2, 0));
    assert_eq!(volumes(&stage), ["home", "hostkeys"]);
}

#[test]
fn of_a_bundle_that_was_cut_off_what_came_back_is_known_and_the_rest_stays_in_the_trash() {
    let ground = Ground::new();
    for point in 0..6 {
        let stage = ground.stage();
        let (bundle, data) = purged(&stage);
        let error = take_out(&stage, &bundle, &Trouble::at(point, Hazard::Die)).unwrap_err();
        assert!(matches!(error, OperationError::Run(_)), "{error}");
        // What is left of `home` while nobody looks is no volume any more.
        let was_back = !data.exists();
        if !was_back {
            fs::rename(&data, data.with_file_name("emptying")).unwrap();
        }
        is_free(&stage);
        let wanted: &[&str] = if was_back { &["home", "hostkeys"] } else { &["hostkeys"] };
        assert_eq!(volumes(&stage), wanted, "point {point}");
        let wanted: &[&str] = if was_back { &[] } else { &["home"] };
        assert_eq!(in_trash(&stage), wanted, "point {point}");
    }
}

#[test]
fn an_emptying_that_was_cut_off_forgets_only_what_is_gone() {
    let ground = Ground::new();
    for point in 0..6 {
        let stage = ground.stage();
        let (_, data) = purged(&stage);
        let stays = Immutable::in_tree(&data);
        empty(&stage, &Trouble::at(point, Hazard::Die)).unwrap_err();
        is_free(&stage);
        assert_eq!(in_trash(&stage), ["home"], "point {point}");
        let list = stage.does(operation::trash_list);
        assert_eq!((list.bundles.len(), list.faults.len()), (1, 0), "point {point}");
        drop(stays);
        empty(&stage, &Trouble::default()).unwrap();
        assert_eq!(in_trash(&stage), [""; 0], "point {point}");
    }
}

/// What the daemon does every half minute, at this many minutes after `start`.
fn tick(stage: &Stage, emptying: &mut Emptying, start: Instant, minutes: u64) {
    let now = start + Duration::from_mins(minutes);
    stage.does(|host| Ok(do_what_is_due_at(host, emptying, now)?));
}

/// The lines of the history with this in them.
fn lines(stage: &Stage, text: &str) -> usize {
    let events = stage.ledger().events(None, 10_000).unwrap();
    events.iter().filter(|event| event.text.contains(text)).count()
}

fn due(stage: &Stage) -> Emptied {
    let request = EmptyRequest { what: TrashChoice::Due, approve: None, execution: Execution::Real };
    stage.does(|host| operation::trash_empty(host, &request).map(done))
}

/// So many days go by, and the daemon sees each of them.
fn days_go_by(stage: &Stage, days: u64) {
    for _ in 0..days {
        stage.clock.forward(1);
        stage.does(|host| Ok(do_what_is_due(host)?));
    }
}

#[test]
fn what_is_due_and_cannot_be_deleted_is_tried_ever_more_seldom_said_once_and_locks_nothing() {
    let ground = Ground::new();
    let stage = ground.stage();
    let (_, data) = purged(&stage);
    let stays = Immutable::in_tree(&data);
    days_go_by(&stage, 29);
    stage.clock.forward(2);
    let (mut emptying, start) = (Emptying::default(), Instant::now());
    let before = lines(&stage, "done");
    for minute in 0..24 * 60 {
        if minute % 5 == 0 {
            tick(&stage, &mut emptying, start, minute);
        }
    }
    assert_eq!(lines(&stage, "not deleted"), 1);
    assert_eq!(lines(&stage, "done") - before, 7, "at 0, 15, 45, 105, 225, 465 and 945 minutes");
    is_free(&stage);
    assert_eq!(in_trash(&stage), ["home"]);
    drop(stays);
    tick(&stage, &mut emptying, start, 24 * 60);
    assert_eq!(in_trash(&stage), ["home"], "it waits until its time has come again");
    tick(&stage, &mut emptying, start, 48 * 60);
    assert_eq!(in_trash(&stage), [""; 0]);
    assert_eq!(lines(&stage, "was deleted after its time"), 1);
}

#[test]
fn a_row_whose_disk_is_gone_is_looked_for_ever_more_seldom() {
    let ground = Ground::new();
    let stage = ground.stage();
    purged(&stage);
    days_go_by(&stage, 29);
    stage.clock.forward(2);
    fs::rename(stage.directory(), stage.directory().with_file_name("unplugged")).unwrap();
    let (mut emptying, start) = (Emptying::default(), Instant::now());
    tick(&stage, &mut emptying, start, 0);
    assert_eq!(in_trash(&stage), ["home"], "only what was there is deleted");
    let before = stage.ledger().events(None, 10_000).unwrap().len();
    for minute in 1..60 {
        tick(&stage, &mut emptying, start, minute);
    }
    assert_eq!(stage.ledger().events(None, 10_000).unwrap().len(), before);
    assert_eq!(in_trash(&stage), ["home"]);
}

#[test]
fn emptying_begins_nothing_on_an_instance_that_is_stuck() {
    let ground = Ground::new();
    let stage = ground.stage();
    let (bundle, data) = purged(&stage);
    let crash = stage.run_for(&alice(), Command::Deploy, &Trouble::default());
    assert!(crash.result.is_ok(), "{}", crash.text());
    stage.engine.restart();
    stage.engine.fail(FailOn::Every(Operation::Remove), When::Before);
    let stuck = stage.carry_out(&alice(), Command::Remove, &[]);
    assert!(stuck.result.is_err());
    let request = |approve, execution| EmptyRequest { what: TrashChoice::All, approve, execution };
    let script = || {
        let host = Host::new(stage.layout.clone(), Arc::new(stage.engine.clone()), Arc::new(stage.routes.clone()));
        host.simulated(Arc::new(homeport_host::hazard::Calm)).with_clock(Arc::new(stage.clock.clone()))
    };
    let Outcome::Planned { approval, .. } =
        operation::trash_empty(&script(), &request(None, Execution::DryRun)).unwrap()
    else {
        panic!("not asked for")
    };
    let token = approval.unwrap().token;
    let emptied = operation::trash_empty(&script(), &request(Some(token), Execution::Real)).map(done).unwrap();
    assert_eq!(emptied.what, []);
    assert_eq!(emptied.faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["HP-OPN-023"]);
    assert!(emptied.faults[0].message.contains(&bundle.id.to_string()), "{:?}", emptied.faults);
    assert_eq!(stage.ledger().stuck_operations().unwrap().len(), 1);
    assert!(data.exists());
    stage.engine.restart();
    is_free(&stage);
    assert_eq!(empty(&stage, &Trouble::default()).unwrap().faults, []);
}

#[test]
fn a_clock_that_was_set_forward_makes_nothing_in_the_trash_older() {
    let ground = Ground::new();
    let stage = ground.stage();
    let (bundle, data) = purged(&stage);
    // As a machine that began in 1970 and was told the time.
    stage.clock.forward(20_000);
    days_go_by(&stage, 5);
    assert_eq!(due(&stage).what, []);
    assert!(data.exists());
    let named = EmptyRequest {
        what: TrashChoice::Named(vec![bundle.id.to_string().parse().unwrap()]),
        approve: None,
        execution: Execution::Real,
    };
    let (ran, _) = stage.with(&Trouble::default(), |host| operation::trash_empty(host, &named));
    assert_eq!(ran.result.unwrap_err().code(), "HP-APR-002", "it was not there for its time");
    days_go_by(&stage, 24);
    assert!(data.exists());
    days_go_by(&stage, 2);
    assert!(!data.exists(), "thirty days that somebody saw");
    assert_eq!(in_trash(&stage), [""; 0]);
}

#[test]
fn what_goes_into_the_trash_is_never_dated_before_what_is_known_to_have_happened() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.clock.forward(300);
    let (first, _) = purged(&stage);
    stage.clock.back();
    stage.must(Command::Deploy);
    stage.does(snapshot);
    stage.must(Command::Stop);
    let restored = stage.does(|host| restore(host, SnapshotRef::Latest));
    let list = stage.does(operation::trash_list);
    let second = list.bundles.iter().find(|bundle| bundle.id == restored.undo).unwrap();
    assert!(second.since >= first.since, "{} and {}", second.since, first.since);
    assert!(second.until >= first.until);
    // A clock that is behind the history empties nothing.
    assert_eq!(due(&stage).what, []);
}
