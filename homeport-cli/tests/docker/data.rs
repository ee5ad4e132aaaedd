//! Data that is kept, with real containers: snapshots, restores and their way back, purge and trash, adoption and moves.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::fixture::{TestImage, web};
use super::world::{World, docker, tool};

/// A web server with a page in its volume.
fn deployed(world: &World, image: &TestImage) -> PathBuf {
    world.ok(&["deploy", &image.name, "--name", "site", "--route", "http=127.0.0.1:random"]);
    let data = world.root().join("data/site/site/data");
    write(&data, "index.html", "first");
    data
}

/// Writes a file as the port would.
fn write(data: &Path, name: &str, content: &str) {
    let path = data.join(name);
    fs::write(&path, content).unwrap();
    std::os::unix::fs::chown(&path, Some(1000), Some(1000)).unwrap();
}

/// What the public address answers.
fn page(world: &World, path: &str) -> String {
    tool("busybox", &["wget", "-q", "-O", "-", &format!("http://{}/{path}", world.address("site", "http"))])
}

/// The token of a plan.
fn token(plan: &Value) -> String {
    plan["approval"]["token"].as_str().unwrap_or_else(|| panic!("no token in {plan}")).to_owned()
}

/// The beginning of an id, as a person types it.
fn short(id: &Value) -> String {
    id.as_str().unwrap()[..8].to_owned()
}

#[test]
fn a_running_port_is_put_back_and_the_restore_is_taken_back() {
    let image = web("t-restoring");
    let world = World::new();
    let data = deployed(&world, &image);
    let made = world.json(&["snapshot", "create", "site", "--note", "the first page"]);
    assert_eq!(made["snapshot"]["consistency"], "running", "{made}");
    write(&data, "index.html", "second");
    write(&data, "extra.html", "more");
    let address = world.address("site", "http");
    let restored = world.json(&["snapshot", "restore", "site"]);
    assert_eq!(page(&world, "index.html"), "first");
    assert!(!data.join("extra.html").exists(), "the tree is the snapshot's, not a mix");
    assert_eq!(world.address("site", "http"), address, "the public address is kept");
    let listed = world.json(&["snapshot", "list", "site"]);
    let reasons: Vec<&str> =
        listed["snapshots"].as_array().unwrap().iter().map(|s| s["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["manual", "restore"], "what was there was snapshotted first");
    world.ok(&["trash", "restore", &short(&restored["undo"])]);
    assert_eq!((page(&world, "index.html").as_str(), page(&world, "extra.html").as_str()), ("second", "more"));
    world.ok(&["snapshot", "verify"]);
    world.ok(&["snapshot", "rehearse", "site", "1"]);
    let out = world.dir().join("out.html");
    world.ok(&["snapshot", "extract", "site", "1", "site", "index.html", out.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&out).unwrap(), "first");
    let refused = world.run(&["snapshot", "extract", "site", "1", "site", "index.html", out.to_str().unwrap()]);
    assert_eq!(refused.code, 1, "nothing is written over: {}", refused.err);
    let differences = world.ok(&["snapshot", "diff", "site", "1"]);
    assert!(differences.contains("extra.html") && differences.contains("index.html"), "{differences}");
}

#[test]
fn a_purge_needs_its_own_fresh_token_and_can_be_taken_back() {
    let image = web("t-purging");
    let world = World::new();
    let data = deployed(&world, &image);
    let sums = |data: &Path| tool("sh", &["-c", &format!("cd {} && sha256sum *", data.display())]);
    let before = sums(&data);
    let refused = world.run(&["purge", "site", "--dry-run"]);
    assert_eq!(refused.code, 1, "what is written meanwhile could not be consented to");
    assert!(refused.err.contains("homeport stop site"), "{}", refused.err);
    world.ok(&["stop", "site"]);
    let refused = world.run(&["purge", "site"]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(refused.err.contains("needs an approval") && refused.err.contains("--dry-run"), "{}", refused.err);
    let old = token(&world.json(&["purge", "site", "--dry-run"]));
    write(&data, "late.html", "came after the plan");
    let refused = world.run(&["purge", "site", "--approve", &old]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("has changed since it was approved"), "{}", refused.err);
    assert!(data.join("late.html").exists());
    fs::remove_file(data.join("late.html")).unwrap();
    let fresh = token(&world.json(&["purge", "site", "--dry-run"]));
    let purged = world.json(&["purge", "site", "--approve", &fresh]);
    assert!(!data.exists());
    assert_eq!(world.json(&["list"])["instances"].as_array().unwrap().len(), 0);
    let again = world.run(&["purge", "site", "--approve", &fresh]);
    assert_ne!(again.code, 0, "a token is good once");
    let listed = world.json(&["trash", "list"]);
    assert_eq!(listed["bundles"][0]["id"], purged["trash"], "{listed}");
    world.ok(&["trash", "restore", &short(&purged["trash"])]);
    assert_eq!(sums(&data), before);
    world.ok(&["deploy", &image.name, "--name", "site", "--route", "http=127.0.0.1:random"]);
    assert_eq!(page(&world, "index.html"), "first");
}

#[test]
fn what_is_emptied_is_gone_and_only_that() {
    let image = web("t-emptying");
    let world = World::new();
    let data = deployed(&world, &image);
    world.ok(&["snapshot", "create", "site"]);
    world.ok(&["stop", "site"]);
    let approve = token(&world.json(&["purge", "site", "--dry-run"]));
    let purged = world.json(&["purge", "site", "--approve", &approve]);
    let id = short(&purged["trash"]);
    let refused = world.run(&["trash", "empty", &id]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert_eq!(world.json(&["trash", "empty"])["what"].as_array().map(Vec::len), Some(0), "nothing is due yet");
    let approve = token(&world.json(&["trash", "empty", &id, "--dry-run"]));
    let emptied = world.json(&["trash", "empty", &id, "--approve", &approve]);
    assert_eq!(emptied["faults"].as_array().map(Vec::len), Some(0), "{emptied}");
    assert!(!data.exists());
    assert_eq!(world.json(&["trash", "list"])["bundles"].as_array().map(Vec::len), Some(0));
    // The snapshot outlives all of that, and brings it back.
    let out = world.dir().join("back");
    world.ok(&["snapshot", "extract", "site", "latest", "site", ".", out.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(out.join("index.html")).unwrap(), "first");
}

#[test]
fn a_directory_with_files_is_adopted_and_no_file_changes() {
    let image = web("t-adopting");
    let world = World::new();
    let dir = world.dir().join("pages");
    fs::create_dir(&dir).unwrap();
    write(&dir, "index.html", "mine");
    std::os::unix::fs::chown(&dir, Some(1000), Some(1000)).unwrap();
    fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o750)).unwrap();
    let before = fs::metadata(dir.join("index.html")).unwrap();
    let path = dir.to_str().unwrap();
    let refused = world.run(&["deploy", &image.name, "--name", "site", "--volume", &format!("site={path}")]);
    assert_eq!(refused.code, 1, "a directory with files is never taken by itself");
    assert!(refused.err.contains("volume adopt"), "and the way in is named: {}", refused.err);
    let words = ["volume", "adopt", &image.name, "site", "site", path];
    let approve = token(&world.json(&[&words[..], &["--dry-run"]].concat()));
    assert!(dir.join("index.html").exists(), "a plan moves nothing");
    world.ok(&[&words[..], &["--approve", &approve]].concat());
    let after = fs::metadata(dir.join("data/index.html")).unwrap();
    assert_eq!((after.ino(), after.mtime_nsec(), after.uid()), (before.ino(), before.mtime_nsec(), before.uid()));
    world.ok(&["deploy", &image.name, "--name", "site", "--route", "http=127.0.0.1:random"]);
    assert_eq!(page(&world, "index.html"), "mine");
}

#[test]
fn a_volume_that_was_moved_by_hand_is_found_again() {
    let image = web("t-moving");
    let world = World::new();
    let data = deployed(&world, &image);
    world.ok(&["stop", "site"]);
    let old = data.parent().unwrap().to_owned();
    let new = world.dir().join("elsewhere");
    fs::rename(&old, &new).unwrap();
    let refused = world.run(&["start", "site"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("volume move"), "{}", refused.err);
    world.ok(&["volume", "move", "site", "site", new.to_str().unwrap()]);
    world.ok(&["start", "site"]);
    assert_eq!(page(&world, "index.html"), "first");
    let checked = world.json(&["volume", "check", "site"]);
    assert_eq!(checked["volumes"][0]["faults"].as_array().map(Vec::len), Some(0), "{checked}");
}

#[test]
fn an_older_copy_comes_in_only_with_consent() {
    let image = web("t-older");
    let world = World::new();
    let data = deployed(&world, &image);
    world.ok(&["stop", "site"]);
    let volume = data.parent().unwrap().to_owned();
    let copy = world.dir().join("copy");
    tool("cp", &["-a", volume.to_str().unwrap(), copy.to_str().unwrap()]);
    world.ok(&["start", "site"]);
    write(&data, "index.html", "newer");
    world.ok(&["stop", "site"]);
    fs::rename(&volume, world.dir().join("newer")).unwrap();
    tool("cp", &["-a", copy.to_str().unwrap(), volume.to_str().unwrap()]);
    let refused = world.run(&["start", "site"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("HP-VOL-007") && refused.err.contains("volume adopt"), "{}", refused.err);
    let words = ["volume", "adopt", &image.name, "site", "site", volume.to_str().unwrap()];
    let approve = token(&world.json(&[&words[..], &["--dry-run"]].concat()));
    world.ok(&[&words[..], &["--approve", &approve]].concat());
    world.ok(&["start", "site"]);
    assert_eq!(page(&world, "index.html"), "first");
}

#[test]
fn bad_input_72_words_that_take_data_away_elsewhere_are_refused() {
    let image = web("t-wording");
    let world = World::new();
    let data = deployed(&world, &image);
    for word in ["-v", "--volumes", "--rm-data", "--purge", "--force"] {
        let refused = world.run(&["remove", "site", word]);
        assert_eq!(refused.code, 2, "{word}");
        assert!(refused.err.contains("keeps the volumes") && refused.err.contains("homeport purge"), "{}", refused.err);
    }
    assert_eq!(page(&world, "index.html"), "first");
    assert!(data.join("index.html").exists());
}

#[test]
fn bad_input_73_a_prune_of_the_engine_reaches_no_data() {
    let image = web("t-pruning");
    let world = World::new();
    let data = deployed(&world, &image);
    let container = world.container("site");
    assert_eq!(
        docker(&["inspect", "--format", "{{range .Mounts}}{{.Type}} {{end}}", &container]).replace("bind", "").trim(),
        ""
    );
    world.ok(&["remove", "site"]);
    // Only what is labelled by this root could go; a prune of everything would reach other tests.
    let label = format!("label=io.homeport.root={}", world.root_id().unwrap());
    docker(&["container", "prune", "--force", "--filter", &label]);
    docker(&["volume", "prune", "--force", "--filter", &label]);
    assert!(data.join("index.html").exists());
}

#[test]
fn a_schedule_takes_snapshots_and_keeps_what_its_policy_says() {
    let image = web("t-scheduling");
    let world = World::new();
    deployed(&world, &image);
    world.ok(&["schedule", "set", "site", "--every", "5m", "--keep", "last=2"]);
    let begun = Instant::now();
    loop {
        let listed = world.json(&["snapshot", "list", "site"]);
        if let Some(first) = listed["snapshots"].as_array().and_then(|all| all.first()) {
            assert_eq!(first["reason"], "scheduled");
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "the first one is due at once: {listed}");
        std::thread::sleep(Duration::from_millis(500));
    }
    let told = world.ok(&["schedule", "list"]);
    assert!(told.contains("keeps: last=2"), "{told}");
    world.ok(&["schedule", "unset", "site"]);
}
