//! The migrate phase, with a port whose volume has two formats: what the host sees of each way that a step can end.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::json;

use crate::world::{Ended, Place, World, assert_ended, sh, wait_for};

const UP: [&str; 7] = ["migrate", "--volume", "data", "--from", "1", "--to", "2"];
const DOWN: [&str; 7] = ["migrate", "--volume", "data", "--from", "2", "--to", "1"];

/// A file of the volume and its bytes.
type Note<'a> = (&'a str, &'a [u8]);

/// The example of a port with a migration.
fn example() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_homeport-init")).with_file_name("examples").join("two-formats");
    assert!(program.exists(), "`{}` is not built: `cargo test -p homeport-sdk` builds it", program.display());
    program
}

/// A world as the host makes it for a step: the volume in format 1, a snapshot, no configuration, and nothing of the
/// other volume.
fn world(notes: &[Note<'_>]) -> World {
    let world = World::new(&json!({"main": sh("true")})).env("HOMEPORT_SNAPSHOT", "s1").manifest(|manifest| {
        manifest["migrations"] = json!([{"volume": "data", "from": 1, "to": 2, "down": true}]);
        manifest["volumes"]["other"] = json!({"path": "/other", "format": 1, "uid": 0, "gid": 0, "mode": "0755"});
        manifest["config"]["needed"] = json!({"type": "string", "required": true});
    });
    world.init(&example());
    fs::remove_file(world.path("run/config.json")).unwrap();
    world.expect_volume(|expected| expected["format"] = json!(1));
    for (name, text) in notes {
        fs::write(world.path("data").join(name), text).unwrap();
    }
    world
}

fn content(world: &World) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(world.path("data")).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn pairs(notes: &[Note<'_>]) -> BTreeMap<String, Vec<u8>> {
    notes.iter().map(|(name, text)| ((*name).to_owned(), text.to_vec())).collect()
}

/// The step down, of data that was migrated.
fn down(world: &World) -> Ended {
    world.expect_volume(|expected| expected["format"] = json!(2));
    world.phase(&DOWN)
}

#[test]
fn a_step_sees_its_volume_alone_and_needs_no_configuration() {
    let old: [Note<'_>; 2] = [("a.txt", b"one"), ("b.txt", b"two \"2\"")];
    let new: [Note<'_>; 2] = [("a.json", b"\"one\""), ("b.json", br#""two \"2\"""#)];
    for place in [Place::First, Place::Child] {
        let world = world(&old).place(place);
        assert_ended(&world.phase(&UP), 0, &[]);
        assert_eq!(content(&world), pairs(&new));
        assert_ended(&world.phase(&UP), 0, &[]);
        assert_eq!(content(&world), pairs(&new), "a repeated step changes nothing");
        assert_ended(&down(&world), 0, &[]);
        assert_eq!(content(&world), pairs(&old));
        assert_ended(&down(&world), 0, &[]);
        assert_eq!(content(&world), pairs(&old));
    }
}

#[test]
fn a_step_that_was_killed_anywhere_is_carried_out_again() {
    let world = world(&[("a.txt", b"one"), ("b.txt", b"two"), ("d.txt", b"four")]);
    let pipe = world.path("data/c.txt");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut running = world.start(&UP);
    // Init waits at the third note for somebody who writes it; nobody will.
    wait_for("two notes are converted", || {
        let half = world.path("data/b.json").exists() && !world.path("data/b.txt").exists();
        half.then_some(())
    });
    running.signal(Signal::KILL);
    running.wait();
    fs::remove_file(&pipe).unwrap();
    fs::write(&pipe, "three").unwrap();
    assert_eq!(content(&world).keys().collect::<Vec<_>>(), ["a.json", "b.json", "c.txt", "d.txt"]);
    assert_ended(&world.phase(&UP), 0, &[]);
    let new: [Note<'_>; 4] =
        [("a.json", b"\"one\""), ("b.json", b"\"two\""), ("c.json", b"\"three\""), ("d.json", b"\"four\"")];
    assert_eq!(content(&world), pairs(&new));
}

#[test]
fn a_step_that_changed_nothing_ends_with_82_and_one_that_did_with_83() {
    let rows: [(&[Note<'_>], i32); 3] = [
        (&[("a.txt", b"\xff"), ("b.txt", b"two")], 82),
        (&[("a.txt", b"one"), ("b.txt", b"\xff")], 83),
        (&[("a.json", b"\"of a step that was cut off\""), ("b.txt", b"\xff")], 83),
    ];
    for (notes, code) in rows {
        let world = world(notes);
        let ended = world.phase(&UP);
        assert_ended(&ended, code, &["X-notes-002"]);
        assert_eq!(content(&world) == pairs(notes), code == 82 || notes[0].0 == "a.json");
        let told = world.read("run/termination.json");
        assert_eq!((&told["exit"], &told["phase"]), (&json!(code), &json!("migrate")));
    }
}

#[test]
fn a_step_that_is_not_declared_or_has_no_snapshot_ends_with_82_and_changes_nothing() {
    let notes: [Note<'_>; 1] = [("a.txt", b"one")];
    let step = |volume: &'static str, from: &'static str, to: &'static str| {
        ["migrate", "--volume", volume, "--from", from, "--to", to]
    };
    for (args, code, fault) in [
        (step("data", "2", "3"), 82, "HP-MIG-002"),
        (step("other", "1", "2"), 82, "HP-MIG-002"),
        (step("none", "1", "2"), 82, "HP-MIG-002"),
        // These are not even a step.
        (step("data", "1", "3"), 64, "HP-INIT-004"),
        (step("data", "1", "1"), 64, "HP-INIT-004"),
    ] {
        let world = world(&notes);
        assert_ended(&world.phase(&args), code, &[fault]);
        assert_eq!(content(&world), pairs(&notes));
    }
    for said in ["", "unset"] {
        let without = world(&notes).without_env("HOMEPORT_SNAPSHOT");
        let world = if said.is_empty() { without.env("HOMEPORT_SNAPSHOT", "") } else { without };
        assert_ended(&world.phase(&UP), 82, &["HP-MIG-001"]);
        assert_eq!(content(&world), pairs(&notes));
    }
    let one_way = world(&notes).manifest(|manifest| manifest["migrations"][0]["down"] = json!(false));
    assert_ended(&down(&one_way), 82, &["HP-MIG-002"]);
}

#[test]
fn a_volume_that_is_not_the_one_that_is_meant_is_not_migrated() {
    type Change = fn(&mut serde_json::Value);
    let notes: [Note<'_>; 1] = [("a.txt", b"one")];
    let rows: [(Change, i32, &str); 4] = [
        (|expected| expected["inode"] = json!(1), 66, "HP-VOL-104"),
        (|expected| expected["path"] = json!("/elsewhere"), 66, "HP-VOL-102"),
        // Of the step up: the data is of format 2 already, or older still.
        (|expected| expected["format"] = json!(2), 80, "HP-VOL-105"),
        (|_| {}, 0, ""),
    ];
    for (change, code, fault) in rows {
        let world = world(&notes);
        world.expect_volume(|expected| {
            expected["format"] = json!(1);
            change(expected);
        });
        let faults: &[&str] = if code == 0 { &[] } else { &[fault] };
        assert_ended(&world.phase(&UP), code, faults);
        assert_eq!(content(&world) == pairs(&notes), code != 0);
    }
    let missing = world(&notes);
    fs::remove_file(missing.path("run/volumes.json")).unwrap();
    assert_ended(&missing.phase(&UP), 66, &["HP-VOL-101"]);
    assert_ended(&world(&notes).env("READ_ONLY", "1").phase(&UP), 73, &["HP-VOL-108"]);
}

#[test]
fn a_migration_that_did_nothing_is_found_out_by_the_check_after_it() {
    let world = world(&[("a.txt", b"one")]);
    // The host takes the data for format 2, as it does after a step that ended with 0.
    world.expect_volume(|expected| expected["format"] = json!(2));
    let world = world.manifest(|manifest| {
        manifest["volumes"].as_object_mut().unwrap().remove("other");
        manifest["config"].as_object_mut().unwrap().remove("needed");
    });
    world.write("run/config.json", &json!({}));
    assert_ended(&world.phase(&["check"]), 65, &["X-notes-003"]);
    world.expect_volume(|expected| expected["format"] = json!(1));
    assert_ended(&world.phase(&["check"]), 81, &["HP-VOL-106"]);
    assert_ended(&world.phase(&UP), 0, &[]);
    world.expect_volume(|expected| expected["format"] = json!(2));
    assert_ended(&world.phase(&["check"]), 0, &[]);
}

#[test]
fn a_step_ends_with_0_only_when_its_data_is_on_the_disk() {
    let world = world(&[("a.txt", b"one")]);
    let trace = world.path("tmp/trace");
    let calls = world.trace("%file,syncfs,exit_group", &trace, &UP);
    assert_ended(&calls, 0, &[]);
    let text = fs::read_to_string(&trace).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let at = |what: &str| lines.iter().rposition(|line| line.contains(what));
    let (removed, synced, ended) = (at("a.txt\")"), at("syncfs("), at("exit_group(0)"));
    assert!(removed.is_some() && removed < synced && synced < ended, "{text}");
}
