//! Inputs that have cost people their data, by their numbers, where it takes a whole HomePort to refuse them: each with its
//! code and with advice, and every byte stays where it was.

use std::os::unix::net::UnixDatagram;

use homeport_core::digest::Digest;
use homeport_core::fault::Advice as _;
use homeport_host::Host;
use homeport_host::engine::sim::{Boot, Fate, OnStop, SimImage};
use homeport_host::engine::{ExitCode, SimEngine};
use homeport_host::operation::{self, Execution, OperationError, Outcome, Restored};
use homeport_host::request::{RestoreRequest, TrashRestoreRequest};

use crate::data::{done, restore, restore_request, snapshot};
use crate::data_rules::{HOOKS, number, refusal};
use crate::port::MANIFEST;
use crate::stage::{Command, Ground, Stage, alice};
use crate::view::Now;

/// A deploy of this version, and of no other.
fn deploy(host: &Host, stage: &Stage, version: &str) -> Result<(), OperationError> {
    let request = homeport_host::request::DeployRequest {
        version: Some(format!("={version}").parse().unwrap()),
        ..stage.request(&alice(), false)
    };
    operation::deploy(host, &request).map(drop)
}

/// Another version of the port in the engine, which only says that it is ready.
fn put_version(engine: &SimEngine, version: &str, manifest: &str, declared: &[&str]) {
    let manifest = manifest.replace(r#""version":"1.0.0""#, &format!(r#""version":"{version}""#));
    let name = format!("homeport/shell:{version}").parse().unwrap();
    let mut image = SimImage::new(Digest::new([version.as_bytes()[0]; 32]), name)
        .label("io.homeport.manifest", &manifest)
        .label("io.homeport.protocol", "1.0")
        .entrypoint(&["/port/init"])
        .file("/port/manifest.json", manifest)
        .program(gets_ready);
    image.facts.volumes = declared.iter().map(|path| (*path).to_owned()).collect();
    engine.put_image(image);
}

fn gets_ready(boot: &mut Boot) -> Fate {
    boot.pid = std::process::id();
    let run = boot.spec.binds.iter().find(|bind| bind.target.to_string() == "/run/port").unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    socket.send_to(b"READY=1\n", run.source.as_path().join("notify")).unwrap();
    Fate::Runs(OnStop::Exits(ExitCode::SUCCESS))
}

/// The identity of the volume `home`.
fn uuid(stage: &Stage) -> String {
    let volumes = stage.ledger().volumes(&alice()).unwrap();
    volumes.into_iter().find(|volume| volume.name.as_str() == "home").unwrap().uuid
}

/// Takes a restore back.
fn take_back(stage: &Stage, restored: &Restored) {
    let what = restored.undo.to_string().parse().unwrap();
    let request = TrashRestoreRequest { what, approve: None, execution: Execution::Real };
    stage.does(|host| operation::trash_restore(host, &request).map(done));
}

/// 45 and 46: what an image declares as its volumes is what the manifest has, or no container is made of it, and no volume.
#[test]
fn bad_input_45_46_an_image_with_other_volumes_than_its_manifest() {
    for (declared, named) in
        [(["/home/user/data", "/var/lib/hostkeys"], "/home/user/data"), (["/home/user", "/var/mail"], "/var/mail")]
    {
        let ground = Ground::new();
        let stage = ground.stage();
        put_version(&stage.engine, "2.0.0", MANIFEST, &declared);
        let error = refusal(&stage, |host| deploy(host, &stage, "2.0.0"));
        assert_eq!(error.code(), "HP-IMG-005", "{error}");
        assert!(error.help().is_some(), "{error}");
        let [fault] = error.faults() else { panic!("{:?}", error.faults()) };
        assert_eq!(fault.code, "HP-VOL-014");
        assert!(fault.to_string().contains(named) && fault.remedy.contains("declare"), "{fault}; {}", fault.remedy);
        assert_eq!(stage.engine.containers().len(), 0);
        assert_eq!(stage.settled("refused"), Now::Absent);
        assert_eq!(stage.ledger().all_volumes().unwrap(), []);
    }
}

/// However often a change fails, what was kept before the first attempt is there, and so is the way back from the last.
#[test]
fn bad_input_66_a_second_attempt_after_one_that_failed() {
    let ground = Ground::new();
    let stage = ground.stage_of(HOOKS);
    stage.must(Command::Deploy);
    stage.any_time();
    stage.does(snapshot);
    stage.must(Command::Restart);
    let full = stage.home();
    stage.port.deeds().failing = vec!["mend".to_owned()];
    let kept = |stage: &Stage| stage.does(|host| operation::snapshot_list(host, None)).snapshots;
    let mut before = kept(&stage);
    for attempt in 1..=3 {
        let error = refusal(&stage, |host| restore(host, number(1)));
        assert_eq!(error.code(), "HP-OPN-015", "{error}");
        assert!(error.help().is_some(), "{error}");
        assert_eq!(stage.settled("taken back"), Now::running("hello"));
        assert!(full.iter().all(|(name, bytes)| stage.home().get(name) == Some(bytes)), "attempt {attempt}");
        let after = kept(&stage);
        assert!(before.iter().all(|one| after.iter().any(|other| other.uuid == one.uuid)), "attempt {attempt}");
        assert!(after.len() > before.len(), "each attempt keeps what it finds");
        before = after;
    }
    stage.port.deeds().failing.clear();
    let last = stage.home();
    let restored = stage.does(|host| restore(host, number(1)));
    assert!(stage.home().len() < last.len());
    // What the first attempt kept is whole: it is a tree of that time, without what was written since.
    stage.does(|host| restore(host, number(2)));
    assert!(full.iter().all(|(name, bytes)| stage.home().get(name) == Some(bytes)));
    take_back(&stage, &restored);
    assert!(last.iter().all(|(name, bytes)| stage.home().get(name) == Some(bytes)), "the way back");
}

/// A version that has no such volume any more runs without it; the data stays, known, and the former version finds it.
#[test]
fn bad_input_71_the_definition_of_a_volume_is_taken_away() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.must(Command::Remove);
    let (before, home) = (stage.home(), stage.home_dir());
    let line = MANIFEST.lines().find(|line| line.starts_with(r#""home""#)).unwrap();
    put_version(&stage.engine, "2.0.0", &MANIFEST.replace(line, ""), &[]);
    stage.does(|host| deploy(host, &stage, "2.0.0"));
    assert_eq!((stage.home(), stage.home_dir()), (before.clone(), home.clone()), "the new version runs without it");
    stage.must(Command::Remove);
    assert_eq!((stage.home(), stage.home_dir()), (before.clone(), home));
    stage.does(|host| deploy(host, &stage, "1.0.0"));
    assert_eq!(stage.settled("the former version"), Now::running("hello"));
    assert!(before.iter().all(|(name, bytes)| stage.home().get(name) == Some(bytes)));
}

/// A snapshot of the first hour, when nothing was there yet, is most likely not what is meant a year later.
#[test]
fn bad_input_74_an_empty_snapshot_over_a_full_volume() {
    let ground = Ground::new();
    let stage = ground.stage();
    put_version(&stage.engine, "2.0.0", MANIFEST, &[]);
    stage.does(|host| deploy(host, &stage, "2.0.0"));
    stage.any_time();
    let made = stage.does(snapshot);
    assert!(made.snapshot.volumes.iter().all(|volume| volume.entries == 1), "{:?}", made.snapshot.volumes);
    std::fs::write(stage.home_dir().join("data/letter"), "of a year").unwrap();
    let before = stage.home();
    stage.port.deeds().set(&uuid(&stage), &before);
    let error = refusal(&stage, |host| restore(host, number(1)));
    assert_eq!(error.code(), "HP-APR-002", "{error}");
    assert!(error.to_string().contains("`home` is empty in the snapshot and holds data now"), "{error}");
    assert!(error.help().is_some_and(|help| help.contains("--dry-run")), "{error}");
    assert_eq!(stage.home(), before, "nothing was changed");
    // With consent it is done, and can be taken back.
    let plan = RestoreRequest { execution: Execution::DryRun, ..restore_request(number(1)) };
    let token = stage.does(|host| match operation::snapshot_restore(host, &plan)? {
        Outcome::Planned { approval, .. } => Ok(approval.unwrap().token),
        Outcome::Done(_) => panic!("not asked for"),
    });
    let approved = RestoreRequest { approve: Some(token), ..restore_request(number(1)) };
    let restored = stage.does(|host| operation::snapshot_restore(host, &approved).map(done));
    assert!(stage.home().is_empty());
    take_back(&stage, &restored);
    assert_eq!(stage.home(), before);
}

/// What a newer version has written in its own format is not given to an older one, and not changed by being refused.
#[test]
fn bad_input_75_an_older_version_on_data_of_a_newer_one() {
    let ground = Ground::new();
    let stage = ground.stage();
    let newer = MANIFEST.replace(r#""path":"/home/user","format":1"#, r#""path":"/home/user","format":2"#);
    assert_ne!(newer, MANIFEST);
    put_version(&stage.engine, "2.0.0", &newer, &[]);
    stage.does(|host| deploy(host, &stage, "2.0.0"));
    std::fs::write(stage.home_dir().join("data/letter"), "in the new format").unwrap();
    let before = stage.home();
    stage.port.deeds().set(&uuid(&stage), &before);
    stage.must(Command::Remove);
    let error = refusal(&stage, |host| deploy(host, &stage, "1.0.0"));
    assert_eq!(error.code(), "HP-VOL-006", "{error}");
    let fault = error.faults().iter().find(|fault| fault.code == "HP-VOL-006").unwrap();
    assert!(fault.to_string().contains("newer than the image"), "{fault}");
    assert!(fault.remedy.contains("use the version of the port that wrote it"), "{}", fault.remedy);
    assert_eq!((stage.home(), stage.engine.containers().len()), (before.clone(), 0));
    stage.does(|host| deploy(host, &stage, "2.0.0"));
    assert_eq!(stage.home(), before);
}
