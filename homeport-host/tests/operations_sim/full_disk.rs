//! A disk that another program fills in the middle of a change of version: whatever step that is, the change comes to its end
//! or is taken back whole, and the version from before runs, with the disk still full.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use homeport_core::fault::Advice as _;
use homeport_host::Host;
use homeport_host::hazard::{Hazard, Hazards, Moment, Point};
use homeport_host::ledger::{LedgerWriter, Time, VolumeRecord, VolumeState};
use homeport_host::operation::{self, OperationError};
use homeport_host::oplock::{OperationLock, Wait};
use homeport_host::request::SnapshotRef;
use homeport_host::run::{RunError, StepError};
use rustix::mount::MountFlags;

use crate::data::{restore, snapshot};
use crate::exhaust_version::REPLACE;
use crate::stage::{Command, Ground, Stage, Trouble, alice, mounts_below};
use crate::version::{request, rollback, second, two_that_share, two_versions, upgrade};
use crate::view::Now;

/// Fills a disk before one step.
#[derive(Debug)]
struct Fills {
    step: usize,
    ballast: PathBuf,
}

impl Hazards for Fills {
    fn at(&self, point: &Point) -> Hazard {
        if (point.step, point.moment) == (self.step, Moment::BeforeStep) && !self.ballast.exists() {
            fill(&self.ballast);
        }
        Hazard::None
    }
}

fn fill(ballast: &Path) {
    let mut file = fs::File::create(ballast).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}

/// A stage that has one of its places on a disk of its own.
fn stage_on_a_disk(ground: &Ground, place: &str) -> (Stage, PathBuf) {
    let stage = ground.stage();
    let places =
        [("state", stage.layout.state_dir()), ("run", stage.layout.run_dir()), ("data", stage.layout.data_dir())];
    let point = places.into_iter().find(|(name, _)| *name == place).unwrap().1.to_owned();
    fs::create_dir_all(&point).unwrap();
    rustix::mount::mount("homeport-test", &point, "tmpfs", MountFlags::empty(), Some(c"size=16m,mode=0755")).unwrap();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.put_version(&second());
    (stage, point.join("ballast"))
}

fn upgrade_while_full(stage: &Stage, fills: Fills) -> Result<(), OperationError> {
    stage.engine.restart();
    let host = Host::new(stage.layout.clone(), Arc::new(stage.engine.clone()), Arc::new(stage.routes.clone()));
    operation::upgrade(&host.simulated(Arc::new(fills)), &request(None)).map(drop)
}

/// No room is set aside any more.
fn nothing_is_set_aside(stage: &Stage, case: &str) {
    let volumes = stage.ledger().volumes(&alice()).unwrap().into_iter().map(|volume| volume.path.join(".homeport"));
    let own = [stage.layout.state_dir().to_owned(), stage.layout.run_dir().to_owned()];
    for place in own.into_iter().chain(volumes) {
        assert!(!place.join("room").exists(), "{case}: `{}`", place.display());
    }
}

#[test]
fn a_disk_that_gets_full_before_any_step_hinders_no_way_back() {
    for place in ["state", "run", "data"] {
        for (step, name) in REPLACE.iter().enumerate() {
            let case = format!("`{place}` is full before step {step}, `{name}`");
            let ground = Ground::new();
            let (stage, ballast) = stage_on_a_disk(&ground, place);
            let before = stage.engine.containers();
            let result = upgrade_while_full(&stage, Fills { step, ballast: ballast.clone() });
            assert!(ballast.exists(), "{case}: there is no such step");
            match &result {
                // What is left of the old version is put away by the next command.
                Ok(()) => {}
                Err(OperationError::Run(RunError::Undone { .. })) => {
                    assert_eq!(stage.settled(&case), Now::running("hello"), "{case}");
                    nothing_is_set_aside(&stage, &case);
                }
                // Room is set aside by the first step: before that even what was not done cannot be written down. Nothing has
                // changed, and the next command says so.
                Err(OperationError::Run(RunError::Stuck { cause, .. })) if (step, place) == (0, "state") => {
                    assert!(matches!(**cause, StepError::NoRoom { .. }), "{case}: {cause:?}");
                    assert_eq!(stage.engine.containers(), before, "{case}");
                }
                Err(error) => panic!("{case}: {error:?}"),
            }
            fs::remove_file(&ballast).unwrap();
            if result.is_err() {
                stage.does(upgrade);
            }
            assert_eq!(stage.steps_of_this_kind(REPLACE[0]), REPLACE, "{case}: the plan");
            stage.does(operation::resume_cut_off);
            assert_eq!(stage.settled(&case), Now::running("hello@1.1.0"));
            nothing_is_set_aside(&stage, &case);
        }
    }
}

#[test]
fn where_there_is_no_room_for_the_way_back_nothing_is_begun() {
    for place in ["state", "run", "data"] {
        let ground = Ground::new();
        let (stage, ballast) = stage_on_a_disk(&ground, place);
        let before = stage.engine.containers();
        // Enough for the journal, and not for what is set aside.
        fill(&ballast);
        let size = ballast.metadata().unwrap().len();
        fs::OpenOptions::new().write(true).open(&ballast).unwrap().set_len(size - 120_000).unwrap();
        let error = upgrade_while_full(&stage, Fills { step: usize::MAX, ballast: ballast.clone() }).unwrap_err();
        let OperationError::Run(RunError::Undone { cause, .. }) = &error else { panic!("{place}: {error:?}") };
        assert!(matches!(**cause, StepError::NoRoom { .. }), "{place}: {cause:?}");
        let help = error.help().unwrap();
        assert!(help.contains(ballast.parent().unwrap().to_str().unwrap()) && help.contains("nothing was changed"));
        assert_eq!(stage.engine.containers(), before, "{place}");
        assert_eq!(stage.settled(place), Now::running("hello"));
        nothing_is_set_aside(&stage, place);
    }
}

#[test]
fn where_there_is_no_room_for_the_way_back_clients_of_the_version_before_stay() {
    let ground = Ground::new();
    let stage = two_that_share(&ground);
    stage.does(upgrade);
    let running = |stage: &Stage| stage.engine.containers().iter().filter(|one| one.state.is_running()).count();
    assert_eq!(running(&stage), 2, "clients of the old version stay");
    // Nothing can be set aside there.
    let room = stage.layout.state_dir().join("room");
    fs::create_dir(&room).unwrap();
    let (ran, _) = stage.with(&Trouble::default(), rollback);
    let Err(OperationError::Run(RunError::Undone { cause, .. })) = &ran.result else { panic!("{}", ran.text()) };
    assert!(matches!(**cause, StepError::Io { action: "set room aside beside the ledger", .. }), "{cause:?}");
    assert_eq!(running(&stage), 2, "it says that nothing was changed");
    fs::remove_dir(&room).unwrap();
    stage.does(rollback);
    assert_eq!(running(&stage), 2);
    assert_eq!(stage.settled("rolled back"), Now::running("hello"));
}

/// Volumes that the instance had once, and whose directories are gone: one of its port, and one of a port before that.
fn with_kept_volumes_that_are_gone(stage: &Stage) {
    let known = stage.ledger().volumes(&alice()).unwrap().remove(0);
    let time = known.created.clone();
    let lock = OperationLock::acquire(&stage.layout, Wait::No, "test", time, |_| {}).unwrap();
    let mut writer = LedgerWriter::open(&lock).unwrap();
    for (port, uuid) in
        [("shell", "0194f5e0-7e1a-7000-8000-000000000001"), ("mail", "0194f5e0-7e1a-7000-8000-000000000002")]
    {
        let kept = VolumeRecord {
            uuid: uuid.to_owned(),
            port: port.parse().unwrap(),
            name: "attic".parse().unwrap(),
            path: stage.layout.data_dir().join(format!("gone-{port}")),
            state: VolumeState::Kept,
            ..known.clone()
        };
        writer.put_volume(&kept).unwrap();
    }
}

#[test]
fn no_room_is_asked_for_in_volumes_that_a_change_of_version_does_not_touch() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    with_kept_volumes_that_are_gone(&stage);
    stage.does(upgrade);
    assert_eq!(stage.ledger().instance(&alice()).unwrap().unwrap().version.to_string(), "1.1.0");
    stage.does(rollback);
    assert_eq!(stage.ledger().instance(&alice()).unwrap().unwrap().version.to_string(), "1.0.0");
    nothing_is_set_aside(&stage, "rolled back");
}

#[test]
fn a_state_disk_that_is_full_keeps_nobody_from_the_lock_of_operations() {
    let ground = Ground::new();
    let (stage, ballast) = stage_on_a_disk(&ground, "state");
    fill(&ballast);
    let take = || OperationLock::acquire(&stage.layout, Wait::No, "a test", Time::now(), |_| {});
    let lock = take().unwrap();
    assert_eq!(stage.layout.lock_file().metadata().unwrap().len(), 0, "there is no room for a note");
    let error = take().unwrap_err();
    assert_eq!(error.code(), "HP-OPL-002", "it is held all the same");
    drop(lock);
    take().unwrap();
}

/// What lies in the trash of a volume is known to the ledger.
fn all_trash_is_known(stage: &Stage, case: &str) {
    let known: Vec<String> = stage.ledger().trash().unwrap().iter().map(|tree| tree.tx.to_string()).collect();
    for volume in stage.ledger().volumes(&alice()).unwrap() {
        for tree in fs::read_dir(volume.path.join(".homeport/trash")).into_iter().flatten() {
            let tree = tree.unwrap().file_name().into_string().unwrap();
            assert!(known.contains(&tree), "{case}: nobody knows of `{tree}`");
        }
    }
}

type Deed = fn(&Host) -> Result<(), OperationError>;

#[test]
fn a_ledger_without_room_leaves_only_notes_to_be_made() {
    let restart: Deed = |host| operation::restart(host, &alice()).map(drop);
    let restored: Deed = |host| restore(host, SnapshotRef::Latest).map(drop);
    let deeds: [(&str, Deed); 2] = [("restart", restart), ("restore", restored)];
    for (name, deed) in deeds {
        for step in 1.. {
            let case = format!("{name}: the state disk is full before step {step}");
            let ground = Ground::new();
            let (stage, ballast) = stage_on_a_disk(&ground, "state");
            stage.does(snapshot);
            stage.engine.restart();
            let host = Host::new(stage.layout.clone(), Arc::new(stage.engine.clone()), Arc::new(stage.routes.clone()));
            let result = deed(&host.simulated(Arc::new(Fills { step, ballast: ballast.clone() })));
            if !ballast.exists() {
                result.unwrap();
                break;
            }
            if let Err(OperationError::Run(RunError::Stuck { .. })) = &result {
                let left = mounts_below(&stage.layout.mounts_dir());
                assert!(left.is_empty(), "{case}: {left:?}");
            }
            fs::remove_file(&ballast).unwrap();
            stage.does(operation::resume_cut_off);
            all_trash_is_known(&stage, &case);
            let now = stage.settled(&case);
            assert!([Now::running("hello"), Now::down("hello")].contains(&now), "{case}: {now:?}");
        }
    }
}
