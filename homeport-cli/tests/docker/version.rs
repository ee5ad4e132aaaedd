//! Other versions of the shell port as its user meets them: the session that is open goes on, the next one comes to the
//! other version, at the same address and with the same host key, and what is in the home directory is there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use super::fixture::{newer_shell, shell};
use super::ssh_client::{Client, key, key_file};
use super::world::{World, docker};

/// A session that stays open, and answers line by line.
struct Session {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Session {
    fn open(client: &Client) -> Self {
        let mut command = client.ssh("bash");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout }
    }

    /// What one line of shell answers with one line.
    fn ask(&mut self, line: &str) -> String {
        writeln!(self.stdin, "{line}").unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    fn close(self) {
        let Self { mut child, stdin, .. } = self;
        drop(stdin);
        assert!(child.wait().unwrap().success(), "the session ends by itself");
    }
}

/// An instance of the older version, and a client that may log in.
fn deployed(world: &World) -> Client {
    let key = key(world.dir(), "key");
    world.ok(&["deploy", shell(), "--name", "sh", "--set-file", &key_file(&key), "--route", "ssh=127.0.0.1:random"]);
    Client::of(world, "sh", &key)
}

fn version(world: &World) -> String {
    world.status("sh")["version"].as_str().unwrap().to_owned()
}

fn format(world: &World, volume: &str) -> u64 {
    let status = world.status("sh");
    let mut volumes = status["volumes"].as_array().unwrap().iter();
    volumes.find(|found| found["name"] == volume).unwrap()["format"].as_u64().unwrap()
}

fn containers(world: &World) -> usize {
    let filter = format!("label=io.homeport.root={}", world.root_id().unwrap());
    docker(&["ps", "--quiet", "--filter", &filter]).lines().count()
}

#[test]
fn an_open_session_survives_an_upgrade_and_the_way_back_keeps_what_was_written_meanwhile() {
    let world = World::new();
    // Trusts the one host key that the older version has, and learns nothing.
    let client = deployed(&world);
    let address = world.address("sh", "ssh");
    client.ok("echo before > ~/letter");
    let mut session = Session::open(&client);
    assert_eq!(session.ask("cat ~/letter"), "before");
    let pid = session.ask("echo $$");
    let old = world.container("sh");

    world.ok(&["upgrade", "sh", "--to", newer_shell()]);
    assert_eq!((version(&world), format(&world, "hostkeys")), ("1.1.0".to_owned(), 2));
    assert_eq!(world.address("sh", "ssh"), address);
    assert_ne!(world.container("sh"), old);
    assert_eq!(session.ask("echo $$"), pid, "the session goes on, with the same process");
    assert_eq!(client.ok("cat ~/letter"), "before\n");
    client.ok("echo meanwhile > ~/letter2");
    assert_eq!(session.ask("cat ~/letter2"), "meanwhile", "both versions have the same home directory");
    assert_eq!(containers(&world), 2, "the old version serves who was there before");

    // The last client of the old version has gone, and with it the container.
    session.close();
    let patience = Instant::now() + Duration::from_mins(1);
    while containers(&world) != 1 {
        assert!(Instant::now() < patience, "the container of the old version is there still");
        std::thread::sleep(Duration::from_millis(200));
    }

    world.ok(&["rollback", "sh"]);
    assert_eq!((version(&world), format(&world, "hostkeys")), ("1.0.0".to_owned(), 1));
    assert_eq!(world.address("sh", "ssh"), address);
    assert_eq!(client.ok("cat ~/letter ~/letter2"), "before\nmeanwhile\n");
    let history = world.json(&["history", "sh"]).to_string();
    assert!(history.contains("from 1.0.0 to 1.1.0") && history.contains("from 1.1.0 to 1.0.0"), "{history}");
}

#[test]
fn a_session_with_the_old_version_and_its_container_survive_restarts_of_the_daemon() {
    let world = World::new();
    let client = deployed(&world);
    let mut session = Session::open(&client);
    let pid = session.ask("echo $$");
    world.ok(&["upgrade", "sh", "--to", newer_shell()]);
    for _ in 0..2 {
        world.ok(&["daemon", "restart"]);
        client.ok("true");
    }
    // The daemon looks every five seconds whether a container that retires has clients.
    let end = Instant::now() + Duration::from_secs(12);
    while Instant::now() < end {
        assert_eq!(session.ask("echo $$"), pid);
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(containers(&world), 2);
    assert_eq!(world.json(&["route", "list"])["routes"][0]["live"]["open"], 1, "the session is counted");
    session.close();
    let patience = Instant::now() + Duration::from_mins(1);
    while containers(&world) != 1 || world.json(&["daemon", "status"])["draining"] != serde_json::json!([]) {
        assert!(Instant::now() < patience, "the old version, or the daemon that had its client, is there still");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn what_a_stopped_instance_has_is_migrated_without_starting_it() {
    let world = World::new();
    let client = deployed(&world);
    client.ok("echo before > ~/letter");
    world.ok(&["stop", "sh"]);
    world.ok(&["upgrade", "sh", "--to", newer_shell()]);
    assert_eq!((version(&world), format(&world, "hostkeys"), containers(&world)), ("1.1.0".to_owned(), 2, 0));
    world.ok(&["start", "sh"]);
    assert_eq!(client.ok("cat ~/letter"), "before\n");
}
