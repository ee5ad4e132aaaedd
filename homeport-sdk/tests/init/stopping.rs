//! Stopping: in time, in every state, whatever the services do.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::world::{Place, World, sh, text_of, wait_for};

#[test]
fn a_stop_takes_less_than_half_a_second() {
    for place in [Place::First, Place::Child] {
        for signal in [Signal::TERM, Signal::INT] {
            let world = World::new(&json!({"a": sh("exec sleep 1000"), "b": sh("sleep 1000 & wait")})).place(place);
            let mut running = world.run();
            running.wait_until_ready();
            running.signal(signal);
            let (code, took) = running.end();
            assert_eq!(code, 0, "{place:?} {}", running.log());
            assert!(took < Duration::from_millis(500), "{place:?}: {took:?}");
        }
    }
}

#[test]
fn a_service_that_passes_over_the_signal_ends_with_85_and_never_137() {
    for place in [Place::First, Place::Child] {
        let world = World::new(&json!({"main": sh("trap '' TERM HUP; touch /tmp/up; while :; do sleep 1000; done")}))
            .place(place);
        let mut running = world.run();
        running.wait_until_ready();
        running.signal(Signal::TERM);
        let (code, took) = running.end();
        assert_eq!(code, 85, "{place:?} {}", running.log());
        assert!(took > Duration::from_millis(1500) && took < Duration::from_secs(4), "{took:?}");
        assert_eq!(world.read("run/termination.json")["exit"], 85);
    }
}

#[test]
fn a_process_in_a_session_of_its_own_is_stopped_too() {
    for place in [Place::First, Place::Child] {
        let script = "setsid sh -c 'trap \"echo ended > /tmp/ended; exit\" TERM; echo up > /tmp/up; \
                      while :; do sleep 0.05; done' & exec sleep 1000";
        let world = World::new(&json!({"main": sh(script)})).place(place);
        let mut running = world.run();
        running.wait_until_ready();
        text_of(&world.path("tmp/up"));
        running.signal(Signal::TERM);
        assert_eq!(running.end().0, 0, "{place:?} {}", running.log());
        assert_eq!(text_of(&world.path("tmp/ended")), "ended\n");
    }
}

#[test]
fn a_shell_that_passes_over_term_is_hung_up() {
    let world = World::new(
        &json!({"main": sh("setsid sh -c 'trap \"\" TERM; echo up > /tmp/up; while :; do sleep 0.05; done' & exec sleep 1000")}),
    );
    let mut running = world.run();
    running.wait_until_ready();
    text_of(&world.path("tmp/up"));
    running.signal(Signal::TERM);
    let (code, took) = running.end();
    assert_eq!(code, 0, "{}", running.log());
    assert!(took < Duration::from_millis(700), "{took:?}");
}

#[test]
fn a_stop_during_the_start_is_not_lost() {
    for delay_ms in [0, 1, 2, 5, 10, 20, 50] {
        let world = World::new(&json!({"main": sh("exec sleep 1000")}));
        let mut running = world.run();
        // From the moment on at which init has its own mask, which is the first thing that it does.
        wait_for("init takes signals", || {
            let pid = running.pid();
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t"))?;
            u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & 1 << 14 != 0).then_some(())
        });
        std::thread::sleep(Duration::from_millis(delay_ms));
        running.signal(Signal::TERM);
        assert_eq!(running.end().0, 0, "after {delay_ms} ms: {}", running.log());
    }
}

#[test]
fn a_stop_while_a_service_waits_for_its_next_start_is_at_once() {
    let world = World::new(&json!({"main": sh("exit 1")}));
    let mut running = world.run();
    wait_for("backoff", || (running.status()?["services"]["main"]["restarts"].as_u64()? >= 2).then_some(()));
    running.signal(Signal::TERM);
    let (code, took) = running.end();
    assert_eq!(code, 0, "{}", running.log());
    assert!(took < Duration::from_millis(500), "{took:?}");
}
