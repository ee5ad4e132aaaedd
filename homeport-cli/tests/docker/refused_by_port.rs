//! Deploys that fail because the port does not come up, each with its exact message, and nothing left behind.

use super::fixture::{Recipe, TestImage, WEB, port};
use super::refused_config::refuse;
use super::world::World;

/// A web server that is none: it has `seconds` to get ready.
fn broken(id: &str, script: &str, seconds: u32, limits: &str) -> TestImage {
    let manifest = WEB.replace("ready_seconds = 20", &format!("ready_seconds = {seconds}")) + limits;
    port(&Recipe { id, manifest: &manifest, service: &["sh", "-c", script], ready: "ready = { tcp = 8080 }" })
}

const ROUTE: &str = "http=127.0.0.1:random";

#[test]
fn the_port_crashes_at_once() {
    let world = World::new();
    let image = broken("t-crash", "echo cannot find my own configuration >&2; exit 3", 60, "");
    insta::assert_snapshot!(refuse(&world, 1, &["deploy", &image.name, "--route", ROUTE]));
    assert!(!world.root().join("data/t-crash").exists(), "a volume in which nothing is was taken away");
}

#[test]
fn the_port_never_gets_ready() {
    let world = World::new();
    let image = broken("t-slow", "echo waiting for something; sleep 1000", 4, "");
    insta::assert_snapshot!(refuse(&world, 1, &["deploy", &image.name, "--route", ROUTE]));
}

#[test]
fn the_port_runs_out_of_memory() {
    let limits = "\n[resources]\nmemory_recommended_bytes = 16777216\n";
    let image = broken("t-hungry", "busybox tail /dev/zero", 4, limits);
    let world = World::new();
    insta::assert_snapshot!(refuse(&world, 1, &["deploy", &image.name, "--route", ROUTE]));
}

#[test]
fn what_a_failed_start_wrote_is_kept_and_told() {
    let world = World::new();
    let image = broken("t-wrote", "echo first > /srv/site/first; exit 4", 60, "");
    let message = refuse(&world, 1, &["deploy", &image.name, "--route", ROUTE]);
    let kept = world.root().join("data/t-wrote/site/data/first");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "first\n");
    insta::assert_snapshot!(message);
}
