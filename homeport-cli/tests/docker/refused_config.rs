//! Deploys that are refused because of their configuration, each with its exact message.

use super::fixture::shell;
use super::world::{Did, World};

/// A message with what differs from run to run taken out.
pub(crate) fn mask(world: &World, text: &str) -> String {
    let mut text = text.replace(&world.dir().display().to_string(), "DIR");
    for (pattern, with) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
        (r"sha256:[0-9a-f]{64}", "DIGEST"),
        (r"\b[0-9a-f]{64}\b", "ID"),
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (r"/dev/loop\d+", "/dev/loopN"),
        (r"in \d+(\.\d+)? s\b", "in N s"),
        (r"\d+ of its processes", "N of its processes"),
    ] {
        text = regex_lite::Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
    }
    text
}

/// Runs a deploy that has to be refused: exit code, exact message, and nothing left behind.
pub(crate) fn refuse(world: &World, code: i32, args: &[&str]) -> String {
    let before = world.ok(&["--json", "list"]);
    let traces = world.traces();
    // What is told on the way depends on the time that things take; the error does not.
    let did: Did = world.run(&[&["--quiet"], args].concat());
    assert_eq!(did.code, code, "{}\n{}", did.out, did.err);
    assert_eq!(did.out, "", "a failure has no result");
    assert_eq!(world.traces(), traces, "something was left behind");
    assert_eq!(world.ok(&["--json", "list"]), before, "`list` changed");
    mask(world, &did.err)
}

#[test]
fn a_required_key_is_missing() {
    let world = World::new();
    insta::assert_snapshot!(refuse(&world, 1, &["deploy", shell(), "--name", "sh"]));
}

#[test]
fn several_keys_are_bad_at_once() {
    let world = World::new();
    insta::assert_snapshot!(refuse(
        &world,
        1,
        &[
            "deploy",
            shell(),
            "--name",
            "sh",
            "--set",
            "shell=fish",
            "--set",
            "max_sessions=many",
            "--set",
            "sftp=perhaps",
        ]
    ));
}

#[test]
fn a_key_is_not_one_of_the_ports() {
    let world = World::new();
    insta::assert_snapshot!(refuse(
        &world,
        1,
        &["deploy", shell(), "--name", "sh", "--set", "authorised_keys=ssh-ed25519 AAAA", "--set", "colour=red",]
    ));
}

#[test]
fn a_secret_is_given_as_an_argument() {
    let world = World::new();
    let message = refuse(&world, 1, &["deploy", shell(), "--name", "sh", "--set", "password=hunter2"]);
    assert!(!message.contains("hunter2"));
    insta::assert_snapshot!(message);
}

#[test]
fn the_port_itself_refuses_a_key_that_is_none() {
    let world = World::new();
    insta::assert_snapshot!(refuse(
        &world,
        1,
        &[
            "deploy",
            shell(),
            "--name",
            "sh",
            "--set",
            "authorized_keys=ssh-ed25519 this-is-no-key",
            "--route",
            "ssh=127.0.0.1:random",
        ]
    ));
}

#[test]
fn names_of_volumes_and_endpoints_are_mistyped() {
    let world = World::new();
    insta::assert_snapshot!(refuse(
        &world,
        1,
        &[
            "deploy",
            shell(),
            "--name",
            "sh",
            "--set",
            "authorized_keys=ssh-ed25519 AAAA",
            "--volume",
            "hom=/srv",
            "--route",
            "shh=2222",
        ]
    ));
}
