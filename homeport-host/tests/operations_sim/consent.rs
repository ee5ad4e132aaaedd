//! What consent is bound to, where data is replaced that cannot be kept as a snapshot; and what a restore of nothing leaves.

use std::fs;
use std::time::{Duration, SystemTime};

use homeport_core::fault::Advice as _;
use homeport_host::Host;
use homeport_host::approval::Token;
use homeport_host::operation::{self, Execution, OperationError, Outcome, RestorePlan, Restored};
use homeport_host::request::{
    DeviceNodes, EmptyRequest, RestoreRequest, SnapshotRef, TrashChoice, TrashRestoreRequest,
};
use homeport_volumes::store::Sequence;

use crate::data::{done, restore, restore_request, snapshot};
use crate::stage::{Command, Ground, Stage, Trouble};
use crate::view::Now;

fn refusal<T>(stage: &Stage, act: impl FnOnce(&Host) -> Result<T, OperationError>) -> OperationError {
    stage.with(&Trouble::default(), act).0.result.unwrap_err()
}

fn first() -> SnapshotRef {
    SnapshotRef::Number(Sequence::new(1).unwrap())
}

fn request(approve: Option<Token>, execution: Execution) -> RestoreRequest {
    RestoreRequest { approve, execution, ..restore_request(first()) }
}

fn plan(host: &Host) -> Result<(RestorePlan, Token), OperationError> {
    match operation::snapshot_restore(host, &request(None, Execution::DryRun))? {
        Outcome::Planned { plan, approval } => Ok((plan, approval.unwrap().token)),
        Outcome::Done(_) => panic!("not asked for"),
    }
}

fn restore_with(host: &Host, approve: Token) -> Result<Restored, OperationError> {
    operation::snapshot_restore(host, &request(Some(approve), Execution::Real)).map(done)
}

/// Makes `home` one that says it is somebody else's, so that nothing reads it, or makes it readable again.
fn stamp(stage: &Stage, text: Option<&str>) {
    let data = fs::File::open(stage.home_dir().join("data")).unwrap();
    match text {
        Some(text) => {
            rustix::fs::fsetxattr(&data, "trusted.homeport.id", text.as_bytes(), rustix::fs::XattrFlags::empty())
        }
        None => rustix::fs::fremovexattr(&data, "trusted.homeport.id"),
    }
    .unwrap();
}

/// An instance that stands still, with one snapshot and one state after it.
fn two_states(stage: &Stage) {
    stage.must(Command::Deploy);
    stage.any_time();
    stage.does(snapshot);
    stage.must(Command::Restart);
    stage.must(Command::Stop);
}

#[test]
fn what_cannot_be_read_is_replaced_only_with_consent_to_just_that() {
    let ground = Ground::new();
    let stage = ground.stage();
    two_states(&stage);
    let before = stage.home();
    stamp(&stage, Some("strange"));
    let error = refusal(&stage, |host| restore(host, first()));
    assert_eq!(error.code(), "HP-APR-002", "{error}");
    let (shown, token) = stage.does(plan);
    assert!(shown.needs_approval.unwrap().starts_with("no snapshot can be made of what `home` holds now"));
    // Consent without device nodes is none to device nodes.
    let with_devices = RestoreRequest { devices: DeviceNodes::Make, ..request(Some(token.clone()), Execution::Real) };
    let error = refusal(&stage, |host| operation::snapshot_restore(host, &with_devices));
    assert_eq!(error.code(), "HP-APR-007", "{error}");
    assert!(error.to_string().contains("device nodes: approved `refused`, found `made`"), "{error}");
    // Nor is consent to one reason consent to another.
    let keys = stage.ledger().volumes(&crate::stage::alice()).unwrap();
    let keys = keys.into_iter().find(|volume| volume.name.as_str() == "hostkeys").unwrap().path.join("data");
    let keys = fs::File::open(keys).unwrap();
    let stamped = rustix::fs::fsetxattr(&keys, "trusted.homeport.id", b"strange", rustix::fs::XattrFlags::empty());
    stamped.unwrap();
    let error = refusal(&stage, |host| restore_with(host, token.clone()));
    assert_eq!(error.code(), "HP-APR-007", "{error}");
    assert!(error.to_string().contains("why: approved") && error.to_string().contains("volume hostkeys"), "{error}");
    rustix::fs::fremovexattr(&keys, "trusted.homeport.id").unwrap();
    let restored = stage.does(|host| restore_with(host, token));
    assert_ne!(stage.home(), before);

    // The restore is taken back by the same rule.
    stamp(&stage, Some("strange"));
    let what = restored.undo.to_string();
    let undo = |host: &Host, approve, execution| {
        let what = what.parse().unwrap();
        operation::trash_restore(host, &TrashRestoreRequest { what, approve, execution })
    };
    let error = refusal(&stage, |host| undo(host, None, Execution::Real));
    assert_eq!(error.code(), "HP-APR-002", "{error}");
    assert_ne!(stage.home(), before, "nothing was exchanged");
    let token = stage.does(|host| match undo(host, None, Execution::DryRun)? {
        Outcome::Planned { plan, approval } => {
            assert!(plan.needs_approval.is_some());
            Ok(approval.unwrap().token)
        }
        Outcome::Done(_) => panic!("not asked for"),
    });
    stage.does(|host| undo(host, Some(token.clone()), Execution::Real).map(done));
    assert_eq!(stage.home(), before);
    stamp(&stage, None);
    assert_eq!(stage.settled("taken back"), Now::stopped("hello"));
}

#[test]
fn what_needs_no_consent_is_done_without() {
    let ground = Ground::new();
    let stage = ground.stage();
    two_states(&stage);
    let restored = stage.does(|host| restore(host, first()));
    let request = |approve| TrashRestoreRequest {
        what: restored.undo.to_string().parse().unwrap(),
        approve,
        execution: Execution::Real,
    };
    let useless = "aaaa-bbbb-cccc-dddd".parse().unwrap();
    let error = refusal(&stage, |host| operation::trash_restore(host, &request(Some(useless))));
    assert_eq!(error.code(), "HP-APR-008", "{error}");
    stage.does(|host| operation::trash_restore(host, &request(None)).map(done));
}

#[test]
fn consent_to_delete_is_none_to_what_was_changed_since() {
    let ground = Ground::new();
    let stage = ground.stage();
    two_states(&stage);
    stage.does(|host| restore(host, first()));
    let request = |approve, execution| EmptyRequest { what: TrashChoice::All, approve, execution };
    let token = stage.does(|host| match operation::trash_empty(host, &request(None, Execution::DryRun))? {
        Outcome::Planned { approval, .. } => Ok(approval.unwrap().token),
        Outcome::Done(_) => panic!("not asked for"),
    });
    let list = stage.does(operation::trash_list);
    let home = list.bundles[0].trees.iter().find(|tree| tree.volume.as_str() == "home").unwrap();
    let data = stage.home_dir().join(".homeport/trash").join(home.tx.to_string()).join("data");
    let file = fs::read_dir(data).unwrap().next().unwrap().unwrap().path();
    let later = SystemTime::now() + Duration::from_mins(1);
    fs::File::options().write(true).open(file).unwrap().set_modified(later).unwrap();
    let error = refusal(&stage, |host| operation::trash_empty(host, &request(Some(token), Execution::Real)));
    assert_eq!(error.code(), "HP-APR-007", "{error}");
    assert!(error.to_string().contains(": newest: approved"), "{error}");
}

/// The same port with a volume that it does not fill.
fn with_cache() -> String {
    let cache = r#""volumes":{
"cache":{"path":"/var/cache/x","format":1,"uid":0,"gid":0,"mode":"0700","min_free_bytes":4096,"min_free_inodes":4},"#;
    crate::port::MANIFEST.replace("\"volumes\":{", cache)
}

#[test]
fn a_volume_that_was_in_use_is_never_new_again_also_where_nothing_was_restored_into_it() {
    let ground = Ground::new();
    let stage = ground.stage_of(&with_cache());
    let is_new = |stage: &Stage| {
        let file = stage
            .layout
            .instance_run_dir(&crate::stage::alice(), homeport_host::ledger::Slot::First)
            .join("volumes.json");
        let expected: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        expected["cache"]["new"].as_bool().unwrap()
    };
    stage.must(Command::Deploy);
    assert!(is_new(&stage), "it was made just now");
    stage.any_time();
    stage.does(snapshot);
    let volumes = stage.ledger().volumes(&crate::stage::alice()).unwrap();
    let cache = volumes.into_iter().find(|volume| volume.name.as_str() == "cache").unwrap();
    fs::write(cache.path.join("data/entry"), "kept").unwrap();
    stage.must(Command::Restart);
    assert!(!is_new(&stage));
    stage.must(Command::Stop);
    let (_, token) = stage.does(plan);
    stage.does(|host| restore_with(host, token));
    assert_eq!(fs::read_dir(cache.path.join("data")).unwrap().count(), 0);
    stage.must(Command::Start);
    assert!(!is_new(&stage), "it was in use, and a restore made it blank");
}
