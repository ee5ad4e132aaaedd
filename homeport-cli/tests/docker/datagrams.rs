//! A public address over UDP: the real command, engine and containers, and clients that send datagrams.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::fixture::{TestImage, static_program, write, write_archive};
use super::world::{World, docker};

/// Longer than a container takes to be replaced.
const LONG: Duration = Duration::from_secs(30);

/// A port that sends datagrams back. Its volume may be had by two versions at once.
fn image(version: &str) -> TestImage {
    let dir = tempfile::tempdir().unwrap();
    let manifest = format!(
        r#"protocol = "1.0"

[port]
id = "t-datagrams"
version = "{version}"
title = "An echo of datagrams for tests"

[volumes.data]
path = "/data"
access = "shared"
format = 1
uid = 0
gid = 0
mode = "0700"

[endpoints.datagrams]
port = 7003
transport = "udp"
protocol = "echo"
exposure = "public"
default_public = "random"

[endpoints.echo]
port = 7000
protocol = "echo"
exposure = "public"
default_public = "random"

[services.main]
uid = 0

[health]
ready_seconds = 20

[stop]
timeout_seconds = 3
"#
    );
    write(dir.path(), "port.toml", &manifest);
    write(dir.path(), "image.toml", "format = 1\ninit = \"echo\"\n");
    let archive = dir.path().join("image.tar");
    let name = write_archive(dir.path(), static_program("examples/echo"), &archive);
    docker(&["load", "--quiet", "--input", archive.to_str().unwrap()]);
    TestImage { name }
}

fn client(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket
}

fn is_answered(client: &UdpSocket, text: &[u8]) -> bool {
    let mut answer = [0; 64];
    client.send(text).unwrap();
    client.recv(&mut answer).is_ok_and(|length| answer[..length] == *text)
}

/// The containers that have sessions of the address, and how many.
fn live(world: &World) -> Vec<u64> {
    let shown = world.json(&["route", "show", "site", "datagrams"]);
    let live = shown["routes"][0]["live"]["live"].as_array().unwrap_or_else(|| panic!("{shown}")).clone();
    live.iter().map(|one| one["connections"].as_u64().unwrap()).collect()
}

#[test]
fn an_address_over_udp_is_reached_while_its_container_is_replaced_and_keeps_conversations_where_they_are() {
    let images = ["1.0.0", "1.1.0"].map(image);
    let world = World::new();
    let deployed = world.ok(&["deploy", &images[0].name, "--name", "site", "--route", "datagrams=127.0.0.1:random"]);
    let shown = world.address("site", "datagrams");
    assert!(shown.starts_with("127.0.0.1:") && shown.ends_with("/udp") && deployed.contains(&shown), "{deployed}");
    assert!(!world.address("site", "echo").contains("udp"), "the other one is of TCP");
    let address: SocketAddr = shown.trim_end_matches("/udp").parse().unwrap();
    assert!(is_answered(&client(address), b"hello"));

    // Clients that ask while the container is replaced wait for the next one.
    let over = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..4)
        .map(|_| {
            let over = Arc::clone(&over);
            std::thread::spawn(move || {
                let (mut answered, mut lost) = (0, 0);
                while !over.load(Ordering::Relaxed) {
                    let one = if is_answered(&client(address), b"are you there") { &mut answered } else { &mut lost };
                    *one += 1;
                    std::thread::sleep(Duration::from_millis(10));
                }
                (answered, lost)
            })
        })
        .collect();
    world.ok(&["restart", "site"]);
    std::thread::sleep(Duration::from_millis(500));
    over.store(true, Ordering::Relaxed);
    let fared: Vec<(usize, usize)> = asking.into_iter().map(|one| one.join().unwrap()).collect();
    let (answered, lost) = (fared.iter().map(|one| one.0).sum::<usize>(), fared.iter().map(|one| one.1).sum::<usize>());
    // The container that was stopped may have had one of each in its hands.
    assert!(answered > 20 && lost <= 4, "{answered} answered, {lost} lost");

    // The other version gets new clients; who is in a conversation stays.
    let talks = client(address);
    assert!(is_answered(&talks, b"first") && is_answered(&talks, b"second"));
    world.ok(&["upgrade", "site"]);
    assert!(is_answered(&talks, b"third") && is_answered(&client(address), b"new"));
    let sessions = live(&world);
    assert_eq!((sessions.len(), sessions.last()), (2, Some(&1)), "with both containers");
    let listed = world.ok(&["list"]);
    assert!(listed.contains(&format!("datagrams={shown}")), "{listed}");
    let counted: Value = world.json(&["route", "show", "site", "datagrams"])["routes"][0]["live"]["datagrams"].take();
    assert!(counted["to_clients"].as_u64().unwrap() > 20 && counted["unsent"] == 0, "{counted}");

    // Stopped, it drops what comes; started again it has its address.
    world.ok(&["stop", "site"]);
    let dropped = client(address);
    dropped.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(!is_answered(&dropped, b"anybody"));
    world.ok(&["start", "site"]);
    assert_eq!(world.address("site", "datagrams"), shown);
    assert!(is_answered(&client(address), b"hello again"));
    world.ok(&["remove", "site"]);
    UdpSocket::bind(address).unwrap();
}
