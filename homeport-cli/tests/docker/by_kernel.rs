//! A public address whose clients the kernel leads to the container: the real command, engine and kernel, and clients of another
//! machine, which is a network namespace beside this one.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use homeport_host::accelerator::Nftables;
use homeport_host::layout::Layout;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use super::fixture::web;
use super::world::{World, tool};

const PATIENCE: Duration = Duration::from_secs(20);
const CLIENTS: usize = 6;
const PAUSE: Duration = Duration::from_millis(12);

/// Another machine, on a cable to this one.
struct Machine {
    process: Child,
    /// This machine's address on the cable.
    address: String,
}

impl Machine {
    fn new() -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"]).stdin(Stdio::null());
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        let process = command.spawn().unwrap();
        let pid = process.id().to_string();
        let end = Instant::now() + PATIENCE;
        while std::fs::read_link(format!("/proc/{pid}/ns/net")).map_or(true, |link| link == own) {
            assert!(Instant::now() < end, "`unshare` makes no network");
            std::thread::sleep(Duration::from_millis(5));
        }
        let [.., high, low] = process.id().to_be_bytes();
        // Of the addresses for measurements between networks, which nobody has.
        let (here, there) =
            (format!("198.18.{high}.{}", low & 0xfc | 1), format!("198.18.{high}.{}/30", low & 0xfc | 2));
        let cable = format!("hpt{pid}");
        tool("ip", &["link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &pid]);
        tool("ip", &["addr", "add", &format!("{here}/30"), "dev", &cable]);
        tool("ip", &["link", "set", &cable, "up"]);
        let script = format!(
            "ip link set lo up; ip addr add {there} dev eth0; ip link set eth0 up; ip route add default via {here}"
        );
        tool("nsenter", &[&format!("--net=/proc/{pid}/ns/net"), "sh", "-ec", &script]);
        Self { process, address: here }
    }

    /// Clients of it that come and go, some hundred a second.
    fn crowd(&self, to: SocketAddr) -> Crowd {
        let stop = Arc::new(AtomicBool::new(false));
        let network = format!("/proc/{}/ns/net", self.process.id());
        let client = || {
            let (stop, network) = (Arc::clone(&stop), network.clone());
            std::thread::spawn(move || {
                let file = File::open(network).unwrap();
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                let (mut served, mut failed) = (0, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    match get(to) {
                        Ok(answer) if answer.ends_with("hello\n") => served += 1,
                        Ok(answer) => failed.push(answer),
                        Err(error) => failed.push(error.to_string()),
                    }
                    std::thread::sleep(PAUSE);
                }
                (served, failed)
            })
        };
        Crowd { threads: (0..CLIENTS).map(|_| client()).collect(), stop }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The cable goes with the network at its end.
        self.process.kill().unwrap_or(());
        self.process.wait().ok();
    }
}

struct Crowd {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<(usize, Vec<String>)>>,
}

impl Crowd {
    /// How many were served; none may have failed.
    fn stop(self, what: &str) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let (mut served, mut failed) = (0, Vec::new());
        for thread in self.threads {
            let (one, others) = thread.join().unwrap();
            served += one;
            failed.extend(others);
        }
        assert!(failed.is_empty(), "{what}: {} of {} failed: {failed:?}", failed.len(), served + failed.len());
        served
    }
}

fn get(to: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// What carries the clients of the site.
fn carried(world: &World) -> String {
    let mut shown = world.json(&["route", "show", "site"]);
    let carried = shown["routes"][0]["live"]["carried"].take();
    carried["by"].as_str().unwrap_or("builtin").to_owned()
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_address_is_given_to_the_kernel_and_taken_back_without_a_failed_connection() {
    let image = web("t-kernel");
    let (world, machine) = (World::new(), Machine::new());
    let table = Nftables::new(Layout::under(&world.root()).unwrap().state_dir()).table().to_owned();
    let left = || tool("nft", &["list", "tables"]).contains(&table) || tool("iptables", &["-S"]).contains(&table);
    world.ok(&["deploy", &image.name, "--name", "site", "--route", &format!("http={}:random", machine.address)]);
    let write = "echo hello > /srv/site/index.html";
    world.ok(&["exec", "site", "--user", "1000:1000", "--", "/bin/busybox", "sh", "-c", write]);
    let address: SocketAddr = world.address("site", "http").parse().unwrap();
    assert_eq!((carried(&world).as_str(), left()), ("builtin", false));

    let clients = machine.crowd(address);
    for round in 0..8 {
        let backend = if round % 2 == 0 { "nftables" } else { "builtin" };
        let set = world.json(&["route", "set", "site", "http", "--backend", backend]);
        assert_eq!(set["rules"]["backend"].as_str().unwrap_or("builtin"), backend, "{set}");
        assert_eq!(carried(&world), backend, "{set}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let served = clients.stop("changes of the backend");
    assert!(served > 200, "only {served} clients came");

    world.ok(&["route", "set", "site", "http", "--backend", "nftables"]);
    let accepted = |world: &World| world.json(&["daemon", "status"])["routes"][0]["accepted"].as_u64().unwrap();
    let before = accepted(&world);
    machine.crowd(address).stop("led by the kernel");
    assert_eq!(accepted(&world), before, "nobody came to the router");

    let clients = machine.crowd(address);
    world.ok(&["daemon", "restart"]);
    assert_eq!(carried(&world), "nftables");
    let pid = world.json(&["daemon", "status"])["pid"].as_i64().unwrap();
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
    let another = || {
        let did = world.run(&["--json", "daemon", "status"]);
        let status: Value = serde_json::from_str(&did.out).unwrap_or_default();
        status["pid"].as_i64().is_some_and(|now| now != pid)
    };
    eventually("another daemon runs", another);
    eventually("it leads by the kernel again", || carried(&world) == "nftables");
    tool("nft", &["delete", "table", "inet", &table]);
    eventually("the table is made again", || tool("nft", &["list", "tables"]).contains(&format!("{table}\n")));
    clients.stop("a daemon that is restarted, one that is killed, and a table that is taken away");

    let clients = machine.crowd(address);
    world.ok(&["restart", "site"]);
    assert_eq!(carried(&world), "nftables");
    clients.stop("a container that is replaced");

    world.ok(&["stop", "site"]);
    assert!(get(address).is_err());
    world.ok(&["start", "site"]);
    assert_eq!(carried(&world), "nftables");
    world.ok(&["remove", "site"]);
    world.ok(&["daemon", "stop"]);
    assert!(!left(), "nothing of it is left");
}
