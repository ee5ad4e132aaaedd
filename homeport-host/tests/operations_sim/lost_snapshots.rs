//! What is done about snapshots that are lost: a file that is damaged, one that is gone, and the whole store.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use homeport_core::fault::Advice as _;
use homeport_host::Host;
use homeport_host::operation::{self, Execution, GivenUp, OperationError, Outcome, SnapshotList, StoreBegun};
use homeport_host::request::{
    BeginStoreRequest, Depth, GiveUpRequest, PruneRequest, PruneWish, SnapshotRef, VerifyRequest,
};
use homeport_volumes::snapshot::Policy;
use homeport_volumes::store::Store;

use crate::data::{choice, done, restore, snapshot};
use crate::stage::{Command, Ground, Stage, Trouble, alice};

fn refusal<T>(stage: &Stage, act: impl FnOnce(&Host) -> Result<T, OperationError>) -> OperationError {
    let (ran, _) = stage.with(&Trouble::default(), act);
    ran.result.unwrap_err()
}

fn list(stage: &Stage) -> SnapshotList {
    stage.does(|host| operation::snapshot_list(host, None))
}

/// The files below `snapshots/`, oldest first.
fn files(stage: &Stage) -> Vec<PathBuf> {
    let found = fs::read_dir(stage.layout.store_dir().join("snapshots")).unwrap();
    let mut files: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn name(file: &std::path::Path) -> String {
    file.file_name().unwrap().to_str().unwrap().to_owned()
}

fn give_up(file: &str, approve: Option<homeport_host::approval::Token>, execution: Execution) -> GiveUpRequest {
    GiveUpRequest { file: file.to_owned(), approve, execution }
}

/// Plans it, and does it with the token.
fn given_up(stage: &Stage, file: &str) -> GivenUp {
    let token = stage.does(|host| match operation::snapshot_give_up(host, &give_up(file, None, Execution::DryRun))? {
        Outcome::Planned { plan, approval } => {
            assert_eq!(plan.file, file);
            Ok(approval.unwrap().token)
        }
        Outcome::Done(_) => panic!("not asked for"),
    });
    stage.does(|host| operation::snapshot_give_up(host, &give_up(file, Some(token), Execution::Real)).map(done))
}

fn prune(policy: Policy, execution: Execution) -> PruneRequest {
    PruneRequest { instance: alice(), what: PruneWish::ByPolicy(policy), approve: None, execution }
}

fn verify(stage: &Stage) -> operation::VerifyOutcome {
    stage.does(|host| {
        operation::snapshot_verify(host, &VerifyRequest { instance: None, snapshot: None, depth: Depth::Full })
    })
}

fn began() -> (Ground, Stage) {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    (ground, stage)
}

#[test]
fn a_damaged_snapshot_is_given_up_with_consent_to_exactly_that() {
    let (_ground, stage) = began();
    for _ in 0..3 {
        stage.does(snapshot);
    }
    let damaged = files(&stage).remove(1);
    let bytes = fs::read(&damaged).unwrap();
    fs::write(&damaged, &bytes[..bytes.len() / 2]).unwrap();
    let (file, good) = (name(&damaged), name(&files(&stage)[0]));
    assert_eq!((list(&stage).damaged.len(), list(&stage).gone.len()), (1, 0), "damaged, and not gone");
    let all = Policy { last: 1, ..Policy::default() };
    let stopped = refusal(&stage, |host| match operation::snapshot_prune(host, &prune(all, Execution::DryRun))? {
        Outcome::Planned { approval, .. } => {
            let request = PruneRequest { approve: approval.map(|one| one.token), ..prune(all, Execution::Real) };
            operation::snapshot_prune(host, &request)
        }
        Outcome::Done(_) => panic!("not asked for"),
    });
    assert_eq!(stopped.code(), "HP-STO-060", "{stopped}");
    assert_eq!(list(&stage).gone, [], "what could not be removed is still there, and known");

    let request = |approve, execution| give_up(&file, approve, execution);
    let without = refusal(&stage, |host| operation::snapshot_give_up(host, &request(None, Execution::Real)));
    assert_eq!(without.code(), "HP-APR-002", "{without}");
    for wrong in [&*good, "nothing", "../store.json", ""] {
        let request = give_up(wrong, None, Execution::DryRun);
        let error = refusal(&stage, |host| operation::snapshot_give_up(host, &request));
        assert_eq!(error.faults()[0].code, "HP-DAT-016", "{wrong}: {error}");
    }
    let (plan, token) =
        stage.does(|host| match operation::snapshot_give_up(host, &request(None, Execution::DryRun))? {
            Outcome::Planned { plan, approval } => Ok((plan, approval.unwrap().token)),
            Outcome::Done(_) => panic!("not asked for"),
        });
    assert!(plan.claims.contains(&"instance alice".to_owned()), "{plan:?}");
    assert!(plan.lost.iter().any(|text| text.contains("cannot be restored any more")), "{plan:?}");
    // The file is another one by now: the consent was to what it was.
    fs::write(&damaged, b"something else").unwrap();
    let other = refusal(&stage, |host| operation::snapshot_give_up(host, &request(Some(token), Execution::Real)));
    assert_eq!(other.code(), "HP-APR-007", "{other}");
    assert!(damaged.exists());

    assert_eq!(given_up(&stage, &file).damaged_left, 0);
    let after = list(&stage);
    assert_eq!((after.snapshots.len(), after.damaged.len(), after.gone.len()), (2, 0, 0));
    let removed = stage.layout.store_dir().join("removed");
    let batches = fs::read_dir(removed).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<PathBuf> = batches.map(|batch| batch.join(&file)).filter(|file| file.exists()).collect();
    assert_eq!(fs::read(&kept[0]).unwrap(), b"something else", "it is kept");
    let planned = stage.does(|host| operation::snapshot_prune(host, &prune(all, Execution::DryRun)));
    assert!(matches!(planned, Outcome::Planned { plan, .. } if plan.removed().count() == 1));
    assert!(verify(&stage).is_whole());
}

#[test]
fn a_snapshot_that_is_gone_is_missed_until_it_is_given_up() {
    let (_ground, stage) = began();
    stage.does(snapshot);
    stage.must(Command::Restart);
    let restored = stage.does(|host| restore(host, SnapshotRef::Latest));
    stage.does(snapshot);
    assert_eq!((list(&stage).snapshots.len(), list(&stage).gone.len()), (3, 0));
    // The one that was made before the restore, and the newest.
    let lost = files(&stage).split_off(1);
    for file in &lost {
        fs::remove_file(file).unwrap();
    }
    let listed = list(&stage);
    let sequences: Vec<u32> = listed.gone.iter().map(|one| one.sequence.unwrap().get()).collect();
    assert_eq!((listed.snapshots.len(), sequences), (1, vec![2, 3]));
    assert_eq!(Some(listed.gone[0].uuid), restored.before);
    assert!(listed.gone[1].words().starts_with("snapshot 3 of `alice`"), "{}", listed.gone[1].words());
    let bob = "bob".parse().unwrap();
    assert_eq!(stage.does(|host| operation::snapshot_list(host, Some(&bob))).gone, []);
    let found = verify(&stage);
    assert!(!found.is_whole() && found.words().ends_with("2 damaged"), "{}", found.words());
    assert_eq!(found.faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["HP-STO-055"; 2]);
    let made = stage.does(snapshot);
    assert_eq!(made.snapshot.sequence.get(), 4, "a number is never given twice");
    assert_eq!(made.warnings.iter().filter(|text| text.contains("is gone from the store")).count(), 2);

    for (file, left) in lost.iter().zip([1, 0]) {
        let request = give_up(&name(file), None, Execution::Real);
        assert_eq!(refusal(&stage, |host| operation::snapshot_give_up(host, &request)).code(), "HP-APR-002");
        given_up(&stage, &name(file));
        assert_eq!(list(&stage).gone.len(), left);
    }
    assert!(verify(&stage).is_whole());
    let events = stage.ledger().events(None, 50).unwrap();
    assert_eq!(events.iter().filter(|event| event.kind == "give-up").count(), 2);
}

/// What is removed is missed by nobody, also where the process died on the way.
#[test]
fn a_snapshot_that_was_removed_is_not_missed() {
    let (_ground, stage) = began();
    for _ in 0..3 {
        stage.does(snapshot);
    }
    let policy = Policy { last: 1, ..Policy::default() };
    let token = stage.does(|host| match operation::snapshot_prune(host, &prune(policy, Execution::DryRun))? {
        Outcome::Planned { approval, .. } => Ok(approval.unwrap().token),
        Outcome::Done(_) => panic!("not asked for"),
    });
    let request = PruneRequest { approve: Some(token), ..prune(policy, Execution::Real) };
    stage.does(|host| operation::snapshot_prune(host, &request));
    let listed = list(&stage);
    assert_eq!((listed.snapshots.len(), listed.gone.len()), (1, 0));
    assert_eq!(stage.ledger().snapshots().unwrap().len(), 1);
    // What a store holds that the ledger does not know is known from the next command on.
    let known = stage.ledger().snapshots().unwrap();
    forget_oldest(&stage);
    stage.does(snapshot);
    let again = stage.ledger().snapshots().unwrap();
    assert_eq!((again.len(), &again[0]), (2, &known[0]));
}

/// Takes the memory of snapshots from the ledger, as one of an older HomePort lacks it.
fn forget_oldest(stage: &Stage) {
    let uuid = stage.ledger().snapshots().unwrap()[0].uuid;
    let lock = homeport_host::oplock::OperationLock::acquire(
        &stage.layout,
        homeport_host::oplock::Wait::No,
        "test",
        homeport_host::ledger::Time::now(),
        |_| {},
    );
    let lock = lock.unwrap();
    let mut writer = homeport_host::ledger::LedgerWriter::open(&lock).unwrap();
    writer.forget_snapshot(uuid).unwrap();
}

fn begin(approve: Option<homeport_host::approval::Token>, execution: Execution) -> BeginStoreRequest {
    BeginStoreRequest { approve, execution }
}

#[test]
fn a_new_store_is_begun_only_with_consent_and_where_nothing_is() {
    let (_ground, stage) = began();
    let none = refusal(&stage, |host| operation::store_begin(host, &begin(None, Execution::DryRun)));
    assert_eq!(none.faults()[0].code, "HP-DAT-017", "{none}");
    stage.does(snapshot);
    let there = refusal(&stage, |host| operation::store_begin(host, &begin(None, Execution::DryRun)));
    assert!(there.faults()[0].actual.contains("where it should be"), "{:?}", there.faults());

    let store = stage.layout.store_dir().to_owned();
    let aside = store.with_extension("gone");
    fs::rename(&store, &aside).unwrap();
    let old = stage.ledger().store().unwrap().unwrap().uuid;
    let (plan, token) = stage.does(|host| match operation::store_begin(host, &begin(None, Execution::DryRun))? {
        Outcome::Planned { plan, approval } => Ok((plan, approval.unwrap().token)),
        Outcome::Done(_) => panic!("not asked for"),
    });
    assert_eq!((plan.lost, plan.snapshots.len()), (old, 1));
    assert!(!store.exists(), "a plan makes nothing");
    let without = refusal(&stage, |host| operation::store_begin(host, &begin(None, Execution::Real)));
    assert_eq!((without.code(), store.exists()), ("HP-APR-002", false), "{without}");
    // Anything at all in the place is in the way: a store whose document is lost, another store, a person's file.
    let approved = || begin(Some(token.clone()), Execution::Real);
    fs::create_dir_all(store.join("packs")).unwrap();
    fs::write(store.join("packs/something"), "x").unwrap();
    let error = refusal(&stage, |host| operation::store_begin(host, &approved()));
    assert_eq!((error.code(), store.join("packs/something").exists()), ("HP-STO-005", true), "{error}");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o700)).unwrap();
    let error = refusal(&stage, |host| operation::store_begin(host, &approved()));
    assert_eq!((error.code(), store.join("packs/something").exists()), ("HP-STO-008", true), "{error}");
    fs::remove_dir_all(&store).unwrap();
    let other =
        Store::create(&store, homeport_volumes::store::Compression::None, homeport_volumes::UnixSeconds::new(1));
    let other = other.unwrap().uuid();
    let error = refusal(&stage, |host| operation::store_begin(host, &approved()));
    assert_eq!((error.code(), Store::open(&store).unwrap().uuid()), ("HP-STO-009", other), "{error}");
    fs::remove_dir_all(&store).unwrap();

    // An empty directory as a new disk has it.
    fs::create_dir(&store).unwrap();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o755)).unwrap();
    let begun: StoreBegun = stage.does(|host| operation::store_begin(host, &approved()).map(done));
    assert!(begun.store != old && stage.ledger().store().unwrap().unwrap().uuid == begun.store);
    let listed = list(&stage);
    assert_eq!((listed.snapshots.len(), listed.gone.len()), (0, 0));
    let events = stage.ledger().events(None, 20).unwrap();
    let told = events.iter().find(|event| event.kind == "store").unwrap();
    assert!(told.text.contains(&old.to_string()) && told.text.ends_with("with 1 snapshot"), "{told:?}");
    assert_eq!(
        refusal(&stage, |host| operation::snapshot_show(host, &choice(SnapshotRef::Latest))).code(),
        "HP-DAT-001"
    );
    assert_eq!(stage.does(snapshot).snapshot.sequence.get(), 1);
    assert!(verify(&stage).is_whole());
    // The token was good for one time, and the old store is not taken for the new one.
    let used = refusal(&stage, |host| operation::store_begin(host, &approved()));
    assert_eq!(used.faults()[0].code, "HP-DAT-017", "{used}");
    fs::rename(&store, store.with_extension("new")).unwrap();
    fs::rename(&aside, &store).unwrap();
    assert_eq!(refusal(&stage, snapshot).code(), "HP-STO-009");
}
