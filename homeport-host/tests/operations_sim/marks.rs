//! What is remembered of snapshots: only of those that there are, and what was found last.

use std::sync::{Arc, Mutex};

use homeport_host::Host;
use homeport_host::ledger::{LedgerWriter, MarkKind, SnapshotMark, Time};
use homeport_host::operation::{self, Execution, Outcome};
use homeport_host::oplock::{OperationLock, Wait};
use homeport_host::progress::{Event, Progress};
use homeport_host::request::{Depth, PruneRequest, PruneWish, SnapshotRef, VerifyRequest};
use homeport_volumes::store::SnapshotUuid;

use crate::data::{choice, done, snapshot};
use crate::stage::{Command, Ground, Stage, alice};

fn mark(stage: &Stage, snapshot: SnapshotUuid, kind: MarkKind) {
    let lock = OperationLock::acquire(&stage.layout, Wait::No, "a test", Time::now(), |_| {}).unwrap();
    let mark = SnapshotMark { snapshot, kind, at: Time::now(), note: "a test".to_owned() };
    LedgerWriter::open(&lock).unwrap().mark_snapshot(&mark).unwrap();
}

fn verify(host: &Host) -> Result<operation::VerifyOutcome, operation::OperationError> {
    operation::snapshot_verify(host, &VerifyRequest { instance: None, snapshot: None, depth: Depth::Full })
}

#[test]
fn only_damage_of_a_snapshot_that_is_there_makes_the_next_one_read_everything() {
    let ground = Ground::new();
    let stage = ground.stage();
    // The times of a file system in memory are not believed, and those of a disk only after a while.
    stage.make_directory();
    stage.must(Command::DeployOnDisk);
    stage.must(Command::Stop);
    std::thread::sleep(std::time::Duration::from_secs(4));
    let first = stage.does(snapshot).snapshot.uuid;
    let unchanged = || stage.does(snapshot).work.unchanged;
    let usual = unchanged();
    assert!(usual > 0);
    mark(&stage, SnapshotUuid::random(), MarkKind::Damaged);
    assert_eq!(unchanged(), usual, "that one is gone");
    mark(&stage, first, MarkKind::Damaged);
    assert_eq!(unchanged(), 0);
    let verified = stage.does(verify);
    assert!(verified.snapshots.iter().all(|one| one.faults.is_empty()), "{verified:?}");
    // Nobody removed the other one, of which only the mark is there.
    assert_eq!(verified.faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["HP-STO-055"]);
    assert_eq!(unchanged(), usual);
}

/// Removes a snapshot as soon as one is verified or rehearsed.
#[derive(Debug)]
struct Removes {
    host: Host,
    request: Mutex<Option<PruneRequest>>,
}

impl Progress for Removes {
    fn event(&self, event: &Event) {
        if matches!(event, Event::Work { what, .. } if what.starts_with("verify") || what.starts_with("rehearse"))
            && let Some(request) = self.request.lock().unwrap().take()
        {
            operation::snapshot_prune(&self.host, &request).map(done).unwrap();
        }
    }
}

fn removing(host: &Host, snapshot: SnapshotUuid) -> Arc<Removes> {
    let what = PruneWish::Named(vec![snapshot.to_string().parse().unwrap()]);
    let plan = PruneRequest { instance: alice(), what, approve: None, execution: Execution::DryRun };
    let Outcome::Planned { approval, .. } = operation::snapshot_prune(host, &plan).unwrap() else { panic!("done") };
    let request = PruneRequest { approve: Some(approval.unwrap().token), execution: Execution::Real, ..plan };
    Arc::new(Removes { host: host.clone(), request: Mutex::new(Some(request)) })
}

#[test]
fn a_snapshot_that_is_removed_while_it_is_looked_at_is_not_damaged() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    let first = stage.does(snapshot).snapshot.uuid;
    stage.must(Command::Restart);
    let second = stage.does(snapshot).snapshot.uuid;
    stage.must(Command::Restart);
    let third = stage.does(snapshot).snapshot.uuid;
    stage.does(|host| {
        let removes = removing(host, first);
        let found = verify(&host.clone().with_progress(removes.clone()))?;
        assert!(removes.request.lock().unwrap().is_none(), "nothing was removed");
        assert!(found.is_whole(), "{found:?}");
        assert_eq!(found.snapshots.iter().map(|one| one.uuid).collect::<Vec<_>>(), [second, third]);
        let removes = removing(host, second);
        let named = choice(SnapshotRef::Number(homeport_volumes::store::Sequence::new(2).unwrap()));
        let rehearsed = operation::snapshot_rehearse(&host.clone().with_progress(removes.clone()), &named);
        assert!(removes.request.lock().unwrap().is_none(), "nothing was removed");
        assert!(rehearsed.is_err());
        Ok(())
    });
    let marks = stage.ledger().snapshot_marks().unwrap();
    assert!(marks.iter().all(|mark| mark.snapshot == third && mark.kind == MarkKind::Verified), "{marks:?}");
}
