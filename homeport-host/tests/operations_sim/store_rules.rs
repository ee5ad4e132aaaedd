//! What a store that is damaged, or in the wrong place, keeps anybody from: one rule a test.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command as Program;

use homeport_core::fault::Advice as _;
use homeport_host::operation::{self, Execution, Outcome};
use homeport_host::request::{Depth, PruneRequest, PruneWish, VerifyRequest};
use homeport_volumes::snapshot::Policy;

use crate::data::{done, snapshot};
use crate::stage::{Command, Ground, Stage, Trouble, alice};

fn verify(stage: &Stage, request: &VerifyRequest) -> operation::VerifyOutcome {
    stage.does(|host| operation::snapshot_verify(host, request))
}

fn everything(depth: Depth) -> VerifyRequest {
    VerifyRequest { instance: None, snapshot: None, depth }
}

fn files(stage: &Stage, room: &str, end: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(stage.layout.store_dir().join(room)).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.to_string_lossy().ends_with(end)).collect()
}

fn flip(file: &Path, at: u64) {
    let mut byte = [0];
    let file = fs::File::options().read(true).write(true).open(file).unwrap();
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

/// Wherever the entries of the snapshot before are damaged, the next one reads every file, says so, and mends them.
#[test]
fn damaged_entries_of_the_snapshot_before_stop_no_snapshot() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.any_time();
    stage.does(snapshot);
    let is_whole = |stage: &Stage| verify(stage, &everything(Depth::Full)).is_whole();
    assert!(is_whole(&stage));
    let longest =
        files(&stage, "entries", ".zst").into_iter().map(|file| file.metadata().unwrap().len()).max().unwrap();
    let mut noticed = 0;
    for at in (4..longest).step_by(usize::try_from(longest / 12).unwrap().max(1)) {
        for file in files(&stage, "entries", ".zst").iter().filter(|file| file.metadata().unwrap().len() > at) {
            flip(file, at);
        }
        let made = stage.does(snapshot);
        noticed += made.warnings.iter().filter(|warning| warning.contains("every file was read")).count();
        assert!(is_whole(&stage), "byte {at}: not mended");
    }
    assert!(noticed > 6, "only {noticed} were noticed");
}

/// What `tar` and `restore.sh` need of packs is looked at with the whole store, though no snapshot lacks anything.
#[test]
fn a_pack_that_tar_cannot_unpack_is_a_fault_of_the_store() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.does(snapshot);
    assert!(verify(&stage, &everything(Depth::Full)).is_whole());
    for pack in files(&stage, "packs", ".tar") {
        flip(&pack, 2);
    }
    let found = verify(&stage, &everything(Depth::Full));
    assert!(!found.faults.is_empty() && found.faults.iter().all(|fault| fault.code == "HP-STO-032"), "{found:?}");
    assert!(found.faults.iter().all(|fault| fault.subject.starts_with("packs/") && !fault.remedy.is_empty()));
    assert!(found.snapshots.iter().all(|one| one.faults.is_empty()), "every object is whole");
    let own = VerifyRequest { instance: Some(alice()), ..everything(Depth::Full) };
    assert!(verify(&stage, &own).is_whole() && verify(&stage, &everything(Depth::Quick)).is_whole());
}

#[test]
fn what_a_prune_would_do_to_the_store_is_said_before() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.does(snapshot);
    let request = PruneRequest {
        instance: alice(),
        what: PruneWish::ByPolicy(Policy { last: 1, ..Policy::default() }),
        approve: None,
        execution: Execution::DryRun,
    };
    let planned = stage.does(|host| operation::snapshot_prune(host, &request));
    let Outcome::Planned { plan, .. } = planned else { panic!("only planned") };
    let forecast = plan.collection.unwrap();
    let real = PruneRequest { execution: Execution::Real, ..request };
    let pruned = stage.does(|host| operation::snapshot_prune(host, &real).map(done));
    assert_eq!((pruned.bytes_set_aside, pruned.bytes_freed), (forecast.bytes_set_aside, forecast.bytes_freed));
    assert_eq!(pruned.warnings, [""; 0]);
}

/// Something mounted, until it goes.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _gone = Program::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// By whatever path: here the place of the store is the volume's own directory, mounted there.
#[test]
fn no_store_is_made_in_a_volume() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    let place = stage.layout.store_dir().to_owned();
    let inside = stage.home_dir().join("data/inside");
    fs::create_dir_all(&inside).unwrap();
    fs::create_dir_all(&place).unwrap();
    let mounted = Program::new("mount").arg("--bind").args([&inside, &place]).status().unwrap();
    assert!(mounted.success());
    let guard = Mounted(place.clone());
    let (ran, _) = stage.with(&Trouble::default(), snapshot);
    let error = ran.result.unwrap_err();
    assert_eq!((error.code(), error.faults().len()), ("HP-STO-010", 1), "{error:?}");
    assert_eq!(fs::read_dir(&inside).unwrap().count(), 0, "nothing is made in it");
    drop(guard);
    fs::remove_dir(&inside).unwrap();
    stage.does(snapshot);
}
