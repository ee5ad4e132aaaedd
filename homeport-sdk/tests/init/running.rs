//! Readiness, status, respawn and reload of a running init.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::world::{Place, World, sh, text_of, wait_for};

#[test]
fn ready_is_said_when_the_probe_passes_and_not_before() {
    let mut service = sh("exec sleep 1000");
    service["ready"] = json!({"command": ["/usr/bin/test", "-e", "/tmp/open"]});
    let world = World::new(&json!({"main": service}));
    let mut host = world.host_socket();
    let mut running = world.run();
    wait_for("the service runs", || (running.status()?["services"]["main"]["state"] == "running").then_some(()));
    std::thread::sleep(Duration::from_millis(400));
    assert!(!host.has("READY=1"), "{:?}", host.seen());
    assert_eq!(running.condition(), "starting");
    fs::write(world.path("tmp/open"), "").unwrap();
    wait_for("READY=1", || host.has("READY=1").then_some(()));
    running.wait_until_ready();
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, 0);
    assert!(host.has("STOPPING=1"));
    assert!(!world.path("run/termination.json").exists());
}

#[test]
fn a_port_is_ready_when_its_endpoint_answers() {
    let script = "import socket,time; time.sleep(0.3); s=socket.create_server(('127.0.0.1',39571)); time.sleep(1000)";
    let service =
        json!({"command": ["/usr/bin/python3", "-c", script], "uid": 1000, "gid": 1000, "ready": {"tcp": 39571}});
    let world = World::new(&json!({"main": service}));
    let running = world.run();
    running.wait_until_ready();
    assert!(std::net::TcpStream::connect(("127.0.0.1", 39571)).is_ok());
}

#[test]
fn without_a_socket_nothing_is_amiss() {
    let world = World::new(&json!({"main": sh("exec sleep 1000")}));
    let mut running = world.run();
    running.wait_until_ready();
    running.signal(Signal::INT);
    assert_eq!(running.end().0, 0);
    assert_eq!(world.read("run/status.json")["condition"], "stopping");
}

#[test]
fn a_status_that_cannot_be_written_is_written_later() {
    let world = World::new(&json!({"main": sh("exec sleep 1000")}));
    let mut host = world.host_socket();
    // Where it is written first stands something else, until it is moved away.
    fs::create_dir(world.path("run/status.json.new")).unwrap();
    let mut running = world.run();
    wait_for("READY=1", || host.has("READY=1").then_some(()));
    assert_eq!(running.status(), None);
    fs::remove_dir(world.path("run/status.json.new")).unwrap();
    running.wait_until_ready();
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, 0);
}

#[test]
fn a_killed_service_is_started_again_and_the_port_ready_again() {
    for place in [Place::First, Place::Child] {
        let world = World::new(&json!({"main": sh("echo $$ >> /tmp/starts; exec sleep 1000")})).place(place);
        let running = world.run();
        running.wait_until_ready();
        let before = std::time::Instant::now();
        kill_process(service_pid(&running), Signal::KILL).unwrap();
        wait_for("a second start", || {
            (fs::read_to_string(world.path("tmp/starts")).unwrap().lines().count() == 2).then_some(())
        });
        assert!(before.elapsed() < Duration::from_secs(2));
        wait_for("ready again", || {
            let status = running.status()?;
            (status["condition"] == "ready" && status["services"]["main"]["restarts"] == 1).then_some(())
        });
        assert_eq!(running.status().unwrap()["services"]["main"]["last_exit"], "signal 9");
    }
}

/// The service's process id as the test sees it: init's child that sleeps.
fn service_pid(running: &crate::world::Running<'_>) -> Pid {
    let init = running.pid().as_raw_nonzero().get().unsigned_abs();
    wait_for("the service's process", || {
        crate::world::children(init)
            .into_iter()
            .find(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == "sleep\n"))
            .and_then(|pid| Pid::from_raw(pid.cast_signed()))
    })
}

#[test]
fn a_crash_loop_ends_with_69_after_five_deaths() {
    let world = World::new(&json!({"main": sh("echo x >> /tmp/starts; exit 3")}));
    let mut running = world.run();
    let (code, took) = running.end();
    assert_eq!(code, 69, "{}", running.log());
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(text_of(&world.path("tmp/starts")).lines().count(), 5);
    let termination = world.read("run/termination.json");
    assert_eq!(termination["errors"][0]["code"], "HP-RUN-004");
    assert_eq!(termination["errors"][0]["actual"], "exit 3");
    assert!(fs::metadata(world.path("run/termination.json")).unwrap().len() <= 4096);
}

#[test]
fn a_service_that_says_it_is_of_no_use_is_not_tried_again() {
    let world = World::new(&json!({"main": sh("echo x >> /tmp/starts; exit 78")}));
    let mut running = world.run();
    assert_eq!(running.end().0, 69);
    assert_eq!(text_of(&world.path("tmp/starts")).lines().count(), 1);
}

#[test]
fn a_program_that_is_not_there_is_69_and_named() {
    let service = json!({"command": ["/nowhere/at-all"], "uid": 0, "gid": 0});
    let world = World::new(&json!({"main": service}));
    let mut running = world.run();
    assert_eq!(running.end().0, 69);
    assert!(world.read("run/termination.json")["errors"][0]["actual"].as_str().unwrap().contains("No such file"));
}

#[test]
fn the_port_goes_on_without_an_optional_service() {
    let world = World::new(&json!({"main": sh("exec sleep 1000"), "side": sh("exit 77")}))
        .manifest(|manifest| manifest["services"]["side"]["critical"] = json!(false));
    let mut running = world.run();
    wait_for("degraded", || (running.condition() == "degraded").then_some(()));
    assert_eq!(running.status().unwrap()["services"]["side"]["state"], "failed");
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, 0);
}

#[test]
fn a_reload_takes_a_good_configuration_over_and_refuses_a_bad_one() {
    let world = World::new(&json!({"main": sh("echo $GREETING >> /tmp/said; exec sleep 1000")}));
    let mut host = world.host_socket();
    let mut running = world.run();
    running.wait_until_ready();
    world.write("run/config.json", &json!({"greeting": 7}));
    running.signal(Signal::HUP);
    wait_for("refused", || running.log().contains("HP-CFG-003").then_some(()));
    assert!(host.has("RELOADING=1\nMONOTONIC_USEC="), "{:?}", host.seen());
    assert_eq!(text_of(&world.path("tmp/said")), "hello\n");
    world.write("run/config.json", &json!({"greeting": "bye"}));
    running.signal(Signal::HUP);
    wait_for("taken over", || (text_of(&world.path("tmp/said")) == "hello\nbye\n").then_some(()));
    wait_for("ready", || (running.condition() == "ready").then_some(()));
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, 0, "a refused reload is no error: {}", running.log());
    assert!(!running.log().contains("\"level\":\"error\""), "{}", running.log());
}

#[test]
fn the_status_file_is_whole_whenever_it_is_read() {
    let world = World::new(&json!({"main": sh("exec sleep 0.02"), "other": sh("exec sleep 1000")}))
        .manifest(|manifest| manifest["services"]["main"]["critical"] = json!(false));
    let running = world.run();
    wait_for("a status", || running.status());
    let path = world.path("run/status.json");
    for _ in 0..20_000 {
        let bytes = fs::read(&path).unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(), "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn health_agrees_with_the_port() {
    let mut service = sh("touch /tmp/open; exec sleep 1000");
    service["ready"] = json!({"command": ["/usr/bin/test", "-e", "/tmp/open"]});
    let world = World::new(&json!({"main": service}));
    let running = world.run();
    running.wait_until_ready();
    let ended = world.phase(&["health"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap()["condition"], "ready");
    fs::remove_file(world.path("tmp/open")).unwrap();
    let ended = world.phase(&["health"]);
    assert_eq!((ended.code(), ended.codes()), (69, vec!["HP-RUN-011".to_owned()]));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap()["condition"], "degraded");
    assert!(!world.path("run/termination.json").exists(), "init has not ended");
}

#[test]
fn what_comes_to_dev_log_is_on_standard_output() {
    let script = "import socket,time; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); \
                  s.sendto(b'<38>Nov 23 04:00:00 app[7]: hi there','/dev/log'); time.sleep(1000)";
    let service = json!({"command": ["/usr/bin/python3", "-c", script], "uid": 1000, "gid": 1000});
    let world = World::new(&json!({"main": service})).manifest(|manifest| manifest["logs"] = json!({"syslog": true}));
    let running = world.run();
    wait_for("the line", || running.log().contains("auth.info app[7]: hi there\n").then_some(()));
}
