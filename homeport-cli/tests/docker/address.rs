//! Public addresses: the address of an instance is its own, whatever happens behind it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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

/// A web server of somebody else, until it is dropped.
struct Stranger {
    address: String,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stranger {
    fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let serve = move || {
            for client in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                client.unwrap().write_all(b"HTTP/1.0 200 OK\r\n\r\nstranger\n").ok();
            }
        };
        Self { address: address.to_owned(), is_over, thread: Some(std::thread::spawn(serve)) }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        TcpStream::connect(&self.address).ok();
        self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn an_address_that_another_program_took_while_no_daemon_ran_is_told_with_its_name_until_it_is_free() {
    let image = web("t-lost");
    let world = World::new();
    world.ok(&["deploy", &image.name, "--name", "site", "--route", "http=127.0.0.1:random"]);
    world.ok(&["route", "set", "site", "http", "--per-source", "7"]);
    let address = world.address("site", "http");
    world.ok(&["daemon", "stop"]);
    let told = world.ok(&["route", "show", "site"]);
    assert!(told.contains("the daemon does not run") && told.contains("7 from one source"), "{told}");
    let stranger = Stranger::at(&address);
    let holds = format!("(process {}) holds it", std::process::id());
    let did = world.run(&["daemon", "restart"]);
    assert_eq!(did.code, 3, "{did:?}");
    assert!(did.out.contains(&format!("`site/http` is not open at {address}")) && did.out.contains(&holds), "{did:?}");
    // What answers there is not the instance.
    let did = world.run(&["start", "site"]);
    assert_eq!(did.code, 1, "{did:?}");
    assert!(did.err.contains("HP-OPN-026") && did.err.contains(&holds), "{did:?}");
    for look in ["status site", "daemon status", "route list", "route show site", "route top -n 1 --every 1"] {
        let told = world.ok(&look.split(' ').collect::<Vec<_>>());
        assert!(told.contains(&holds), "{look}: {told}");
    }
    drop(stranger);
    let end = Instant::now() + Duration::from_secs(30);
    while !world.ok(&["route", "list"]).contains("leads to") {
        assert!(Instant::now() < end, "it is tried again every 5 s: {}", world.ok(&["route", "list"]));
        std::thread::sleep(Duration::from_millis(200));
    }
    world.ok(&["start", "site"]);
    assert!(!get(&address).contains("stranger"));
}
