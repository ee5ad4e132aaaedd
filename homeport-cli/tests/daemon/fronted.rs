//! A haproxy carries clients: it outlives the daemon, and nobody who is connected by it notices a restart or a crash.

use std::io::Read as _;
use std::time::Duration;

use homeport_host::ledger::InstanceRecord;

use crate::clients::{Clients, connect, exchange};
use crate::world::{World, container, kill, record};

const MANIFEST: &str = r#"{
  "protocol": "1.0",
  "port": { "id": "web", "version": "1.1.0", "title": "A site" },
  "endpoints": { "http": { "port": 2022, "protocol": "http", "exposure": "lan", "default_public": "2222" } }
}"#;

/// One whose port is known well enough to be asked for rules.
fn world() -> World {
    let world = World::new();
    let manifest = MANIFEST.as_bytes().to_vec();
    world.write(|writer| {
        writer.put_instance(&InstanceRecord { manifest, ..record(&container(1)) }).unwrap();
    });
    world.start();
    world
}

/// What carries new clients now, and how many connections go past the router.
fn carried(world: &World) -> (String, u64) {
    let carried = &world.status()["routes"][0]["carried"];
    let by = carried["by"].as_str().unwrap_or("builtin").to_owned();
    (by, carried["connections"].as_u64().unwrap_or_default())
}

fn carry_by(world: &World, backend: &str) {
    world.ok(&["route", "set", "site", "http", "--backend", backend]);
    assert_eq!(carried(world).0, backend);
}

/// The haproxies of this HomePort: those whose directory is in its run directory.
fn haproxies(world: &World) -> Vec<u64> {
    let dir = world.layout().haproxy_dir();
    let is_one = |pid: &u64| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&dir));
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_one).collect()
}

#[test]
fn nobody_is_cut_off_when_the_daemon_is_restarted_or_killed_or_the_backend_changes() {
    let world = world();
    let short = Clients::that_come_and_go(world.address);
    carry_by(&world, "haproxy");
    let long = Clients::that_stay(world.address, 10);
    let before = haproxies(&world);
    assert_eq!(before.len(), 1);
    for _ in 0..3 {
        world.ok(&["daemon", "restart"]);
        world.eventually("it is carried by haproxy again", || carried(&world).0 == "haproxy");
        std::thread::sleep(Duration::from_millis(300));
    }
    for _ in 0..2 {
        let daemon = world.daemon();
        kill(daemon.unwrap());
        world.wait_for_another(daemon);
        world.eventually("it is carried by haproxy again", || carried(&world).0 == "haproxy");
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(haproxies(&world), before, "it is the same one all the while");
    world.eventually("those who stay are counted", || carried(&world).1 >= 10);
    carry_by(&world, "builtin");
    std::thread::sleep(Duration::from_millis(300));
    assert!(carried(&world).1 >= 10, "those who stay stay where they are");
    let fared = short.stop();
    assert_eq!((fared.refused, fared.broken.len()), (0, 0), "{fared:?}\n{}", world.log());
    assert!(fared.served > 500, "{fared:?}");
    let fared = long.stop();
    assert_eq!(fared.broken, Vec::<String>::new(), "{}", world.log());
    world.eventually("the last one leaves", || haproxies(&world).is_empty());
    world.end();
}

#[test]
fn who_is_connected_with_a_container_that_dies_is_cut_off_and_who_comes_waits() {
    let world = world();
    carry_by(&world, "haproxy");
    let mut client = connect(world.address).unwrap();
    exchange(&mut client, b"hello").unwrap();
    world.engine.kill(&container(1));
    // The container's end says nothing: the daemon has heard of it, and the haproxy is told.
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)), "{}", world.log());
    world.eventually("the route is held", || world.status()["routes"][0]["state"]["kind"] == "held");
    let _waits = connect(world.address).unwrap();
    assert_eq!(haproxies(&world).len(), 1, "it hands on to the router who waits");
    assert_eq!(carried(&world).0, "builtin");
    let dir = world.layout().haproxy_dir();
    world.ok(&["daemon", "stop"]);
    assert!(!dir.exists() && haproxies(&world).is_empty());
    world.end();
}

#[test]
fn a_rule_that_it_cannot_keep_is_refused_by_the_name_of_the_option() {
    let world = world();
    carry_by(&world, "haproxy");
    let refused = world.command(&["route", "set", "site", "http", "--log", "on"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("HP-RTR-034") && said.contains("`haproxy` cannot keep `--log`"), "{said}");
    assert_eq!(carried(&world).0, "haproxy");
    world.end();
}
