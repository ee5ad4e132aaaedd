//! Datagrams while the daemon is killed, restarted and told to end, and while their container dies.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::world::{PATIENCE, World, container, kill};

/// What a client may wait for an answer: longer than a daemon takes to come again.
const LONG: Duration = Duration::from_secs(10);

fn client(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket
}

/// Whether the client is answered as it asked.
fn is_answered(client: &UdpSocket, text: &[u8]) -> bool {
    let mut answer = [0; 64];
    client.send(text).unwrap();
    client.recv(&mut answer).is_ok_and(|length| answer[..length] == *text)
}

/// Clients that ask once each, and how many of them were and were not answered.
struct Asking(Vec<JoinHandle<(usize, usize)>>, Arc<AtomicBool>);

impl Asking {
    fn begin(address: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let asks = |_| {
            let over = Arc::clone(&over);
            std::thread::spawn(move || {
                let (mut answered, mut lost) = (0, 0);
                while !over.load(Ordering::Relaxed) {
                    if is_answered(&client(address), b"are you there") {
                        answered += 1;
                    } else {
                        lost += 1;
                    }
                }
                (answered, lost)
            })
        };
        Self((0..4).map(asks).collect(), over)
    }

    fn stop(self) -> (usize, usize) {
        self.1.store(true, Ordering::Relaxed);
        let all: Vec<(usize, usize)> = self.0.into_iter().map(|thread| thread.join().unwrap()).collect();
        (all.iter().map(|one| one.0).sum(), all.iter().map(|one| one.1).sum())
    }
}

#[test]
fn a_restart_loses_no_datagram() {
    let world = World::with_datagrams();
    world.start();
    let talks = client(world.address);
    assert!(is_answered(&talks, b"first") && is_answered(&talks, b"second"));
    let asking = Asking::begin(world.address);
    for _ in 0..5 {
        let told = world.ok(&["daemon", "restart"]);
        assert!(told.starts_with("the daemon was restarted, and runs as process "), "{told}");
        assert!(is_answered(&talks, b"and still"), "{}", world.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    let (answered, lost) = asking.stop();
    assert!(lost == 0 && answered > 300, "{answered} answered, {lost} lost\n{}", world.log());
    let routes = world.ok(&["route", "list"]);
    assert!(routes.contains(&format!("{}/udp", world.address)), "{routes}");
    // The old ones have what they had for half a minute more; an end does not wait for that.
    let address = world.address;
    world.end();
    UdpSocket::bind(address).unwrap();
}

#[test]
fn what_comes_while_no_daemon_runs_is_answered_by_the_next() {
    let world = World::with_datagrams();
    world.start();
    let asking = Asking::begin(world.address);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(300));
        let daemon = world.daemon();
        kill(daemon.unwrap());
        // It waits in the kernel; only what the daemon had in its hands is lost.
        assert!(is_answered(&client(world.address), b"while nobody is there"), "{}", world.log());
        world.wait_for_another(daemon);
    }
    let (answered, lost) = asking.stop();
    assert!(answered > 100 && lost <= 4 * 3, "{answered} answered, {lost} lost");
    world.end();
}

#[test]
fn a_session_with_a_container_that_died_goes_on_with_the_next_one() {
    let world = World::with_datagrams();
    world.start();
    let talks = client(world.address);
    assert!(is_answered(&talks, b"first") && is_answered(&talks, b"second"));
    let live = |world: &World| {
        let status = world.status();
        let routes = status["routes"].as_array().unwrap().clone();
        let names = routes.into_iter().find(|route| route["id"]["endpoint"] == "names").unwrap();
        names["live"].as_array().unwrap().len()
    };
    assert_eq!(live(&world), 1);
    world.engine.kill(&container(1));
    world.eventually("the session is closed", || live(&world) == 0);
    // What is said now waits for the container that is started in its place.
    talks.send(b"third").unwrap();
    world.run_container(2);
    world.serve_datagrams(2);
    world.write(|writer| {
        writer.put_instance(&crate::world::record(&container(2))).unwrap();
    });
    let mut answer = [0; 64];
    talks.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = talks.recv(&mut answer).unwrap();
    assert_eq!(&answer[..length], b"third");
    assert_eq!(live(&world), 1);
    world.end();
}
