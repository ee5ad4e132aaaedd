//! Public addresses: the address of an instance is its own, whatever happens behind it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::fixture::web;
use super::world::World;

fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_port_without_code_runs_and_is_reached_while_its_container_is_replaced() {
    let image = web("t-address");
    let world = World::new();
    world.ok(&["deploy", &image.name, "--name", "site", "--route", "http=127.0.0.1:random"]);
    let address = world.address("site", "http");
    world.ok(&[
        "exec",
        "site",
        "--user",
        "1000:1000",
        "--",
        "/bin/busybox",
        "sh",
        "-c",
        "echo hello > /srv/site/index.html",
    ]);
    assert!(get(&address).ends_with("hello\n"));
    // Clients that come while the container is replaced wait; none is refused.
    let clients: Vec<_> = (0..40)
        .map(|n| {
            let address = address.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(n * 50));
                get(&address)
            })
        })
        .collect();
    world.ok(&["restart", "site"]);
    // A client that was refused or reset has panicked in its thread: joining it fails the test.
    let answers: Vec<String> =
        clients.into_iter().map(|client| client.join().expect("a client that is served")).collect();
    assert_eq!(answers.len(), 40);
    assert!(
        answers.iter().all(|answer| answer.ends_with(
            "hello
"
        )),
        "connections that failed during a restart: {answers:?}"
    );
    assert_eq!(world.address("site", "http"), address);
}

#[test]
fn an_address_that_another_program_has_is_refused_with_its_name() {
    let image = web("t-taken");
    let world = World::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let before = world.ok(&["--json", "list"]);
    let did = world.run(&["--quiet", "deploy", &image.name, "--name", "site", "--route", &format!("http={address}")]);
    assert_eq!(did.code, 1, "{did:?}");
    let shown = did.err.replace(&address.port().to_string(), "PORT").replace(&std::process::id().to_string(), "PID");
    let shown = regex_lite::Regex::new("docker-[0-9a-f]+").unwrap().replace_all(&shown, "NAME").into_owned();
    insta::assert_snapshot!(super::refused_config::mask(&world, &shown));
    assert_eq!(world.traces(), Vec::<String>::new());
    assert_eq!(world.ok(&["--json", "list"]), before);
    drop(taken);
    world.ok(&["deploy", &image.name, "--name", "site", "--route", &format!("http={address}")]);
}
