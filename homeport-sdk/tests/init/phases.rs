//! Phases and exit codes, one by one.

use std::fs;
use std::os::unix::fs::chown;

use serde_json::{Value, json};

use crate::world::{World, assert_ended, sh};

fn world() -> World {
    World::new(&json!({"main": sh("exec sleep 1000")}))
}

#[test]
fn describe_prints_the_bytes_and_has_no_effect() {
    let world = world().without_env("HOMEPORT_PROTOCOL").without_env("HOMEPORT_INSTANCE");
    let bytes = fs::read_to_string(world.path("port/manifest.json")).unwrap();
    let before = listing(&world);
    let ended = world.phase(&["describe"]);
    assert_ended(&ended, 0, &[]);
    assert_eq!(ended.stdout, bytes);
    assert_eq!(listing(&world), before);
}

fn listing(world: &World) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in ["run", "port", "data", "tmp"] {
        for entry in fs::read_dir(world.path(folder)).unwrap().map(Result::unwrap) {
            let content = if entry.path().is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
            found.push((format!("{folder}/{}", entry.file_name().to_string_lossy()), content));
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_no_phase_is_64() {
    for args in [&["Run"][..], &[], &["run", "x"], &["command"], &["migrate", "--volume", "data"]] {
        assert_ended(&world().phase(args), 64, &["HP-INIT-004"]);
    }
    assert_ended(&world().phase(&["command", "unknown"]), 64, &["HP-INIT-012"]);
}

#[test]
fn a_manifest_that_is_missing_or_bad_is_70() {
    let missing = world();
    fs::remove_file(missing.path("port/manifest.json")).unwrap();
    assert_ended(&missing.phase(&["describe"]), 70, &["HP-INIT-006"]);
    let bad = world().manifest(|manifest| {
        manifest["port"]["id"] = json!("Bad");
        manifest["colour"] = json!(1);
    });
    assert_eq!(bad.phase(&["check"]).code(), 70);
}

#[test]
fn a_host_of_another_protocol_is_76() {
    for said in ["2.0", "0.9", "nonsense"] {
        assert_ended(&world().env("HOMEPORT_PROTOCOL", said).phase(&["run"]), 76, &["HP-INIT-007"]);
    }
    assert_ended(&world().without_env("HOMEPORT_PROTOCOL").phase(&["check"]), 76, &["HP-INIT-007"]);
    assert_ended(&world().env("HOMEPORT_PROTOCOL", "1.7").phase(&["check"]), 0, &[]);
}

#[test]
fn a_sound_instance_passes_the_check_and_its_volume_is_untouched() {
    let world = world();
    let before = listing(&world);
    assert_ended(&world.phase(&["check"]), 0, &[]);
    assert_eq!(listing(&world), before);
}

#[test]
fn each_fault_of_a_volume_has_its_code_in_check_and_in_run() {
    type Change = fn(&mut Value);
    let rows: [(Change, i32, &str); 5] = [
        (|expected| expected["inode"] = json!(1), 66, "HP-VOL-104"),
        (|expected| expected["device"] = json!(1), 66, "HP-VOL-104"),
        (|expected| expected["path"] = json!("/elsewhere"), 66, "HP-VOL-102"),
        (|expected| expected["format"] = json!(3), 80, "HP-VOL-105"),
        (|expected| expected["format"] = json!(1), 81, "HP-VOL-106"),
    ];
    for (change, code, fault) in rows {
        for phase in ["check", "run"] {
            let world = world();
            world.expect_volume(change);
            let ended = world.phase(&[phase]);
            assert_ended(&ended, code, &[fault]);
            let termination = world.read("run/termination.json");
            assert_eq!((&termination["exit"], &termination["errors"][0]["code"]), (&json!(code), &json!(fault)));
        }
    }
}

#[test]
fn a_volume_that_is_not_mounted_is_66() {
    assert_ended(&world().env("NO_DATA", "1").phase(&["run"]), 66, &["HP-VOL-104"]);
}

#[test]
fn a_volume_of_another_owner_is_77_and_one_that_is_read_only_73() {
    let owned = world();
    chown(owned.path("data"), Some(1234), None).unwrap();
    assert_ended(&owned.phase(&["run"]), 77, &["HP-VOL-107"]);
    assert_ended(&world().env("READ_ONLY", "1").phase(&["run"]), 73, &["HP-VOL-108"]);
    assert_ended(&world().env("READ_ONLY", "1").phase(&["check"]), 0, &[]);
}

#[test]
fn too_little_space_is_84() {
    let world = world().manifest(|manifest| manifest["volumes"]["data"]["min_free_bytes"] = json!(1_u64 << 52));
    assert_ended(&world.phase(&["run"]), 84, &["HP-VOL-109"]);
}

#[test]
fn without_the_hosts_files_it_is_66() {
    for name in ["run/volumes.json", "run/config.json"] {
        let world = world();
        fs::remove_file(world.path(name)).unwrap();
        assert_eq!(world.phase(&["run"]).code(), 66, "{name}");
    }
    assert_ended(&world().without_env("HOMEPORT_INSTANCE").phase(&["run"]), 66, &["HP-INIT-008"]);
}

#[test]
fn a_bad_configuration_is_78_with_every_fault_and_no_secret() {
    let world = world();
    world.write("run/config.json", &json!({"greeting": 5, "unknown": "x"}));
    fs::write(world.path("run/secrets/token"), "hunter2-is-far-too-long-for-this").unwrap();
    let ended = world.phase(&["run"]);
    assert_ended(&ended, 78, &["HP-CFG-003", "HP-CFG-002", "HP-CFG-003"]);
    let told = format!("{}{}{}", ended.stderr, world.read("run/termination.json"), ended.stdout);
    assert!(!told.contains("hunter2"), "{told}");
    let journal = fs::read_to_string(world.path("run/diag.jsonl")).unwrap();
    assert_eq!(journal, ended.stderr, "the same lines in both places");
    assert_eq!(journal.lines().count(), 3);
    for line in journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let fields: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        let wanted =
            ["hp", "ts", "phase", "level", "code", "subject", "message", "expected", "actual", "remedy", "retry"];
        assert!(wanted.iter().all(|name| fields.contains(name)), "{line}");
        let of = |name: &str| line[name].as_str().unwrap();
        assert_eq!(
            (&line["hp"], of("phase"), of("level"), of("retry")),
            (&json!(1), "run", "error", "config"),
            "{line}"
        );
        assert!(of("ts").ends_with('Z'), "{line}");
    }
    assert!(!journal.contains("hunter2"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_the_gravest_decides() {
    let world = world();
    world.expect_volume(|expected| expected["format"] = json!(3));
    world.write("run/config.json", &json!({"greeting": 5}));
    chown(world.path("data"), Some(1), Some(1)).unwrap();
    assert_ended(&world.phase(&["check"]), 80, &["HP-VOL-105", "HP-VOL-107", "HP-CFG-003"]);
}

#[test]
fn a_services_file_with_faults_is_70() {
    let world = world();
    world.write("port/services.json", &json!({"services": {"main": {"command": ["sleep"], "colour": 1}}}));
    let ended = world.phase(&["check"]);
    assert_ended(&ended, 70, &["HP-SVC-004", "HP-SVC-003", "HP-SVC-006", "HP-SVC-006"]);
}

#[test]
fn a_service_that_the_manifest_does_not_declare_is_70() {
    let world = world().manifest(|manifest| manifest["services"] = json!({"other": {}}));
    assert_ended(&world.phase(&["run"]), 70, &["HP-INIT-002"]);
}

#[test]
fn a_migration_needs_a_snapshot_and_a_declared_step() {
    let args = ["migrate", "--volume", "data", "--from", "1", "--to", "2"];
    assert_ended(&world().phase(&args), 82, &["HP-MIG-001"]);
    assert_ended(&world().env("HOMEPORT_SNAPSHOT", "s1").phase(&args), 82, &["HP-MIG-002"]);
    let declared = world().env("HOMEPORT_SNAPSHOT", "s1").manifest(|manifest| {
        manifest["migrations"] = json!([{"volume": "data", "from": 1, "to": 2, "down": false}]);
    });
    assert_ended(&declared.phase(&args), 80, &["HP-VOL-105"]);
    declared.expect_volume(|expected| expected["format"] = json!(1));
    assert_ended(&declared.phase(&args), 82, &["HP-INIT-011"]);
    let down = ["migrate", "--volume", "data", "--from", "2", "--to", "1"];
    assert_ended(&declared.phase(&down), 82, &["HP-MIG-002"]);
}
