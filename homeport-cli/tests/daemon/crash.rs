//! The daemon is killed, or its holder: no client is refused, and the next one has every address.

use std::time::Duration;

use crate::clients::{Clients, connect, exchange};
use crate::world::{World, kill};

#[test]
fn no_client_is_refused_while_the_daemon_is_killed_again_and_again() {
    let world = World::new();
    world.start();
    let clients = Clients::that_come_and_go(world.address);
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..4 {
        let daemon = world.daemon();
        kill(daemon.unwrap());
        // Nobody but the holder starts it again.
        world.wait_for_another(daemon);
        std::thread::sleep(Duration::from_millis(500));
    }
    let fared = clients.stop();
    assert_eq!(fared.refused, 0, "{fared:?}");
    // Who was connected when it was killed is cut off, and nobody else: at most one of each thread each time.
    assert!(fared.broken.len() <= 32 && fared.served > 300, "{fared:?}");
    let status = world.status();
    assert_eq!(status["routes"][0]["last_error"], serde_json::Value::Null, "{status}");
    world.end();
}

#[test]
fn a_holder_that_was_killed_has_a_successor_that_has_every_socket() {
    let world = World::new();
    world.start();
    let before = world.holder();
    let mut client = connect(world.address).unwrap();
    exchange(&mut client, b"before").unwrap();
    kill(before);
    world.eventually("another holder is there", || {
        let now = world.processes("daemon hold");
        now.len() == 1 && now != [before] && world.layout().holder_socket().exists()
    });
    exchange(&mut client, b"after").unwrap();
    world.holder();
    let daemon = world.daemon();
    let clients = Clients::that_come_and_go(world.address);
    std::thread::sleep(Duration::from_millis(200));
    kill(daemon.unwrap());
    world.wait_for_another(daemon);
    assert_eq!(clients.stop().refused, 0);
    world.end();
}

#[test]
fn a_stop_closes_every_address_also_where_the_daemon_was_killed_and_cannot_come_again() {
    let world = World::new();
    world.start();
    // A ledger that cannot be read keeps the next one from running; the holder tries again and again.
    let (ledger, aside) = (world.layout().ledger_file(), world.root().join("aside"));
    let daemon = world.daemon().unwrap();
    std::fs::rename(&ledger, &aside).unwrap();
    std::fs::create_dir(&ledger).unwrap();
    kill(daemon);
    world.eventually("it was tried more than once", || world.log().contains("it is tried again and again"));
    let _waits = connect(world.address).unwrap();
    let told = world.ok(&["daemon", "stop"]);
    assert_eq!(told, "the daemon has ended, and the public addresses are closed\n");
    assert_eq!(connect(world.address).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    std::fs::remove_dir(&ledger).unwrap();
    std::fs::rename(&aside, &ledger).unwrap();
    world.start();
    exchange(&mut connect(world.address).unwrap(), b"again").unwrap();
    world.end();
}

#[test]
fn a_daemon_that_is_told_to_end_closes_its_addresses_at_once_and_nobody_starts_it_again() {
    let world = World::new();
    world.start();
    assert_eq!(world.ok(&["daemon", "stop"]), "the daemon has ended, and the public addresses are closed\n");
    assert_eq!(connect(world.address).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!((world.daemon(), world.processes("daemon").len()), (None, 0));
    assert_eq!(world.ok(&["daemon", "stop"]), "the daemon did not run\n");
    world.end();
}
