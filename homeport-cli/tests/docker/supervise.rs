//! Only HomePort starts containers: the daemon brings back what should run, and leaves alone what should not.

use std::time::{Duration, Instant};

use super::fixture::{Recipe, WEB, port, web};
use super::world::{World, docker};

fn eventually(what: &str, limit: Duration, holds: impl Fn() -> bool) {
    let end = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_container_that_was_killed_comes_back_at_the_same_address() {
    let image = web("t-killed");
    let world = World::new();
    world.ok(&["deploy", &image.name, "--name", "site", "--route", "http=127.0.0.1:random"]);
    let (address, before) = (world.address("site", "http"), world.container("site"));
    docker(&["kill", &before]);
    eventually("it runs again", Duration::from_secs(30), || {
        let status = world.status("site");
        status["container"] != before.as_str() && status["state"] == "ready"
    });
    assert_eq!(world.address("site", "http"), address);
    world.ok(&["stop", "site"]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(world.status("site")["state"], "stopped", "what was stopped stays stopped");
}

#[test]
fn a_port_that_can_not_come_back_is_tried_with_growing_pauses_and_said_so() {
    let world = World::new();
    // It runs until it finds a file in its volume, and can not be started while the file is there.
    let script =
        "busybox httpd -p 8080 -h /srv/site; while [ ! -e /srv/site/stop ]; do busybox sleep 0.1; done; exit 78";
    let image =
        port(&Recipe { id: "t-final", manifest: WEB, service: &["sh", "-c", script], ready: "ready = { tcp = 8080 }" });
    world.ok(&["deploy", &image.name, "--name", "site", "--route", "http=127.0.0.1:random"]);
    world.ok(&[
        "exec",
        "site",
        "--user",
        "1000:1000",
        "--",
        "/bin/busybox",
        "touch",
        "/srv/site/page",
        "/srv/site/stop",
    ]);
    let log = || std::fs::read_to_string(world.root().join("state/daemon.log")).unwrap();
    eventually("the second pause is longer, or it is left alone", Duration::from_mins(1), || {
        let log = log();
        let first = log.find("it is started again in 1 s");
        first.is_some_and(|at| log[at..].contains("`site` is started again in 2 s") || log.contains("left alone"))
    });
    let state = world.status("site")["state"].as_str().unwrap().to_owned();
    assert_ne!(state, "ready");
    // Whoever mends the cause need not wait for the pause to end.
    std::fs::remove_file(world.root().join("data/site/site/data/stop")).unwrap();
    world.ok(&["start", "site"]);
    assert_eq!(world.status("site")["state"], "ready");
    world.ok(&["stop", "site"]);
}
