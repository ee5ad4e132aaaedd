//! A new daemon takes the place of one: no client is refused, no connection is cut off, and what the old one still has counts.

use std::io::Read as _;
use std::time::{Duration, Instant};

use homeport_core::unit::Seconds;
use homeport_host::ledger::{InstanceRecord, Ledger, RetiringRecord, Slot, Time};
use homeport_volumes::TxId;
use serde_json::Value;

use crate::clients::{Clients, assert_reset, connect, exchange};
use crate::world::{World, container, kill, record};

/// The connections that drainers have, by what the daemon says.
fn draining(world: &World) -> Vec<u64> {
    let open =
        |one: &Value| one["routes"].as_array().unwrap().iter().map(|route| route["open"].as_u64().unwrap()).sum();
    world.status()["draining"].as_array().unwrap().iter().map(open).collect()
}

/// The instance has container `new`, and `old` only serves the clients that it has; as after an upgrade beside it.
fn retire(world: &World, old: u8, new: u8) {
    world.write(|writer| {
        writer.put_instance(&InstanceRecord { slot: Slot::Second, ..record(&container(new)) }).unwrap();
        let retiring = RetiringRecord {
            container: container(old).parse().unwrap(),
            instance: "site".parse().unwrap(),
            slot: Slot::First,
            version: "1.0.0".parse().unwrap(),
            grace: Seconds::new(1),
            bundle: TxId::from_bytes([1; 16]),
            since: Time::now(),
            until: Time::now().after(Duration::from_hours(1)),
        };
        writer.put_retiring(&retiring).unwrap();
    });
}

/// Whether a container of the instance retires.
fn is_retiring(world: &World) -> bool {
    !Ledger::open(&world.layout()).unwrap().all_retiring().unwrap().is_empty()
}

#[test]
fn ten_restarts_refuse_nobody_and_cut_nobody_off() {
    let world = World::new();
    assert!(world.ok(&["daemon", "restart"]).starts_with("the daemon did not run; it runs as process "));
    world.holder();
    let (short, long) = (Clients::that_come_and_go(world.address), Clients::that_stay(world.address, 10));
    let mut later = Vec::new();
    for round in 0..10 {
        let before = world.daemon();
        let told = world.ok(&["daemon", "restart"]);
        assert!(told.starts_with("the daemon was restarted, and runs as process "), "{told}");
        assert_ne!(world.daemon(), before);
        if round % 3 == 0 {
            later.push(Clients::that_stay(world.address, 2));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let open = &world.status()["routes"][0]["open"];
    assert!(open.as_u64().unwrap() >= 18, "what drainers have is counted in: {open}");
    // The first one's ten, and two of each later one that had any.
    assert_eq!(draining(&world).iter().filter(|open| **open >= 2).count(), 4, "{:?}", draining(&world));
    assert!(world.ok(&["daemon", "status"]).contains(" carries on 10 connections from before "));
    let fared = short.stop();
    assert_eq!((fared.refused, fared.broken.len()), (0, 0), "{fared:?}");
    assert!(fared.served > 500, "{fared:?}");
    for stayed in later.into_iter().chain([long]) {
        let fared = stayed.stop();
        assert_eq!(fared.broken, Vec::<String>::new());
        assert!(fared.served > 10, "{fared:?}");
    }
    world.eventually("every drainer has ended with its last connection", || draining(&world).is_empty());
    world.eventually("only the daemon is left", || world.processes("daemon run").len() == 1);
    world.end();
}

#[test]
fn a_container_that_retires_stays_while_a_drainer_has_a_client_of_it() {
    let world = World::new();
    world.start();
    let mut old = connect(world.address).unwrap();
    exchange(&mut old, b"with the first").unwrap();
    world.run_container(2);
    retire(&world, 1, 2);
    world.ok(&["daemon", "restart"]);
    let mut new = connect(world.address).unwrap();
    exchange(&mut new, b"with the second").unwrap();
    // It looks every five seconds while something retires.
    let end = Instant::now() + Duration::from_secs(12);
    while Instant::now() < end {
        exchange(&mut old, b"still there").unwrap();
        assert!(is_retiring(&world), "{}", world.log());
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(world.engine.changes(), Vec::<String>::new());
    drop(old);
    world.eventually("it is ended with its last client", || !is_retiring(&world));
    assert!(world.engine.changes().contains(&format!("DELETE {}", container(1))), "{:?}", world.engine.changes());
    exchange(&mut new, b"goes on").unwrap();
    world.end();
}

#[test]
fn clients_of_a_drainer_end_with_their_container() {
    let world = World::new();
    world.start();
    let mut old = connect(world.address).unwrap();
    exchange(&mut old, b"before").unwrap();
    world.ok(&["daemon", "restart"]);
    assert_eq!(draining(&world), [1]);
    exchange(&mut old, b"after").unwrap();
    world.engine.kill(&container(1));
    assert_reset(&mut old);
    world.eventually("the drainer has ended", || draining(&world).is_empty());
    world.end();
}

#[test]
fn a_drainer_that_was_killed_is_forgotten_and_one_that_lives_is_ended_by_a_stop() {
    let world = World::new();
    world.start();
    let mut first = connect(world.address).unwrap();
    exchange(&mut first, b"first").unwrap();
    let oldest = world.daemon().unwrap();
    world.ok(&["daemon", "restart"]);
    let mut second = connect(world.address).unwrap();
    exchange(&mut second, b"second").unwrap();
    world.ok(&["daemon", "restart"]);
    assert_eq!(draining(&world), [1, 1]);
    kill(oldest);
    // The kernel ends what a process that is killed had open.
    assert!(matches!(first.read(&mut [0]), Ok(0) | Err(_)));
    world.eventually("it is forgotten", || draining(&world) == [1]);
    assert!(!world.layout().drain_socket(u32::try_from(oldest).unwrap()).exists());
    exchange(&mut second, b"goes on").unwrap();
    world.ok(&["daemon", "stop"]);
    assert_reset(&mut second);
    world.end();
}

#[test]
fn a_daemon_whose_sockets_nobody_would_keep_does_not_give_its_place_up() {
    let world = World::new();
    world.start();
    let holder = world.holder();
    let (before, socket) = (world.daemon(), world.layout().holder_socket());
    let mut client = connect(world.address).unwrap();
    exchange(&mut client, b"before").unwrap();
    // A directory in its place: no holder can listen there.
    kill(holder);
    std::fs::remove_file(&socket).unwrap();
    std::fs::create_dir_all(socket.join("in the way")).unwrap();
    world.eventually("it is said", || world.log().contains("no holder keeps them"));
    let output = world.command(&["daemon", "restart"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("the daemon that runs does not give its place up"), "{told}");
    assert_eq!(world.daemon(), before);
    exchange(&mut client, b"after").unwrap();
    std::fs::remove_dir_all(&socket).unwrap();
    world.end();
}
