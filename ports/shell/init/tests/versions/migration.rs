//! Up, down and up again: between two real images, on one pair of volumes.

use std::fs;
use std::process::Command;

use super::client::{Client, Takes, login_key};
use super::stand::{Container, Stand, Version, Volumes, has_child, take, wait_for};

/// The host keys that a running port tells, ed25519 first.
fn told(server: &Container) -> Vec<String> {
    let facts = server.facts();
    facts["host_key"].as_str().unwrap().lines().map(str::to_owned).collect()
}

/// Volumes as the older version made them, and nothing running.
fn made_by_old(stand: &Stand) {
    let server = stand.run(Version::Old, Volumes::Fresh);
    assert_eq!(told(&server).len(), 1);
    server.stop();
    assert!(!stand.path("hostkeys/ssh_host_rsa_key").exists(), "format 1 makes no RSA key");
}

#[test]
fn no_client_is_warned_on_the_way_up_down_and_up_again() {
    let stand = Stand::new();
    let key = login_key(&stand);
    let server = stand.run(Version::Old, Volumes::Fresh);
    let ed25519 = told(&server).remove(0);
    let client = |name: &str, trusted: &[&str], takes| Client::new(&stand, name, &key, trusted, takes);
    let modern = client("modern", &[&ed25519], Takes::All);
    let learning = client("learning", &[&ed25519], Takes::All);
    modern.ok(&server);
    let too_old = client("too-old", &[&ed25519], Takes::RsaAlone).run(&server, "no", "true");
    assert!(String::from_utf8_lossy(&too_old.stderr).contains("no matching host key type"), "{too_old:?}");
    server.stop();
    let before = stand.host_keys();

    let up = stand.migrate(1, 2);
    assert_eq!(up.code, 0, "{}", up.said);
    stand.assert_both_keys();
    let migrated = stand.host_keys();
    assert!(before.iter().all(|(name, bytes)| migrated.get(name) == Some(bytes)));
    let server = stand.run(Version::New, Volumes::Of(2));
    let keys = told(&server);
    assert_eq!((keys.len(), &keys[0]), (2, &ed25519));
    let old = client("old", &[&keys[1]], Takes::RsaAlone);
    modern.ok(&server);
    old.ok(&server);
    // The server shows its other keys after the login, and the client asks for a proof: it needs a moment.
    assert!(learning.run(&server, "yes", "sleep 2").status.success());
    assert!(learning.knows().contains(&keys[1]), "{}", learning.knows());
    server.stop();

    let down = stand.migrate(2, 1);
    assert_eq!(down.code, 0, "{}", down.said);
    assert_eq!(stand.host_keys(), migrated, "a way down takes no key away");
    let server = stand.run(Version::Old, Volumes::Of(1));
    for client in [&modern, &learning, &old] {
        client.ok(&server);
    }
    server.stop();

    assert_eq!(stand.migrate(1, 2).code, 0);
    assert_eq!(stand.host_keys(), migrated, "the way up again finds the RSA key");
    let server = stand.run(Version::New, Volumes::Of(2));
    for client in [&modern, &learning, &old] {
        client.ok(&server);
    }
    server.stop();
}

#[test]
fn a_version_runs_with_its_own_format_alone_and_knows_it_by_the_data() {
    let stand = Stand::new();
    login_key(&stand);
    made_by_old(&stand);
    assert_eq!(stand.check(Version::Old, 1).code, 0);
    // The host says format 1: a migration is needed. It says format 2 though nothing was migrated: found out.
    let (needed, lied) = (stand.check(Version::New, 1), stand.check(Version::New, 2));
    assert_eq!((needed.code, lied.code), (81, 65), "{}{}", needed.said, lied.said);
    assert!(lied.said.contains("X-shell-015"), "{}", lied.said);
    let unmigrated = stand.run(Version::New, Volumes::Of(2)).end();
    assert_eq!(unmigrated.code, 65, "{}", unmigrated.said);
    assert!(!stand.path("hostkeys/ssh_host_rsa_key").exists(), "a start makes up for no migration");
    assert_eq!(stand.migrate(1, 2).code, 0);
    assert_eq!(stand.check(Version::New, 2).code, 0);
    assert_eq!(stand.check(Version::Old, 2).code, 80);
    assert_eq!(stand.check(Version::Old, 1).code, 0, "format 1 tolerates the RSA key");
}

#[test]
fn a_step_up_that_is_killed_while_it_makes_the_key_is_finished_by_the_next() {
    let stand = Stand::new();
    login_key(&stand);
    made_by_old(&stand);
    let before = stand.host_keys();
    for _ in 0..3 {
        let migration = stand.migrate_up_slowly();
        let pid = migration.pid();
        wait_for("the RSA key is being made", || has_child(pid, &["ssh-keygen", "rsa"]).then_some(()));
        migration.kill(pid);
        assert!(!stand.path("hostkeys/ssh_host_rsa_key").exists(), "it was killed in the middle");
        assert_eq!((stand.check(Version::Old, 1).code, stand.check(Version::New, 2).code), (0, 65));
    }
    for _ in 0..2 {
        let up = stand.migrate(1, 2);
        assert_eq!(up.code, 0, "{}", up.said);
    }
    stand.assert_both_keys();
    assert!(before.iter().all(|(name, bytes)| stand.host_keys().get(name) == Some(bytes)));
    assert_eq!(stand.check(Version::New, 2).code, 0);
}

#[test]
fn a_volume_without_keys_is_not_migrated() {
    let stand = Stand::new();
    for (from, to) in [(1, 2), (2, 1)] {
        let ended = stand.migrate(from, to);
        assert_eq!(ended.code, 82, "{}", ended.said);
        assert!(ended.said.contains("X-shell-010"), "{}", ended.said);
        assert!(stand.host_keys().is_empty());
    }
}

/// A file system in memory over a directory; gone when it is dropped.
struct Memory(std::path::PathBuf);

impl Drop for Memory {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_leaves_the_volume_as_it_was() {
    let stand = Stand::new();
    login_key(&stand);
    made_by_old(&stand);
    let (volume, kept) = (stand.path("hostkeys"), stand.host_keys());
    // A page for each of the two files that are there, and one that is not enough for the two that come.
    take(Command::new("mount").args(["-t", "tmpfs", "-o", "size=12k,mode=0700", "tmpfs"]).arg(&volume));
    let _mounted = Memory(volume.clone());
    for (name, bytes) in &kept {
        fs::write(volume.join(name), bytes).unwrap();
    }
    let ended = stand.migrate(1, 2);
    assert_eq!(ended.code, 82, "{}", ended.said);
    assert!(ended.said.contains("X-shell-016") && ended.said.contains("No space left"), "{}", ended.said);
    assert_eq!(stand.host_keys(), kept);
}
