//! The first start of a new instance, and what the newer version adds to it.

use std::fs;

use serde_json::json;

use super::client::{Client, Takes, login_key};
use super::stand::{Stand, Version, Volumes, wait_for};

#[test]
fn a_first_start_that_is_killed_while_it_makes_the_keys_is_finished_by_the_next() {
    let stand = Stand::new();
    login_key(&stand);
    for volumes in [Volumes::Fresh, Volumes::Of(2)] {
        // The directory is no longer empty, so that the host does not call the volume new any more.
        let server = stand.run_slowly(volumes);
        let pid = server.pid();
        let making = stand.path("hostkeys/new/ssh_host_ed25519_key");
        wait_for("one of two keys is made", || making.exists().then_some(()));
        server.kill(pid);
        assert!(!stand.path("hostkeys/ssh_host_rsa_key").exists(), "it was killed in the middle");
    }
    assert_eq!(stand.check(Version::New, 2).code, 0);
    let server = stand.run(Version::New, Volumes::Of(2));
    assert_eq!(server.facts()["host_key"].as_str().unwrap().lines().count(), 2);
    stand.assert_both_keys();
    server.stop();
}

#[test]
fn a_banner_is_shown_before_the_login_and_is_no_key_of_the_older_version() {
    let stand = Stand::new();
    let key = login_key(&stand);
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(stand.path("config.json")).unwrap()).unwrap();
    let server = stand.run(Version::New, Volumes::Fresh);
    let facts = server.facts();
    let keys: Vec<&str> = facts["host_key"].as_str().unwrap().lines().collect();
    let client = Client::new(&stand, "any", &key, &keys, Takes::All);
    client.ok(&server);
    server.stop();
    config["banner"] = json!("members of the chess club only");
    stand.configure(&config);
    assert_eq!(stand.check(Version::Old, 1).code, 78);
    let server = stand.run(Version::New, Volumes::Of(2));
    let output = client.run(&server, "no", "echo in");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "in\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "members of the chess club only\n");
    server.stop();
}
